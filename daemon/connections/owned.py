"""A connection that this node has a lease of: its storage, its tasks, and the things that it is sending."""

from collections.abc import Callable
from typing import Any, TypeVar

import structlog
import trio
from attrs import define, field

from daemon.connections.tenure import Task
from daemon.errors import LeaseLost
from daemon.model import ConnectionId
from daemon.storage.connections import Stored
from daemon.storage.database import Storage
from daemon.storage.group_commit import Operation
from daemon.storage.last_word import Unsettled
from daemon.storage.leases import Lease, Taken, fenced
from daemon.transport.permission import permitted_by

C = TypeVar("C")
R = TypeVar("R")

log = structlog.get_logger()


@define(eq=False, repr=False)
class OwnedConnection:
    """A connection of this node, until `lost` is set; an `Ownership`.

    It is its own `storage`: the database as the owner sees it, where each write carries the lease. `is_sure` tells if
    the node may send, `on_refusal` is called when a write was refused, and `on_crash` when a task has crashed.
    """

    taken: Taken
    stored: Stored
    _database: Storage
    _is_sure: Callable[[], bool] = field(kw_only=True)
    _on_refusal: Callable[["OwnedConnection"], None] = field(kw_only=True)
    _on_crash: Callable[["OwnedConnection"], None] = field(kw_only=True)
    unsettled: Unsettled = field(init=False, factory=Unsettled)
    """Writes that this node may have sent in vain."""
    lost: trio.Event = field(init=False, factory=trio.Event)
    worked_on: Stored | None = field(init=False, default=None)
    """The connection as it was when the work on it began, or was last changed."""
    busy: bool = field(init=False, default=False)
    """True while the work is begun or changed."""
    looks_twice: bool = field(init=False, default=False)
    """True once it is stored what the last owner may have been sending."""
    _tasks: int = field(init=False, default=0)
    _idle: trio.Event = field(init=False, factory=trio.Event)

    @property
    def lease(self) -> Lease:
        """The lease, with its number."""
        return self.taken.lease

    @property
    def id(self) -> ConnectionId:
        """The connection's id."""
        return self.lease.connection_id

    @property
    def storage(self) -> Storage:
        """The database as the owner sees it."""
        return self

    async def write(self, fn: Operation[C, R], call: C) -> R:
        """Commit `call` as the owner; see `Storage`. Raises LeaseLost."""
        result: R | LeaseLost = await self._database.write(fenced(fn), (self.lease, call))
        if isinstance(result, LeaseLost):
            self._on_refusal(self)
            raise result
        self.unsettled.note(fn, call, result)
        return result

    async def read(self, fn: Callable[..., R], *args: Any) -> R:
        """Run a query; see `Storage`. A reader needs no lease: what follows from it is written with one."""
        return await self._database.read(fn, *args)

    async def while_owned(self, task: Task) -> None:
        """Run a task until it ends, or until the lease is lost; see `Ownership`."""
        if self.lost.is_set():
            return
        self._tasks += 1
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cancel_when_lost, nursery.cancel_scope)
                with permitted_by(lambda: self._is_sure() and not self.lost.is_set()):
                    await task()
                nursery.cancel_scope.cancel()
        except Exception:  # the connection's edge: one that crashes everywhere must not take node after node down
            log.exception("the work on a connection crashed", site=str(self.stored.site))
            self._on_crash(self)
        finally:
            self._tasks -= 1
            self._idle.set()
            self._idle = trio.Event()

    async def idle(self) -> None:
        """Wait until no task works on the connection."""
        while self._tasks:
            await self._idle.wait()

    async def _cancel_when_lost(self, scope: trio.CancelScope) -> None:
        await self.lost.wait()
        scope.cancel()
