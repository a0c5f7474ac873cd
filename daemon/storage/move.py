"""Moves a database to another engine: every row of a database that no daemon uses, into one that is empty.

The whole move is one transaction of the target, so the target has everything or, after any failure, nothing. Each part
of the rows is read back there and compared with the source, value by value; the numbers of rows are compared last. The
source is only read. Encrypted values are copied as they are, so the same `secret_keys` open both.

Ids are never used twice (`connections`), so the counters of ids move too, not only the highest ids.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, Table, create_engine, event, func, inspect, select, tuple_
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError

from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Secret
from daemon.model.identifiers import without_password
from daemon.storage import postgres, postgres_server
from daemon.storage.backup import damage, placed
from daemon.storage.leases import last_beat
from daemon.storage.lock import only_one
from daemon.storage.migrate import newest_step, present_step, upgrade
from daemon.storage.sqlite import DAMAGED, MAGIC
from daemon.storage.tables import metadata, nodes

Show = Callable[[int, int, str], None]
"""Called with the number of rows moved, the number of all rows, and the table's name."""

ROWS = 1000
"""Rows of one part: five columns of a key for each still fit into a statement of SQLite's."""

LIMITS = (
    *("idle_in_transaction_session_timeout = '5min'", "statement_timeout = '5min'", "lock_timeout = '5s'"),
    "synchronous_commit = on",
)
"""The limits on a server: a move delays no webhook, and all of it is one transaction."""

LEAVING_SECONDS = 2.0
"""Seconds for which a server may still show the sessions of a process that has ended."""

OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'ignite-sync' AND pid <> pg_backend_pid()"
)


def move(source: Path | Secret, target: Path | Secret, show: Show = lambda *_: None) -> dict[str, int]:
    """Copy the database `source` to the empty `target`; each is a file or the URL of a database on PostgreSQL.

    Returns the number of rows in each table that has any.

    Raises ConfigError, one line, when either cannot be used: a daemon runs on PostgreSQL, the source has another
    release's schema, the target is not empty. Raises StorageTrouble when one of them fails, or a process uses the file.
    After both, the target is as it was.
    """
    with _reading(source) as here, _writing(target) as there:
        return _moved(here, there, show)


def shown(place: Path | Secret) -> str:
    """Return a place as it may be printed."""
    return str(place) if isinstance(place, Path) else without_password(place.reveal())


def _moved(here: Connection, there: Connection, show: Show) -> dict[str, int]:
    tables = metadata.sorted_tables
    rows = {table.name: _count(here, table) for table in tables}
    total, done = sum(rows.values()), 0
    # The steps that made the tables have put rows into some.
    for table in reversed(tables):
        there.execute(table.delete())
    for table in tables:
        in_order = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=ROWS)
        with here.execute(in_order) as result:
            for part in result.partitions():
                there.execute(table.insert(), [dict(row._mapping) for row in part])  # noqa: SLF001  a public name
                _compare(there, table, part)
                done += len(part)
                show(done, total, table.name)
        if _count(there, table) != rows[table.name]:
            raise StorageTrouble(f"the target has another number of rows in {table.name}", reason="storage")
        if table.autoincrement_column is not None and (last := _last_id(here, table)):
            _continue_ids(there, table, last)
    return {name: number for name, number in rows.items() if number}


def _compare(conn: Connection, table: Table, part: Sequence[Row[Any]]) -> None:
    """Read the rows of a part back. Raises StorageTrouble when a value differs."""
    keys = [column.name for column in table.primary_key.columns]
    expected = {tuple(row._mapping[key] for key in keys): tuple(row) for row in part}  # noqa: SLF001  as above
    of_part = tuple_(*table.primary_key.columns).in_(list(expected))
    stored = {
        tuple(row._mapping[key] for key in keys): tuple(row)  # noqa: SLF001  as above
        for row in conn.execute(select(table).where(of_part))
    }
    if stored != expected:
        raise StorageTrouble(f"a row of {table.name} differs from what was written", reason="storage")


def _count(conn: Connection, table: Table) -> int:
    return conn.execute(select(func.count()).select_from(table)).scalar_one()


def _last_id(conn: Connection, table: Table) -> int:
    """Return the last id that a table has given, perhaps to a row that is deleted by now; 0 before the first."""
    if conn.dialect.name == "sqlite":
        query, argument = "SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)
        return conn.exec_driver_sql(query, argument).scalar() or 0
    # A sequence that has given no id yet shows 1, like one that has given 1.
    query = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {table.name}_id_seq"  # noqa: S608  our name
    return int(conn.exec_driver_sql(query).scalar_one())


def _continue_ids(conn: Connection, table: Table, last: int) -> None:
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"SELECT setval('{table.name}_id_seq', {last})")
        return
    # SQLite has a row here for each table that ever had rows.
    conn.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
    conn.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, last))


