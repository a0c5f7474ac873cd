"""The gauges of /metrics, brought up to date before a scrape.

What this process knows is always fresh. What must be counted in the database is counted again after a time that grows
with the number of rows, so that scrapes cost little however much waits or is wrong.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import trio
from attrs import define, field, frozen

from daemon.engine.context import ConnectionContext
from daemon.engine.supervisor import Supervisor
from daemon.errors import Side
from daemon.listener.webhooks import Endpoint
from daemon.model import ConnectionId, Kind, Site
from daemon.observability.metrics import Metrics, QueueDepth, ThrottleSnapshot
from daemon.storage.age import age_if_known
from daemon.storage.counts import Counts, counts
from daemon.storage.database import OpenStorage
from daemon.storage.vault import Vault
from daemon.transport.throttle.limiter import LimiterStatistics

ALWAYS = 1_000
"""Rows up to which every scrape counts, which takes a few milliseconds."""

ROWS_A_SECOND = 5_000
"""Rows that are counted a second at most, on average. A core counts some millions."""

LONGEST = 60.0
"""Seconds after which counts are taken again, whatever their cost."""


@frozen
class Counted:
    """A connection with numbers in the database, whether it is worked on or paused."""

    id: ConnectionId
    site: Site
    kinds: Iterable[Kind]


@define(kw_only=True)
class Gauges:
    """Updates the gauges of every connection that this process works on, or would if it were not `paused`."""

    storage: OpenStorage
    vault: Vault
    supervisor: Supervisor
    paused: Callable[[], Iterable[Endpoint]]
    metrics: Metrics
    _counts: Counts = field(init=False, factory=Counts)
    _of: frozenset[ConnectionId] = field(init=False, factory=frozenset)
    _due: float = field(init=False, default=0.0)

    async def refresh(self, now: float) -> None:
        """Update the gauges; `now` is the database's time. Raises StorageTrouble."""
        ids = frozenset(connection.id for connection, _ in self._connections())
        await self._count(ids)
        # Looked at again, since meanwhile a connection may have ended, and its gauges been forgotten.
        present = [(connection, paused) for connection, paused in self._connections() if connection.id in ids]
        contexts = [context for context in self.supervisor.contexts if context.connection.id in ids]
        self.metrics.storage_waiting(self.storage.waiting)
        blocked = sum(any(context.blocked(kind) for kind in context.kind_states) for context in contexts)
        self.metrics.connections(
            {
                "active": len(contexts) - blocked,
                "blocked": blocked,
                "paused": self._counts.paused,
                "leaving": self._counts.leaving,
            }
        )
        self.metrics.outbox(depth for connection, _ in present for depth in self._depths(connection, now))
        for connection, paused in present:
            self.metrics.paused(connection.site, is_paused=paused)
            for kind in connection.kinds:
                self._of_kind(connection, kind)
            self._registration(connection, now)
        for context in contexts:
            for kind in context.kind_states:
                self._pause_of(context, kind)
            for limiter in (context.platform.limiter, context.sparklayer.limiter):
                self.metrics.throttle(context.connection.site, _snapshot(limiter.statistics()))

    def _connections(self) -> Iterator[tuple[Counted, bool]]:
        """Yield the connections of this process, each with whether it is paused."""
        for context in self.supervisor.contexts:
            yield Counted(context.connection.id, context.connection.site, context.kind_states), False
        for endpoint in self.paused():
            yield Counted(endpoint.connection_id, endpoint.site, endpoint.kinds), True

    async def _count(self, ids: frozenset[ConnectionId]) -> None:
        """Count what the database has, if that is due."""
        if ids == self._of and trio.current_time() < self._due:
            return
        self._counts = await self.storage.read(counts, ids)
        rows = self._counts.rows
        wait = 0.0 if rows <= ALWAYS else min(LONGEST, rows / ROWS_A_SECOND)
        self._of, self._due = ids, trio.current_time() + wait

    def _depths(self, connection: Counted, now: float) -> list[QueueDepth]:
        return [
            QueueDepth(
                site=connection.site,
                kind=kind,
                lane=depth.lane,
                state=depth.state,
                rows=depth.rows,
                oldest_seconds=age_if_known(depth.oldest, now),
            )
            for kind in connection.kinds
            for depth in self._counts.depths.get((connection.id, kind), ())
        ]

    def _of_kind(self, connection: Counted, kind: Kind) -> None:
        counted, metrics, site = self._counts, self.metrics, connection.site
        place = connection.id, kind
        metrics.issues(site, kind, counted.issues.get(place, 0))
        metrics.removals_held(site, kind, counted.held.get(place, 0))
        metrics.gap(site, kind, is_open=place in counted.gaps)
        untold, synced = counted.untold.get(place, 0), counted.synced.get(place, 0)
        metrics.sync_log_waiting(site, kind.value, errors=untold, synced=synced)
        if place in counted.census_seconds:
            metrics.census(site, kind, counted.census_seconds[place])
        if place in counted.succeeded_at:
            metrics.full_sync_succeeded(site, kind, counted.succeeded_at[place])
        if run := counted.runs.get(place):
            metrics.full_sync_progress(site, kind, {"seen": run.seen, "done": run.done, "failed": run.failed})

    def _pause_of(self, context: ConnectionContext, kind: Kind) -> None:
        """Show which sides block a kind, and since when."""
        pauses = (context.pause, context.kind_states[kind].pause)
        sides = {pause.cause.side for pause in pauses if pause.cause is not None}
        began = [pause.began_at for pause in pauses if pause.began_at is not None]
        self.metrics.blocked(
            context.connection.site, kind, {side: side in sides for side in Side}, min(began, default=None)
        )

    def _registration(self, connection: Counted, now: float) -> None:
        found = self._counts.registrations.get(connection.id)
        if found is None:
            return
        findings: Any = self.vault.decrypt(found.encrypted)
        self.metrics.webhook_scopes(
            connection.site,
            registered=found.registered,
            missing=found.missing,
            age=None if found.looked_at is None else now - found.looked_at,
            unwell=now - findings["well_at"] if "well_at" in findings else None,
        )


def _snapshot(now: LimiterStatistics) -> ThrottleSnapshot:
    return ThrottleSnapshot(
        api=now.api,
        waiting=now.waiting,
        oldest_seconds=now.oldest,
        in_flight=now.in_flight,
        pause_seconds=now.numbers.pause or 0.0,
        held_back=now.held_back,
        breaker_open=now.breaker != "closed",
        turns=now.granted,
        refused=now.refused,
        waited_seconds=now.waited,
    )
