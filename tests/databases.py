"""Databases without threads on the engine of the present test: SQLite, or PostgreSQL under the fixture `both_engines`.

database = new_database()
...
database.close()
"""

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection, Engine, event

from daemon.storage import postgres
from daemon.storage.database import InlineDatabase
from daemon.storage.tables import metadata
from tests.postgres import Server


class Engines:
    """Engines on a server. A new one takes longer than a test, as does each first query: so tests use them in turn."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: list[Engine] = []
        self._databases = contextlib.ExitStack()

    def lend(self) -> Engine:
        """Lend an engine with an empty database, until it is disposed."""
        if not self._idle:
            engine = postgres.engine(self._databases.enter_context(self._server.database()), postgres.WRITE)
            InlineDatabase(engine)
            event.listen(engine, "engine_disposed", self._idle.append)
            return engine
        engine = self._idle.pop()
        with engine.begin() as conn:
            emptied(conn)
        return engine

    def close(self) -> None:
        self._databases.close()


_engines: list[Engines] = []


@contextlib.contextmanager
def using(engines: Engines) -> Iterator[None]:
    """Have `new_database` make databases on PostgreSQL."""
    _engines.append(engines)
    try:
        yield
    finally:
        _engines.pop()


def new_database() -> InlineDatabase:
    """Return an empty database on the engine of the present test."""
    return InlineDatabase(_engines[-1].lend() if _engines else None)


def emptied(conn: Connection) -> None:
    """Empty a database on PostgreSQL, and have its ids begin with 1 again."""
    # Tables this small are emptied faster by DELETE than by TRUNCATE.
    for table in reversed(metadata.sorted_tables):
        conn.execute(table.delete())
        if table.autoincrement_column is not None:
            conn.exec_driver_sql(f"ALTER SEQUENCE {table.name}_id_seq RESTART")
