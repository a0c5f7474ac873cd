"""Notes of the listener about deliveries: the time of each connection's latest, for people, and gaps in them.

A delivery pays for two entries of dicts; all is stored soon after, for other nodes and later processes. A crash forgets
the last seconds of the times.

The node that works on a connection makes up for lost deliveries as long as it sees them (`daemon.engine.deliveries`).
Those of a connection without a runner here, because another node works on it or because it is paused, only the listener
sees. So a gap is noted in the database, and the other node is woken: it then reads everything once.
"""

from collections.abc import Callable, Collection

import trio
from attrs import field, frozen

from daemon.connections.wakeups import Wakeups
from daemon.engine.deliveries import LONGEST_OUTAGE, TRY_EVERY
from daemon.engine.signal import Signal
from daemon.errors import StorageTrouble
from daemon.listener.webhooks import Endpoint
from daemon.model import ConnectionId, Kind
from daemon.observability.logging import log_storage_trouble
from daemon.storage import gaps, registrations
from daemon.storage.database import Storage
from daemon.storage.gaps import GapNote
from daemon.storage.registrations import Arrived

STORE_EVERY = 10.0
"""Seconds between two times that new times are stored."""


@frozen(kw_only=True)
class DeliveryNotes:
    """Notes deliveries of this process. The number of connections bounds the memory."""

    storage: Storage
    wakeups: Wakeups
    now: Callable[[], float]
    _latest: dict[ConnectionId, float] = field(init=False, factory=dict)
    _failing_since: dict[ConnectionId, float] = field(init=False, factory=dict)
    """Times of trio's clock of the first failure in a row."""
    _gaps: dict[ConnectionId, set[Kind]] = field(init=False, factory=dict)
    _found: Signal = field(init=False, factory=Signal)

    async def times(self) -> dict[ConnectionId, float]:
        """Return the times of the latest deliveries by connection, at any node. Raises StorageTrouble."""
        stored = await self.storage.read(registrations.arrivals)
        every = stored.keys() | self._latest.keys()
        return {id_: max(stored.get(id_, 0.0), self._latest.get(id_, 0.0)) for id_ in every}

    def taken(self, endpoint: Endpoint) -> None:
        """Note a delivery that was answered 2xx."""
        self._latest[endpoint.connection_id] = self.now()
        self._failing_since.pop(endpoint.connection_id, None)

    def failed(self, endpoint: Endpoint, kinds: Collection[Kind]) -> None:
        """Note a delivery that was answered 5xx, about `kinds`; none: its content is not known."""
        if self.began(endpoint) > LONGEST_OUTAGE or not endpoint.times.repeats:
            self._add(endpoint, kinds)

    def began(self, endpoint: Endpoint) -> float:
        """Note that deliveries fail; return for how many seconds they have.

        Also while this node works on the connection: what stops deliveries often ends its lease, within the outage.
        """
        now = trio.current_time()
        return now - self._failing_since.setdefault(endpoint.connection_id, now)

    def lost(self, endpoint: Endpoint, *, for_good: bool) -> None:
        """Note that changes were lost; `for_good`: a repetition would not help."""
        if for_good or not endpoint.times.repeats:
            self._add(endpoint, ())

    def _add(self, endpoint: Endpoint, kinds: Collection[Kind]) -> None:
        known = self._gaps.setdefault(endpoint.connection_id, set())
        known.update(kind for kind in endpoint.kinds if not kinds or kind in kinds)
        self._found.set()

    async def run(self) -> None:
        """Store what was noted, until cancelled."""
        stored: dict[ConnectionId, float] = {}
        times_due = trio.current_time() + STORE_EVERY
        while True:
            await self._found.wait_until(times_due)
            try:
                await self._store_gaps()
                if trio.current_time() >= times_due:
                    times_due = trio.current_time() + STORE_EVERY
                    await self._store_times(stored)
            except StorageTrouble as trouble:
                log_storage_trouble(trouble)
                if self._gaps:
                    self._found.set()
            # Anyone can send a request that is too large, and each may be a delivery.
            await trio.sleep(TRY_EVERY)

    async def _store_gaps(self) -> None:
        for connection_id in list(self._gaps):
            kinds = self._gaps.pop(connection_id)  # what is found while these are written is noted after them
            gap = GapNote(connection_id=connection_id, kinds=frozenset(kinds), due_at=self.now())
            try:
                await self.storage.write(gaps.note, gap)
            except StorageTrouble:
                self._gaps.setdefault(connection_id, set()).update(kinds)
                raise
            for kind in kinds:
                self.wakeups.tell("gap", connection_id, kind.value)

    async def _store_times(self, stored: dict[ConnectionId, float]) -> None:
        """Store the times that are not in `stored`, and add them there."""
        for connection_id, at in sorted(self._latest.items() - stored.items()):
            await self.storage.write(registrations.note_arrival, Arrived(connection_id=connection_id, at=at))
            stored[connection_id] = at
