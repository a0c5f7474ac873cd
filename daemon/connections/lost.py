"""Deliveries that this node could not take, for connections that other nodes work on.

The node that works on a connection makes up for lost deliveries as long as it sees them (`daemon.engine.deliveries`).
Here nothing sees them but the listener. So a gap is noted in the database, as soon as that works, and the other node
is woken: it then reads everything once.
"""

import time
from collections.abc import Callable, Collection

import structlog
import trio
from attrs import field, frozen

from daemon.connections.wakeups import Wakeups
from daemon.engine.deliveries import LONGEST_OUTAGE
from daemon.engine.signal import Signal
from daemon.errors import StorageTrouble
from daemon.listener.webhooks import Endpoint
from daemon.model import ConnectionId, Kind
from daemon.storage import gaps
from daemon.storage.database import Storage
from daemon.storage.gaps import GapNote

TRY_EVERY = 1.0
"""Seconds between two tries to write to the database."""

log = structlog.get_logger()


@frozen(kw_only=True)
class LostDeliveries:
    """Notes gaps of connections that are worked on elsewhere. Their number bounds the memory."""

    storage: Storage
    wakeups: Wakeups
    now: Callable[[], float] = time.time
    _failing_since: dict[ConnectionId, float] = field(init=False, factory=dict)
    """Times of trio's clock of the first failure in a row."""
    _gaps: dict[ConnectionId, set[Kind]] = field(init=False, factory=dict)
    _found: Signal = field(init=False, factory=Signal)

    def taken(self, endpoint: Endpoint) -> None:
        """Note a delivery that was answered 2xx."""
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
        """Store what was found, until cancelled."""
        while True:
            await self._found.wait()
            try:
                for connection_id, kinds in list(self._gaps.items()):
                    note = GapNote(connection_id=connection_id, kinds=frozenset(kinds), due_at=self.now())
                    await self.storage.write(gaps.note, note)
                    for kind in self._gaps.pop(connection_id):
                        self.wakeups.tell("gap", connection_id, kind.value)
            except StorageTrouble as error:
                log.warning("gaps not noted yet", reason=error.reason)
                self._found.set()
            # Anyone can send a request that is too large, and each may be a delivery.
            await trio.sleep(TRY_EVERY)
