"""The storage of a daemon: whole transactions for callers on trio.

Callers hand over *whole transactions*, never statements, and wait shielded: so a cancelled caller neither tears a
transaction apart nor leaves the database locked. `Database` has one writer, which commits in groups, and connections
that only read.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import trio

from daemon.model import Secret
from daemon.storage import outbox, postgres, sqlite
from daemon.storage.group_commit import C, GroupCommit, Observe, Operation, R, Transactions
from daemon.storage.leases import Lease

OVERLAPPING = frozenset({outbox.record})
"""The operations whose commits may overlap: they lock rows in one order, and any order of their calls is right."""


def in_order(call: Any) -> tuple[int, str]:
    """Return the connection and the kind that a call is about. `outbox.record` locks rows in the same order."""
    # An owner's call comes as a pair with its lease; see `daemon.storage.leases.fenced`.
    lease, about = call if isinstance(call, tuple) and call and isinstance(call[0], Lease) else (call, call)
    return getattr(lease, "connection_id", 0), getattr(about, "kind", "")


class Storage(Protocol):
    """The database, as the rest of the daemon sees it."""

    async def write(self, fn: Operation[C, R], call: C) -> R:
        """Commit `call` durably with everything else that waits; return its result. Raises StorageTrouble."""
        ...

    async def read(self, fn: Callable[..., R], *args: Any) -> R:
        """Run `fn(conn, *args)` in a read-only transaction that sees every commit so far. Raises StorageTrouble."""
        ...


class OpenStorage(Storage, Protocol):
    """A database that this process has opened."""

    @property
    def waiting(self) -> int:
        """The number of calls that wait for the next commit."""
        ...


class SharedStorage(Storage, Protocol):
    """A database that several nodes may use."""

    async def apart(self, fn: Callable[..., R], *args: Any) -> R:
        """Run `fn(conn, *args)` in a transaction that waits for no other call. Raises StorageTrouble."""
        ...


class Database:
    """The storage with threads; made by `open_database`."""

    def __init__(self, writer: GroupCommit, readers: Sequence[Transactions], beats: Transactions | None = None) -> None:
        self._beats = beats
        self._writer = writer
        self._idle = list(readers)
        self._free = trio.Semaphore(len(readers))

    async def write(self, fn: Operation[C, R], call: C) -> R:
        """Commit `call` durably; see `Storage`. A caller that is cancelled learns of it after the commit."""
        return await self._writer.write(fn, call)

    async def read(self, fn: Callable[..., R], *args: Any) -> R:
        """Run a query; see `Storage`."""
        async with self._free:
            # The last one that became idle: its pages are in SQLite's cache.
            reader = self._idle.pop()
            try:
                return await reader.run(reader.transact, fn, *args)
            finally:
                self._idle.append(reader)

    @property
    def shared(self) -> bool:
        """True when several nodes may use the database."""
        return self._beats is not None

    async def apart(self, fn: Callable[..., R], *args: Any) -> R:
        """Run a transaction on a connection that nothing else uses; see `SharedStorage`."""
        assert self._beats is not None  # the caller has asked `shared`
        return await self._beats.run(self._beats.transact, fn, *args)

    @property
    def waiting(self) -> int:
        """The number of calls that wait for the next commit."""
        return self._writer.waiting


@contextlib.asynccontextmanager
async def open_database(
    place: Path | Secret, observe: Observe = lambda *_: None, *, make: bool = True
) -> AsyncIterator[Database]:
    """Open the database at `place`, a file or the URL of one on PostgreSQL, migrated and with its writer running.

    `observe` is called after each commit. Without `make`, an empty database on PostgreSQL stays as it is. Raises
    ConfigError, one line, when a person must change the settings, the rights or the file; and StorageTrouble when that
    may pass: another process has the file, the disk is full, a server does not answer.
    """
    opening: AbstractAsyncContextManager[tuple[Sequence[Transactions], Sequence[Transactions], Transactions | None]] = (
        postgres.connected(place, make=make) if isinstance(place, Secret) else sqlite.connected(place)
    )
    async with opening as (connections, readers, beats):
        writer = GroupCommit(connections, observe, OVERLAPPING, in_order)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run)
            if isinstance(place, Path) and isinstance(connections[0], sqlite.WorkerConnection):
                nursery.start_soon(sqlite.keep_log_small, place, connections[0], writer)
            try:
                yield Database(writer, readers, beats)
            finally:
                # A commit under way ends first, since its wait is shielded.
                nursery.cancel_scope.cancel()
