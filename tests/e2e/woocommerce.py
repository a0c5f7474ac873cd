"""The real daemon as a process of its own between a WooCommerce shop and a site, which live in the test's process.

async with open_shop(folder, shop) as h:
await h.first_sync()
h.shop.set_title(1, "New")
await h.settle()
assert h.unequal == []
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import trio
from attrs import frozen

from daemon.platforms.woocommerce.webhooks import TOPICS
from daemon.sandbox import Shop, SparkLayer, SparkLayerOptions, WooCommerce
from daemon.sandbox.expectation import all_differences
from daemon.sandbox.opening import open_sparklayer, open_woocommerce
from tests.contract import CONTRACT
from tests.e2e.process import ADMIN_TOKEN, GLANCE, TIMEOUT, WEBHOOK_SECRET, Process, free_port

SETTINGS = """
[listener]
port = {port}
public_url = "http://127.0.0.1:{port}"
admin_token = "{token}"
[database]
url = "sqlite:///{database}"
[sparklayer]
test_url = "{site.url}"
[sync]
debounce_seconds = 0.02
debounce_max_seconds = 0.2
[security]
secret_keys = ["e2e-secret-key-of-32-characters!"]
[[connections]]
site_env = "test"
site_id = "{site.site_id}"
client_id = "{site.client_id}"
client_secret = "{site.client_secret}"
platform = "woocommerce"
[connections.woocommerce]
store_url = "{shop.url}"
consumer_key = "{shop.key.consumer_key}"
consumer_secret = "{shop.key.consumer_secret}"
webhook_secret = "{webhook_secret}"
"""


@frozen(kw_only=True)
class ShopHarness:
    """The daemon's process and the stand-ins that it runs between."""

    woocommerce: WooCommerce
    site: SparkLayer
    process: Process

    @property
    def shop(self) -> Shop:
        """The merchant's side."""
        return self.woocommerce.shop

    @property
    def unequal(self) -> list[str]:
        """Differences between SparkLayer and the shop, by the sandbox's own reckoning."""
        return all_differences(self.shop, self.site.state)

    async def first_sync(self) -> None:
        """Wait for the end of the first full syncs, and for the webhooks."""
        for kind in (await self.process.connection())["kinds"]:
            await self.process.first_run(kind)
        with trio.fail_after(TIMEOUT):
            while len(self.woocommerce.webhooks.hooks.registered) < len(TOPICS):  # noqa: ASYNC110  another process's
                await trio.sleep(GLANCE)
        await self.settle()
        assert self.unequal == []

    async def settle(self) -> None:
        """Wait until every webhook was delivered and worked off."""
        with trio.fail_after(TIMEOUT):
            await self.woocommerce.webhooks.settled()
        await self.process.idle()


@contextlib.asynccontextmanager
async def open_shop(folder: Path, shop: Shop) -> AsyncIterator[ShopHarness]:
    """Open both stand-ins, and a ready daemon between them."""
    site = SparkLayerOptions(settings_writable=True, contract=CONTRACT)
    async with open_woocommerce(shop=shop) as woocommerce, open_sparklayer(site) as sparklayer:
        port = free_port()
        text = SETTINGS.format(
            port=port,
            token=ADMIN_TOKEN,
            database=folder / "ignite-sync.db",
            site=sparklayer,
            shop=woocommerce,
            webhook_secret=WEBHOOK_SECRET,
        )
        async with Process(folder, text, port) as process:
            await process.start()
            yield ShopHarness(woocommerce=woocommerce, site=sparklayer, process=process)
