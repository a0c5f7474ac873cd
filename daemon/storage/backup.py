"""Copies the database into a file of its own, also while a daemon writes to it, and tells whether one is intact.

A backup is the state after some commit, whole: SQLite reads it in one transaction and holds no writer up. It is
written beside its place, in a file that nobody else writes, checked, put on disk, and only then put in its place: so
there is never half of one, and a good one is not replaced by a damaged one. One that is killed leaves its file behind.
"""

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path

from sqlalchemy import Connection

from daemon.errors import ConfigError, StorageTrouble

BUSY_SECONDS = 30.0
SIDECARS = ("", "-wal", "-shm", "-journal")
"""What SQLite may leave beside a file, and the file itself."""


def back_up(source: Path, target: Path) -> int:
    """Write a backup of the database `source` to `target`, and return its size in bytes.

    What was at `target` is replaced. Raises ConfigError, one line, when a path cannot be used, and StorageTrouble
    when the database cannot be read or is damaged.
    """
    if not source.exists():
        raise ConfigError(f"database {source}: there is none yet, and so nothing to back up")
    if target.exists() and target.samefile(source):
        raise ConfigError(f"{target}: is the database itself; name another file")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".partial", dir=target.absolute().parent)
        os.close(descriptor)
        partial = Path(name)
        try:
            _copy(source, partial)
            _flush(partial)
            size = partial.stat().st_size
            partial.replace(target)
        finally:
            _clear(partial)
        _flush(target.absolute().parent)
    except OSError as error:
        raise ConfigError(f"{target}: {error.strerror}; choose a folder this user can write to") from error
    except sqlite3.Error as error:
        raise StorageTrouble(f"database {source}: {error}; there is no new backup", reason="storage") from error
    return size


def damage(conn: Connection) -> str | None:
    """Read all of the database, and return what is wrong with its pages; None: nothing."""
    words = conn.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    return None if words == "ok" else " ".join(words.split())


def _copy(source: Path, target: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as here,
        contextlib.closing(sqlite3.connect(target)) as there,
    ):
        here.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")
        here.backup(there)
        # Who opens it leaves nothing beside it; the daemon sets its own again.
        there.execute("PRAGMA journal_mode=DELETE")
        words = there.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if words != "ok":
            raise sqlite3.DatabaseError(f"is damaged ({' '.join(words.split())})")


def _flush(path: Path) -> None:
    """Have the disk hold what was written to a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear(partial: Path) -> None:
    for sidecar in SIDECARS:
        with contextlib.suppress(FileNotFoundError):
            partial.with_name(partial.name + sidecar).unlink()
