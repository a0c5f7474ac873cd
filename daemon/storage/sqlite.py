"""SQLite as the daemon uses it: its connections, what its errors mean, and the size of its log.

aiosqlite lives on an asyncio loop in a thread, and has another thread for each connection. A transaction runs as a
whole in its connection's thread, through SQLAlchemy: with SQLAlchemy's own asynchronous engine, a commit of one
statement crosses between threads 26 times, here 4 times. Only the public API of aiosqlite is used.

A commit survives a loss of power. Every error of the file itself is a `StorageTrouble`; other errors pass.
"""

import asyncio
import contextlib
import sqlite3
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiosqlite
import trio
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from daemon.errors import ConfigError, StorageTrouble
from daemon.storage.backup import SIDECARS, damage
from daemon.storage.group_commit import GroupCommit, R, closed
from daemon.storage.lock import file_error, only_one, real_path, refuse_names
from daemon.storage.migrate import upgrade

MAGIC = b"SQLite format 3\0"
"""The first bytes of a database. A file that was only just made is empty."""

DAMAGED = "restore a backup, or move the file away: the next start reads everything again"

RIGHTS = "let the daemon's user write the file, those beside it, and the folder"

BUSY_MILLISECONDS = 5000
READERS = 2

LOG_BYTES = 4 * 1024 * 1024
"""The size that SQLite's log (the file NAME-wal) is cut back to, which it has when its checkpoints find no reader. The
log grows while a reader is at work, and would keep that size."""

LOG_SECONDS = 30.0
"""The time between two looks at the log of an idle database; SQLite itself looks at each commit."""


class _FunctionRunner(sqlite3.Connection):
    """A connection on which `execute` calls functions: aiosqlite's only public way to more than one statement."""

    def execute(self, _sql: str, functions: Any = (), /) -> sqlite3.Cursor:
        """Call the functions."""
        for function in functions:
            function()
        return self.cursor()


