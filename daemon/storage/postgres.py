"""PostgreSQL as the daemon uses it: its connections, what its errors mean, and limits on everything that waits.

A connection has a thread of its own, in which a transaction runs as a whole, through SQLAlchemy and psycopg. Limits are
set in each transaction: a pooler refuses them at the start of a session, and hands sessions to other clients. For the
same reason nothing is prepared by name. A server that has died without a word acknowledges nothing and refuses nothing,
so `watched` closes a socket that has been silent for longer than any statement may take.

Trouble with the server is a `StorageTrouble`; the next transaction connects again. Other errors pass. A commit whose
answer is lost may have been made: as after a crash, the caller does its work twice.
"""

import contextlib
import functools
import os
import queue
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import outcome
import structlog
import trio
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from daemon.errors import ConfigError, NoDatabaseYet, StorageTrouble
from daemon.model import Secret
from daemon.model.identifiers import without_password
from daemon.storage.group_commit import R, closed
from daemon.storage.migrate import upgrade
from daemon.storage.postgres_server import (
    READERS,
    WRITERS,
    driver,
    refuse_read_only,
    refuse_server,
    refuse_url,
    remedy,
    warnings_of,
)
from daemon.storage.prepared import UNREAD

log = structlog.get_logger()

CONNECT_SECONDS = 5
START_SECONDS = 30.0

WRITE = "BEGIN"
READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""All statements of a query see the same commits, as with SQLite. Without writes, none is refused for it."""

MIGRATING = 0x69677379
"""The key of the lock that a migration holds, ours among all applications of the server."""

LIMITS = (
    # A transaction of a node that stands still must not hold its locks.
    "idle_in_transaction_session_timeout = '5s'",
    "lock_timeout = '5s'",
    "statement_timeout = '20s'",
    # A server may have it off for all, and would lose what a webhook's sender was told.
    "synchronous_commit = on",
)
SILENT_SECONDS = 25.0
"""Longer than a statement may take: by then a living server has answered or refused."""

BEAT_LIMITS = (
    "idle_in_transaction_session_timeout = '5s'",
    "lock_timeout = '1s'",
    # A beat that takes longer is worth nothing, and the next one would wait for it.
    "statement_timeout = '2s'",
    "synchronous_commit = on",
)
BEAT_SILENT_SECONDS = 4.0

TRIES = 5
"""Attempts at a transaction that the server ends because of another one."""

AGAIN_SECONDS = 0.05

_AGAIN = {"40001", "40P01"}  # serialization failure, deadlock
_REASONS = {
    "08": "storage_unreachable",
    "28": "storage_unreachable",
    "3D": "storage_unreachable",
    "57P": "storage_unreachable",
    "53100": "storage_full",
    "53": "storage",
    "55P03": "storage_busy",  # lock_timeout has ended it
    "57014": "storage_busy",  # statement_timeout has ended it
    "25006": "storage_readonly",
    "25P03": "storage_busy",  # this process stood still inside a transaction
    "42501": "storage_readonly",
    "58": "storage",
    "XX": "storage",
    "XX001": "storage_damaged",
    "XX002": "storage_damaged",
    "40": "storage_busy",
}
"""The trouble that an error's code tells of, by the beginning of the code; the longest counts."""


class PostgresConnection:
    """A connection to PostgreSQL with a thread of its own."""

    def __init__(
        self, url: Secret, begin: str, limits: Sequence[str] = (), silent_seconds: float | None = None
    ) -> None:
        # What a query asks for must not get into the server's log; see `postgres_session`.
        self._engine = engine(url, begin, limits or LIMITS, together=begin == WRITE)
        self._silent_seconds = silent_seconds or SILENT_SECONDS
        self._closed = False
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="postgres", daemon=True)
        self._thread.start()
        self._driver: Any = None
        self._asked: float | None = None
        for moment in ("begin", "commit", "rollback"):
            event.listen(self._engine, moment, self._ask)
        event.listen(self._engine, "before_cursor_execute", self._ask)
        event.listen(self._engine, "connect", self._connected)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    async def run(self, fn: Callable[..., R], *args: Any) -> R:
        """From trio: call `fn(*args)` in the connection's thread, and wait for it even if this task is cancelled.

        Raises StorageTrouble when the connection is closed, and what `fn` raises.
        """
        if self._closed:
            raise closed()
        task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()

        def work() -> None:
            result = outcome.capture(fn, *args)
            with contextlib.suppress(trio.RunFinishedError):  # the process is ending
                token.run_sync_soon(trio.lowlevel.reschedule, task, result)

        self._work.put(work)
        answer: R = await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        return answer

    def transact(self, fn: Callable[..., R], *args: Any) -> R:
        """In the connection's thread: run `fn(conn, *args)` in a transaction, again when another one was in its way.

        Raises StorageTrouble when the server fails, and what `fn` raises.
        """
        for left in reversed(range(TRIES)):
            begun = False
            try:
                with self._engine.connect() as conn, conn.begin():
                    begun = True
                    return fn(conn, *args)
            except DBAPIError as error:
                # A session that the server has ended meanwhile is noticed at its next statement only.
                # Only a `PostgresSession` knows what it has sent; any other one may have sent everything.
                stale = error.connection_invalidated and not (begun and getattr(self._driver, "is_sent", True))
                if left == 0 or not (stale or _code(error) in _AGAIN):
                    raise_trouble(error)
                time.sleep(random.uniform(0, AGAIN_SECONDS))  # noqa: S311  so that two do not meet again
            finally:
                self._asked = None
        raise AssertionError

    def _connected(self, driver: Any, _record: object) -> None:
        self._driver = driver

    def _ask(self, *_: object) -> None:
        self._asked = time.monotonic()

    def hang_up(self, now: float) -> None:
        """From another thread: close the socket when the server has been silent for too long."""
        if self._asked is None or now - self._asked < self._silent_seconds:
            return
        # libpq waits for this socket, and only an end of it wakes libpq. A copy: libpq closes its own.
        # The connection's own thread may close the socket at this moment, or have none yet.
        with contextlib.suppress(Exception), socket.socket(fileno=os.dup(self._driver.fileno())) as copy:
            copy.shutdown(socket.SHUT_RDWR)

    async def aclose(self) -> None:
        """End the session and the thread."""
        await self.run(self._engine.dispose)
        self._closed = True
        self._work.put(None)


