"""Many stores and their sites in this process, for one daemon, so that the arrival of an edit is seen at once.

The sites share one URL, as SparkLayer's do; the header `Site-Id` selects one. Each store is its own server and
delivers its own webhooks.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence, Sized
from typing import TypeVar

import trio
from attrs import frozen

from benchmarks.platforms import BIGCOMMERCE, SIGNING_KEY, BenchPlatform
from benchmarks.processes import Told
from daemon.sandbox import woocommerce
from daemon.sandbox.bigcommerce import BigCommerce, BigCommerceOptions, Store, synthetic
from daemon.sandbox.control import StandIn
from daemon.sandbox.faults import Faults
from daemon.sandbox.message import Match, Request, Response
from daemon.sandbox.opening import Sandbox, whereabouts
from daemon.sandbox.server import listening, serve
from daemon.sandbox.sparklayer import SparkLayer, SparkLayerOptions
from daemon.sandbox.woocommerce import WooCommerce, WooCommerceOptions

T = TypeVar("T")
S = TypeVar("S", BigCommerce, WooCommerce)

QUOTA = 150
"""Requests that a store allows in 30 s, as on BigCommerce's smallest plan."""


class _Sites(StandIn):
    """Serves many sites at one URL; each site has its own faults."""

    def __init__(self, sites: Mapping[str, SparkLayer]) -> None:
        super().__init__()
        self._sites = sites
        self.faults = _FaultsOf(self._site)

    def find(self, request: Request) -> Match | None:
        """Find the route."""
        return self._site(request).find(request)

    def answer(self, request: Request, match: Match | None) -> Response:
        """Have the site answer."""
        return self._site(request).answer(request, match)

    def control(self, request: Request) -> Response:
        """Have the site answer."""
        return self._site(request).control(request)

    def _site(self, request: Request) -> SparkLayer:
        return self._sites[request.headers["site-id"]]


class _FaultsOf(Faults):
    """The faults of the site that a request is for."""

    def __init__(self, site: Callable[[Request], SparkLayer]) -> None:
        super().__init__()
        self._site = site

    async def before(self, request: Request) -> Response | None:
        """Run the site's faults before the effect."""
        return await self._site(request).faults.before(request)

    async def after(self, request: Request, response: Response) -> Response:
        """Run the site's faults after the effect."""
        return await self._site(request).faults.after(request, response)


@frozen(kw_only=True)
class Neighbour:
    """A store of any platform with its site. `ids` are its products; the edits take one of them."""

    told: Told
    site: SparkLayer
    ids: Sequence[int]
    set_title: Callable[[int, str], None]
    set_price: Callable[[int, float], None]
    hooks: Sized
    """The registered webhooks."""


@contextlib.asynccontextmanager
async def open_neighbours(
    stores: Sequence[Store], quota: int | None = QUOTA, names: Sequence[str] = ()
) -> AsyncIterator[Sequence[Sandbox]]:
    """Serve each of the stores with a site; the sites have these `names`, or `site-0` and so on."""

    def open_shop(store: Store, site: SparkLayer, url: str, nursery: trio.Nursery) -> BigCommerce:
        # The benchmarks sign deliveries themselves, too.
        options = BigCommerceOptions(store_hash=site.site_id, client_secret=SIGNING_KEY.decode(), quota=quota)
        return BigCommerce(store, options, url, nursery)

    async with _serving(stores, names, open_shop, lambda shop: shop.webhooks.aclose()) as opened:
        yield [Sandbox(store=shop.store, bigcommerce=shop, sparklayer=site) for shop, site in opened]


@contextlib.asynccontextmanager
async def open_stores(
    count: int, products: int, platform: BenchPlatform = BIGCOMMERCE
) -> AsyncIterator[Sequence[Neighbour]]:
    """Serve a number of stores of a platform, each with that many made-up products."""
    if platform is BIGCOMMERCE:
        async with open_neighbours([synthetic(products) for _ in range(count)]) as neighbours:
            yield [_of_bigcommerce(sandbox.bigcommerce, sandbox.sparklayer) for sandbox in neighbours]
        return

    def open_shop(shop: woocommerce.Shop, _site: SparkLayer, url: str, nursery: trio.Nursery) -> WooCommerce:
        return WooCommerce(shop, WooCommerceOptions(), url, nursery)

    shops = [woocommerce.synthetic(products) for _ in range(count)]
    async with _serving(shops, (), open_shop, WooCommerce.aclose) as opened:
        yield [_of_woocommerce(shop, site) for shop, site in opened]


def _of_bigcommerce(server: BigCommerce, site: SparkLayer) -> Neighbour:
    store = server.store
    return Neighbour(
        told=whereabouts(server, site),
        site=site,
        ids=list(store.entries),
        set_title=store.set_title,
        set_price=store.set_price,
        hooks=server.hooks.registered,
    )


def _of_woocommerce(server: WooCommerce, site: SparkLayer) -> Neighbour:
    shop = server.shop
    return Neighbour(
        told=whereabouts(server, site),
        site=site,
        ids=list(shop.tops),
        set_title=shop.set_title,
        set_price=shop.set_price,
        hooks=server.webhooks.hooks.registered,
    )


@contextlib.asynccontextmanager
async def _serving(
    stores: Sequence[T],
    names: Sequence[str],
    open_shop: Callable[[T, SparkLayer, str, trio.Nursery], S],
    close: Callable[[S], Awaitable[None]],
) -> AsyncIterator[Sequence[tuple[S, SparkLayer]]]:
    """Serve each store beside a site; the sites share one URL."""
    async with contextlib.AsyncExitStack() as stack:
        listeners, url = await stack.enter_async_context(listening("127.0.0.1", 0))
        doors = [await stack.enter_async_context(listening("127.0.0.1", 0)) for _ in stores]
        # Entered last: a server that closes while it is cancelled would replace an error with Cancelled.
        nursery = await stack.enter_async_context(trio.open_nursery())
        names = names or [f"site-{number}" for number in range(len(stores))]
        sites = [SparkLayer(SparkLayerOptions(site_id=name), url) for name in names]
        nursery.start_soon(serve, _Sites({site.site_id: site for site in sites}), listeners)
        opened = []
        for site, store, (door, shop_url) in zip(sites, stores, doors, strict=True):
            shop = open_shop(store, site, shop_url, nursery)
            nursery.start_soon(serve, shop, door)
            opened.append((shop, site))
        try:
            yield opened
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                for shop, _ in opened:
                    await close(shop)
