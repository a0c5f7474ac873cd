"""Cleans up after leaving connections, on both sides and with the credentials that they still have; then wipes them.

The runner stops first, so that nothing is written behind the clean-up. A step that fails is retried with growing pauses
for a day after the disconnect, also across restarts, and then abandoned. Refusals end a step earlier, when nothing else
came between them:

    refused                                        times  over
    the step, by the API itself                    2      2 s
    the key, by SparkLayer's token endpoint,       2      1 min
    or by the platform in words that only it has

Any other 401 ends nothing, since any proxy can answer so.

The sync-log belongs to the site, not to the connection. It stays if the site has been connected again.
"""

import random
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial

import structlog
import trio
from attrs import define, field, frozen

from daemon.connections.factory import ConnectionFactory, webhook_path
from daemon.connections.tenure import Ownership, patiently
from daemon.engine.supervisor import Supervisor
from daemon.engine.task_group import TaskGroup
from daemon.errors import Blocked, Failure, KeyRefused, Rejected, Retry
from daemon.model import Connection, ConnectionId
from daemon.storage import connections
from daemon.storage.age import age_if_known
from daemon.storage.connections import Wipe
from daemon.storage.database import Storage
from daemon.transport.backoff import LONGEST, backoff
from daemon.transport.second_answer import SECOND_AFTER

GIVE_UP_AFTER = 24 * 3600.0
KEY_REFUSED = (2, 60.0)
"""Refusals of a key by the API itself that end a step, and the seconds between the first and the last."""

ROUNDED = 1e-3
"""Seconds that rounding may take from the sum of the pauses."""

STEP_REFUSED = (2, SECOND_AFTER)
"""The same for a refusal of the step by the API itself."""

log = structlog.get_logger()


@frozen
class Teardown:
    """Runs one task for each leaving connection."""

    factory: ConnectionFactory
    supervisor: Supervisor
    now: Callable[[], float] = time.time
    _tasks: TaskGroup[ConnectionId] = field(init=False, factory=TaskGroup)

    def begin(self, connection: Connection, since: float, ownership: Ownership) -> None:
        """Clean up after a connection that left at `since` (seconds since the epoch), unless that is under way."""
        if connection.id in self._tasks:
            return
        left = GIVE_UP_AFTER - age_if_known(since, self.now())
        # The day is over, or the clock is wrong, so it is tried a little longer.
        seconds = left if left > 0 else LONGEST
        clean_up = partial(self._clean_up, connection, seconds, ownership.storage)
        self._tasks.add(connection.id, partial(ownership.while_owned, clean_up))

    async def interrupt(self, connection_id: ConnectionId) -> None:
        """Stop cleaning up after a connection; when this returns, nothing is sent for it any more."""
        await self._tasks.stop(connection_id)
        await self.supervisor.stop(connection_id)

    def finish_one(self, connection_id: ConnectionId) -> None:
        """Stop cleaning up after a connection; the rest is done later, perhaps by another process."""
        self._tasks.cancel(connection_id)

    async def run(self) -> None:
        """Clean up until `finish`."""
        await self._tasks.run()

    def finish(self) -> None:
        """Stop at once. The rest is done after the next start."""
        self._tasks.finish(at_once=True)

    async def _clean_up(self, connection: Connection, seconds: float, storage: Storage) -> None:
        """Clean up for at most `seconds` of trio's clock, which does not jump."""
        deadline = trio.current_time() + seconds
        await self.supervisor.stop(connection.id)
        self.factory.metrics.forget(connection.site)  # a new connection of the site is shown at the next scrape
        site = str(connection.site)
        log.info("connection leaving", site=site)
        async with trio.open_nursery() as nursery:
            for name, step in (("webhooks", self._remove_webhooks), ("sync-log", self._delete_sync_log)):
                nursery.start_soon(self._patiently, name, partial(step, connection), site, deadline)
        wipe = Wipe(id=connection.id, blank=self.factory.registry.vault.encrypt(None))
        await patiently(partial(storage.write, connections.wipe, wipe))
        log.info("connection gone", site=site)

    async def _remove_webhooks(self, connection: Connection) -> None:
        if connection.store is None:
            return
        # The path alone also identifies webhooks that were registered under an earlier public_url.
        destination = self.factory.destination(connection.site) or webhook_path(connection.site)
        async with aclosing(self.factory.platform(connection)) as platform:
            await platform.remove_webhooks(destination)

    async def _delete_sync_log(self, connection: Connection) -> None:
        if await self.factory.registry.active(connection.site) is None:
            async with aclosing(self.factory.sparklayer(connection)) as sparklayer:
                await sparklayer.sync_log.delete_all()

    async def _patiently(self, name: str, step: Callable[[], Awaitable[None]], site: str, deadline: float) -> None:
        """Repeat a step until it is done, finally refused, or too late."""
        attempts = 0
        refusals = _Refusals()
        while True:
            asked = 0.0
            try:
                return await step()
            except Failure as error:
                if refusals.add(error, trio.current_time()):
                    log.warning("clean-up refused", site=site, what=name, reason=error.reason)
                    return None
                after = error.after or 0.0 if isinstance(error, Retry | Blocked) else 0.0
                asked = max(after, refusals.pause)
                log.info("clean-up waiting", site=site, what=name, reason=error.reason)
            except Exception:  # our bug must not leave rows and credentials behind: retried until the deadline
                refusals = _Refusals()
                log.exception("clean-up crashed and is retried", site=site, what=name)
            pause = backoff(attempts, random.uniform(0.5, 1.0), asked)  # noqa: S311  jitter is no secret
            if trio.current_time() + pause > deadline:
                log.warning("clean-up abandoned", site=site, what=name)
                return None
            attempts += 1
            await trio.sleep(pause)


@define
class _Refusals:
    """Counts equal refusals in a row."""

    pause: float = 0.0
    """Seconds until the next try that counts."""
    _proof: tuple[int, float] | None = None
    _since: float = 0.0
    _count: int = 0

    def add(self, error: Failure, now: float) -> bool:
        """Count a failure; return whether it is the refusal that ends the step."""
        proof = KEY_REFUSED if isinstance(error, KeyRefused) else STEP_REFUSED if isinstance(error, Rejected) else None
        if proof is None or proof != self._proof:
            self._proof, self._since, self._count = proof, now, 0
        self._count += 1
        times, seconds = proof or (0, 0.0)
        self.pause = seconds / (times - 1) if proof else 0.0
        return proof is not None and self._count >= times and now - self._since > seconds - ROUNDED
