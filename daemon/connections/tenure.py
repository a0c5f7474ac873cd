"""The connections that this process may work on.

Taking webhooks, orders and connects needs no tenure: each is a transaction that is correct in any process. Working on a
connection does, so a runner gets its storage from here. With SQLite one process has the database file, and with it
every connection.
"""

from typing import Protocol

from attrs import frozen

from daemon.model import ConnectionId
from daemon.storage.database import Storage


class Tenure(Protocol):
    """Says which connections this process may work on."""

    def storage(self, connection_id: ConnectionId) -> Storage | None:
        """Return the database as the worker of a connection sees it; None while another process works on it."""


@frozen
class Alone:
    """The tenure of the only process: every connection is its own."""

    database: Storage

    def storage(self, _connection_id: ConnectionId) -> Storage:
        """Return the database itself."""
        return self.database
