"""Registers a connection's webhooks, and mends them: at every start, at intervals, and when a delivery was lost.

A webhook that was made, mended or switched on is a gap: its deliveries may have been missing until now, and may be
missing for a while longer. The gap is noted before the first change and after the last one. So it is closed even if the
daemon dies in between, when the next look finds everything right.

A list without any of our webhooks, where there were some, counts only if it comes twice: to register them once more
would double each delivery, or be refused.
"""

from collections.abc import Collection
from typing import Any

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
from daemon.storage.registrations import StoredRegistration
from daemon.transport.second_answer import SECOND_AFTER

log = structlog.get_logger()


class WebhookRegistration:
    """The webhooks of one connection. `destination` is the URL that they are sent to; None: there are none."""

    def __init__(self, context: ConnectionContext, destination: str | None) -> None:
        self._context = context
        self._destination = destination
        self._announced: GapNote | None = None
        self._is_doubted = False
        """True if the last look found none of our webhooks where there were some."""

    async def run(self) -> None:
        """Register and mend until cancelled."""
        context, attempts = self._context, 0
        if self._destination is None:
            await context.storage.write(registrations.forget, context.connection.id)
            return
        while True:
            await context.pause.over()
            failure = await self._look(self._destination)
            if isinstance(failure, Blocked) and failure.reason not in MISSING_RIGHT:
                context.pause.start(failure)
            elif isinstance(failure, Retry):
                await trio.sleep(context.backoff(attempts, failure.after))
                attempts += 1
            else:  # a refusal, or a missing right: more tries do not help
                attempts, options = 0, context.options
                rest = options.webhooks_every
                if context.platform_type.webhooks.needs_care:
                    rest = min(rest, options.sweep_every)
                await context.look.wait_until(trio.current_time() + rest)

    async def _look(self, destination: str) -> Failure | None:
        """Register and mend missing webhooks; return the failure that left some missing."""
        context, self._announced = self._context, None
        site = str(context.connection.site)
        await context.write_something()
        try:
            found = await context.platform.ensure_webhooks(destination, self._announce)
        except Failure as error:
            log.warning("webhooks are not registered yet", site=site, reason=error.reason)
            await self._withdraw()
            await self._store_trouble(error)
            return error
        self._is_doubted = False
        # Again, since the time in which the platform may still deliver nothing begins only now.
        await note_gaps(context, found.kinds, context.platform_type.webhooks.active_after, at_once=found.fresh)
        await self._withdraw(but=found.kinds)
        await self._store(found, destination)
        if found.mended:
            context.sweep_now()  # dated changes need not wait until the gap is due
        if found.missing or found.failure:
            reason = found.failure.reason if found.failure else "refused"
            log.warning("webhooks are missing", site=site, reason=reason, scopes=sorted(found.missing))
        else:
            off = sorted(found.switched_off)
            log.info("webhooks are registered", site=site, mended=found.mended, switched_off=off)
        return found.failure

    async def _announce(self, found: Registration) -> None:
        """Note the gap before the first change, in case the daemon dies before the last one.

        Raises Retry if no webhook of ours is listed for the first time, although there were some.
        """
        context = self._context
        if found.fresh and not self._is_doubted:
            earlier = await context.storage.read(registrations.found, context.connection.id)
            if earlier is not None and earlier.registered:
                self._is_doubted = True
                raise Retry("the list has none of our webhooks", reason="webhooks_unlisted", after=SECOND_AFTER)
        active_after = context.platform_type.webhooks.active_after
        self._announced = await note_gaps(context, found.kinds, active_after, at_once=found.fresh, maybe=True)

    async def _withdraw(self, but: Collection[Kind] = ()) -> None:
        """Forget the announced gaps, except of the kinds `but`: nothing of theirs was changed.

        Otherwise a scope that is refused each hour would have everything read each hour.
        """
        if self._announced is not None:
            left = [kind for kind in self._announced.kinds if kind not in but]
            await self._context.storage.write(gaps.withdraw, evolve(self._announced, kinds=left))

    async def _store(self, found: Registration, destination: str) -> None:
        context, site, now = self._context, self._context.connection.site, self._context.now()
        earlier = await context.storage.read(registrations.found, context.connection.id)
        # Findings outlast the looks after them: the last one is seldom the one that explains a gap.
        findings: Any = context.vault.decrypt(earlier.encrypted) if earlier else {}
        findings |= {"missing": dict(found.missing), "trouble": None, "destination": destination}
        if not found.fresh and (found.mended or found.switched_off):
            context.metrics.count("webhooks_mended_total", str(site), more=found.mended)
            context.metrics.count("webhooks_switched_off_total", str(site), more=len(found.switched_off))
            lists = {"made": sorted(found.made), "switched_off": sorted(found.switched_off)}
            findings["mended"] = {"at": now, "changes": found.mended, **lists}
        if not (found.missing or found.failure):
            findings["well_at"] = now
        call = StoredRegistration(
            connection_id=context.connection.id,
            registered=found.registered,
            missing=len(found.missing),
            looked_at=now,
            encrypted=context.vault.encrypt(findings),
        )
        await context.storage.write(registrations.store, call)

    async def _store_trouble(self, error: Failure) -> None:
        """Store why the webhooks cannot be looked at now, beside the findings of the last look."""
        context = self._context
        never = StoredRegistration(
            connection_id=context.connection.id,
            registered=0,
            missing=0,
            looked_at=None,
            encrypted=context.vault.encrypt({"missing": {}}),
        )
        before = await context.storage.read(registrations.found, context.connection.id) or never
        findings: Any = context.vault.decrypt(before.encrypted)
        encrypted = context.vault.encrypt({**findings, "trouble": str(error)})
        await context.storage.write(registrations.store, evolve(before, encrypted=encrypted))