def _wait_until_unused(place: Secret, name: str) -> None:
    """Wait for the end of a daemon that was just stopped or killed. Raises ConfigError if one is running.

    A killed one leaves its beat behind, for `EXPEL_AFTER`; a running one beats again.
    """
    deadline = time.monotonic() + LEAVING_SECONDS
    first: float | None = None
    while True:
        # The server's list of sessions does not change within a transaction.
        with _transaction(_server(place, postgres.READ), name) as conn:
            sessions = conn.exec_driver_sql(OTHERS).scalar_one()
            # The sessions of a daemon have another name if its URL gives them one.
            beat = last_beat(conn) if inspect(conn).has_table(nodes.name) else 0.0
        if not sessions and not beat:
            return
        first = beat if first is None else first
        if beat > first or (sessions and time.monotonic() >= deadline):
            raise ConfigError(f"database {name}: a daemon is using it; stop that one first")
        time.sleep(0.05)  # a move runs without an event loop, and the server announces no ended session


@contextlib.contextmanager
def _reading(place: Path | Secret) -> Iterator[Connection]:
    """Lend a read-only transaction on a database that no daemon uses. Raises ConfigError."""
    name = shown(place)
    if isinstance(place, Secret):
        _wait_until_unused(place, name)
        with _transaction(_server(place, postgres.READ), name) as conn:
            _refuse_release(conn, name)
            yield conn
        return
    _refuse_no_database(place)
    with only_one(place), _transaction(_file(place), name) as conn:
        conn.exec_driver_sql("PRAGMA query_only = ON")
        if (words := damage(conn)) is not None:
            raise ConfigError(f"database {name}: is damaged ({words}); {DAMAGED}")
        _refuse_release(conn, name)
        yield conn


@contextlib.contextmanager
def _writing(place: Path | Secret) -> Iterator[Connection]:
    """Lend a transaction on an empty database with this release's tables. Raises ConfigError."""
    name = shown(place)
    if isinstance(place, Secret):
        with _transaction(_server(place, postgres.WRITE), name) as conn:
            postgres_server.refuse_server(conn, name)
            postgres_server.refuse_read_only(conn)
            # A daemon that starts now waits for the end of the move, and then finds everything.
            conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({postgres.MIGRATING})")
            if {*metadata.tables, "alembic_version"}.intersection(inspect(conn).get_table_names()):
                raise ConfigError(f"database {name}: is not empty; name one without tables, or create one")
            upgrade(conn)
            yield conn
        return
    with placed(place) as partial, _transaction(_file(partial), name) as conn:
        upgrade(conn)
        yield conn


def _refuse_no_database(path: Path) -> None:
    """Raise ConfigError when there is no database at `path`."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(MAGIC))
    except OSError as error:
        raise ConfigError(f"database {path}: {error.strerror}; name the daemon's database file") from error
    if begins != MAGIC:
        raise ConfigError(f"database {path}: is no database; name the daemon's database file")


def _refuse_release(conn: Connection, name: str) -> None:
    """Raise ConfigError when the tables are not those of this release."""
    present = present_step(conn)
    if present is None:
        raise ConfigError(f"database {name}: is no database of Ignite Sync; name the daemon's")
    if present != newest_step():
        remedy = "start this release's daemon on it once, or install the release that wrote it"
        raise ConfigError(f"database {name}: was written by another release; {remedy}")


def _file(path: Path) -> Engine:
    # No isolation level: BEGIN is ours, as in the daemon.
    made = create_engine("sqlite://", creator=lambda: sqlite3.connect(path, isolation_level=None))
    event.listen(made, "begin", lambda conn: conn.exec_driver_sql("BEGIN"))
    return made


def _server(url: Secret, begin: str) -> Engine:
    postgres_server.refuse_url(url)
    return postgres.engine(url, begin, LIMITS)


@contextlib.contextmanager
def _transaction(engine: Engine, name: str) -> Iterator[Connection]:
    """Lend a transaction whose errors carry the database's name. Raises ConfigError and StorageTrouble."""

    def explain(context: ExceptionContext) -> None:
        # Here and not around the block, which the errors of the other database pass too.
        error = context.sqlalchemy_exception
        if isinstance(error, DBAPIError):
            words = " ".join(str(error.orig).split())
            if (remedy := postgres_server.remedy(words)) is not None and not isinstance(error.orig, sqlite3.Error):
                raise ConfigError(f"database {name}: {words}; {remedy}") from error
            raise StorageTrouble(f"database {name}: {words}", reason="storage") from error

    event.listen(engine, "handle_error", explain)
    try:
        with engine.connect() as conn, conn.begin():
            yield conn
    finally:
        engine.dispose()
