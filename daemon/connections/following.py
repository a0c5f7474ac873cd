"""Follows connections that other nodes have made, changed or ended: their endpoints here, and their runners."""

import trio
from attrs import field, frozen

from daemon.connections.lifecycle import Lifecycle
from daemon.listener.webhooks import Endpoint
from daemon.model import Site
from daemon.storage import connections
from daemon.storage.connections import Stored

LOOK_EVERY = 5.0
"""Seconds between two looks at the row of one site: anyone may send what no connection here accepts."""

MOST_LOOKED_AT = 1000


@frozen
class Following:
    """Does here what connections need that other nodes have changed."""

    lifecycle: Lifecycle
    _followed: dict[Site, tuple[bytes, float | None]] = field(init=False, factory=dict)
    """The encrypted credentials of active connections that `follow` has taken over, and the time of their pause."""
    _looked_at: dict[Site, float] = field(init=False, factory=dict)
    """Times of trio's clock at which `look_again` has read the rows of sites."""

    async def follow(self) -> None:
        """Do here what connections need that other nodes have changed. Raises StorageTrouble and ConfigError."""
        everyone = await self.lifecycle.storage.read(connections.everyone)
        active = {stored.site: _followed(stored) for stored in everyone if stored.state == "active"}
        for site in {*active, *self.lifecycle.endpoints}:
            if active.get(site) is None or active[site] != self._followed.get(site):
                await self._follow(site)

    async def look_again(self, site: Site) -> Endpoint | None:
        """Return where a site's webhooks go by the database, which is read every `LOOK_EVERY` seconds at most.

        Raises StorageTrouble and ConfigError.
        """
        now = trio.current_time()
        if self.lifecycle.wakeups.way is not None and now - self._looked_at.get(site, -LOOK_EVERY) >= LOOK_EVERY:
            self._looked_at.pop(site, None)
            self._looked_at[site] = now
            if len(self._looked_at) > MOST_LOOKED_AT:
                del self._looked_at[next(iter(self._looked_at))]
            if site in self.lifecycle.endpoints or await self.lifecycle.registry.active(site) is not None:
                await self._follow(site)
        return self.lifecycle.endpoints.get(site)

    async def _follow(self, site: Site) -> None:
        async with self.lifecycle.locks[site]:
            present = await self.lifecycle.registry.active(site)
            if present is None or not self.lifecycle.registry.is_wanted(present):
                self._followed.pop(site, None)
                await self.lifecycle.stop(site, "connection disconnected by another node")
                return
            connection, before = self.lifecycle.registry.decrypted(present), self.lifecycle.endpoints.get(site)
            if before is not None and before.connection_id != connection.id:
                await self.lifecycle.supervisor.stop(before.connection_id)
            runner = self.lifecycle.supervisor.find(connection.id)
            if runner is None or runner.context.connection != connection:
                await self.lifecycle.start(connection)
            self._followed[site] = _followed(present)


def _followed(stored: Stored) -> tuple[bytes, float | None]:
    return stored.encrypted, stored.paused_at
