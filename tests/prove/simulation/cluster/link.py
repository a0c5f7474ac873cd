"""The way of one machine to the database that all share, and to the messages between nodes.

The database is the simulator's `Disk`: real tables and the daemon's own statements, one whole transaction after the
other. What a transaction of PostgreSQL does between two statements is not shown: see `tests.prove.interleavings`.
A cut way is `refused`, as by a server that restarts, or `silent`, as behind a broken network: then a call is given up
after the time after which the daemon's own watchdog hangs up. What was committed when the answer got lost stays so.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import trio
from attrs import define, field

from daemon.errors import StorageTrouble
from daemon.storage import leases
from daemon.storage.leases import Lease
from daemon.storage.postgres import BEAT_SILENT_SECONDS, SILENT_SECONDS
from tests.prove.simulation.disk import READ_SECONDS, Committed, Disk, Storage

R = TypeVar("R")

REFUSED_SECONDS = 0.05
UP, REFUSED, SILENT = "up", "refused", "silent"
FREED = (leases.give, leases.leave)
"""Transactions of which PostgreSQL tells the other nodes by itself."""


@define(eq=False)
class Link:
    """A machine's way to the database."""

    state: str = UP
    _turned: trio.Event = field(factory=trio.Event)

    def turn(self, state: str) -> None:
        """Cut the way, or mend it."""
        self.state = state
        self._turned.set()
        self._turned = trio.Event()

    async def trouble(self, longest: float) -> StorageTrouble | None:
        """Return the trouble of a call at this moment; a silent way may be mended within `longest` seconds."""
        with trio.move_on_after(longest):
            while self.state == SILENT:
                await self._turned.wait()
        if self.state == REFUSED:
            await trio.sleep(REFUSED_SECONDS)
        return None if self.state == UP else StorageTrouble("no answer", reason="storage_unreachable")

    async def turned(self) -> None:
        """Wait until the way is cut or mended."""
        await self._turned.wait()


@define(eq=False)
class Bus:
    """The messages between nodes. A `pooler` in between hands sessions to others: none arrives, and no call fails."""

    pooler: bool = False
    sessions: list["Session"] = field(factory=list)

    def send(self, messages: Sequence[str]) -> None:
        """Bring messages to whoever can hear them now."""
        for session in [] if self.pooler else self.sessions:
            if session.link.state == UP:
                session.waiting.extend(messages)
                session.news.set()


@define(eq=False)
class Session:
    """A listener's. What arrives waits for its node to take it, which may stand still."""

    link: Link
    waiting: list[str] = field(factory=list)
    news: trio.Event = field(factory=trio.Event)


@define(eq=False)
class NodeMessages:
    """One node's `daemon.connections.wakeups.Messages`."""

    link: Link
    bus: Bus

    async def send(self, messages: Sequence[str]) -> None:
        """Send messages to all nodes."""
        await trio.lowlevel.checkpoint()
        if trouble := await self.link.trouble(SILENT_SECONDS):
            raise trouble
        self.bus.send(messages)

    async def hear(self, ready: Callable[[], None], receive: Callable[[str], None]) -> None:
        """Receive messages until the server ends the session; a silent one goes unnoticed."""
        await trio.lowlevel.checkpoint()
        if trouble := await self.link.trouble(SILENT_SECONDS):
            raise trouble
        session = Session(self.link)
        self.bus.sessions.append(session)
        try:
            ready()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch)
                while True:
                    await session.news.wait()
                    session.news, messages = trio.Event(), session.waiting.copy()
                    session.waiting.clear()
                    for message in messages:
                        receive(message)
        except* StorageTrouble as group:
            raise group.exceptions[0] from None
        finally:
            self.bus.sessions.remove(session)

    async def _watch(self) -> None:
        while True:
            await self.link.turned()
            if self.link.state == REFUSED and (trouble := await self.link.trouble(0.0)):
                raise trouble


class NodeStorage(Storage):
    """One life's `daemon.storage.database.SharedStorage`."""

    def __init__(self, disk: Disk, chance: random.Random, committed: Committed, link: Link, bus: Bus) -> None:
        super().__init__(disk, chance, committed)
        self._link, self._bus = link, bus
        self._scopes: list[trio.CancelScope] = []

    async def read(self, fn: Callable[..., R], *args: Any) -> R:
        """Run a query; see `daemon.storage.database.Storage`."""
        return await self._through(SILENT_SECONDS, super().read, fn, *args)

    async def apart(self, fn: Callable[..., R], *args: Any) -> R:
        """Run a transaction of a node about itself and the leases."""
        return await self._through(BEAT_SILENT_SECONDS, self._transact, fn, *args)

    async def _through(self, longest: float, work: Callable[..., Awaitable[R]], *args: Any) -> R:
        with trio.CancelScope(shield=True) as scope:  # as the daemon waits for its threads
            self._scopes.append(scope)
            try:
                if trouble := await self._link.trouble(longest):
                    raise trouble
                result = await work(*args)
                if trouble := await self._link.trouble(longest):
                    raise trouble
            finally:
                self._scopes.remove(scope)
        return result

    def die(self) -> None:
        """Lose whatever is not committed, and wait for nothing."""
        super().die()
        for scope in self._scopes:
            scope.shield = False

    async def _transact(self, fn: Callable[..., R], *args: Any) -> R:
        self._check()
        await trio.sleep(READ_SECONDS * self._chance.random())
        self._check()
        result = self._disk.transact(fn, *args)
        self._committed(fn, args, result)
        self._tell(fn)
        return result

    async def _absent(self) -> StorageTrouble | None:
        return await self._link.trouble(SILENT_SECONDS)

    def _commit(self, batch: Sequence[Any]) -> Any:
        outcomes = super()._commit(batch)
        for waiting in batch:
            self._tell(waiting.fn)
        return outcomes

    def _tell(self, fn: Callable[..., Any]) -> None:
        if fn in FREED:
            self._bus.send(["leases"])


def lease_of(call: Any) -> Lease | None:
    """Return the lease that an owner's call carries."""
    return call[0] if isinstance(call, tuple) and call and isinstance(call[0], Lease) else None