class WorkerConnection:
    """A connection of aiosqlite, and SQLAlchemy's view of it in the thread where it lives."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path, begin: str, *pragmas: str) -> None:
        self._loop = loop
        self._path = path
        self._closed = False
        self._refused: sqlite3.Error | None = None
        self._driver = aiosqlite.Connection(self._connect, iter_chunk_size=1)
        # A pool of one: the driver's connection must not leave its thread.
        engine = create_engine("sqlite://", creator=lambda: self._connection, poolclass=StaticPool)
        self._engine = prepare(engine, begin, *pragmas)

    def _connect(self) -> sqlite3.Connection:
        try:
            self._connection = sqlite3.connect(self._path, factory=_FunctionRunner)
        except sqlite3.Error as error:
            # After a call that fails, aiosqlite's thread would outlive the loop, and print what it meets.
            self._refused = error
            self._connection = sqlite3.connect(":memory:", factory=_FunctionRunner)
        return self._connection

    async def open(self) -> None:
        """Open the file. Raises StorageTrouble."""
        await self._on_loop(self._driver.__aenter__())
        if self._refused is not None:
            raise _trouble(self._refused) or self._refused from self._refused

    async def run(self, fn: Callable[..., R], *args: Any) -> R:
        """From trio: call `fn(*args)` in the connection's thread, and wait for it even if this task is cancelled.

        Raises StorageTrouble when the connection is closed, and what `fn` raises.
        """
        if self._closed:
            raise closed()
        results: list[R] = []
        await self._on_loop(self._driver.execute("", [lambda: results.append(fn(*args))]))
        return results[0]

    def transact(self, fn: Callable[..., R], *args: Any) -> R:
        """In the connection's thread: run `fn(conn, *args)` in a transaction.

        Raises StorageTrouble when the file fails, and what `fn` raises.
        """
        try:
            with self._engine.begin() as conn:
                return fn(conn, *args)
        except (DatabaseError, sqlite3.Error) as error:  # SQLAlchemy wraps no error of the first opening
            trouble = _trouble(error.orig if isinstance(error, DatabaseError) else error)
            if trouble is None:
                raise
            raise trouble from error

    def cut_log_back(self) -> None:
        """In the connection's thread: empty the log, unless a reader is at work. Raises sqlite3.Error."""
        cursor = self._connection.cursor()  # SQLAlchemy would begin a transaction
        # With patience it would wait for readers, and every commit with it.
        cursor.execute("PRAGMA busy_timeout=0")
        try:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            cursor.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")

    async def aclose(self) -> None:
        """Close the file. An open one would keep the process from ending."""
        self._closed = True
        await self._on_loop(self._driver.close())

    async def _on_loop(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on the asyncio loop, and wait for it even if this task is cancelled."""
        task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)

        def wake(_: object) -> None:
            with contextlib.suppress(trio.RunFinishedError):  # the process is ending
                token.run_sync_soon(trio.lowlevel.reschedule, task)

        future.add_done_callback(wake)
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        return future.result()


@contextlib.asynccontextmanager
async def connected(path: Path) -> AsyncIterator[tuple[Sequence[WorkerConnection], Sequence[WorkerConnection], None]]:
    """Open the database at `path`, with this release's schema; lend connections: to write, to read, and none for beats.

    Raises ConfigError, one line, when this user cannot write the file, or when it is damaged or no database, and
    StorageTrouble when another process has it, the disk is full, or the like.
    """
    with only_one(path, make=True), _running_loop() as loop:
        # A transaction that reads first and then writes could meet SQLITE_BUSY, which no patience helps.
        writer = WorkerConnection(loop, path, "BEGIN IMMEDIATE")
        readers = [WorkerConnection(loop, path, "BEGIN", "query_only=ON") for _ in range(READERS)]
        try:
            await writer.open()
            # Damage that is found months later may be in every backup by then.
            found = await writer.run(writer.transact, damage)
            await writer.run(writer.transact, _shrink)
            if found is not None:
                raise ConfigError(f"database {path}: is damaged ({found}); {DAMAGED}")
            await writer.run(writer.transact, upgrade)
            for reader in readers:
                await reader.open()
        except StorageTrouble as trouble:
            if trouble.reason in {"storage_damaged", "storage_readonly"}:
                raise ConfigError(f"database {path}: {trouble}") from trouble
            check_writable(path)  # SQLite says alike that it may not, and that it cannot now
            raise
        else:
            yield [writer], readers, None
        finally:
            with trio.CancelScope(shield=True):
                for connection in (writer, *readers):
                    await connection.aclose()


@contextlib.contextmanager
def _running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an asyncio loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    # A daemon thread: an error in between must not keep the process from ending.
    thread = threading.Thread(target=loop.run_forever, name="asyncio", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _shrink(conn: Connection) -> None:
    """Give back the pages that a look at the whole file has left in the cache: 2 MB."""
    conn.exec_driver_sql("PRAGMA shrink_memory")


async def keep_log_small(path: Path, connection: WorkerConnection, writer: GroupCommit) -> None:
    """Cut the log of the database at `path` back when it is too large and no call waits, until cancelled."""
    # SQLite follows links, and keeps the log beside the file that they lead to.
    log = Path(f"{real_path(path)}-wal")
    while True:
        await trio.sleep(LOG_SECONDS)
        # A commit shows the same trouble to its caller; this tries again later.
        with contextlib.suppress(OSError, sqlite3.Error, StorageTrouble):
            if log.stat().st_size > LOG_BYTES and not writer.waiting:  # noqa: ASYNC240  no disk is read
                await connection.run(connection.cut_log_back)


def check_writable(path: Path) -> None:
    """Raise ConfigError when this user can write no database at `path`, and StorageTrouble when that may pass.

    Leaves nothing behind.
    """
    real = real_path(path)
    folder = real.parent
    if not folder.is_dir():
        raise ConfigError(f"database {path}: there is no folder {folder}; make it, or name another")
    refuse_names(path, real)
    begins = b""
    try:
        # Permissions do not tell all: a file system may be read-only, or take no files.
        with tempfile.TemporaryFile(dir=folder):
            pass
        for sidecar in SIDECARS:
            with contextlib.suppress(FileNotFoundError), real.with_name(real.name + sidecar).open("rb+") as file:
                begins = begins if sidecar else file.read(len(MAGIC))
    except OSError as error:
        raise file_error(path, error, "choose a folder this user can write to") from error
    if begins not in (b"", MAGIC):
        raise ConfigError(f"database {path}: is no database; name another file")


def prepare(engine: Engine, begin: str, *pragmas: str) -> Engine:
    """Take transaction control away from the driver, and make a commit survive a loss of power."""

    def connect(driver: Any, _record: object) -> None:
        # Python's driver would begin transactions by itself, and not before every statement.
        driver.isolation_level = None
        cursor = driver.cursor()
        # In WAL mode, only FULL syncs the log at each commit.
        durable = ("journal_mode=WAL", "synchronous=FULL", f"journal_size_limit={LOG_BYTES}")
        for pragma in (f"busy_timeout={BUSY_MILLISECONDS}", *durable, *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine, "connect", connect)
    # A listener of "begin" would do, but while an engine has one, every statement looks for listeners of its own.
    engine.dialect.do_begin = lambda connection: connection.cursor().execute(begin)  # type: ignore[assignment, method-assign]
    return engine


def _trouble(cause: BaseException | None) -> StorageTrouble | None:
    """Return the trouble with the file itself that `cause` tells of; None when a statement is to blame."""
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # the higher bits tell where in SQLite
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StorageTrouble(f"{cause}; {DAMAGED}", reason="storage_damaged")
    if code in {sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY}:
        return StorageTrouble(f"{cause}; {RIGHTS}", reason="storage_readonly")
    return StorageTrouble(str(cause), reason="storage") if isinstance(cause, sqlite3.OperationalError) else None
