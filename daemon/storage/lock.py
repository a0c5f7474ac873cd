"""The locks that keep a second process away from a database, by any name of the file.

SQLite's log lies beside the name that the database was opened by, so two names at once would ruin it. One lock is on a
file beside the place where the database really is. The other is on a byte of the database's own file.
"""

import contextlib
import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from daemon.errors import ConfigError, StorageTrouble

LOCK_SECONDS = 3.0
"""The time after which another process that has the database is taken for a daemon."""

_FAR = 2**62
"""The byte: far beyond those that SQLite locks itself."""

_LASTING = {
    errno.EACCES,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}
"""The system's errors that stay until a person changes the settings or the rights. A full disk may pass."""


def real_path(path: Path) -> Path:
    """Return the place that links at `path` lead to. Raises ConfigError when they lead in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        raise ConfigError(f"database {path}: its links lead in a circle; name the file itself") from None


def file_error(path: Path, error: OSError, remedy: str) -> ConfigError | StorageTrouble:
    """Return what to raise when the system refuses a file of the database at `path`.

    Exit code 2 keeps a supervisor from trying again, so trouble that may pass is no ConfigError.
    """
    if error.errno in _LASTING:
        return ConfigError(f"database {path}: {error.strerror}; {remedy}")
    return StorageTrouble(error.strerror or str(error), reason="storage")


@contextlib.contextmanager
def only_one(path: Path, *, make: bool = False) -> Iterator[None]:
    """Hold the locks while this process uses the database; `make` an empty file if there is none.

    Raises StorageTrouble when another process has it, and ConfigError when this user can write nothing there.
    """
    real = real_path(path)
    try:
        beside = real.with_name(f"{real.name}.lock").open("w")
    except OSError as error:
        raise file_error(path, error, "choose a folder this user can write to") from error
    with beside:
        _take(beside, path)
        if os.geteuid() == 0:  # a command that root calls must not lock the daemon's own user out
            os.fchown(beside.fileno(), *owner_of(real))
        if make:
            # Only this user can read it, and SQLite gives the files beside it the same rights. Locking the file tells
            # why it cannot be made.
            with contextlib.suppress(OSError):
                os.close(os.open(real, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        refuse_names(path, real)
        # Mounted files reach the same file from other folders, and so does a hard link that is made meanwhile.
        with _held(path, real):
            yield


def refuse_names(path: Path, real: Path) -> None:
    """Raise ConfigError when the database has several hard links.

    SQLite's log lies beside one of them. A start by another one would not find it, and lose what it holds.
    """
    if real.is_file() and (names := real.stat().st_nlink) > 1:
        remedy = f"remove the others (find them with: find / -xdev -samefile {real}), and use a symbolic link instead"
        raise ConfigError(f"database {path}: has {names} names (hard links), and SQLite's log is beside one; {remedy}")


def _take(beside: IO[str], path: Path) -> None:
    """Lock the file beside the database. Raises StorageTrouble when another process has it for LOCK_SECONDS."""
    # A command reads a crashed daemon's database in a second. A daemon that is started just then need not give up.
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > deadline:
                raise _in_use() if isinstance(error, BlockingIOError) else file_error(path, error, "") from error
        time.sleep(0.05)


def owner_of(path: Path) -> tuple[int, int]:
    """Return user and group of the database at `path`, or of its folder while there is none."""
    status = (path if path.exists() else path.absolute().parent).stat()
    return status.st_uid, status.st_gid


@contextlib.contextmanager
def _held(path: Path, real: Path) -> Iterator[None]:
    """Hold the lock on the file itself, if there is one. Raises StorageTrouble and ConfigError."""
    try:
        file = real.open("rb+")
    except FileNotFoundError:
        yield
        return
    except OSError as error:
        raise file_error(path, error, "check the file and its folder") from error
    # The file stays open until SQLite has closed it: closing it gives up the locks of SQLite in this process.
    with file:
        # NFS turns `flock` into a lock of the whole file, and SQLite could not lock its own bytes.
        # A plain lock belongs to the process, and would end as soon as SQLite closes the file anywhere in it.
        command = getattr(fcntl, "F_OFD_SETLK", None)  # only Linux has it
        # The layout is that of 64-bit Linux; the process id at its end must be 0 for such a lock.
        byte = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, _FAR, 1, 0)
        try:
            if command is not None:
                fcntl.fcntl(file.fileno(), command, byte)
        except (BlockingIOError, PermissionError) as error:  # POSIX allows either for a lock that another has
            raise _in_use() from error
        except OSError:
            pass  # a file system without such locks
        yield


def _in_use() -> StorageTrouble:
    # Passing trouble: a command is done in a moment, and a daemon that is being replaced ends in half a minute.
    return StorageTrouble("another daemon or command is using it; stop that one first", reason="storage_busy")
