"""Nodes of a cluster, whose work is one task of each connection, and their ways to one database."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio
import trio.lowlevel
from attrs import define, field

from daemon.connections.cluster import Cluster
from daemon.connections.tenure import Ownership
from daemon.errors import StorageTrouble
from daemon.model import ConnectionId, Kind, Lane, Site
from daemon.storage import connections, outbox
from daemon.storage.connections import Adopt, Stored
from daemon.storage.outbox import Claim
from tests.databases import InlineDatabase

Behave = Callable[["Machine", Ownership, trio.Event], Awaitable[None]]
"""The task of a connection; the event asks it to end."""


@define(eq=False, repr=False)
class Net:
    """A node's way to the database, which may be cut."""

    database: InlineDatabase
    cut: bool = False

    async def write(self, fn: Any, call: Any) -> Any:
        self._check()
        return await self.database.write(fn, call)

    async def read(self, fn: Any, *args: Any) -> Any:
        self._check()
        return await self.database.read(fn, *args)

    async def apart(self, fn: Any, *args: Any) -> Any:
        self._check()
        return await self.database.apart(fn, *args)

    def _check(self) -> None:
        if self.cut:
            raise StorageTrouble("no answer", reason="storage_unreachable")


@define(eq=False, repr=False)
class Machine:
    """A node with its tasks. `kill` and `pause` are a machine's; `work` is one task of each connection."""

    name: str
    net: Net
    cluster: Cluster = field(init=False)
    working: dict[ConnectionId, Ownership] = field(init=False, factory=dict)
    began: list[tuple[ConnectionId, str]] = field(init=False, factory=list)
    words: list[ConnectionId] = field(init=False, factory=list)
    behave: Behave = field(init=False)
    scope: trio.CancelScope = field(init=False, factory=trio.CancelScope)
    finishing: dict[ConnectionId, trio.Event] = field(init=False, factory=dict)
    ended: trio.Event = field(init=False, factory=trio.Event)
    nursery: trio.Nursery = field(init=False)

    def __attrs_post_init__(self) -> None:
        time = trio.current_time
        self.cluster = Cluster(storage=self.net, name=self.name, clock=lambda _: time(), wall=time, boottime=time)
        self.behave = idle

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                self.nursery = nursery
                task_status.started()
                await self.cluster.run(self)
                nursery.cancel_scope.cancel()
        self.ended.set()

    async def work_on(self, stored: Stored) -> None:
        self.began.append((stored.id, stored.state))
        ownership = self.cluster.ownership(stored.id)
        if ownership is not None and stored.id not in self.working:
            self.working[stored.id] = ownership
            self.finishing[stored.id] = trio.Event()
            self.nursery.start_soon(self._work, stored.id, ownership)

    async def _work(self, id_: ConnectionId, ownership: Ownership) -> None:
        try:
            await ownership.while_owned(partial(self.behave, self, ownership, self.finishing[id_]))
        finally:
            self.working.pop(id_, None)

    def finish_one(self, stored: Stored) -> None:
        if stored.id in self.working:
            self.finishing[stored.id].set()

    async def stop_one(self, stored: Stored) -> None:
        await until(lambda: stored.id not in self.working, 60)

    def said(self, connection_id: ConnectionId) -> None:
        self.words.append(connection_id)

    def kill(self) -> None:
        """End everything at once; the node's row stays."""
        self.net.cut = True
        self.scope.cancel()


async def idle(_machine: Machine, _ownership: Ownership, finishing: trio.Event) -> None:
    await finishing.wait()


@define(eq=False, repr=False)
class Cells:
    """Nodes on one database with connections."""

    database: InlineDatabase
    nursery: trio.Nursery
    machines: list[Machine] = field(factory=list)

    async def adopt(self, number: int) -> list[ConnectionId]:
        ids = []
        for index in range(number):
            call = Adopt(site=Site("test", f"s{index}"), platform="fake", encrypted=b"", now=0.0)
            ids.append((await self.database.write(connections.adopt, call)).id)
        return ids

    async def start(self, name: str, behave: Behave = idle, **clocks: Any) -> Machine:
        machine = Machine(name, Net(self.database))
        machine.behave = behave
        for clock, fn in clocks.items():
            setattr(machine.cluster, clock, fn)
        self.machines.append(machine)
        await self.nursery.start(machine.run)
        return machine

    async def claims(self, id_: ConnectionId) -> list[Claim]:
        return await self.database.read(
            outbox.claim, id_, Kind.PRODUCTS, Lane.LIVE, trio.current_time(), 10, frozenset()
        )


async def until(condition: Callable[[], bool], within: float) -> float:
    """Wait for a condition, at most `within` seconds of the mock clock; return the seconds it took."""
    began = trio.current_time()
    while not condition():
        assert trio.current_time() < began + within, "it did not happen in time"
        await trio.sleep(0.05)
    return trio.current_time() - began
