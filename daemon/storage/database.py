"""Whole transactions on one SQLite file, for callers on trio.

aiosqlite lives on an asyncio loop in a thread of its own; trio hands over *whole transactions*, never statements,
and waits shielded, so a cancelled caller can neither tear a transaction apart nor leave the file locked. With
`WorkerConnection` the whole transaction runs in the thread that aiosqlite has for its connection: trio hands it over
and hears back without the loop, which only opens and closes connections.

An operation is an ordinary set-wise function `fn(conn, calls) -> results`, one result per call. One writer commits
whatever has queued up: neighbours of the same function become one call of it. When a commit fails, all of it is
rolled back and each call is tried alone, so that one bad call harms no other; trouble with the file itself (locked,
full, read-only, I/O) fails all alike with `StorageTrouble`. `InlineDatabase` runs the same functions without
threads, for tests with a mock clock.
"""

import asyncio
import contextlib
import itertools
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiosqlite
import trio
from anyio.from_thread import start_blocking_portal
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import StaticPool

from daemon.errors import ConfigError, StorageTrouble
from daemon.storage.backup import damage
from daemon.storage.lock import only_one, real_path
from daemon.storage.migrate import upgrade

C = TypeVar("C")
R = TypeVar("R")
T = TypeVar("T")
Operation = Callable[[Connection, Sequence[C]], Sequence[R]]
Outcome = tuple[Any, Exception | None]

Observe = Callable[[str, int, float], None]
"""Told of each commit: "committed" or "failed", how many calls were in it, and the seconds it took."""

MAGIC = b"SQLite format 3\0"
"""What a file begins with that has a database; one that nothing was written to is empty."""

DAMAGED = "go back to a backup, or move the file away: the next start reads everything anew"

BUSY_MILLISECONDS = 5000
READERS = 2

LOG_BYTES = 4 * 1024 * 1024
"""Size that SQLite's log (the file NAME-wal) is cut back to: what it has when its checkpoints find no reader. It grows
for as long as somebody reads, and would keep that size."""

LOG_SECONDS = 30.0
"""Time between two looks at the log of a database that nobody writes to; each commit looks by itself."""


class Storage(Protocol):
    """What the rest of the daemon may ask of the database."""

    async def write(self, fn: Operation[C, R], call: C) -> R:
        """Commit `call` durably with whatever else is waiting; return its result. Raises StorageTrouble."""
        ...

    async def read(self, fn: Callable[..., R], *args: Any) -> R:
        """Run `fn(conn, *args)` in a read-only transaction that sees every commit so far."""
        ...


class WorkerConnection:
    """A connection of aiosqlite, and SQLAlchemy's view of it in the thread where it lives.

    With SQLAlchemy's own asynchronous engine a commit of one statement crosses between threads 26 times, and each
    time may wait for the interpreter's lock; here it goes there and back. `pragmas` are those besides the usual.
    """

    def __init__(self, path: Path, begin: str, *pragmas: str) -> None:
        self._driver = aiosqlite.connect(path)
        engine = create_engine("sqlite://", creator=lambda: self._driver._conn, poolclass=StaticPool)  # noqa: SLF001
        self._engine = _prepare(engine, begin, *pragmas)

    async def open(self) -> None:
        """Open the file. Raises sqlite3.Error."""
        try:
            await self._driver
        except sqlite3.Error:
            self._driver._thread.join()  # noqa: SLF001  it complains if this loop has gone before it ends
            raise

    async def run(self, fn: Callable[..., R], *args: Any) -> R:
        """From trio: call `fn(*args)` in the connection's thread and wait for it, whatever happens to this task.

        Raises StorageTrouble when the thread has ended, and what `fn` raises.
        """
        if not self._driver._thread.is_alive():  # noqa: SLF001  nobody would ever answer
            raise StorageTrouble("the database is closed", reason="storage_closed")
        task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()
        outcome: list[Outcome] = []

        def work() -> None:
            try:
                outcome.append((fn(*args), None))
            except Exception as error:  # noqa: BLE001  it belongs to the caller
                outcome.append((None, error))
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(trio.lowlevel.reschedule, task)

        # The driver has no public way to run more than a statement at a time. Work without a future, as its closing
        # is when there is no loop, ends without a word to asyncio.
        self._driver._tx.put_nowait((None, work))  # noqa: SLF001
        # An abort that never succeeds is a shield without the cost of a cancel scope.
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        result: R
        result, error = outcome[0]
        if error is not None:
            raise error
        return result

    def transact(self, fn: Callable[..., R], *args: Any) -> R:
        """In the connection's thread: run `fn(conn, *args)` in a transaction of its own."""
        with self._engine.begin() as conn:
            return fn(conn, *args)

    def cut_log_back(self) -> None:
        """In the connection's thread: empty the log, unless somebody reads from it. Raises sqlite3.Error."""
        driver = self._driver._conn  # noqa: SLF001  outside of transactions, which SQLAlchemy would begin
        # With patience it would wait for readers, and every commit with it.
        driver.execute("PRAGMA busy_timeout=0")
        try:
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            driver.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")

    async def aclose(self) -> None:
        """Close the file: an open one would keep the process from ending."""
        await self._driver.close()


