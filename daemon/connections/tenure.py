"""The connections that this process may work on.

Taking webhooks, orders and connects needs no tenure: each is a transaction that is correct in any process. Working on a
connection does. Whatever works gets its storage from an `Ownership`, and runs inside it. With SQLite one process has
the database file, and with it every connection; with PostgreSQL see `daemon.connections.cluster`.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import trio
from attrs import frozen

from daemon.errors import StorageTrouble
from daemon.model import ConnectionId
from daemon.observability.logging import log_storage_trouble
from daemon.storage.connections import Stored
from daemon.storage.database import Storage
from daemon.transport.backoff import backoff

R = TypeVar("R")
Task = Callable[[], Awaitable[None]]


async def patiently(write: Callable[[], Awaitable[R]]) -> R:
    """Repeat a write until the database takes it: what it stores must not be given up."""
    attempts = 0
    while True:
        try:
            return await write()
        except StorageTrouble as error:
            log_storage_trouble(error)
        attempts += 1
        await trio.sleep(backoff(attempts, 1.0))


class Ownership(Protocol):
    """The right of this process to work on one connection, for now."""

    @property
    def storage(self) -> Storage:
        """The database as the owner sees it: its writes are refused once another process is the owner."""

    async def while_owned(self, task: Task) -> None:
        """Run a task until it ends, or until the connection is lost: then it is cancelled."""


class Work(Protocol):
    """The work on connections, begun and ended as the tenure says; a `Lifecycle`."""

    async def work_on(self, stored: Stored) -> None:
        """Work on an owned connection as it is stored now. Called again when it has changed. Raises StorageTrouble."""

    def finish_one(self, stored: Stored) -> None:
        """Have the tasks of a connection end as soon as its batches in flight are settled."""

    async def stop_one(self, stored: Stored) -> None:
        """End the work on a connection at once."""

    def said(self, connection_id: ConnectionId) -> None:
        """Wake the tasks of a connection, in whichever process: a last word about it was stored."""


class Tenure(Protocol):
    """Says which connections this process may work on, and has the work begun and ended."""

    def ownership(self, connection_id: ConnectionId) -> Ownership | None:
        """Return the right to work on a connection; None while another process has it, or none."""

    def now(self) -> float:
        """Return the time in seconds since the epoch, the same in all processes."""

    @property
    def beat_age(self) -> float | None:
        """The seconds since this process last showed the others that it lives; None where there are no others."""

    def wake(self) -> None:
        """Look at once for connections that are free, or that have changed."""

    async def run(self, work: Work) -> None:
        """Begin and end the work on connections, until `finish` and until all of them are given back."""

    def finish(self) -> None:
        """Take no more connections, and give each one back as soon as its batches in flight are settled."""


@frozen
class Alone:
    """The tenure of the only process: every connection is its own, from the start to the end."""

    storage: Storage
    beat_age: float | None = None

    def now(self) -> float:
        """Return the clock's time."""
        return time.time()

    def ownership(self, _connection_id: ConnectionId) -> "Alone":
        """Return the right to work on any connection."""
        return self

    async def while_owned(self, task: Task) -> None:
        """Run a task."""
        await task()

    def wake(self) -> None:
        """Look for nothing: no other process changes anything."""

    async def run(self, _work: Work) -> None:
        """Do nothing: the work begins as connections come."""

    def finish(self) -> None:
        """Give nothing back."""
