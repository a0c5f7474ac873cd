"""The real daemon between the server of one platform's store and a SparkLayer site, as the crash loop needs it."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import trio
from attrs import define

from daemon.sandbox import SparkLayer, SparkLayerOptions
from daemon.sandbox.server import listening, serve
from daemon.sandbox.sparklayer.api import State
from tests.contract import CONTRACT
from tests.e2e.process import GLANCE, TIMEOUT, Process, free_port, settings_of
from tests.prove.simulation.stores.base import Premises, StoreType


@define(eq=False, kw_only=True)
class Harness:
    """One store with its server, one site, and the daemon's process."""

    store_type: StoreType
    premises: Premises
    site: SparkLayer
    process: Process

    @property
    def state(self) -> State:
        """The state of the SparkLayer site."""
        return self.site.state

    @property
    def unequal(self) -> list[str]:
        """Differences between SparkLayer and the store, by the sandbox's own reckoning."""
        return [*self.premises.differences(self.state, self.state.comparable()["customers"], whole=False)]

    def hears(self) -> bool:
        """Return True if an edit's webhook comes, now or when it is sent again."""
        return self.store_type.repeats or (self.process.living and self.premises.hooked())

    async def hooked(self) -> None:
        """Wait until every webhook is registered and works."""
        with trio.fail_after(TIMEOUT):
            while not self.premises.hooked():  # noqa: ASYNC110  a foreign process tells nobody
                await trio.sleep(GLANCE)

    async def settle(self) -> None:
        """Wait until every webhook was taken, and worked off."""
        with trio.fail_after(TIMEOUT):
            await self.premises.webhooks.settled()
        await self.process.idle()


@contextlib.asynccontextmanager
async def open_harness(
    folder: Path, store: StoreType, chance: Random, sync: Mapping[str, Any]
) -> AsyncIterator[Harness]:
    """Open both stand-ins, with a store full of everything, and the daemon between them, which is not started."""
    options = SparkLayerOptions(settings_writable=True, contract=CONTRACT)
    async with (
        listening("127.0.0.1", 0) as (shop_listeners, shop_url),
        listening("127.0.0.1", 0) as (site_listeners, site_url),
        trio.open_nursery() as nursery,
    ):
        rows = store.furnished()
        api = store.stand_in(rows, shop_url, nursery)
        premises, site, port = store.enter(rows, api, chance), SparkLayer(options, site_url), free_port()
        nursery.start_soon(serve, api, shop_listeners)
        nursery.start_soon(serve, site, site_listeners)
        section = store.section(api)
        text = settings_of(site, store.platform, section, port, folder / "ignite-sync.db", sync=sync)
        try:
            async with Process(folder, text, port) as process:
                yield Harness(store_type=store, premises=premises, site=site, process=process)
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await premises.webhooks.aclose()