@contextlib.contextmanager
def watched(connections: Sequence[PostgresConnection]) -> Iterator[None]:
    """Look at connections once a second, in a thread, and close the silent ones."""
    end = threading.Event()

    def look() -> None:
        while not end.wait(1.0):
            for connection in connections:
                connection.hang_up(time.monotonic())

    thread = threading.Thread(target=look, name="postgres watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def engine(url: Secret, begin: str, limits: Sequence[str] = LIMITS, *, together: bool = False) -> Engine:
    """Return an engine with one session, whose transactions begin with `begin` and `limits`.

    With `together` it sends statements together where it can (see `postgres_session`). Raises ConfigError when there is
    no driver.
    """
    driver()
    from daemon.storage import postgres_session  # noqa: PLC0415  it imports the driver

    made = create_engine(
        "postgresql+psycopg://",
        creator=functools.partial(postgres_session.connect, url, together=together, seconds=CONNECT_SECONDS),
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_reset_on_return=None,
        # Else SQLAlchemy asks each server for a type that no table has.
        use_native_hstore=False,
    )
    start = "; ".join((begin, *(f"SET LOCAL {limit}" for limit in limits)))
    if together:
        event.listen(made, "begin", lambda conn: conn.connection.driver_connection.begin(start))
        event.listen(made, "do_execute", _hold)
    else:
        event.listen(made, "begin", lambda conn: conn.exec_driver_sql(start))
    return made


def _hold(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
    """Hold a statement back that needs no answer; return whether it is one."""
    if needless := bool(context.execution_options.keys() & UNREAD):
        cursor.hold(statement, parameters)
    return needless


def raise_trouble(error: DBAPIError) -> None:
    """Raise the trouble with the server that `error` tells of, or else `error` itself."""
    code = _code(error)
    reason = next((_REASONS[code[:length]] for length in (5, 3, 2) if code[:length] in _REASONS), None)
    # An error without a code is the client library's own: there is no server, or no longer.
    if reason is None and (error.connection_invalidated or (not code and isinstance(error, OperationalError))):
        reason = "storage_unreachable"
    if reason is None:
        raise error
    raise StorageTrouble(" ".join(str(error.orig).split()), reason=reason) from error


def _code(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


@contextlib.asynccontextmanager
async def connected(
    url: Secret, *, make: bool = True
) -> AsyncIterator[tuple[Sequence[PostgresConnection], Sequence[PostgresConnection], PostgresConnection]]:
    """Connect to a database with this release's schema; lend connections: to write, to read, and one for beats.

    Raises ConfigError, one line, when the URL is wrong or the database cannot be used, or without `make` when it is
    empty; and StorageTrouble when the server has not answered for START_SECONDS.
    """
    refuse_url(url)
    writers = [PostgresConnection(url, WRITE) for _ in range(WRITERS)]
    readers = [PostgresConnection(url, READ) for _ in range(READERS)]
    beats = PostgresConnection(url, WRITE, BEAT_LIMITS, BEAT_SILENT_SECONDS)
    connections = [*writers, *readers, beats]
    with watched(connections):
        try:
            name = without_password(url.reveal())
            await _started(writers[0], name, make=make)
            for words in await writers[0].run(writers[0].transact, warnings_of, time.time()) if make else ():
                log.warning("the database needs attention", database=name, why=words)
            yield writers, readers, beats
        finally:
            with trio.CancelScope(shield=True):
                for connection in connections:
                    await connection.aclose()


async def _started(writer: PostgresConnection, name: str, *, make: bool) -> None:
    """Bring the schema forward. A server that is about to start, or a migration elsewhere, is waited for."""
    deadline = trio.current_time() + START_SECONDS
    told = False
    while True:
        try:
            return await writer.run(writer.transact, prepare, name, make)
        except StorageTrouble as trouble:
            if (cure := remedy(str(trouble))) is not None:
                raise ConfigError(f"database {name}: {trouble}; {cure}") from trouble
            if trio.current_time() >= deadline:
                raise
            if not told:
                log.warning("waiting for the database", database=name, reason=str(trouble))
                told = True
        await trio.sleep(1.0)


def prepare(conn: Connection, name: str, make: bool = True) -> None:  # noqa: FBT001, FBT002  a thread passes no keywords
    """Bring the schema of the database `name` forward. Raises ConfigError when this release cannot use it."""
    if not refuse_server(conn, name) and not make:
        raise NoDatabaseYet(f"database {name}: there is nothing in it yet; start the daemon with: ignite-sync run")
    if make:  # a command may still read
        refuse_read_only(conn)
    # Nodes that start together: one brings the schema forward, the others find it so.
    conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATING})")
    upgrade(conn, roll_out=True)
