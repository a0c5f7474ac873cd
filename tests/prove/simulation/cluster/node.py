"""One life of the daemon as a node among others, and the machine on which one such life runs after the other."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, cast

import trio
from attrs import define, field

from daemon.composition import Daemon
from daemon.connections.cluster import Cluster
from daemon.connections.tenure import OwnedConnection
from daemon.connections.wakeups import NodeWakeups
from daemon.storage.database import SharedStorage
from tests.prove.simulation.cluster.link import UP, Bus, Link, NodeMessages, NodeStorage
from tests.prove.simulation.cluster.pausing import Pauses
from tests.prove.simulation.disk import Storage
from tests.prove.simulation.life import Life
from tests.prove.simulation.network import Call, Connected

CONNECTED: ContextVar[Connected] = ContextVar("connected")
"""The access to the network of the life that a task belongs to."""


@define(eq=False, kw_only=True)
class NodeLife(Life):
    """A life that shares its database."""

    link: Link
    bus: Bus
    pauses: Pauses
    cluster: Cluster | None = None

    @property
    def number(self) -> int:
        """The number of the life, of all machines."""
        return self.connected.number

    @property
    def paused(self) -> bool:
        """True while it stands still."""
        return self.number in self.pauses

    @property
    def sound(self) -> bool:
        """True if it can take over connections."""
        return self.takes_requests and not self.paused and self.link.state == UP

    @property
    def node_id(self) -> str | None:
        """The id by which the database knows it now."""
        return None if self.cluster is None else self.cluster._node_id

    @property
    def owned(self) -> list[OwnedConnection]:
        """The connections that it believes to be its own."""
        return [] if self.cluster is None else list(self.cluster._owned.values())

    @property
    def owes(self) -> bool:
        """True while it must still say what it may have sent, or store what another node may have sent."""
        releasing = self.cluster is not None and bool(self.cluster._releasing)
        return releasing or not all(owned.looks_twice for owned in self.owned)

    def crash(self) -> None:
        """Die at once, even while it stands still."""
        super().crash()
        self.pauses.resume(self.number)

    def _open(self) -> Storage:
        return NodeStorage(self.disk, self.chance, self.committed, self.link, self.bus)

    def _tenure(self, storage: Storage) -> dict[str, Any]:
        clock = self.clock
        self.cluster = Cluster(
            storage=cast("SharedStorage", storage),
            name=f"life {self.number}",
            clock=lambda _: clock.database(),
            wall=clock.wall,
            boottime=clock.now,
        )
        return {"tenure": self.cluster, "wakeups": NodeWakeups(messages=NodeMessages(self.link, self.bus))}

    def _begin(self, nursery: trio.Nursery, parts: Daemon) -> None:
        super()._begin(nursery, parts)
        nursery.start_soon(parts.tenure.run, parts.lifecycle)
        wakeups = parts.lifecycle.wakeups
        assert isinstance(wakeups, NodeWakeups)
        wakeups.listen_to(parts.events.receive, parts.events.look)
        for task in (wakeups.run, parts.events.run, parts.intake.notes.run):
            nursery.start_soon(self._until_stop, task)

    async def _until_stop(self, task: Any) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(task)
            await self._stop.wait()
            nursery.cancel_scope.cancel()


@define(eq=False, kw_only=True)
class Trap:
    """Something that befalls a machine right before one of its writes leaves: the `after`th with `part` in its path."""

    part: str
    after: int
    spring: Callable[["Machine"], None]
    delay: float | None = None
    """Seconds from the write's sending to its effect, if it is given up; None: by chance."""
    sprung: list[Call] = field(factory=list)
    """The write."""


@define(eq=False, kw_only=True)
class Machine:
    """A machine with a clock and a network of its own. It starts the daemon again whenever it has ended."""

    number: int
    ahead: float
    link: Link = field(factory=Link)
    life: NodeLife | None = None
    restart_after: float = 5.0
    trap: "Trap | None" = None
    spared_until: float = 0.0
    """Until then it is not killed: it must have said its last words."""
    ill_until: float = 0.0
    """Until then it may be expelled, for what has befallen it alone."""
