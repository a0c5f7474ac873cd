"""Reports that are owed to SparkLayer's sync-log.

A full sync's start is owed as a PUT, its end as the last PATCH; between them issues that are `untold` and the ids in
`synced` are owed as PATCHes. A report is taken before it is sent, and confirmed after it was accepted; changes in
between stay owed. No id is in both lists of a report: an entity has an issue or is synced.
"""

from collections.abc import Sequence

from attrs import field, frozen
from sqlalchemy import Connection, bindparam, delete, func, select, update

from daemon.model import ConnectionId, ExternalId, Kind, RunId
from daemon.storage.full_syncs import ending, latest, note_told
from daemon.storage.group_commit import KindCall, one_by_one
from daemon.storage.outbox import active, while_active
from daemon.storage.prepared import Prepared, given, of_given_kind
from daemon.storage.tables import issues, of_kind, sync_log, synced

MAX_ERRORS = 5000
"""The number of errors that SparkLayer keeps (sparklayer.md section 8)."""


@frozen(kw_only=True)
class Report(KindCall):
    """The next request: a PUT when `full`, else a PATCH.

    `errors` are (id, fingerprint, encrypted text), `resolved` (id, revision). `run` is the run whose start (PUT) or end
    (PATCH) the report tells. The two times and `succeeded` are those of the sync-log after the report. `puts` are the
    PUTs, owed after last words, that this one makes up for.
    """

    full: bool
    run: RunId | None
    started_at: float | None
    last_full_sync: float | None
    succeeded: bool | None
    errors: Sequence[tuple[ExternalId, bytes, bytes]] = field(repr=False)
    resolved: Sequence[tuple[ExternalId, int]] = field(repr=False)
    puts: int = 0


@one_by_one
def take(conn: Connection, call: tuple[ConnectionId, Kind]) -> Report | None:
    """Return the next report of a kind, None when nothing is owed; its issues become maybe-told."""
    connection_id, kind = call
    if not active(conn, [connection_id]):
        return None
    log = conn.execute(_LOG, given(connection_id, kind)).one_or_none()
    # Before the first PUT, SparkLayer has no log that could be patched.
    if log is None or (log.put_for is None and not log.ever_put):
        return None
    full = log.put_for is not None or log.puts_owed > 0
    errors = _errors(conn, connection_id, kind, everything=full)
    resolved = [tuple(row) for row in conn.execute(_SYNCED, given(connection_id, kind))]
    ended = None if full else ending(conn, connection_id, kind)
    if not (full or errors or resolved or ended):
        return None
    if errors:
        # Before the report is sent: when its answer is lost, SparkLayer may have it, and a resolved issue is reported.
        by_id = (*of_kind(issues, connection_id, kind), issues.c.external_id == bindparam("b_id"))
        ids = [{"b_id": external_id} for external_id, _, _ in errors]
        conn.execute(update(issues).where(*by_id).values(maybe_told=True), ids)
    return Report(
        connection_id=connection_id,
        kind=kind,
        full=full,
        run=log.put_for if full else ended.id if ended else None,
        started_at=log.started_at,
        last_full_sync=ended.finished_at if ended else log.last_full_sync,
        succeeded=ended.succeeded if ended else log.last_succeeded,
        errors=errors,
        resolved=resolved,
        puts=log.puts_owed if full else 0,
    )


def _errors(
    conn: Connection, connection_id: ConnectionId, kind: Kind, *, everything: bool
) -> list[tuple[ExternalId, bytes, bytes]]:
    """Return the issues of a report: all of them in a PUT, else the untold ones that there is room for."""
    of_this = given(connection_id, kind)
    if everything:
        return [tuple(row) for row in conn.execute(_EVERY_ERROR, {**of_this, "most": MAX_ERRORS})]
    # A changed issue replaces its error in SparkLayer; only a new one needs room.
    told = conn.execute(_TOLD_ERRORS, of_this).scalar_one()
    known = conn.execute(_CHANGED_ERRORS, of_this).all()
    new = conn.execute(_NEW_ERRORS, {**of_this, "most": max(0, MAX_ERRORS - told)}).all()
    return [tuple(row) for row in (*known, *new)]


@while_active
def confirm(conn: Connection, report: Report) -> None:
    """Note that SparkLayer accepted a report."""
    if report.full:
        # The PUT has replaced all errors: those that it had no room for are untold.
        conn.execute(update(issues).where(*of_kind(issues, report.connection_id, report.kind)).values(untold=True))
    if report.errors:
        # An issue that has changed meanwhile has another fingerprint, and is reported again.
        as_sent = (issues.c.external_id == bindparam("b_id"), issues.c.fingerprint == bindparam("b_fingerprint"))
        conn.execute(
            update(issues).where(*of_kind(issues, report.connection_id, report.kind), *as_sent).values(untold=False),
            [{"b_id": external_id, "b_fingerprint": fingerprint} for external_id, fingerprint, _ in report.errors],
        )
    if report.resolved:
        # An entity that was synced again meanwhile has a higher revision, and is reported again.
        of_this = given(report.connection_id, report.kind)
        _REPORTED(conn, ({**of_this, "id": key, "as_sent": revision} for key, revision in report.resolved))
    mine = of_kind(sync_log, report.connection_id, report.kind)
    if report.full:
        # Not 0: a last word that came meanwhile is about a report after this one.
        left = sync_log.c.puts_owed - report.puts
        conn.execute(update(sync_log).where(*mine).values(ever_put=True, puts_owed=left))
        # A run that has started since is owed a PUT of its own.
        conn.execute(update(sync_log).where(*mine, sync_log.c.put_for == report.run).values(put_for=None))
    elif report.run is not None:
        # First, as a start does that supersedes the run.
        note_told(conn, report.run)
        ended = {"last_full_sync": report.last_full_sync, "last_succeeded": report.succeeded}
        conn.execute(update(sync_log).where(*mine).values(**ended))


@one_by_one
def owe_put(conn: Connection, call: tuple[ConnectionId, Kind]) -> None:
    """Owe SparkLayer, which has lost its log, the stored state as a PUT."""
    # Without `active`: once a connection is wiped, it has no row to update.
    run = latest(conn, *call)
    conn.execute(update(sync_log).where(*of_kind(sync_log, *call)).values(put_for=run.id if run else None))


def owe_one_more(conn: Connection, connection_id: ConnectionId, kind: Kind) -> None:
    """Owe a PUT because a node without its lease may have sent a report, perhaps behind a newer one."""
    log = update(sync_log).where(*of_kind(sync_log, connection_id, kind))
    conn.execute(log.values(puts_owed=sync_log.c.puts_owed + 1))


_LOG = select(sync_log).where(*of_given_kind(sync_log))
_C = issues.c
_ERRORS = (
    select(_C.external_id, _C.fingerprint, _C.encrypted)
    .where(*of_given_kind(issues))
    .order_by(_C.opened_at, _C.external_id)
)
_EVERY_ERROR = _ERRORS.limit(bindparam("most"))
_CHANGED_ERRORS = _ERRORS.where(_C.untold, _C.maybe_told)
_NEW_ERRORS = _EVERY_ERROR.where(_C.untold, ~_C.maybe_told)
_TOLD_ERRORS = select(func.count()).where(*of_given_kind(issues), _C.maybe_told)
_SYNCED = select(synced.c.external_id, synced.c.revision).where(*of_given_kind(synced)).limit(MAX_ERRORS)
_REPORTED = Prepared(
    delete(synced).where(
        *of_given_kind(synced), synced.c.external_id == bindparam("id"), synced.c.revision == bindparam("as_sent")
    )
)
