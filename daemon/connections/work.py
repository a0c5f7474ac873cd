"""The work on connections, as a tenure begins and ends it."""

from attrs import frozen

from daemon.connections.lifecycle import Lifecycle
from daemon.model import ConnectionId
from daemon.storage.connections import Stored


@frozen
class ConnectionWork:
    """Runners and clean-ups of the connections that this process owns; a `Work`."""

    _lifecycle: Lifecycle

    async def work_on(self, stored: Stored) -> None:
        """Work on a connection, or clean up after it, as it is stored by now."""
        await self._lifecycle.refresh(stored)

    def finish_one(self, stored: Stored) -> None:
        """Have the work on a connection end when its batches in flight are settled."""
        self._lifecycle.teardown.finish_one(stored.id)
        if (runner := self._lifecycle.supervisor.find(stored.id)) is not None:
            runner.finish()

    def said(self, connection_id: ConnectionId) -> None:
        """Wake the tasks of a connection, in whichever process: a last word about it was stored."""
        self._lifecycle.wakeups.tell("word", connection_id)

    async def stop_one(self, stored: Stored) -> None:
        """End the work on a connection at once. Its webhooks are still taken."""
        # Without the site's lock: its holder may be waiting for a database that is gone.
        await self._lifecycle.teardown.interrupt(stored.id)
        self._lifecycle.factory.metrics.forget(stored.site)
