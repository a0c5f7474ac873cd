"""Puts a backup in the place of the database, while no daemon has it.

Nothing in place is touched before the backup is known to be whole, of this release or an earlier one, and readable
with the configured keys. Then the present files get other names and stay; the new one gets their owner and mode. Files
that were set aside can be restored in their turn, with the log that belongs to them.

SparkLayer has changed since the backup was made, so its ledger may be wrong. Every kind that was ever synced is marked
for a refresh run, which begins at the next start. An entity that came into the store and was deleted since the backup
stays in SparkLayer, because nothing knows of it.
"""

import contextlib
import os
import shutil
import sqlite3
import stat
import time
from pathlib import Path

from sqlalchemy import Connection, create_engine, inspect, select
from sqlalchemy.exc import DatabaseError

from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Kind
from daemon.storage.backup import SIDECARS, check, flush, partial_beside
from daemon.storage.connections import everyone
from daemon.storage.full_syncs import Start, newest, start
from daemon.storage.lock import only_one, owner_of, real_path
from daemon.storage.migrate import upgrade
from daemon.storage.sqlite import MAGIC
from daemon.storage.states import RunMode
from daemon.storage.tables import meta
from daemon.storage.vault import Vault

OURS = {"alembic_version", "connections", "ledger", "meta", "outbox"}
"""Tables that the database of every release has."""

OTHER_FILE = "name a file that `ignite-sync backup` wrote"
STEM = "before-restore"


def restore(backup: Path, database: Path, vault: Vault, now: float) -> Path | None:
    """Put `backup` in the place of `database`; return the new name of the file that was there, if there was one.

    Raises ConfigError, one line, when the backup cannot be used, and StorageTrouble when a daemon runs or the disk does
    not take it. After any error the database is as it was.
    """
    _usable(backup, database)
    database = real_path(database)  # what a link leads to is replaced, not the link
    with only_one(database):
        try:
            with partial_beside(database) as partial:
                _copy(backup, partial)
                _prepare(backup, partial, vault, now)
                _like(partial, database)
                flush(partial)
                aside = _set_aside(database, now)
                partial.replace(database)
            flush(database.parent)
        except OSError as error:
            remedy = "do it as the user that the database belongs to, or as root, with room on the disk"
            raise StorageTrouble(f"{error.strerror}; {remedy}", reason="storage") from error
    return aside


def _usable(backup: Path, database: Path) -> None:
    """Refuse a file that cannot be a backup, before anything is locked or written. Raises ConfigError."""
    try:
        itself = database.exists() and backup.samefile(database)
        begins = b""
        if stat.S_ISREG(backup.stat().st_mode):  # a pipe would wait for its writer
            with backup.open("rb") as file:
                begins = file.read(len(MAGIC))
    except OSError as error:
        raise ConfigError(f"{backup}: {error.strerror}; {OTHER_FILE}") from error
    if itself:
        raise ConfigError(f"{backup}: is the database itself; {OTHER_FILE}")
    if begins != MAGIC:
        raise ConfigError(f"{backup}: is no database; {OTHER_FILE}")


def _copy(backup: Path, partial: Path) -> None:
    """Copy a file with the log that belongs to it, and change nothing beside it."""
    # Not -shm, which SQLite rebuilds from the log.
    for sidecar in ("", "-wal", "-journal"):
        if (beside := backup.with_name(backup.name + sidecar)).exists():
            shutil.copyfile(beside, partial.with_name(partial.name + sidecar))


def _prepare(backup: Path, partial: Path, vault: Vault, now: float) -> None:
    """Check a copy, bring it to this release's schema, and mark it. Raises ConfigError."""
    engine = create_engine(f"sqlite:///{partial}")
    try:
        with contextlib.closing(sqlite3.connect(partial)) as database:
            database.execute("PRAGMA journal_mode=DELETE")  # merges the log
            check(database)
        # All of it in one transaction of the copy: if it fails, the copy is thrown away.
        with engine.begin() as conn:
            if not OURS.issubset(inspect(conn).get_table_names()):
                raise ConfigError(f"{backup}: is no database of Ignite Sync; {OTHER_FILE}")
            try:
                upgrade(conn)
            except ConfigError as error:
                raise ConfigError(f"{backup}: {str(error).removeprefix('database: ')}") from error
            for (encrypted,) in conn.execute(select(meta.c.encrypted)):
                vault.decrypt(encrypted)
            _mark(conn, now)
    except (sqlite3.Error, DatabaseError) as error:
        words = str(error.orig if isinstance(error, DatabaseError) else error)
        raise ConfigError(f"{backup}: {words}; {OTHER_FILE}") from error
    finally:
        engine.dispose()


def _mark(conn: Connection, now: float) -> None:
    """Start a refresh run of every kind that was ever synced."""
    for connection in everyone(conn):
        for kind in Kind:
            # `start` passes over connections that are not active.
            if newest(conn, connection.id, kind) is not None:
                refresh = Start(connection_id=connection.id, kind=kind, mode=RunMode.REFRESH, now=now, internal=True)
                start(conn, [refresh])


def _like(file: Path, database: Path) -> None:
    """Give a file the owner and mode of the database, or the owner of the folder."""
    if database.exists():
        file.chmod(stat.S_IMODE(database.stat().st_mode))
    owner = owner_of(database)
    if owner != (file.stat().st_uid, file.stat().st_gid):
        os.chown(file, *owner)


def _set_aside(database: Path, now: float) -> Path | None:
    """Give the present files other names, the log last; return that of the database."""
    aside = _free_name(database, now)
    present = database.exists()
    if present:
        # The old name stays until the file is replaced. After a loss of power in between, the database has no log,
        # which may have the last changes: then the files that were set aside are the ones to restore.
        # A copy: a hard link needs a file system that has them, and a kill would leave a database with two names.
        with partial_beside(database) as copy:
            shutil.copyfile(database, copy)
            _like(copy, database)
            flush(copy)
            copy.rename(aside)
    for sidecar in SIDECARS[1:]:
        beside = database.with_name(database.name + sidecar)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + sidecar))
            present = True
    flush(database.parent)
    return aside if present else None


def _free_name(database: Path, now: float) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    number = 1
    while True:
        more = "" if number == 1 else f"-{number}"
        aside = database.with_name(f"{database.name}.{STEM}-{stamp}{more}")
        if not any(os.path.lexists(aside.with_name(aside.name + sidecar)) for sidecar in SIDECARS):
            return aside
        number += 1
