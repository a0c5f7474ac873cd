"""Databases without threads on the engine of the present test: SQLite, or PostgreSQL under the fixture `both_engines`.

database = new_database()
...
database.close()

Tests use engines in turn. SQLAlchemy compiles each statement once for an engine, and to migrate a database takes longer
than a test: so a new database is a copy of an empty one.
"""

import contextlib
import functools
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import trio
from sqlalchemy import Connection, Engine, create_engine, event

from daemon.storage import postgres, sqlite
from daemon.storage.group_commit import C, Operation, R
from daemon.storage.migrate import upgrade
from daemon.storage.tables import metadata
from tests.postgres import Server


class InlineDatabase:
    """The same storage as `Database` without threads, on an engine whose database is migrated."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Lending one for each transaction takes a tenth of the CPU of a test. A server's engine has only this one.
        self._kept = engine.connect() if engine.dialect.name == "sqlite" else None

    @property
    def file(self) -> sqlite3.Connection:
        """SQLite's own connection, to copy the whole database."""
        assert self._kept is not None, "only SQLite has one"
        connection: Any = self._kept.connection.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        return connection

    async def write(self, fn: Operation[C, R], call: C) -> R:
        """Commit `call`; see `Storage`."""
        await trio.lowlevel.checkpoint()
        return self._transact(fn, [call])[0]

    async def read(self, fn: Callable[..., R], *args: Any) -> R:
        """Run a query; see `Storage`."""
        await trio.lowlevel.checkpoint()
        return self._transact(fn, *args)

    async def apart(self, fn: Callable[..., R], *args: Any) -> R:
        """Run a transaction; see `SharedStorage`."""
        return await self.read(fn, *args)

    def _transact(self, fn: Callable[..., R], *args: Any) -> R:
        if self._kept is None:
            with self._engine.begin() as conn:
                return fn(conn, *args)
        with self._kept.begin():
            return fn(self._kept, *args)

    def close(self) -> None:
        """Forget everything."""
        if self._kept is not None:
            self._kept.close()
        self._engine.dispose()


class WatchedDatabase(InlineDatabase):
    """A database that lets a test wait for what is committed."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._committed = trio.Event()

    async def write(self, fn: Operation[C, R], call: C) -> R:
        result = await super().write(fn, call)
        self._committed.set()
        self._committed = trio.Event()
        return result

    async def until(self, holds: Callable[[], Awaitable[bool]], step: float) -> None:
        """Return once the database `holds` something; look `step` seconds after commits only, as a look takes CPU."""
        while True:
            committed = self._committed  # of before the look, which may take several reads
            if await holds():
                return
            await committed.wait()
            await trio.sleep(step)


class MemoryEngines:
    """Engines of SQLite, each with a database in memory."""

    def __init__(self) -> None:
        self._idle: list[Engine] = []
        self._empty: sqlite3.Connection | None = None

    def lend(self) -> Engine:
        """Lend an engine with an empty database, until it is disposed."""
        engine = self._idle.pop() if self._idle else self._made()
        with engine.connect() as conn:
            file: Any = conn.connection.driver_connection
            if self._empty is not None:
                # Not `deserialize`: SQLite would crash in prepared statements that use json_each.
                self._empty.backup(file)
                return engine
        with engine.begin() as conn:
            upgrade(conn)
        self._empty = sqlite3.connect(":memory:", check_same_thread=False)
        file.backup(self._empty)
        return engine

    def _made(self) -> Engine:
        engine = sqlite.prepare(create_engine("sqlite://"), "BEGIN IMMEDIATE")
        event.listen(engine, "engine_disposed", self._idle.append)
        return engine


class Engines:
    """Engines on a server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: list[Engine] = []
        self._databases = contextlib.ExitStack()

    def lend(self) -> Engine:
        """Lend an engine with an empty database, until it is disposed."""
        if not self._idle:
            engine = postgres.engine(self._databases.enter_context(self._server.database()), postgres.WRITE)
            with engine.begin() as conn:
                upgrade(conn)
            event.listen(engine, "engine_disposed", self._idle.append)
            return engine
        engine = self._idle.pop()
        with engine.begin() as conn:
            emptied(conn)
        return engine

    def close(self) -> None:
        self._databases.close()


_memory = MemoryEngines()
_engines: list[Engines] = []


@contextlib.contextmanager
def using(engines: Engines) -> Iterator[None]:
    """Have `new_database` make databases on PostgreSQL."""
    _engines.append(engines)
    try:
        yield
    finally:
        _engines.pop()


def new_database() -> WatchedDatabase:
    """Return an empty database on the engine of the present test."""
    return WatchedDatabase(new_engine())


def new_engine() -> Engine:
    """Return an engine with an empty database, to be disposed."""
    return (_engines[-1] if _engines else _memory).lend()


def emptied(conn: Connection) -> None:
    """Empty a database on PostgreSQL, and have its ids begin with 1 again."""
    conn.exec_driver_sql(_emptying())


@functools.cache
def _emptying() -> str:
    # Tables this small are emptied faster by DELETE than by TRUNCATE, and all of them by one call.
    tables = metadata.sorted_tables[::-1]
    numbered = [table for table in tables if table.autoincrement_column is not None]
    return ";".join(
        [str(table.delete()) for table in tables]
        + [f"ALTER SEQUENCE {table.name}_id_seq RESTART" for table in numbered]
    )
