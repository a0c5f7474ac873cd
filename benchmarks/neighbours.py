"""Many stores and their sites in this process, for one daemon, so that the arrival of an edit is seen at once.

The sites share one URL, as SparkLayer's do; the header `Site-Id` selects one. Each store is its own server and
delivers its own webhooks.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

import trio
from attrs import field, frozen

from benchmarks.processes import Told
from daemon.sandbox.bigcommerce import BigCommerce, BigCommerceOptions, Store
from daemon.sandbox.faults import Faults
from daemon.sandbox.message import Request, Response
from daemon.sandbox.opening import whereabouts
from daemon.sandbox.router import Match
from daemon.sandbox.server import listening, serve
from daemon.sandbox.sparklayer import SparkLayer, SparkLayerOptions
from daemon.sandbox.statistics import Statistics

QUOTA = 150
"""Requests that a store allows in 30 s, as on BigCommerce's smallest plan."""


@frozen(kw_only=True)
class Bench:
    """A store, its API and its site."""

    store: Store
    shop: BigCommerce
    site: SparkLayer

    @property
    def told(self) -> Told:
        """Return the addresses and credentials of both."""
        return whereabouts(self.shop, self.site)


class _Sites(Faults):
    """Serves many sites at one URL; each site has its own faults."""

    def __init__(self, sites: Mapping[str, SparkLayer]) -> None:
        super().__init__()
        self._sites = sites
        self.faults: Faults = self
        self.statistics = Statistics()

    def find(self, request: Request) -> Match | None:
        """Find the route."""
        return self._site(request).find(request)

    def answer(self, request: Request, match: Match | None) -> Response:
        """Have the site answer."""
        return self._site(request).answer(request, match)

    def control(self, request: Request) -> Response:
        """Have the site answer."""
        return self._site(request).control(request)

    async def before(self, request: Request) -> Response | None:
        """Run the site's faults before the effect."""
        return await self._site(request).faults.before(request)

    async def after(self, request: Request, response: Response) -> Response:
        """Run the site's faults after the effect."""
        return await self._site(request).faults.after(request, response)

    def _site(self, request: Request) -> SparkLayer:
        return self._sites[request.headers["site-id"]]


@frozen(kw_only=True)
class Neighbours:
    """The harnesses, in order."""

    harnesses: list[Bench] = field(factory=list)


@contextlib.asynccontextmanager
async def open_neighbours(
    stores: Sequence[Store], quota: int | None = QUOTA, names: Sequence[str] = ()
) -> AsyncIterator[Neighbours]:
    """Serve a harness for each of the stores; the sites have these `names`, or `site-0` and so on."""
    async with contextlib.AsyncExitStack() as stack:
        listeners, url = await stack.enter_async_context(listening("127.0.0.1", 0))
        doors = [await stack.enter_async_context(listening("127.0.0.1", 0)) for _ in stores]
        # Entered last: a server that closes while it is cancelled would replace an error with Cancelled.
        nursery = await stack.enter_async_context(trio.open_nursery())
        names = names or [f"site-{number}" for number in range(len(stores))]
        sites = [SparkLayer(SparkLayerOptions(site_id=name), url) for name in names]
        nursery.start_soon(serve, _Sites({site.site_id: site for site in sites}), listeners)
        neighbours = Neighbours()
        for site, store, (door, shop_url) in zip(sites, stores, doors, strict=True):
            options = BigCommerceOptions(store_hash=site.site_id, quota=quota)
            shop = BigCommerce(store, options, shop_url, nursery)
            nursery.start_soon(serve, shop, door)
            neighbours.harnesses.append(Bench(store=store, shop=shop, site=site))
        try:
            yield neighbours
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                for harness in neighbours.harnesses:
                    await harness.shop.webhooks.aclose()
