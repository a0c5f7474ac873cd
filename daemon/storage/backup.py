"""Copies the database into a file of its own, also while a daemon writes to it, and checks that a copy is intact.

A backup is the whole state after a commit. It is written beside its place, in a file that only this user can read;
then it is checked, put on disk, and given its name. So there is never half a backup, and nothing is overwritten. A
process that is killed leaves its `.partial` behind.

A running daemon makes the copy and hands it out (`lend`); the command that asked for it stores it (`receive`). So the
file belongs to the person who asked, and no second process opens the database.
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
"""Suffixes of a database file and of the files that SQLite may leave beside it."""


def back_up(source: Path, target: Path) -> int:
    """Write a backup of `source` to the new file `target`, and return its size in bytes.

    Raises ConfigError, one line, when a path cannot be used, and StorageTrouble when the database cannot be read or
    is damaged.
    """
    if not source.exists():
        raise ConfigError(f"database {source}: there is none yet, and so nothing to back up")
    with placed(target) as partial:
        _copied(source, partial)
        return partial.stat().st_size


def receive(chunks: Iterable[bytes], target: Path) -> int:
    """Write a backup that a daemon hands out to the new file `target`, and return its size in bytes.

    Raises ConfigError when the path cannot be used, and StorageTrouble when the copy did not arrive whole.
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
    """Return a checked copy of the database, open at its start, that vanishes when closed. Raises StorageTrouble."""
    try:
        with partial_beside(source) as partial:
            _copied(source, partial)
            # Its name goes at once; the copy itself lives as long as it is open.
            return partial.open("rb")
    except OSError as error:
        raise StorageTrouble(
            f"no copy can be written beside {source}: {error.strerror}", reason="storage_full"
        ) from error


@contextlib.contextmanager
def placed(target: Path) -> Iterator[Path]:
    """Lend a file beside `target`; then put it on disk and give it that name. Raises ConfigError, one line."""
    target = target.absolute()
    _refuse_present(target)
    try:
        with partial_beside(target) as partial:
            yield partial
            flush(partial)
            try:
                os.link(partial, target)  # unlike renaming, it overwrites nothing
            except OSError:  # the target exists by now, or the file system has no hard links
                _refuse_present(target)
                partial.rename(target)
        # A name belongs to its folder: without this, a loss of power may take the backup back.
        flush(target.parent)
    except OSError as error:
        raise ConfigError(f"{target}: {error.strerror}; choose a folder this user can write to") from error


@contextlib.contextmanager
def partial_beside(path: Path) -> Iterator[Path]:
    """Lend an empty file beside `path` that only this user can read; delete it unless it gets another name."""
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
    """Read all of a database. Raises sqlite3.Error with words that follow its name: "is damaged (...)"."""
    try:
        (words,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:  # raised where not even the file's head is a database's
        words = str(error)
    if words != "ok":
        raise sqlite3.DatabaseError(f"is damaged ({' '.join(words.split())})")


def damage(conn: Connection) -> str | None:
    """Read all of the database, and return the first error in its pages; None if there is none."""
    # Unlike `integrity_check`, it compares no index with its table, which would take a start much longer.
    words = conn.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    return None if words == "ok" else " ".join(words.split())


def flush(path: Path) -> None:
    """Wait until the disk has what was written to a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_present(target: Path) -> None:
    # A link that leads nowhere is there, too: renaming would replace it.
    if os.path.lexists(target):
        raise ConfigError(f"{target}: is there already, and nothing is overwritten; name a file that is not there yet")


def _copied(source: Path, target: Path) -> None:
    """Copy the state after a commit. Raises StorageTrouble."""
    try:
        with (
            # By default SQLite would make an empty database where the source is gone by now.
            contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as here,
            contextlib.closing(sqlite3.connect(target)) as there,
        ):
            here.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")
            # In one transaction, and beside a writer: it copies all pages in one step.
            here.backup(there)
            # A program that opens the copy must leave no log beside it; the daemon sets its own mode again.
            there.execute("PRAGMA journal_mode=DELETE")
            check(there)
    except sqlite3.Error as error:
        raise StorageTrouble(f"database {source}: {error}; there is no new backup", reason="storage") from error
