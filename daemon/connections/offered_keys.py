"""Tries credentials that Ignite has brought while SparkLayer, or the store, gave no answer about them.

Such credentials are stored beside those in use. They replace those as soon as they work, and are dropped when they are
refused twice in a row, `REFUSED_FOR` apart: Ignite was answered 204, so one refusal proves nothing.
"""

import structlog
import trio
from attrs import field, frozen

from daemon.connections.lifecycle import Lifecycle
from daemon.connections.registry import KnownStore, Offered
from daemon.errors import Rejected, StorageTrouble
from daemon.model import Site
from daemon.observability.logging import log_storage_trouble
from daemon.storage import connections
from daemon.storage.connections import Stored

OFFER_PAUSE = 30.0
"""Seconds between two trials of the same credentials."""

REFUSED_FOR = 60.0
"""Seconds from the first refusal in a row to the one that drops the credentials."""

log = structlog.get_logger()


@frozen
class OfferedKeys:
    """Tries all offered credentials until they are used or dropped."""

    lifecycle: Lifecycle
    _refused: dict[tuple[Site, bool], tuple[Offered, float]] = field(init=False, factory=dict)
    """Refused credentials by site and side, with the time (of trio's clock) of the first refusal in a row."""

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            waiting = True
            try:
                waiting = await self._try_all()
            except StorageTrouble as error:
                log_storage_trouble(error)
            if waiting:
                await trio.sleep(OFFER_PAUSE)
            else:
                await self.lifecycle.offers.wait()

    async def _try_all(self) -> bool:
        """Try all offered credentials once; return whether there were any."""
        registry, waiting = self.lifecycle.registry, False
        for stored in await registry.storage.read(connections.everyone):
            for part in registry.offered(stored).parts() if stored.state == "active" else ():
                waiting = True
                # One node asks, which may change while credentials wait.
                if self.lifecycle.tenure.ownership(stored.id) is None or stored.paused_at is not None:
                    continue
                works = await self._works(stored, part)
                if self._is_settled(stored.site, part, works=works):
                    await self.lifecycle.settle_offer(stored.site, part, use=works is True)
        return waiting

    async def _works(self, stored: Stored, part: Offered) -> bool | None:
        """Return whether the credentials of one side work; None without an answer."""
        if part.api_key is not None:
            return await self.lifecycle.knows(stored.site, part.api_key)
        failure = await self.lifecycle.attempt(stored.site, KnownStore(stored.platform, part.store))
        return True if failure is None else False if isinstance(failure, Rejected) else None

    def _is_settled(self, site: Site, part: Offered, *, works: bool | None) -> bool:
        """Return whether an answer decides about the credentials of one side."""
        side = (site, part.store is None)
        before, since = self._refused.pop(side, (None, 0.0))
        if works is not False:
            return works is True
        now = trio.current_time()
        first = since if before == part else now
        if now - first >= REFUSED_FOR:
            return True
        self._refused[side] = (part, first)
        return False
