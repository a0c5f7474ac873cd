"""Tries keys that Ignite has brought while SparkLayer gave no answer about them.

Such a key is stored beside the one in use. It replaces that one as soon as SparkLayer knows it, and is dropped when
SparkLayer refuses it twice in a row, `REFUSED_FOR` apart: Ignite was answered 204, so one refusal proves nothing.
"""

import structlog
import trio
from attrs import field, frozen

from daemon.connections.lifecycle import Lifecycle
from daemon.errors import StorageTrouble
from daemon.model import ApiKey, Site
from daemon.storage import connections

OFFER_PAUSE = 30.0
"""Seconds between two questions about a key."""

REFUSED_FOR = 60.0
"""Seconds from the first refusal in a row to the one that drops the key."""

log = structlog.get_logger()


@frozen
class OfferedKeys:
    """Asks SparkLayer about every offered key until it is used or dropped."""

    lifecycle: Lifecycle
    _refused: dict[Site, tuple[ApiKey, float]] = field(init=False, factory=dict)
    """Refused keys, with the time (of trio's clock) of the first refusal in a row."""

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            waiting = True
            try:
                waiting = await self._try_all()
            except StorageTrouble as error:
                log.warning("the database cannot be used now", reason=error.reason)
            if waiting:
                await trio.sleep(OFFER_PAUSE)
            else:
                await self.lifecycle.offers.wait()

    async def _try_all(self) -> bool:
        """Try every offered key once; return whether there was any."""
        registry, waiting = self.lifecycle.registry, False
        for stored in await registry.storage.read(connections.everyone):
            key = registry.offered(stored) if stored.state == "active" else None
            waiting = waiting or key is not None
            # One node asks, which may change while a key waits.
            if key is not None and self.lifecycle.tenure.storage(stored.id) is not None:
                known = await self.lifecycle.knows(stored.site, key)
                if self._is_settled(stored.site, key, known=known):
                    await self.lifecycle.settle_offer(stored.site, key, use=known is True)
        return waiting

    def _is_settled(self, site: Site, key: ApiKey, *, known: bool | None) -> bool:
        """Return whether SparkLayer's answer decides about a key."""
        before, since = self._refused.pop(site, (None, 0.0))
        if known is not False:
            return known is True
        now = trio.current_time()
        first = since if before == key else now
        if now - first >= REFUSED_FOR:
            return True
        self._refused[site] = (key, first)
        return False
