"""Requirements of a PostgreSQL server, and the errors for one that does not meet them."""

from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import Connection

from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Secret
from daemon.storage.tables import metadata

OLDEST = 13
"""The oldest release of the server that still gets corrections."""

READERS = 2
WRITERS = 2
"""Connections that write: while the server's disk has the commit of one, the other sends the next."""

SESSIONS = READERS + WRITERS + 3
"""Sessions of a node: it also has one for its beats, and two for wake-ups."""

CLOCK_SECONDS = 5.0

_WRONG = {
    "authentication failed": "correct user and password",
    "no password supplied": "put the password into the URL",
    "no pg_hba.conf entry": "have the server let this user in from here",
    "does not exist": "create it, or correct its name",
    "server does not support SSL": "remove sslmode from the URL, or have the server offer TLS",
    "certificate": "correct sslmode and the certificates",
    "sslmode": "correct sslmode",
    "for connection option": "correct the URL",
    "invalid port number": "correct the port",
    "invalid target_session_attrs": "correct target_session_attrs",
    "not in hot standby mode": "remove target_session_attrs from the URL: the daemon writes",
    "session is not read-only": "remove target_session_attrs from the URL: the daemon writes",
    "permission denied": "give the user the rights on the database and its schema",
}
"""The remedy of an error at the start that no waiting helps, by its words: libpq gives it no code."""


def refuse_server(conn: Connection, name: str) -> bool:
    """Raise ConfigError when the daemon cannot use this server or database; return whether it has tables yet."""
    version, encoding, standby, tables, may_create, present = conn.exec_driver_sql(
        "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery(),"
        " to_regclass('alembic_version') IS NOT NULL, has_schema_privilege(current_schema(), 'CREATE'),"
        " ARRAY(SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema())"
    ).one()
    # Steps run in one transaction, so ours are all there or none is.
    theirs = metadata.tables["meta"].name not in present if tables else bool(metadata.tables.keys() & set(present))
    faults = {
        f"the server is PostgreSQL {version // 10000}; use release {OLDEST} or later": version < OLDEST * 10000,
        f"its encoding is {encoding}; create the database with ENCODING 'UTF8'": encoding != "UTF8",
        "the server is a standby, which takes no writes; name the primary": standby,
        "its user may not create tables; grant CREATE on the schema": not (tables or may_create),
        "another application has tables of our names in it; give the daemon a database of its own": theirs,
    }
    for fault, applies in faults.items():
        if applies:
            raise ConfigError(f"database {name}: {fault}")
    return bool(tables)


def refuse_read_only(conn: Connection) -> None:
    """Raise StorageTrouble when nothing can be written.

    Hosts set this while a disk is full and take it back later, so a supervisor should try again.
    """
    if conn.exec_driver_sql("SHOW default_transaction_read_only").scalar_one() == "on":
        raise StorageTrouble(
            "its transactions are read-only by default, perhaps because its disk is full; make room, and set"
            " default_transaction_read_only = off",
            reason="storage_readonly",
        )


def warnings_of(conn: Connection, now: float) -> tuple[str, ...]:
    """Return what may lose data or stop a node: settings of the server, its clock, a limit of sessions."""
    # -1 stands for no limit, and LEAST passes over NULL.
    fsync, there, sessions = conn.exec_driver_sql(
        "SELECT current_setting('fsync'), extract(epoch FROM clock_timestamp()),"
        " LEAST(NULLIF(rolconnlimit, -1), NULLIF(datconnlimit, -1))"
        " FROM pg_roles, pg_database WHERE rolname = session_user AND datname = current_database()"
    ).one()
    ahead = float(there) - now
    few = sessions is not None and sessions < SESSIONS
    warnings = {
        "fsync is off: a crash of the server loses acknowledged changes; set fsync = on": fsync == "off",
        f"the server's clock differs by {ahead:.0f} s; correct one": abs(ahead) > CLOCK_SECONDS,
        f"its user may have {sessions} sessions, and each node takes {SESSIONS}; raise CONNECTION LIMIT": few,
    }
    return tuple(words for words, applies in warnings.items() if applies)


def remedy(trouble: str) -> str | None:
    """Return the remedy of trouble at the start that no waiting helps; None for any other."""
    return next((remedy for words, remedy in _WRONG.items() if words in trouble), None)


def refuse_url(url: Secret, setting: str = "database.url") -> None:
    """Raise ConfigError when the client library cannot use `url`. The words never repeat a part of the password."""
    psycopg = driver()
    # libpq takes the last two for `sslmode=require`, and lists neither.
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()} | {"ssl", "requiressl"}
    text = url.reveal()
    # An @ behind the question mark shows that the question mark is the password's.
    query = text.partition("?")[2]
    unknown = [] if "@" in query else sorted({name for name, _ in parse_qsl(query)} - known)
    if unknown:
        raise ConfigError(f"{setting}: {unknown[0]} is no parameter of PostgreSQL; remove or correct it")
    try:
        psycopg.conninfo.conninfo_to_dict(text)
    except psycopg.Error:
        remedy = "percent-encode special characters in user and password"
        raise ConfigError(f"{setting}: is not postgresql://USER:PASSWORD@HOST:PORT/NAME; {remedy}") from None


def driver() -> Any:
    """Import the driver, an extra. Raises ConfigError when it is not installed."""
    try:
        import psycopg  # noqa: PLC0415  SQLite does not need it
    except ImportError as error:
        raise ConfigError(
            "database.url: PostgreSQL needs its driver; install it with: pip install 'ignite-sync[postgres]'"
        ) from error
    return psycopg
