"""Reads for a connection wherever it is worked on: by its runner here, or by a guest on any other node.

A guest sends one request at a time, and there is one for each connection on a node: the node that works on it has the
store's limits for itself, and its throttle does not see what a guest sends.
"""

import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator

import trio
from attrs import field, frozen

from daemon.connections.factory import ConnectionFactory
from daemon.engine.pull import fetch, pull
from daemon.engine.runner import ConnectionRunner
from daemon.engine.supervisor import Supervisor, close
from daemon.entities import PulledPage
from daemon.errors import NoConnection, Paused, Retry
from daemon.model import ConnectionId, Site
from daemon.storage.connections import Stored


@frozen(kw_only=True)
class Guests:
    """Lends runners that read."""

    factory: ConnectionFactory
    supervisor: Supervisor
    _guests: set[ConnectionRunner] = field(init=False, factory=set)
    _finish: trio.Event = field(init=False, factory=trio.Event)
    _turns: defaultdict[ConnectionId, trio.Lock] = field(init=False, factory=lambda: defaultdict(trio.Lock))

    @contextlib.asynccontextmanager
    async def reader(self, stored: Stored) -> AsyncIterator[ConnectionRunner]:
        """Lend the runner of an active connection, or a guest that is closed afterwards.

        Raises Paused while an operator has paused it: the store is not read then.
        """
        if stored.paused_at is not None:
            raise Paused(stored.site)
        runner = self.supervisor.find(stored.id)
        if runner is not None:
            yield runner
            return
        async with self._turns[stored.id]:
            guest = self.factory.guest(self.factory.registry.decrypted(stored))
            self._guests.add(guest)
            if self._finish.is_set():
                guest.finish()
            try:
                yield guest
            finally:
                self._guests.remove(guest)
                with trio.CancelScope(shield=True):
                    await close(guest.context)

    def finish(self) -> None:
        """From now on end what would have to wait for a turn: the process stops."""
        self._finish.set()
        for guest in self._guests:
            guest.finish()

    async def pull(self, site: Site, data_type: str, page: str | None) -> PulledPage:
        """Read a page for SparkLayer; see `daemon.engine.pull`. Raises NotFound for a site without a connection."""
        async with self.reader(await self._active(site)) as runner:
            return await pull(runner.context, data_type, page)

    async def fetch(self, site: Site, data_type: str, entity_id: str) -> bytes:
        """Read an entity for SparkLayer, as `pull` reads a page."""
        async with self.reader(await self._active(site)) as runner:
            return await fetch(runner.context, data_type, entity_id)

    async def _active(self, site: Site) -> Stored:
        stored = await self.factory.registry.wanted(site)
        if stored is None:
            raise NoConnection(site)
        if stored.paused_at is not None:
            raise Retry("the connection is paused", reason="paused")  # SparkLayer asks again
        return stored
