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
from daemon.model import ConnectionId, Kind
from daemon.observability.metrics import Metrics
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
    site: str
    kinds: Iterable[Kind]
    paused: bool


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
        ids = frozenset(connection.id for connection in self._connections())
        await self._count(ids)
        # Looked at again, since meanwhile a connection may have ended, and its gauges been forgotten.
        present = [connection for connection in self._connections() if connection.id in ids]
        contexts = [context for context in self.supervisor.contexts if context.connection.id in ids]
        show = self.metrics.show
        show("storage_waiting", self.storage.waiting)
        blocked = sum(any(context.blocked(kind) for kind in context.kind_states) for context in contexts)
        states = {"active": len(contexts) - blocked, "blocked": blocked}
        for state, number in (states | {"paused": self._counts.paused, "leaving": self._counts.leaving}).items():
            show("connections", number, state)
        self.metrics.clear("outbox_depth", "outbox_oldest_seconds")  # parts that are not counted are empty
        for connection in present:
            show("paused", connection.paused, connection.site)
            for kind in connection.kinds:
                self._of_kind(connection, kind, now)
            self._registration(connection, now)
        for context in contexts:
            for kind in context.kind_states:
                self._block_of(context, kind)
            for limiter in (context.platform.limiter, context.sparklayer.limiter):
                self._throttle(str(context.connection.site), limiter.statistics())

    def _connections(self) -> Iterator[Counted]:
        """Yield the connections of this process."""
        for context in self.supervisor.contexts:
            yield Counted(context.connection.id, str(context.connection.site), context.kind_states, paused=False)
        for endpoint in self.paused():
            yield Counted(endpoint.connection_id, str(endpoint.site), endpoint.kinds, paused=True)

    async def _count(self, ids: frozenset[ConnectionId]) -> None:
        """Count what the database has, if that is due."""
        if ids == self._of and trio.current_time() < self._due:
            return
        self._counts = await self.storage.read(counts, ids)
        rows = self._counts.rows
        wait = 0.0 if rows <= ALWAYS else min(LONGEST, rows / ROWS_A_SECOND)
        self._of, self._due = ids, trio.current_time() + wait

    def _of_kind(self, connection: Counted, kind: Kind, now: float) -> None:
        counted, show, labels, place = self._counts, self.metrics.show, (connection.site, kind), (connection.id, kind)
        for depth in counted.depths.get(place, ()):
            part = (*labels, depth.lane.name.lower(), depth.state)
            show("outbox_depth", depth.rows, *part)
            show("outbox_oldest_seconds", age_if_known(depth.oldest, now), *part)
        untold = counted.untold.get(place, 0)
        numbers: dict[str, float | None] = {
            "issues_open": counted.issues.get(place, 0),
            "removals_held": counted.held.get(place, 0),
            "gaps_open": place in counted.gaps,
            "sync_log_waiting": untold + counted.synced.get(place, 0),
            "sync_log_untold": untold,
            "census_seconds": counted.census_seconds.get(place),
            "full_sync_succeeded_timestamp_seconds": counted.succeeded_at.get(place),
        }
        for name, number in numbers.items():
            show(name, number, *labels)
        if run := counted.runs.get(place):
            for stage, entities in (("seen", run.seen), ("done", run.done), ("failed", run.failed)):
                show("full_sync_progress_entities", entities, *labels, stage)

    def _block_of(self, context: ConnectionContext, kind: Kind) -> None:
        """Show which sides block a kind, and since when."""
        labels, pauses = (str(context.connection.site), kind), (context.pause, context.kind_states[kind].pause)
        sides = {pause.cause.side for pause in pauses if pause.cause is not None}
        for side in Side:
            self.metrics.show("blocked", side in sides, *labels, side)
        began = min((pause.began_at for pause in pauses if pause.began_at is not None), default=None)
        self.metrics.show("blocked_since_timestamp_seconds", began, *labels)

    def _registration(self, connection: Counted, now: float) -> None:
        found = self._counts.registrations.get(connection.id)
        if found is None:
            return
        findings: Any = self.vault.decrypt(found.encrypted)
        self.metrics.show("webhook_scopes", found.registered, connection.site, "registered")
        self.metrics.show("webhook_scopes", found.missing, connection.site, "missing")
        if found.looked_at is not None:
            self.metrics.show("webhooks_unchecked_seconds", now - found.looked_at, connection.site)
        if "well_at" in findings:
            self.metrics.show("webhooks_unwell_seconds", now - findings["well_at"], connection.site)

    def _throttle(self, site: str, now: LimiterStatistics) -> None:
        show, total, labels = self.metrics.show, self.metrics.total, (site, now.api)
        for lane, waiting in now.waiting.items():
            show("throttle_waiting", waiting, *labels, lane.name.lower())
            show("throttle_oldest_seconds", now.oldest[lane], *labels, lane.name.lower())
        gauges = {
            "throttle_in_flight": now.in_flight,
            "throttle_pause_seconds": now.numbers.pause or 0.0,
            "throttle_held_back": now.held_back,
            "breaker_open": now.breaker != "closed",
        }
        for name, number in gauges.items():
            show(name, number, *labels)
        totals = {
            "throttle_turns_total": now.granted,
            "throttle_refused_total": now.refused,
            "throttle_waited_seconds_total": now.waited,
        }
        for name, number in totals.items():
            total(number, name, *labels)
