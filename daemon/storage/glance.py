"""Reads from a database file without changing it, also while a daemon writes to it: for `ignite-sync check`.

It takes no lock and migrates nothing, so it reads a database of any age: a table that is not there yet is empty.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Site
from daemon.storage.registrations import Found
from daemon.storage.tables import connections, metadata
from daemon.storage.vault import Vault

BUSY_SECONDS = 5.0


@frozen(kw_only=True)
class Glance:
    """The state of each site's connection, the number of encrypted values, and of those that no key decrypts."""

    states: dict[Site, str]
    encrypted: int = 0
    unreadable: int = 0


def glance(path: Path, vault: Vault | None) -> Glance:
    """Read the file at `path`; encrypted values are tried with `vault`. Raises StorageTrouble."""
    try:
        with _opened(path) as file:
            present = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            states = _states(file) if connections.name in present else {}
            encrypted = unreadable = 0
            for table in metadata.sorted_tables:
                if vault is not None and table.name in present and "encrypted" in table.columns:
                    query = f"SELECT encrypted FROM {table.name} WHERE encrypted IS NOT NULL"  # noqa: S608  a name of ours
                    for (value,) in file.execute(query):
                        encrypted += 1
                        unreadable += not _decrypts(vault, value)
    except sqlite3.Error as error:
        raise StorageTrouble(f"database {path}: {error}", reason="storage") from error
    return Glance(states=states, encrypted=encrypted, unreadable=unreadable)


def registrations(path: Path) -> dict[Site, Found]:
    """Return the registrations of active connections; none when the file is not there or cannot be read."""
    query = (
        "SELECT site_env, site_id, connection_id, registered, missing, looked_at, registrations.encrypted"
        " FROM registrations JOIN connections ON connections.id = connection_id WHERE state = 'active'"
    )
    names = ("connection_id", "registered", "missing", "looked_at", "encrypted")
    try:
        with _opened(path) as file:
            rows = file.execute(query).fetchall()
    except sqlite3.Error:  # no file, or one from before this table
        return {}
    return {Site(env, site_id): Found(**dict(zip(names, row, strict=True))) for env, site_id, *row in rows}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
        file.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")
        yield file


def _states(file: sqlite3.Connection) -> dict[Site, str]:
    # The last row of a site counts: its active connection, if it has one.
    rows = file.execute("SELECT site_env, site_id, state FROM connections ORDER BY state = 'active', id")
    return {Site(env, site_id): state for env, site_id, state in rows}


def _decrypts(vault: Vault, encrypted: bytes) -> bool:
    try:
        vault.decrypt(encrypted)
    except ConfigError:
        return False
    return True
