"""Group commit: one transaction for all calls that wait for one.

An operation is a set-wise function `fn(conn, calls) -> results`, with one result for each call. `GroupCommit` takes
everything that is queued, makes neighbours of one function a single call of it, and commits all of them together.
A commit that fails is rolled back, and each call is tried alone: so one bad call harms no other. Trouble with the
database itself (`StorageTrouble`) fails all calls alike.

With several connections there are other nodes too, so all transactions lock rows in one order. Intake has commits of
its own, made beside each other: while the disk has one, the next is on its way. All other calls have a commit that runs
alone, in the order of `place`, and then in the order in which they came.

It knows neither dialect nor driver; its connection does.
"""

import functools
import itertools
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol, TypeVar

import outcome
import trio
from attrs import frozen
from sqlalchemy import Connection

from daemon.errors import StorageTrouble
from daemon.model import ConnectionId, Kind

C = TypeVar("C")
R = TypeVar("R")
Operation = Callable[[Connection, Sequence[C]], Sequence[R]]
Groups = Sequence[tuple[Operation[Any, Any], Sequence[Any]]]
Waiting = tuple[Operation[Any, Any], Any, trio.lowlevel.Task]


def one_by_one(function: Callable[[Connection, C], R]) -> Callable[[Connection, Sequence[C]], list[R]]:
    """Make an operation of a function that works on one call at a time."""

    @functools.wraps(function)
    def on_all(conn: Connection, calls: Sequence[C]) -> list[R]:
        return [function(conn, call) for call in calls]

    return on_all


@frozen(kw_only=True)
class ConnectionCall:
    """A call about one connection."""

    connection_id: ConnectionId


@frozen(kw_only=True)
class KindCall(ConnectionCall):
    """A call about one kind of a connection."""

    kind: Kind


Observe = Callable[[str, int, float], None]
"""Called after each commit with "committed" or "failed", its number of calls, and the seconds it took."""


class Transactions(Protocol):
    """A connection to a database, with a thread of its own."""

    async def run(self, fn: Callable[..., R], *args: Any) -> R:
        """From trio: call `fn(*args)` in the connection's thread, and wait for it even if this task is cancelled."""
        ...

    def transact(self, fn: Callable[..., R], *args: Any) -> R:
        """In the connection's thread: run `fn(conn, *args)` in a transaction.

        Raises StorageTrouble when the database fails, and what `fn` raises.
        """
        ...


class GroupCommit:
    """Commits what is queued, on connections that nothing else writes with.

    `beside` are the operations whose commits may be made beside each other, if there are several connections. Then
    `place` gives each other call its place in a commit.
    """

    def __init__(
        self,
        connections: Sequence[Transactions],
        observe: Observe,
        beside: Collection[Operation[Any, Any]] = (),
        place: Callable[[Any], Any] = lambda _call: 0,
    ) -> None:
        self._idle = list(connections)
        self._beside = beside if len(connections) > 1 else ()
        self._place = place
        self._alone = len(connections)
        self._observe = observe
        self._queue: list[Waiting] = []
        self._wake = trio.Event()
        self._returned = trio.Event()
        """Set when a connection has become idle."""
        self._ended = False

    async def write(self, fn: Operation[C, R], call: C) -> R:
        """Commit `call` durably, and return its result. A caller that is cancelled learns of it after the commit.

        Raises StorageTrouble, and what `fn` raises.
        """
        if self._ended:
            raise closed()
        self._queue.append((fn, call, trio.lowlevel.current_task()))
        self._wake.set()
        # An abort that never succeeds is a shield without the cost of a cancel scope.
        result: R = await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        return result

    @property
    def waiting(self) -> int:
        """The number of calls that wait for the next commit."""
        return len(self._queue)

    async def run(self) -> None:
        """Commit what is queued, until cancelled. When it ends, every waiting caller gets StorageTrouble."""
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    await self._wake.wait()
                    # Every task that is about to queue a call should be in this commit.
                    await trio.lowlevel.checkpoint()
                    self._wake = trio.Event()
                    await self._until_idle(1)
                    if beside := self._take(beside=True):
                        nursery.start_soon(self._commit_together, beside, self._idle.pop())
                    if self._queue:
                        await self._until_idle(self._alone)
                        await self._commit_together(self._take(beside=False), self._idle.pop())
        finally:
            self._ended = True
            for _, _, task in self._queue:
                trio.lowlevel.reschedule(task, outcome.Error(closed()))

    async def _until_idle(self, number: int) -> None:
        """Wait until this many connections are idle."""
        while len(self._idle) < number:
            self._returned = trio.Event()
            await self._returned.wait()

    def _take(self, *, beside: bool) -> Sequence[Waiting]:
        """Take the calls for the next commit beside others, or for the next one alone, from the queue."""
        if not self._beside:
            taken, self._queue = ([], self._queue) if beside else (self._queue, [])
            return taken
        taken = [waiting for waiting in self._queue if (waiting[0] in self._beside) is beside]
        self._queue = [waiting for waiting in self._queue if (waiting[0] in self._beside) is not beside]
        return taken if beside else sorted(taken, key=lambda waiting: self._place(waiting[1]))

    async def _commit_together(self, batch: Sequence[Waiting], connection: Transactions) -> None:
        """Commit calls, and tell each caller."""
        began = time.perf_counter()
        # Neighbours only: calls of different functions must stay in the order in which they came.
        groups = [
            (fn, [call for _, call, _ in group])
            for fn, group in itertools.groupby(batch, key=lambda waiting: waiting[0])
        ]
        # `run` raises when its connection is closed by now, and the callers wait all the same.
        results: Sequence[outcome.Outcome[Any]] = [outcome.Error(closed())] * len(batch)
        try:
            results = await connection.run(_commit, connection, groups)
            failed = any(isinstance(result, outcome.Error) for result in results)
            self._observe("failed" if failed else "committed", len(results), time.perf_counter() - began)
        finally:
            # Each caller is told once, even if this task is cancelled.
            for (_, _, task), result in zip(batch, results, strict=True):
                trio.lowlevel.reschedule(task, result)
            self._idle.append(connection)
            self._returned.set()


def _commit(connection: Transactions, groups: Groups) -> list[outcome.Outcome[Any]]:
    """In the connection's thread: one transaction for all groups, or each call alone when that fails."""
    try:
        return [outcome.Value(result) for result in connection.transact(apply, groups)]
    except StorageTrouble as trouble:  # tried alone, each call would meet the same
        return [outcome.Error(trouble) for _, calls in groups for _ in calls]
    except Exception as error:  # noqa: BLE001  it belongs to the caller whose call raised it
        if sum(len(calls) for _, calls in groups) == 1:
            return [outcome.Error(error)]
    return [result for fn, calls in groups for call in calls for result in _commit(connection, [(fn, [call])])]


def apply(conn: Connection, groups: Groups) -> list[Any]:
    """Call each function with its calls; return the results of all calls, in their order."""
    return [result for fn, calls in groups for result in fn(conn, calls)]


def closed() -> StorageTrouble:
    """Return the trouble of a call that comes when the database is closed."""
    return StorageTrouble("the database is closed", reason="storage_closed")
