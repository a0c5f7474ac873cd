"""The connections that this process may work on.

Taking webhooks, orders and connects needs no tenure: each is a transaction that is correct in any process. Working on a
connection does. Whatever works gets its storage from an `Ownership`, and runs inside it. With SQLite one process has
the database file, and with it every connection (`Alone`). With PostgreSQL a node has leases, and an `OwnedConnection`
for each; see `daemon.connections.cluster`.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import structlog
import trio
from attrs import define, field, frozen

from daemon.errors import LeaseLost, StorageTrouble
from daemon.model import ConnectionId
from daemon.observability.logging import log_storage_trouble
from daemon.storage.connections import Stored
from daemon.storage.database import Storage
from daemon.storage.group_commit import Operation
from daemon.storage.last_word import Unsettled
from daemon.storage.leases import Lease, Taken, fenced
from daemon.transport.backoff import backoff
from daemon.transport.permission import permitted_by

C = TypeVar("C")
R = TypeVar("R")
Task = Callable[[], Awaitable[None]]

log = structlog.get_logger()


async def patiently(write: Callable[[], Awaitable[R]]) -> R:
    """Repeat a write until the database takes it: what it stores must not be given up."""
    attempts = 0
    while True:
        try:
            return await write()
        except StorageTrouble as error:
            log_storage_trouble(error)
        attempts += 1
        await trio.sleep(backoff(attempts, 1.0))


class Ownership(Protocol):
    """The right of this process to work on one connection, for now."""

    @property
    def storage(self) -> Storage:
        """The database as the owner sees it: its writes are refused once another process is the owner."""

    async def while_owned(self, task: Task) -> None:
        """Run a task until it ends, or until the connection is lost: then it is cancelled."""


class Work(Protocol):
    """The work on connections, begun and ended as the tenure says; a `Lifecycle`."""

    async def work_on(self, stored: Stored) -> None:
        """Work on an owned connection as it is stored now. Called again when it has changed. Raises StorageTrouble."""

    def finish_one(self, stored: Stored) -> None:
        """Have the tasks of a connection end as soon as its batches in flight are settled."""

    async def stop_one(self, stored: Stored) -> None:
        """End the work on a connection at once."""

    def said(self, connection_id: ConnectionId) -> None:
        """Wake the tasks of a connection, in whichever process: a last word about it was stored."""


class Tenure(Protocol):
    """Says which connections this process may work on, and has the work begun and ended."""

    def ownership(self, connection_id: ConnectionId) -> Ownership | None:
        """Return the right to work on a connection; None while another process has it, or none."""

    def now(self) -> float:
        """Return the time in seconds since the epoch, the same in all processes."""

    @property
    def beat_age(self) -> float | None:
        """The seconds since this process last showed the others that it lives; None where there are no others."""

    def wake(self) -> None:
        """Look at once for connections that are free, or that have changed."""

    async def run(self, work: Work) -> None:
        """Begin and end the work on connections, until `finish` and until all of them are given back."""

    def finish(self) -> None:
        """Take no more connections, and give each one back as soon as its batches in flight are settled."""


@frozen
class Alone:
    """The tenure of the only process: every connection is its own, from the start to the end."""

    storage: Storage
    beat_age: float | None = None

    def now(self) -> float:
        """Return the clock's time."""
        return time.time()

    def ownership(self, _connection_id: ConnectionId) -> "Alone":
        """Return the right to work on any connection."""
        return self

    async def while_owned(self, task: Task) -> None:
        """Run a task."""
        await task()

    def wake(self) -> None:
        """Look for nothing: no other process changes anything."""

    async def run(self, _work: Work) -> None:
        """Do nothing: the work begins as connections come."""

    def finish(self) -> None:
        """Give nothing back."""


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
