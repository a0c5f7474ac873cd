"""Opens stand-ins on loopback for as long as a block lasts: a BigCommerce store and a site together, or one alone."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial

from attrs import frozen

from daemon.sandbox.bigcommerce import BigCommerce, BigCommerceOptions, Store, adventureworks
from daemon.sandbox.server import listening, serving
from daemon.sandbox.sparklayer import SparkLayer, SparkLayerOptions
from daemon.sandbox.woocommerce import Shop, WooCommerce, WooCommerceOptions
from daemon.sandbox.woocommerce import adventureworks as adventureworks_shop


@frozen(kw_only=True)
class Sandbox:
    """Both APIs, running. `store` is the merchant's side: every edit is a method of it."""

    store: Store
    bigcommerce: BigCommerce
    sparklayer: SparkLayer


def whereabouts(shop: BigCommerce | WooCommerce, site: SparkLayer) -> dict[str, dict[str, str]]:
    """Return where both APIs are, with the credentials of each, for whoever configures a daemon between them."""
    site_keys = {"site_id": site.site_id, "client_id": site.client_id, "client_secret": site.client_secret}
    if isinstance(shop, WooCommerce):
        name, keys = (
            "woocommerce",
            {
                "consumer_key": shop.key.consumer_key,
                "consumer_secret": shop.key.consumer_secret,
            },
        )
    else:
        name, keys = (
            "bigcommerce",
            {
                "store_hash": shop.store_hash,
                "access_token": shop.access_token,
                "client_id": shop.login.client_id,
                "client_secret": shop.client_secret,
            },
        )
    return {name: {"url": shop.url, **keys}, "sparklayer": {"url": site.url, **site_keys}}


@contextlib.asynccontextmanager
async def open_sandbox(
    *,
    store: Store | None = None,
    bigcommerce: BigCommerceOptions | None = None,
    sparklayer: SparkLayerOptions | None = None,
) -> AsyncIterator[Sandbox]:
    """Serve both APIs; `store` defaults to the AdventureWorks company. Raises OSError when a port is taken."""
    shop, site = bigcommerce or BigCommerceOptions(), sparklayer or SparkLayerOptions()
    filled = store or adventureworks()
    async with (
        listening("127.0.0.1", shop.port) as shop_at,
        listening("127.0.0.1", site.port) as site_at,
        serving(partial(BigCommerce, filled, shop), shop_at) as bigcommerce_api,
        serving(lambda url, _nursery: SparkLayer(site, url), site_at) as sparklayer_api,
    ):
        yield Sandbox(store=filled, bigcommerce=bigcommerce_api, sparklayer=sparklayer_api)


@contextlib.asynccontextmanager
async def open_woocommerce(
    options: WooCommerceOptions | None = None, *, shop: Shop | None = None
) -> AsyncIterator[WooCommerce]:
    """Serve a WooCommerce shop, by default the AdventureWorks company's. Raises OSError when the port is taken."""
    chosen = options or WooCommerceOptions()
    async with (
        listening("127.0.0.1", chosen.port) as at,
        serving(partial(WooCommerce, shop or adventureworks_shop(), chosen), at) as woocommerce,
    ):
        yield woocommerce


@contextlib.asynccontextmanager
async def open_sparklayer(options: SparkLayerOptions | None = None) -> AsyncIterator[SparkLayer]:
    """Serve a SparkLayer site alone. Raises OSError when the port is taken."""
    chosen = options or SparkLayerOptions()
    async with (
        listening("127.0.0.1", chosen.port) as at,
        serving(lambda url, _nursery: SparkLayer(chosen, url), at) as sparklayer,
    ):
        yield sparklayer
