"""Copies the database into a file of its own, also while a daemon writes to it, and tells whether one is intact.

A backup is the state after some commit, whole: SQLite reads it in one transaction and holds no writer up. It is
written beside its place, in a file that only this user can read, checked, put on disk, and only then given its name:
so there is never half of one, and nothing is ever overwritten. A process that is killed leaves its `.partial` behind.

A running daemon makes the copy and hands it out (`lend`); the command that asked for it gives it a place (`receive`).
So the file belongs to the person who asked, wherever that is, and no second process opens the database.
"""

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection

from daemon.errors import ConfigError, StorageTrouble

BUSY_SECONDS = 30.0
SIDECARS = ("", "-wal", "-shm", "-journal")
"""What SQLite may leave beside a file, and the file itself."""


def back_up(source: Path, target: Path) -> int:
    """Write a backup of the database `source` to `target`, where nothing is yet, and return its size in bytes.

    Raises ConfigError, one line, when a path cannot be used, and StorageTrouble when the database cannot be read or
    is damaged.
    """
    if not source.exists():
        raise ConfigError(f"database {source}: there is none yet, and so nothing to back up")
    with placed(target) as partial:
        _copied(source, partial)
        return partial.stat().st_size


def receive(chunks: Iterable[bytes], target: Path) -> int:
    """Write a backup that a daemon hands out to `target`, where nothing is yet, and return its size in bytes.

    Raises ConfigError when the path cannot be used, and StorageTrouble when what arrived is not whole.
    """
    with placed(target) as partial:
        with partial.open("wb") as file:
            file.writelines(chunks)
        try:
            with contextlib.closing(sqlite3.connect(partial)) as there:
                check(there)
        except sqlite3.Error as error:
            raise StorageTrouble(f"what arrived {error}; there is no new backup", reason="storage") from error
        return partial.stat().st_size


def lend(source: Path) -> BinaryIO:
    """Return a checked copy of the database, open at its start; it is gone once it is closed. Raises StorageTrouble."""
    try:
        with partial_beside(source) as partial:
            _copied(source, partial)
            return partial.open("rb")
    except OSError as error:
        raise StorageTrouble(
            f"no copy can be written beside {source}: {error.strerror}", reason="storage_full"
        ) from error


@contextlib.contextmanager
def placed(target: Path) -> Iterator[Path]:
    """Have a file written beside its place, and put it on disk and there. Raises ConfigError, one line."""
    target = target.absolute()
    _refuse_present(target)
    try:
        with partial_beside(target) as partial:
            yield partial
            flush(partial)
            try:
                os.link(partial, target)  # unlike a renaming, it overwrites nothing
            except OSError:  # it is there by now, or the file system has no second names
                _refuse_present(target)
                partial.rename(target)
        flush(target.parent)
    except OSError as error:
        raise ConfigError(f"{target}: {error.strerror}; choose a folder this user can write to") from error


@contextlib.contextmanager
def partial_beside(path: Path) -> Iterator[Path]:
    """Lend an empty file beside `path` that nobody else can read; it is gone afterwards, unless it got another name."""
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".partial", dir=path.parent)
    os.close(descriptor)
    partial = Path(name)
    try:
        yield partial
    finally:
        for sidecar in SIDECARS:
            with contextlib.suppress(FileNotFoundError):
                partial.with_name(partial.name + sidecar).unlink()


def check(database: sqlite3.Connection) -> None:
    """Read all of a database. Raises sqlite3.Error whose words follow its name: "is damaged (...)"."""
    try:
        (words,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        words = str(error)
    if words != "ok":
        raise sqlite3.DatabaseError(f"is damaged ({' '.join(words.split())})")


def damage(conn: Connection) -> str | None:
    """Read all of the database, and return what is wrong with its pages; None: nothing."""
    words = conn.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    return None if words == "ok" else " ".join(words.split())


def flush(path: Path) -> None:
    """Have the disk hold what was written to a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_present(target: Path) -> None:
    if os.path.lexists(target):
        raise ConfigError(f"{target}: is there already, and nothing is overwritten; name a file that is not there yet")


def _copied(source: Path, target: Path) -> None:
    """Copy the state after some commit. Raises StorageTrouble."""
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as here,
            contextlib.closing(sqlite3.connect(target)) as there,
        ):
            here.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")
            here.backup(there)
            # Who opens it leaves nothing beside it; the daemon sets its own again.
            there.execute("PRAGMA journal_mode=DELETE")
            check(there)
    except sqlite3.Error as error:
        raise StorageTrouble(f"database {source}: {error}; there is no new backup", reason="storage") from error
