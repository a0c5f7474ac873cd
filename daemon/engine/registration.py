"""Registers a connection's webhooks, and mends them, at every start and then hourly.

A webhook that was made, mended or switched on is a gap: its deliveries may have been missing until now, and may be
missing for a while longer. The gap is noted before the first change and after the last one. So it is closed even if the
daemon dies in between, when the next look finds everything right.
"""

from collections.abc import Collection

import structlog
import trio
from attrs import evolve

from daemon.engine.context import ConnectionContext
from daemon.engine.gaps import note_gaps
from daemon.errors import MISSING_RIGHT, Blocked, Failure, Retry
from daemon.model import Kind
from daemon.platforms.base import Registration
from daemon.storage import gaps, registrations
from daemon.storage.gaps import GapNote
from daemon.storage.registrations import Found

CHECK_EVERY = 3600.0

log = structlog.get_logger()


class Webhooks:
    """The webhooks of one connection. `destination` is the URL that they are sent to; None: there are none."""

    def __init__(self, context: ConnectionContext, destination: str | None) -> None:
        self._context = context
        self._destination = destination
        self._attempts = 0
        self._announced: GapNote | None = None

    async def run(self) -> None:
        """Register and mend until cancelled."""
        context = self._context
        if self._destination is None:
            await context.storage.write(registrations.forget, context.connection.id)
            return
        while True:
            await context.pause.over()
            failure = await self._look(self._destination)
            if isinstance(failure, Blocked) and failure.reason not in MISSING_RIGHT:
                context.pause.start(failure)
            elif isinstance(failure, Retry):
                await trio.sleep(context.backoff(self._attempts, failure.after))
                self._attempts += 1
            else:
                self._attempts = 0
                await trio.sleep(CHECK_EVERY)

    async def _look(self, destination: str) -> Failure | None:
        """Register and mend missing webhooks; return the failure that left some missing."""
        context, self._announced = self._context, None
        site = str(context.connection.site)
        try:
            found = await context.platform.ensure_webhooks(destination, self._announce)
        except Failure as error:
            log.warning("webhooks are not registered yet", site=site, reason=error.reason)
            await self._withdraw()
            await self._store_trouble(error)
            return error
        await note_gaps(context, found.kinds, context.platform_type.webhooks.active_after, at_once=found.fresh)
        await self._withdraw(but=found.kinds)
        await self._store(found)
        for kind_state in context.kind_states.values() if found.mended else ():
            kind_state.sweep.set()  # dated changes need not wait until the gap is due
        if found.missing or found.failure:
            reason = found.failure.reason if found.failure else "refused"
            log.warning("webhooks are missing", site=site, reason=reason, scopes=sorted(found.missing))
        else:
            log.info("webhooks are registered", site=site, mended=found.mended)
        return found.failure

    async def _announce(self, found: Registration) -> None:
        """Note the gap before the first change, in case the daemon dies before the last one."""
        context = self._context
        self._announced = GapNote(
            connection_id=context.connection.id,
            kinds=[kind for kind in context.kind_states if kind in found.kinds],
            due_at=context.now() + context.platform_type.webhooks.active_after,
            at_once=found.fresh,
            maybe=True,
        )
        await context.storage.write(gaps.note, self._announced)
        for kind in self._announced.kinds:
            context.kind_states[kind].gap.set()  # should noting it at the end fail, the announced gap is closed

    async def _withdraw(self, but: Collection[Kind] = ()) -> None:
        """Forget the announced gaps, except of the kinds `but`: nothing of theirs was changed.

        Otherwise a scope that is refused each hour would have everything read each hour.
        """
        if self._announced is not None:
            left = [kind for kind in self._announced.kinds if kind not in but]
            await self._context.storage.write(gaps.withdraw, evolve(self._announced, kinds=left))

    async def _store(self, found: Registration) -> None:
        context = self._context
        encrypted = context.vault.encrypt({"missing": dict(found.missing), "trouble": None})
        now = Found(
            connection_id=context.connection.id,
            registered=found.registered,
            missing=len(found.missing),
            looked_at=context.now(),
            encrypted=encrypted,
        )
        await context.storage.write(registrations.store, now)

    async def _store_trouble(self, error: Failure) -> None:
        """Store why the webhooks cannot be looked at now, beside the findings of the last look."""
        context = self._context
        before = await context.storage.read(registrations.found, context.connection.id)
        told = context.vault.decrypt(before.encrypted) if before else None
        missing = told.get("missing", {}) if isinstance(told, dict) else {}
        now = Found(
            connection_id=context.connection.id,
            registered=before.registered if before else 0,
            missing=before.missing if before else 0,
            looked_at=before.looked_at if before else None,
            encrypted=context.vault.encrypt({"missing": missing, "trouble": str(error)}),
        )
        await context.storage.write(registrations.store, now)
