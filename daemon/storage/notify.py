"""Short messages between the nodes of one database, by PostgreSQL's LISTEN and NOTIFY.

A message says where to look in the database, and may be lost: an absent server, a dead socket, or a pooler that hands
sessions to other clients lose it without an error. So a listener has to ask itself now and then (see
`daemon.connections.wakeups`).

Sending has a session of its own, since a NOTIFY inside a transaction of the writer makes commits wait for each other.
Listening has another one and no thread: trio waits for its socket.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import trio
from attrs import frozen
from sqlalchemy import Connection

from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Secret
from daemon.storage.postgres import CONNECT_SECONDS, WRITE, PostgresConnection, watched
from daemon.storage.postgres_server import driver, refuse_url, remedy

CHANNEL = "ignite"

ARRIVE_SECONDS = 5.0
"""The longest time for a session to begin and a message to arrive."""

LONGEST = 1000
"""Characters of a message at most. PostgreSQL refuses 8,000 bytes."""


@frozen
class Messenger:
    """Sends and receives messages; made by `open_messenger`."""

    _sender: PostgresConnection
    _listen_url: Secret

    async def send(self, messages: Sequence[str]) -> None:
        """Send messages to every listener, this process's own too. Raises StorageTrouble."""
        await self._sender.run(self._sender.transact, _notify, messages)

    async def hear(self, ready: Callable[[], None], receive: Callable[[str], None]) -> None:
        """Call `ready` once the server is told to listen, and `receive` with each message, until the session ends.

        Raises StorageTrouble, always: a session does not end otherwise.
        """
        psycopg = driver()
        try:
            # Waited for even when cancelled: a session that comes later would stay open.
            session = await trio.to_thread.run_sync(_connected, self._listen_url)
            with contextlib.closing(session):
                await _listen(session.pgconn, psycopg.pq.ExecStatus.COMMAND_OK)
                ready()
                while True:
                    await trio.lowlevel.wait_readable(session.pgconn.socket)
                    session.pgconn.consume_input()
                    while (message := session.pgconn.notifies()) is not None:
                        receive(message.extra.decode("utf-8", "replace"))
        except (psycopg.Error, OSError) as error:
            raise StorageTrouble(" ".join(str(error).split()), reason="storage_unreachable") from error


@contextlib.asynccontextmanager
async def open_messenger(url: Secret, listen_url: Secret) -> AsyncIterator[Messenger]:
    """Lend a messenger. It connects at need, so that a server's absence raises nothing here.

    Raises ConfigError, one line, when the client library cannot use `listen_url`.
    """
    refuse_url(listen_url, "database.listen_url")
    sender = PostgresConnection(url, WRITE)
    with watched([sender]):
        try:
            yield Messenger(sender, listen_url)
        finally:
            with trio.CancelScope(shield=True):
                await sender.aclose()


async def arrives(url: Secret, listen_url: Secret) -> bool:
    """Return whether a message that is sent at `url` is heard at `listen_url`.

    Raises ConfigError when `listen_url` must change, and StorageTrouble.
    """
    # Random, because every node of the database hears the channel, and may be checking too.
    message, arrived = f"check {secrets.token_hex(8)}", trio.Event()
    trouble: StorageTrouble | None = None

    def receive(text: str) -> None:
        if text == message:
            arrived.set()

    async with open_messenger(url, listen_url) as messenger, trio.open_nursery() as nursery:
        ready = trio.Event()

        async def attempt(fn: Callable[..., Awaitable[None]], *args: object) -> None:
            nonlocal trouble
            try:
                await fn(*args)
            except StorageTrouble as error:
                trouble = error
                nursery.cancel_scope.cancel()

        nursery.start_soon(attempt, messenger.hear, ready.set, receive)
        with trio.move_on_after(ARRIVE_SECONDS):
            await ready.wait()
            await attempt(messenger.send, [message])
            await arrived.wait()
        nursery.cancel_scope.cancel()
    if trouble is not None:
        if (cure := remedy(str(trouble))) is not None:
            raise ConfigError(f"database.listen_url: {trouble}; {cure}") from trouble
        raise trouble
    return arrived.is_set()


def _notify(conn: Connection, messages: Sequence[str]) -> None:
    asked = {"channel": CHANNEL, "messages": [message[:LONGEST] for message in messages]}
    conn.exec_driver_sql(
        "SELECT pg_notify(%(channel)s, message) FROM unnest(%(messages)s::text[]) AS messages (message)", asked
    )


def _connected(url: Secret) -> Any:
    return driver().connect(
        url.reveal(),
        autocommit=True,
        client_encoding="UTF8",
        connect_timeout=CONNECT_SECONDS,
        fallback_application_name="ignite-sync listener",
    )


async def _listen(session: Any, fine: int) -> None:
    """Tell the server to listen. Raises psycopg's errors."""
    # Sent and awaited apart, so that a silent server holds up nothing that cannot be cancelled.
    session.send_query(f"LISTEN {CHANNEL}".encode())
    session.flush()
    while session.is_busy():
        await trio.lowlevel.wait_readable(session.socket)
        session.consume_input()
    while (result := session.get_result()) is not None:
        if result.status != fine:
            raise driver().OperationalError(result.error_message.decode("utf-8", "replace"))
