"""Connections that leave: cleaned up on both sides with the credentials they still have, then wiped.

First their works are gone, so that nothing is written behind the clean-up's back. What cannot be done now is tried
again with growing pauses, for a day since the leaving began, also across restarts; then it is given up. What is refused
twice, two seconds apart, leaves nothing to do, such as things that are not there; nor do credentials that are refused
twice, a minute apart: by the store, or where SparkLayer gives tokens for them. That a token is refused is not enough,
for anything in between can answer 401.

The sync-log is the site's, not the connection's: it is left alone when the site has been connected anew.
"""

import random
import time
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
import trio
from attrs import field, frozen

from daemon.engine.crew import Crew
from daemon.engine.supervisor import Supervisor
from daemon.errors import Blocked, Failure, KeyRefused, Rejected, Retry, Side, StorageTrouble
from daemon.model import Connection, ConnectionId
from daemon.second_answer import SECOND_AFTER
from daemon.storage import connections
from daemon.storage.connections import Wipe
from daemon.storage.database import Storage
from daemon.storage.vault import Vault
from daemon.workshop import Workshop

GIVE_UP_AFTER = 24 * 3600.0
LONGEST_PAUSE = 900.0
REFUSED_KEY = "credentials"
"""The reason of a Blocked that means: the other side does not know us any more."""
SECOND_THOUGHT = 60.0
"""Seconds between the two refusals of a key that are believed."""

log = structlog.get_logger()


@frozen
class Departures:
    """Cleans up; one task for each connection that leaves."""

    storage: Storage
    vault: Vault
    workshop: Workshop
    supervisor: Supervisor
    now: Callable[[], float] = time.time
    chance: random.Random = field(factory=random.Random)
    _crew: Crew[ConnectionId] = field(init=False, factory=Crew)

    def begin(self, connection: Connection, since: float) -> None:
        """Clean up after a connection that has been leaving since `since` (seconds since the epoch)."""
        self._crew.add(connection.id, partial(self._depart, connection, since + GIVE_UP_AFTER))

    async def interrupt(self, connection_id: ConnectionId) -> None:
        """Stop cleaning up after a connection, and wait until nothing is sent for it any more."""
        await self._crew.dismiss(connection_id)
        await self.supervisor.let_go(connection_id)

    async def run(self) -> None:
        """Clean up until `finish`."""
        await self._crew.run()

    def finish(self) -> None:
        """Stop at once: what is left is done after the next start."""
        self._crew.finish(at_once=True)

    async def _depart(self, connection: Connection, deadline: float) -> None:
        await self.supervisor.let_go(connection.id)
        self.workshop.metrics.forget(connection.site)  # a new connection of the site is shown at the next scrape
        site = str(connection.site)
        log.info("a connection leaves", site=site)
        async with trio.open_nursery() as nursery:
            for name, step in (("webhooks", self._remove_webhooks), ("sync-log", self._delete_sync_log)):
                nursery.start_soon(self._patiently, name, partial(step, connection), site, deadline)
        await self._wipe(connection.id)
        log.info("a connection is gone", site=site)

    async def _remove_webhooks(self, connection: Connection) -> None:
        destination = self.workshop.destination(connection.site)
        if connection.store is None or destination is None:
            return
        platform = self.workshop.platform(connection)
        try:
            await platform.remove_webhooks(destination)
        finally:
            await platform.aclose()

    async def _delete_sync_log(self, connection: Connection) -> None:
        present = await self.storage.read(connections.find, connection.site)
        if present is not None and present.state == "active":
            return
        sparklayer = self.workshop.sparklayer(connection)
        try:
            await sparklayer.sync_log.delete_all()
        finally:
            await sparklayer.aclose()

    async def _patiently(self, name: str, step: Callable[[], Awaitable[None]], site: str, deadline: float) -> None:
        """Take a step until it is done, refused for good, or too late."""
        attempts = 0
        refused: float | None = None
        """Since when nothing but refusals of the key has come."""
        declined = False
        """Whether the last answer was a refusal of the step itself; a second one in a row is believed."""
        while True:
            asked, since, refused = 0.0, refused, None
            again, declined = declined, False
            try:
                return await step()
            except Rejected as error:
                if again:
                    log.warning("a clean-up is refused", site=site, what=name, reason=error.reason)
                    return None
                declined, asked = True, SECOND_AFTER
            except Failure as error:
                asked = error.after or 0.0 if isinstance(error, Retry | Blocked) else 0.0
                if _knows_us_no_more(error):
                    refused = trio.current_time() if since is None else since
                    asked = max(asked, refused + SECOND_THOUGHT - trio.current_time())
                    if since is not None and asked <= 0:
                        return None
                log.info("a clean-up waits", site=site, what=name, reason=error.reason)
            except (
                Exception
            ):  # our bug must not leave a connection's rows and credentials behind: tried until the deadline
                log.exception("a clean-up broke the daemon; it is tried again", site=site, what=name)
            ours = min(LONGEST_PAUSE, 2.0 ** min(attempts, 10)) * self.chance.uniform(0.5, 1.0)
            pause = min(LONGEST_PAUSE, max(ours, asked))
            if self.now() + pause > deadline:
                log.warning("a clean-up is given up", site=site, what=name)
                return None
            attempts += 1
            await trio.sleep(pause)

    async def _wipe(self, connection_id: ConnectionId) -> None:
        wipe = Wipe(id=connection_id, blank=self.vault.seal(None))
        attempts = 0
        while True:
            try:
                return await self.storage.write(connections.wipe, wipe)
            except StorageTrouble as error:
                log.warning("the database cannot be used now", reason=error.reason)
            attempts += 1
            await trio.sleep(min(LONGEST_PAUSE, 2.0**attempts))


def _knows_us_no_more(error: Failure) -> bool:
    """Whether a store refuses our credentials, or SparkLayer the key itself and not only a token."""
    return isinstance(error, KeyRefused) or (
        isinstance(error, Blocked) and error.reason == REFUSED_KEY and error.side is Side.PLATFORM
    )
