"""The database as a crash sees it: what was committed survives, all else is lost.

`Disk` outlives every life of the daemon. `Storage` is one life's access to it: like the daemon's own it runs whole
transactions, commits together whatever has queued up, and answers a caller only when that is durable; but without
threads, in the time of the run. A crash strikes while a call waits for its commit (then it is lost), or after the
commit while its caller does not know yet (then it is durable, and nobody was told).
"""

import functools
import itertools
import random
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import trio
from attrs import define, field
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from daemon.errors import StorageTrouble
from daemon.storage.group_commit import Operation
from daemon.storage.migrate import upgrade
from daemon.storage.sqlite import prepare

C = TypeVar("C")
R = TypeVar("R")
Outcome = tuple[Any, Exception | None]
Committed = Callable[[Callable[..., Any], Any, Any], None]
"""Told of each call that was committed: the operation, or a transaction apart from the writer; the call, its result."""


class DiskFull(StorageTrouble):
    """The disk of the simulation was full when a call was to be committed."""


COMMIT_SECONDS = 0.002
SLOW_COMMIT_SECONDS = 0.4
SLOW_SHARE = 0.03
TELL_SECONDS = 0.0005
READ_SECONDS = 0.0003


@functools.cache
def _file() -> tuple[sqlite3.Connection, Connection, sqlite3.Connection]:
    """Return the one file of this process, SQLAlchemy's connection to it, and a copy with every table empty.

    Migrating it, and compiling each statement for a new engine, would take as long as a run.
    """
    file = sqlite3.connect(":memory:")
    engine = create_engine("sqlite://", creator=lambda: file, poolclass=StaticPool)
    prepare(engine, "BEGIN IMMEDIATE")
    with engine.begin() as conn:
        upgrade(conn)
    empty = sqlite3.connect(":memory:")
    file.backup(empty)
    return file, engine.connect(), empty


class Disk:
    """The database file. A process has one at a time; a new one is empty."""

    def __init__(self) -> None:
        self._file, self._conn, empty = _file()
        # Not `deserialize`: SQLite would crash in prepared statements that use json_each.
        empty.backup(self._file)
        self.full = False

    def transact(self, fn: Callable[..., R], *args: Any) -> R:
        """Run `fn(conn, *args)` in a transaction."""
        with self._conn.begin():
            return fn(self._conn, *args)

    def rows(self, query: str, *args: Any) -> list[tuple[Any, ...]]:
        """Return what `query` finds, for checks."""
        return self._file.execute(query, args).fetchall()


@define(eq=False)
class _Waiting:
    fn: Operation[Any, Any]
    call: Any
    task: trio.lowlevel.Task | None
    outcome: list[Outcome] = field(factory=list)
    told: bool = False

    def tell(self, outcome: Outcome) -> None:
        if not self.told:
            self.told = True
            self.outcome.append(outcome)
            if self.task is None:
                return
            trio.lowlevel.reschedule(self.task)


class Storage:
    """One life's database. `run` commits; after `die` nothing is written or read any more."""

    def __init__(self, disk: Disk, chance: random.Random, committed: Committed) -> None:
        self._disk, self._chance, self._committed = disk, chance, committed
        self._queue: list[_Waiting] = []
        self._in_hand: list[_Waiting] = []
        self._wake = trio.Event()
        self._dead = False

    async def write(self, fn: Operation[C, R], call: C) -> R:
        """Commit `call` durably; see `daemon.storage.database.Storage`."""
        self._check()
        waiting = _Waiting(fn, call, trio.lowlevel.current_task())
        self._queue.append(waiting)
        self._wake.set()
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        result: R
        result, error = waiting.outcome[0]
        if error is not None:
            raise error
        return result

    def enqueue(self, fn: Operation[Any, Any], call: Any) -> None:
        """Have `call` committed some time, if nothing comes between. Nothing of the daemon does this."""
        self._queue.append(_Waiting(fn, call, None))
        self._wake.set()

    async def read(self, fn: Callable[..., R], *args: Any) -> R:
        """Run a query; see `daemon.storage.database.Storage`."""
        self._check()
        await trio.sleep(READ_SECONDS * self._chance.random())
        self._check()
        return self._disk.transact(fn, *args)

    async def run(self) -> None:
        """Commit what is queued until cancelled; whoever waits then is told, since nobody would answer any more."""
        try:
            while True:
                await self._commit_next()
        finally:
            self.die()

    async def _commit_next(self) -> None:
        await self._wake.wait()
        await trio.sleep(self._latency())
        self._wake, self._in_hand, self._queue = trio.Event(), self._queue, []
        trouble = await self._absent()
        outcomes: list[Outcome] = [(None, trouble) for _ in self._in_hand]
        if trouble is None:
            outcomes = self._commit(self._in_hand)
        await trio.sleep(TELL_SECONDS * self._chance.random())
        if trouble := await self._absent():
            # What was committed stays so; only its callers cannot know.
            outcomes = [(None, trouble) for _ in self._in_hand]
        done, self._in_hand = self._in_hand, []
        for waiting, outcome in zip(done, outcomes, strict=True):
            waiting.tell(outcome)

    async def _absent(self) -> StorageTrouble | None:
        """Return the trouble of a database that does not answer. This process has its own."""
        return None

    def die(self) -> None:
        """Lose whatever is not committed."""
        self._dead = True
        for waiting in (*self._in_hand, *self._queue):
            waiting.tell((None, _closed()))

    def _check(self) -> None:
        if self._dead:
            raise _closed()

    def _latency(self) -> float:
        slow = self._chance.random() < SLOW_SHARE
        return (SLOW_COMMIT_SECONDS if slow else COMMIT_SECONDS) * self._chance.random()

    def _commit(self, batch: Sequence[_Waiting]) -> list[Outcome]:
        """Commit all of `batch`, or each call alone when that fails."""
        if self._disk.full:
            return [(None, DiskFull("database or disk is full", reason="storage")) for _ in batch]
        try:
            outcomes = self._disk.transact(_all, batch)
        except Exception as error:  # noqa: BLE001  whatever a call raises belongs to its caller
            if len(batch) == 1:
                return [(None, error)]
            return [outcome for waiting in batch for outcome in self._commit([waiting])]
        for waiting, (result, _) in zip(batch, outcomes, strict=True):
            self._committed(waiting.fn, waiting.call, result)
        return outcomes


def _all(conn: Any, batch: Sequence[_Waiting]) -> list[Outcome]:
    groups = [(fn, list(group)) for fn, group in itertools.groupby(batch, key=lambda waiting: waiting.fn)]
    return [(result, None) for fn, group in groups for result in fn(conn, [waiting.call for waiting in group])]


def _closed() -> StorageTrouble:
    return StorageTrouble("the database is closed", reason="storage_closed")