class Database:
    """The threaded storage; made by `open_database`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path, observe: Observe) -> None:
        self._loop = loop
        self._path = path
        self._log = Path(f"{real_path(path)}-wal")
        self._observe = observe
        self._writer = WorkerConnection(path, "BEGIN IMMEDIATE")
        self._readers = [WorkerConnection(path, "BEGIN", "query_only=ON") for _ in range(READERS)]
        self._idle = list(self._readers)
        self._free = trio.Semaphore(READERS)
        self._queue: list[tuple[Operation[Any, Any], Any, Callable[[Outcome], None]]] = []
        self._wake = trio.Event()
        self._gone = False

    async def open(self) -> None:
        """Open the file, and bring its schema up to this release. Raises DatabaseError, ConfigError if damaged."""
        await self._on_loop(self._writer.open)
        found = await self._writer.run(self._writer.transact, damage)
        if found is not None:
            raise ConfigError(f"database {self._path}: is damaged ({found}); {DAMAGED}")
        await self._writer.run(self._writer.transact, upgrade)
        for reader in self._readers:
            await self._on_loop(reader.open)

    async def write(self, fn: Operation[C, R], call: C) -> R:
        """Commit `call` durably; see `Storage`. A caller that is cancelled learns it after the commit."""
        if self._gone:
            raise StorageTrouble("the database is closed", reason="storage_closed")
        task = trio.lowlevel.current_task()
        outcome: list[Outcome] = []

        def tell(result: Outcome) -> None:
            outcome.append(result)
            trio.lowlevel.reschedule(task)

        self._queue.append((fn, call, tell))
        self._wake.set()
        # An abort that never succeeds is a shield without the cost of a cancel scope.
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        result: R
        result, error = outcome[0]
        if error is not None:
            raise error
        return result

    async def read(self, fn: Callable[..., R], *args: Any) -> R:
        """Run a query; see `Storage`."""
        async with self._free:
            seat = self._idle.pop()
            try:
                return await seat.run(seat.transact, fn, *args)
            except DatabaseError as error:
                raise _trouble(error) from error
            finally:
                self._idle.append(seat)

    @property
    def waiting(self) -> int:
        """How many calls wait for the next commit."""
        return len(self._queue)

    async def run_writer(self) -> None:
        """Commit what is queued until cancelled. Nobody is left waiting when it ends."""
        batch: list[tuple[Operation[Any, Any], Any, Callable[[Outcome], None]]] = []
        try:
            while True:
                await self._wake.wait()
                await trio.lowlevel.checkpoint()  # all who are about to queue something shall be in this commit
                self._wake, batch, self._queue = trio.Event(), self._queue, []
                began = time.perf_counter()
                groups = [
                    (fn, [call for _, call, _ in group])
                    for fn, group in itertools.groupby(batch, key=lambda item: item[0])
                ]
                outcomes = await self._writer.run(self._commit, groups)
                self._count(outcomes, time.perf_counter() - began)
                done, batch = batch, []
                for (_, _, tell), outcome in zip(done, outcomes, strict=True):
                    tell(outcome)
        finally:
            self._gone = True
            for _, _, tell in batch + self._queue:
                tell((None, StorageTrouble("the database is closed", reason="storage_closed")))

    async def keep_log_small(self) -> None:
        """Cut the log back when it is too large and nothing waits for a commit, until cancelled."""
        while True:
            await trio.sleep(LOG_SECONDS)
            # Trouble shows with the commits; here it is looked at again.
            with contextlib.suppress(OSError, sqlite3.Error, StorageTrouble):
                if self._log.stat().st_size > LOG_BYTES and not self._queue:
                    await self._writer.run(self._writer.cut_log_back)

    async def aclose(self) -> None:
        """Close every connection of the driver."""
        for seat in (self._writer, *self._readers):
            await self._on_loop(seat.aclose)

    def _commit(self, groups: list[tuple[Operation[Any, Any], list[Any]]]) -> list[Outcome]:
        """In the writer's thread: one transaction for all groups, or each call alone when that fails."""
        try:
            return self._writer.transact(_all, groups)
        except Exception as error:  # noqa: BLE001  the file's trouble is everybody's, all else belongs to its caller
            told = _trouble(error)
            if isinstance(told, StorageTrouble):
                return [(None, told) for _, calls in groups for _ in calls]
            if sum(len(calls) for _, calls in groups) == 1:
                return [(None, error)]
        return [outcome for fn, calls in groups for call in calls for outcome in self._commit([(fn, [call])])]

    def _count(self, outcomes: list[Outcome], seconds: float) -> None:
        failed = any(error is not None for _, error in outcomes)
        self._observe("failed" if failed else "committed", len(outcomes), seconds)

    async def _on_loop(self, fn: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run a coroutine function on the asyncio loop and wait for it, whatever happens to this task."""
        task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()
        future = asyncio.run_coroutine_threadsafe(fn(*args), self._loop)

        def wake(_: object) -> None:
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(trio.lowlevel.reschedule, task)

        future.add_done_callback(wake)
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        result: T = future.result()
        return result


class InlineDatabase:
    """The same storage without threads or a file: for tests that own the clock."""

    def __init__(self, url: str = "sqlite://") -> None:
        self._engine = _prepare(create_engine(url), "BEGIN IMMEDIATE")
        with self._engine.begin() as conn:
            upgrade(conn)

    async def write(self, fn: Operation[C, R], call: C) -> R:
        """Commit `call`; see `Storage`."""
        await trio.lowlevel.checkpoint()
        with self._engine.begin() as conn:
            return fn(conn, [call])[0]

    async def read(self, fn: Callable[..., R], *args: Any) -> R:
        """Run a query; see `Storage`."""
        await trio.lowlevel.checkpoint()
        with self._engine.begin() as conn:
            return fn(conn, *args)

    def close(self) -> None:
        """Forget everything."""
        self._engine.dispose()


@contextlib.asynccontextmanager
async def open_database(path: Path, observe: Observe = lambda *_: None) -> AsyncIterator[Database]:
    """Open the database at `path`, migrated and with its writer running. `observe` is told of each commit.

    Raises ConfigError, one line, when another daemon has it, or when it cannot be written or is no database.
    """
    with only_one(path, make=True), start_blocking_portal(backend="asyncio") as portal:
        database = Database(portal.call(asyncio.get_running_loop), path, observe)
        try:
            try:
                await database.open()
            except (DatabaseError, sqlite3.Error) as error:
                raise ConfigError(f"database {path}: {_remedy(error)}") from error
            async with trio.open_nursery() as nursery:
                nursery.start_soon(database.run_writer)
                nursery.start_soon(database.keep_log_small)
                try:
                    yield database
                finally:
                    nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await database.aclose()


def _remedy(error: DatabaseError | sqlite3.Error) -> str:
    """Say what is wrong with a file that cannot be opened, and what to do."""
    cause = error.orig if isinstance(error, DatabaseError) else error
    return f"{cause}; {DAMAGED if _is_damage(cause) else 'check the file and its folder'}"


def _all(conn: Connection, groups: Sequence[tuple[Operation[Any, Any], list[Any]]]) -> list[Outcome]:
    return [(result, None) for fn, calls in groups for result in fn(conn, calls)]


def check_writable(path: Path) -> None:
    """Raise ConfigError when no database could be written at `path`. Leaves nothing behind."""
    real = real_path(path)
    folder = real.parent
    if not folder.is_dir():
        raise ConfigError(f"database {path}: there is no folder {folder}; make it, or name another")
    try:
        # Permissions do not tell all: a file system may be read-only, or take no files.
        with real.open("rb+") if real.exists() else tempfile.TemporaryFile(dir=folder) as file:
            begins = file.read(len(MAGIC))
    except OSError as error:
        raise ConfigError(f"database {path}: {error.strerror}; choose a folder this user can write to") from error
    if begins not in (b"", MAGIC):
        raise ConfigError(f"database {path}: is no database; name another file")


def _prepare(engine: Engine, begin: str, *pragmas: str) -> Engine:
    """Take transaction control away from the driver, and make a commit survive a power loss."""

    def connect(dbapi: Any, _record: object) -> None:
        dbapi.isolation_level = None
        cursor = dbapi.cursor()
        durable = ("journal_mode=WAL", "synchronous=FULL", f"journal_size_limit={LOG_BYTES}")
        for pragma in (f"busy_timeout={BUSY_MILLISECONDS}", *durable, *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", lambda conn: conn.exec_driver_sql(begin))
    return engine


def _trouble(error: Exception) -> Exception:
    """Return what is told of a failed transaction: whether it is the file's trouble, or the call's."""
    if isinstance(error, DatabaseError) and _is_damage(error.orig):
        return StorageTrouble(f"{error.orig}; {DAMAGED}", reason="storage_damaged")
    if isinstance(error, OperationalError):
        return StorageTrouble(str(error.orig), reason="storage")
    return error


def _is_damage(cause: BaseException | None) -> bool:
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # the rest tells more precisely where
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
