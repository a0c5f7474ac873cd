"""Reads from a database without changing it, also while a daemon writes to it: for `ignite-sync check`.

It takes no lock and migrates nothing, so it reads a database of any age: a table that is not there yet is empty.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import field, frozen
from sqlalchemy import Connection, create_engine, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Secret, Site
from daemon.model.identifiers import without_password
from daemon.storage import postgres, postgres_server, tables
from daemon.storage.registrations import StoredRegistration
from daemon.storage.tables import connections, metadata
from daemon.storage.vault import Vault

BUSY_SECONDS = 5.0


@frozen(kw_only=True)
class Glance:
    """The state of each site's connection, the number of encrypted values, and of those that no key decrypts.

    `warnings` has what may lose data or time on a server, `configs` the fingerprint of each running node's settings.
    """

    states: Mapping[Site, str] = field(factory=dict)
    encrypted: int = 0
    unreadable: int = 0
    warnings: tuple[str, ...] = ()
    configs: Mapping[str, str] = field(factory=dict)


def glance(place: Path | Secret, vault: Vault | None) -> Glance:
    """Read the database at `place`; encrypted values are tried with `vault`.

    Raises StorageTrouble, and ConfigError for a database on PostgreSQL that the daemon would refuse.
    """
    with _opened(place) as conn:
        warnings: tuple[str, ...] = ()
        if isinstance(place, Secret):
            postgres_server.refuse_server(conn, without_password(place.reveal()))
            postgres_server.refuse_read_only(conn)
            warnings = postgres_server.warnings_of(conn, time.time())
        present = set(inspect(conn).get_table_names())
        states: dict[Site, str] = {}
        configs: dict[str, str] = {}
        if connections.name in present:
            # The last row of a site counts: its active connection, if it has one.
            c = connections.c
            rows = conn.execute(select(c.site_env, c.site_id, c.state).order_by(c.state == "active", c.id))
            states = {Site(row.site_env, row.site_id): row.state for row in rows}
        if tables.nodes.name in present:
            nodes = conn.execute(select(tables.nodes.c.name, tables.nodes.c.config))
            configs = {row.name: row.config for row in nodes}
        encrypted = unreadable = 0
        for table in metadata.sorted_tables:
            if vault is not None and table.name in present and "encrypted" in table.columns:
                query = select(table.c.encrypted).where(table.c.encrypted.is_not(None))
                for value in conn.execute(query).scalars():
                    encrypted += 1
                    try:
                        vault.decrypt(value)
                    except ConfigError:
                        unreadable += 1
    return Glance(states=states, encrypted=encrypted, unreadable=unreadable, warnings=warnings, configs=configs)


def registrations(place: Path | Secret) -> dict[Site, StoredRegistration]:
    """Return the registrations of active connections; none when there is no database or it cannot be read."""
    table, c = tables.registrations, connections.c
    query = select(c.site_env, c.site_id, table).join(connections, c.id == table.c.connection_id)
    try:
        with _opened(place) as conn:
            rows = conn.execute(query.where(c.state == "active")).mappings().all()
    except (StorageTrouble, ConfigError, DBAPIError):  # no database, or one from before this table
        return {}
    names = table.columns.keys()
    return {
        Site(row["site_env"], row["site_id"]): StoredRegistration(**{name: row[name] for name in names}) for row in rows
    }


@contextlib.contextmanager
def _opened(place: Path | Secret) -> Iterator[Connection]:
    """Lend a connection that only reads. Raises StorageTrouble."""
    if isinstance(place, Secret):
        postgres_server.refuse_url(place)
        engine, name = postgres.engine(place, postgres.READ), without_password(place.reveal())
    else:
        uri, name = f"{place.absolute().as_uri()}?mode=ro", str(place)
        engine = create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS), poolclass=NullPool
        )
    try:
        with engine.connect() as conn, conn.begin():
            yield conn
    except DBAPIError as error:
        why = " ".join(str(error.orig).split())
        remedy = postgres_server.remedy(why) if isinstance(place, Secret) else None
        if remedy is not None:
            raise ConfigError(f"database {name}: {why}; {remedy}") from error
        raise StorageTrouble(f"database {name}: {why}", reason="storage") from error
    finally:
        engine.dispose()
