"""Looks into a database file without changing it, also while a daemon writes to it: what a check needs to know.

It takes no lock and migrates nothing, so it sees a database of any age: tables that are not there yet are empty.
"""

import contextlib
import sqlite3
from pathlib import Path

from attrs import frozen

from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Site
from daemon.storage.tables import connections, metadata
from daemon.storage.vault import Vault

BUSY_SECONDS = 5.0


@frozen(kw_only=True)
class Glance:
    """What a file has: sites by the state of their connection, encrypted values, and how many of them do not open."""

    states: dict[Site, str]
    encrypted: int = 0
    unreadable: int = 0


def glance(path: Path, vault: Vault | None) -> Glance:
    """Look into the file at `path`; encrypted values are tried with `vault`. Raises StorageTrouble."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            file.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")
            there = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            states = _states(file) if connections.name in there else {}
            encrypted = unreadable = 0
            for table in metadata.sorted_tables:
                if vault is not None and table.name in there and "encrypted" in table.columns:
                    query = f"SELECT encrypted FROM {table.name} WHERE encrypted IS NOT NULL"  # noqa: S608  a name of ours
                    for (value,) in file.execute(query):
                        encrypted += 1
                        unreadable += not _opens(vault, value)
    except sqlite3.Error as error:
        raise StorageTrouble(f"database {path}: {error}", reason="storage") from error
    return Glance(states=states, encrypted=encrypted, unreadable=unreadable)


def _states(file: sqlite3.Connection) -> dict[Site, str]:
    """Return the state of each site: that of its active connection, if it has one."""
    rows = file.execute("SELECT site_env, site_id, state FROM connections ORDER BY state = 'active', id")
    return {Site(env, site_id): state for env, site_id, state in rows}


def _opens(vault: Vault, encrypted: bytes) -> bool:
    try:
        vault.decrypt(encrypted)
    except ConfigError:
        return False
    return True
