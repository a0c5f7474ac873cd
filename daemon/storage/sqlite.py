"""SQLite as the daemon uses it: its connections, what its errors mean, and the size of its log.

A connection has a thread of its own, in which a transaction runs as a whole, through SQLAlchemy.

A commit survives a loss of power. Every error of the file itself is a `StorageTrouble`; other errors pass.
"""

import contextlib
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import trio
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from daemon.errors import ConfigError, StorageTrouble
from daemon.storage.backup import SIDECARS, damage
from daemon.storage.group_commit import GroupCommit, R, WorkerConnection
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


class SqliteConnection(WorkerConnection):
    """A connection to the file at `path`, whose transactions begin with `begin`."""

    def __init__(self, path: Path, begin: str, *pragmas: str) -> None:
        def connect() -> sqlite3.Connection:
            self._connection = sqlite3.connect(path)
            return self._connection

        # A pool of one: a connection of SQLite must not leave its thread.
        super().__init__(prepare(create_engine("sqlite://", creator=connect, poolclass=StaticPool), begin, *pragmas))

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


@contextlib.asynccontextmanager
async def connected(path: Path) -> AsyncIterator[tuple[Sequence[SqliteConnection], Sequence[SqliteConnection], None]]:
    """Open the database at `path`, with this release's schema; lend connections: to write, to read, and none for beats.

    Raises ConfigError, one line, when this user cannot write the file, or when it is damaged or no database, and
    StorageTrouble when another process has it, the disk is full, or the like.
    """
    with only_one(path, make=True):
        # A transaction that reads first and then writes could meet SQLITE_BUSY, which no patience helps.
        writer = SqliteConnection(path, "BEGIN IMMEDIATE")
        readers = [SqliteConnection(path, "BEGIN", "query_only=ON") for _ in range(READERS)]
        try:
            # Damage that is found months later may be in every backup by then.
            found = await writer.run(writer.transact, damage)
            await writer.run(writer.transact, _shrink)
            if found is not None:
                raise ConfigError(f"database {path}: is damaged ({found}); {DAMAGED}")
            await writer.run(writer.transact, upgrade)
            for reader in readers:
                await reader.run(reader.transact, _shrink)  # opens the file
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


def _shrink(conn: Connection) -> None:
    """Give back the pages that a look at the whole file has left in the cache: 2 MB."""
    conn.exec_driver_sql("PRAGMA shrink_memory")


async def keep_log_small(path: Path, connection: SqliteConnection, writer: GroupCommit) -> None:
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
