"""The time of each connection's latest webhook, for people: noted in memory, and stored a few times a minute.

A webhook pays for one entry of a dict. With several nodes any of them may take a webhook, so the stored time counts
too. A crash forgets the last seconds.
"""

from collections.abc import Callable

import trio
from attrs import field, frozen

from daemon.errors import StorageTrouble
from daemon.model import ConnectionId
from daemon.observability.logging import log_storage_trouble
from daemon.storage import registrations
from daemon.storage.database import Storage
from daemon.storage.registrations import Arrived

STORE_EVERY = 10.0
"""Seconds between two times that new times are stored."""


@frozen(kw_only=True)
class LastWebhooks:
    """Notes webhooks of this process; `now` is the wall clock."""

    storage: Storage
    now: Callable[[], float]
    _noted: dict[ConnectionId, float] = field(init=False, factory=dict)

    def note(self, connection_id: ConnectionId) -> None:
        """Note that a webhook came now."""
        self._noted[connection_id] = self.now()

    async def times(self) -> dict[ConnectionId, float]:
        """Return the times by connection. Raises StorageTrouble."""
        stored = await self.storage.read(registrations.arrivals)
        return {id_: max(stored.get(id_, 0.0), self._noted.get(id_, 0.0)) for id_ in stored.keys() | self._noted.keys()}

    async def run(self) -> None:
        """Store new times until cancelled."""
        stored: dict[ConnectionId, float] = {}
        while True:
            await trio.sleep(STORE_EVERY)
            try:
                for connection_id, at in sorted(self._noted.items() - stored.items()):
                    await self.storage.write(registrations.note_arrival, Arrived(connection_id=connection_id, at=at))
                    stored[connection_id] = at
            except StorageTrouble as trouble:
                log_storage_trouble(trouble)
