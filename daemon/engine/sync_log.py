"""The one writer of a connection's sync-log for one kind, so that PUT, PATCHes and the closing PATCH keep their order.

The database has what is owed; this only sends it: a full sync's start as a PUT, then at most one PATCH a second with
new errors and synced ids. The last PATCH has the full sync's end. A report that SparkLayer refuses is split until the
bad part stands alone. A refused error is given up and logged; a list of resolved ids stays owed. The start and end of a
full sync are sent in any case, so that no wrong guess about the fields holds up the rest.
"""

import structlog
import trio
from attrs import evolve

from daemon.engine.context import ConnectionContext
from daemon.errors import MISSING_RIGHT, Blocked, Forbidden, Missing, Rejected, Retry
from daemon.issues import title
from daemon.model import Kind
from daemon.sparklayer.sync_log import SyncError
from daemon.storage import sync_log
from daemon.storage.sync_log import Report

PATCH_EVERY = 1.0
LONGEST_REFUSAL = 60.0
"""Seconds between two tries of a refused report: while it waits, the next full sync's start waits too."""

log = structlog.get_logger()


class SyncLogWriter:
    """Sends the reports that are owed, until cancelled."""

    def __init__(self, context: ConnectionContext, kind: Kind) -> None:
        self._context = context
        self._kind = kind
        self._kind_state = context.kind_states[kind]

    async def run(self) -> None:
        """Send reports as they become due."""
        context, attempts = self._context, 0
        while True:
            await context.pause.over()
            report = await context.storage.write(sync_log.take, (context.connection.id, self._kind))
            if report is None:
                await self._kind_state.report.wait()
                continue
            whole = False
            try:
                whole = await self._deliver(report)
            except Missing:
                # SparkLayer has lost its log, and only a PUT makes one.
                await context.storage.write(sync_log.owe_put, (context.connection.id, self._kind))
                pause = context.backoff(attempts)
            except (Blocked, Retry) as error:
                # A missing right may be the sync-log's alone: then entities go on.
                if isinstance(error, Blocked) and error.reason not in MISSING_RIGHT:
                    context.pause.start(error)
                pause = context.backoff(attempts, error.after)
            else:
                pace = 0 if report.full else PATCH_EVERY
                pause = pace if whole else min(context.backoff(attempts + 1), LONGEST_REFUSAL)
            attempts = 0 if whole else attempts + 1
            await trio.sleep(pause)

    async def _deliver(self, report: Report) -> bool:
        """Send a report, in parts if it is refused, and note the accepted ones; False if a part stays owed."""
        try:
            await self._call(report)
        except Missing:
            raise
        except (Rejected, Forbidden) as error:
            log.warning("the sync-log refuses a report", site=str(self._context.connection.site), reason=error.reason)
            parts = _parts(report)
            if parts:
                whole = True
                for part in parts:  # one after the other: they must not overtake each other
                    await trio.sleep(PATCH_EVERY)
                    whole = await self._deliver(part) and whole
                return whole
            if report.resolved or isinstance(error, Forbidden):
                # Given up, these ids would keep their errors in SparkLayer for ever; a right may be granted.
                return False
        context = self._context
        await context.storage.write(sync_log.confirm, report)
        if report.run is not None and not report.full:
            context.full_sync_ended(self._kind, succeeded=bool(report.succeeded))
        self._kind_state.runs.set()  # the next run may start, and leftovers may be looked for
        return True

    async def _call(self, report: Report) -> None:
        api, errors = self._context.sparklayer.sync_log, []
        for external_id, _, encrypted in report.errors:
            issue = self._context.vault.decrypt(encrypted)
            assert isinstance(issue, dict)  # as the pipeline encrypted it
            issues = issue["problems"]
            errors.append(
                SyncError(
                    external_id=external_id,
                    external_url=issue["url"],
                    visible_id=issue["name"],
                    title=title(issues[0][0]),
                    message=" ".join(message for _, message in issues),
                )
            )
        method, outcome = "PUT" if report.full else "PATCH", "failed"
        try:
            if report.full:
                await api.put(
                    self._kind.value,
                    started_full_sync=report.started_at,
                    last_full_sync=report.last_full_sync,
                    succeeded=report.succeeded,
                    errors=errors,
                )
            else:
                ending = report.run is not None
                await api.patch(
                    self._kind.value,
                    errors=errors,
                    resolved=[external_id for external_id, _ in report.resolved],
                    last_full_sync=report.last_full_sync if ending else None,
                    succeeded=report.succeeded if ending else None,
                )
            outcome = "accepted"
        finally:
            site = str(self._context.connection.site)
            self._context.metrics.count("sync_log_calls_total", site, self._kind, method, outcome)


def _parts(report: Report) -> list[Report]:
    """Return the parts to send instead of a refused report; none if it cannot be split any further."""
    bare = evolve(report, errors=(), resolved=())
    lists = evolve(report, run=None)
    if not report.errors and not report.resolved:
        return []
    if report.full:  # the PUT must be accepted before anything else; the errors follow as PATCHes
        return [bare]
    if report.run is not None:  # the end goes last, and alone
        return [lists, bare]
    if report.errors and report.resolved:
        return [evolve(report, resolved=()), evolve(report, errors=())]
    half = len(report.errors) // 2
    return [evolve(report, errors=part) for part in (report.errors[:half], report.errors[half:])] if half else []
