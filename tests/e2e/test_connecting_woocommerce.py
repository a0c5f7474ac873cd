"""A WooCommerce shop is connected by its keys, or by its owner's consent, and disconnected, while the daemon runs."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from attrs import frozen

from daemon.platforms.woocommerce.webhooks import TOPICS
from daemon.sandbox import SparkLayer, SparkLayerOptions, WooCommerce, open_woocommerce, woocommerce
from daemon.sandbox.opening import open_sparklayer
from tests.contract import CONTRACT
from tests.e2e.process import ADMIN_TOKEN, GLANCE, SITE, TIMEOUT, Process, free_port

TOKEN = "e2e-ignite-token"
PRODUCTS = 3


@frozen(kw_only=True)
class ShopProcess:
    """The daemon's process, which knows no store, between a shop and SparkLayer."""

    shop: WooCommerce
    site: SparkLayer
    process: Process

    async def ignite(self, method: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return await self.process.request(method, f"/v1/{SITE}", headers=headers, json=body)

    async def connect(self, **extra_config: str) -> httpx.Response:
        key = {"spark_api_client_id": self.site.client_id, "spark_api_client_secret": self.site.client_secret}
        return await self.ignite("POST", {"store_id": self.shop.url, **key, "extra_config": extra_config})

    async def synced(self) -> None:
        """Wait for the first full syncs and the webhooks; check a live change."""
        for kind in ("store", "products", "customers", "orders"):
            run = await self.process.first_run(kind)
            assert (run["succeeded"], run["failed"]) == (True, 0)
        await self.until(lambda: len(self.shop.webhooks.hooks.registered) == len(TOPICS))
        products = self.site.state.comparable()["products"]
        assert len(products) == PRODUCTS
        product_id = min(int(external_id) for external_id in products)
        self.shop.shop.set_title(product_id, "Changed live")
        await self.until(lambda: "Changed live" in str(self.site.state.comparable()))

    async def disconnect(self) -> None:
        """Disconnect, and check that nothing of ours is left in the shop."""
        assert (await self.ignite("DELETE")).status_code == 204
        await self.until(lambda: not self.shop.webhooks.hooks.registered)
        with trio.fail_after(TIMEOUT):
            while (await self.process.connection())["state"] != "gone":  # noqa: ASYNC110  a foreign process
                await trio.sleep(GLANCE)
        assert self.site.state.sync_log.logs == {}

    async def until(self, holds: Any) -> None:
        with trio.fail_after(TIMEOUT):
            while not holds():  # noqa: ASYNC110  a foreign process tells nobody
                await trio.sleep(GLANCE)


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[ShopProcess]:
    site_options = SparkLayerOptions(settings_writable=True, contract=CONTRACT)
    store = woocommerce.synthetic(PRODUCTS, 2, customers=3, orders=2)
    async with open_woocommerce(shop=store) as shop, open_sparklayer(site_options) as site:
        port = free_port()
        text = f"""
[listener]
port = {port}
public_url = "http://127.0.0.1:{port}"
admin_token = "{ADMIN_TOKEN}"
ignite_token = "{TOKEN}"
[database]
url = "sqlite:///{folder}/ignite-sync.db"
[sparklayer]
test_url = "{site.url}"
[sync]
debounce_seconds = 0.02
[security]
secret_keys = ["e2e-secret-key-of-32-characters!"]
"""
        async with Process(folder, text, port) as process:
            await process.start()
            yield ShopProcess(shop=shop, site=site, process=process)


async def test_a_shop_is_connected_by_its_keys_and_disconnected(tmp_path: Path) -> None:
    async with opened(tmp_path) as h:
        refused = await h.connect(woocommerce_api_key="ck_guessed", woocommerce_api_secret="cs_guessed")
        assert (refused.status_code, "does not know the consumer key" in refused.json()["detail"]) == (400, True)
        key = h.shop.keys.add("read_write")
        typed = {"woocommerce_api_key": key.consumer_key, "woocommerce_api_secret": key.consumer_secret}
        assert (await h.connect(**typed)).status_code == 204
        await h.synced()
        await h.process.restart()
        await h.disconnect()
        for secret in (key.consumer_key, key.consumer_secret, "cs_guessed"):
            assert secret not in h.process.output
            assert secret not in "".join(h.shop.statistics.calls)


async def test_a_shop_is_connected_by_its_owners_consent(tmp_path: Path) -> None:
    async with opened(tmp_path) as h:
        pending = await h.connect()
        assert pending.status_code == 201
        by_hand = await h.process.request("GET", f"/connect/woocommerce?site={SITE}")
        first, url = pending.json()["redirect_url"], by_hand.headers["location"]
        assert first.partition("?")[0] == url.partition("?")[0] == f"{h.shop.url}/wc-auth/v1/authorize"

        back = await h.shop.authorization.approve(url)
        page = await h.process.request("GET", back.removeprefix(f"http://127.0.0.1:{h.process.port}"))
        assert (page.status_code, "has given Ignite Sync its keys" in page.text) == (200, True)
        await h.synced()
        for again in (first, url):
            with pytest.raises(PermissionError, match="Access denied"):
                await h.shop.authorization.approve(again)
        assert len(h.shop.keys.known) == 2, "the shop has kept its own key and ours"
        secrets = [text for key in h.shop.keys.known.values() for text in (key.consumer_key, key.consumer_secret)]
        assert not [text for text in secrets if text in h.process.output]
        await h.disconnect()
        assert (await h.connect()).status_code == 201, "the keys are forgotten"
