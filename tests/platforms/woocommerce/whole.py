"""The whole daemon in memory between a WooCommerce shop and a SparkLayer site: all its real parts, without sockets.

    async with whole_daemon(shop) as whole:
        await whole.synced()                        # the first full syncs have ended
        whole.shop.set_title(1, "New")              # its webhook goes to the daemon's own routes
        await whole.settle()                        # every webhook was delivered, nothing waits in the outbox
        assert whole.unequal == []
        await whole.swept()                         # one sweep later
        await whole.counted()                       # one census later

Trio's clock is the only one: use `autojump_clock`. Both stand-ins, the daemon and the shop's dates go by it.
"""

# ruff: noqa: ASYNC110  the clock is a mock: looking again costs nothing

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, cast
from unittest import mock
from urllib.parse import urlsplit

import trio
from attrs import define, field

import daemon.transport.http
from daemon.composition import Daemon, build_routes, compose
from daemon.config import ConnectionSettings, Settings
from daemon.config.settings import ListenerSettings, SecuritySettings, SparkLayerSettings, SyncSettings
from daemon.engine.context import ConnectionContext
from daemon.errors import StorageTrouble
from daemon.listener.http.messages import Request as Asked
from daemon.listener.routes import Routes
from daemon.model import ApiKey, Secret, Site
from daemon.observability.metrics import Metrics
from daemon.platforms import load_platforms
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.sandbox import Shop, SparkLayer, SparkLayerOptions, WooCommerce, WooCommerceOptions
from daemon.sandbox.control import StandIn
from daemon.sandbox.expectation import all_differences
from daemon.sandbox.message import Request, Response
from daemon.sandbox.post import Poster
from daemon.sandbox.server import answered
from daemon.sandbox.transport import Exchange
from daemon.storage.database import Database
from daemon.storage.group_commit import C, Operation, R
from tests.contract import CONTRACT
from tests.databases import InlineDatabase, new_engine

EPOCH = 1_800_000_000.0
SHOP_URL, SITE_URL, PUBLIC_URL = "https://shop.test", "https://site.test", "https://here.test"
HOOK_SECRET = "the-webhooks-own-secret"
SWEEP, CENSUS = 900.0, 3600.0
LATEST = 1.15
"""A sweep may be a tenth later than its period; the rest is for its work."""
SITE = "test/sandbox"


def true_time() -> float:
    """Return the time of everything in a test, unless it is `ahead`."""
    return EPOCH + trio.current_time()


@define
class WallClock:
    """The clock of the daemon and the shop."""

    ahead: float = 0.0
    """Seconds that were skipped: a day of work in between would take a minute of the test's."""

    def time(self) -> float:
        """Return the seconds since the epoch."""
        return true_time() + self.ahead


@define
class Traffic:
    """The daemon's calls to the shop: method, path and query of each, and the most that were open at once."""

    calls: list[tuple[str, str, str]] = field(factory=list)
    seconds: float = 0.0
    """Time that each call takes."""
    open: int = 0
    most_open: int = 0

    async def carry(self, api: StandIn, request: Request) -> Response:
        """Carry a call to the shop."""
        self.calls.append((request.method, request.path.partition("/wc/v3")[2], request.query))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await trio.sleep(self.seconds)
            return await answered(api, request)
        finally:
            self.open -= 1

    def clear(self) -> None:
        """Forget the calls."""
        self.calls.clear()
        self.most_open = self.open


@define
class Postman(Poster):
    """Brings the shop's webhooks to the daemon. `answer` may answer instead of it."""

    routes: Callable[[], Routes]
    answer: int | None = None
    statuses: list[int] = field(factory=list)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Bring one webhook; return the daemon's status."""
        await trio.lowlevel.checkpoint()
        status = self.answer
        if status is None:
            asked = Asked(
                method="POST",
                path=urlsplit(url).path,
                raw_query="",
                headers={name.lower().encode(): value.encode() for name, value in headers.items()},
                body=body,
                keep_alive=False,
            )
            status = (await self.routes().answer(asked)).status
        self.statuses.append(status)
        return status

    async def aclose(self) -> None:
        """Close nothing."""


class FullDisk(InlineDatabase):
    """A database whose disk is full while `full`."""

    full = False

    async def write(self, fn: Operation[C, R], call: C) -> R:
        """Commit, or raise StorageTrouble."""
        if self.full:
            raise StorageTrouble("the disk is full", reason="storage_full")
        return await super().write(fn, call)


@define(eq=False, kw_only=True)
class Whole:
    """The daemon, and what it runs between."""

    clock: WallClock
    database: FullDisk

    woocommerce: WooCommerce
    site: SparkLayer
    daemon: Daemon
    traffic: Traffic
    postman: Postman

    @property
    def shop(self) -> Shop:
        """The merchant's side."""
        return self.woocommerce.shop

    @property
    def context(self) -> ConnectionContext:
        """The only connection."""
        (context,) = self.daemon.supervisor.contexts
        return context

    @property
    def unequal(self) -> list[str]:
        """Differences between the site and the shop, by the sandbox's own reckoning."""
        return all_differences(self.shop, self.site.state)

    async def status(self) -> Any:
        """Return what /admin/status says of the connection."""
        return (await self.daemon.admin.status({}))["connections"][0]

    async def until(self, holds: Callable[[], Awaitable[object]], within: float = 3600.0, every: float = 1.0) -> None:
        """Wait until `holds`, looking `every` so many seconds."""
        with trio.fail_after(within):
            while not await holds():
                await trio.sleep(every)

    async def synced(self) -> None:
        """Wait until the first full sync of each kind has ended and all webhooks are registered."""

        async def ended() -> bool:
            runs = [kind["full_sync"] for kind in (await self.status())["kinds"].values()]
            registered = len(self.woocommerce.webhooks.hooks.registered) == len(REGISTERED)
            return registered and all(run and run["state"] == "ended" for run in runs)

        await self.until(ended)
        await self.settle()

    async def settle(self, within: float = 3600.0) -> None:
        """Wait until the shop has sent its webhooks, and the daemon has worked off its outbox."""
        with trio.fail_after(within):
            await self.woocommerce.webhooks.settled()
        await self.until(self.is_idle, within)

    async def is_idle(self) -> bool:
        """Return True if nothing waits in the outbox."""
        kinds = (await self.status())["kinds"].values()
        return not any(kind["outbox"]["live"] + kind["outbox"]["backfill"] for kind in kinds)

    async def swept(self) -> None:
        """Wait for one sweep of every kind, and for what comes of it."""
        await trio.sleep(SWEEP * LATEST)
        await self.settle()

    async def counted(self) -> None:
        """Wait for one census of every kind, and for what comes of it."""
        await trio.sleep(CENSUS * LATEST)
        await self.settle()


REGISTERED = (
    *(f"{resource}.{event}" for resource in ("product", "order") for event in ("created", "updated", "deleted")),
    *(f"{resource}.restored" for resource in ("product", "order")),
    *(f"customer.{event}" for event in ("created", "updated", "deleted")),
)


async def _knows_all(_site: Site, _key: ApiKey) -> bool:
    return True


def settings(url: str = SHOP_URL, **sync: Any) -> Settings:
    """Return the settings of a daemon with one WooCommerce connection."""
    store = WooCommerceSettings(
        store_url=url,
        consumer_key=Secret("ck_sandbox"),
        consumer_secret=Secret("cs_sandbox"),
        webhook_secret=Secret(HOOK_SECRET),
    )
    link = ConnectionSettings(
        site_env="test",
        site_id="sandbox",
        client_id="sandbox-client",
        client_secret=Secret("sandbox-secret"),
        platform="woocommerce",
        store=store,
    )
    return Settings(
        listener=ListenerSettings(public_url=PUBLIC_URL),
        sparklayer=SparkLayerSettings(test_url=SITE_URL),
        sync=SyncSettings(**{"sweep_seconds": SWEEP, "census_seconds": CENSUS, **sync}),
        security=SecuritySettings(secret_keys=(Secret("the-vault-key-of-the-tests-of-32-c"),)),
        connections=(link,),
    )


@contextlib.asynccontextmanager
async def whole_daemon(shop: Shop, options: WooCommerceOptions | None = None, **sync: Any) -> AsyncIterator[Whole]:
    """Run a daemon between a shop and an empty site; `sync` are settings of its pace."""
    clock = WallClock()
    shop.clock = clock.time
    database, traffic = FullDisk(new_engine()), Traffic()
    site = SparkLayer(
        SparkLayerOptions(client_secret="sandbox-secret", settings_writable=True, contract=CONTRACT),
        SITE_URL,
    )
    async with trio.open_nursery() as nursery:
        woocommerce = WooCommerce(shop, options or WooCommerceOptions(), SHOP_URL, nursery)

        async def ask(request: Request) -> Response:
            await trio.lowlevel.checkpoint()
            if request.headers["host"] == "shop.test":
                return await traffic.carry(woocommerce, request)
            return await answered(site, request)

        with (
            mock.patch.object(time, "time", clock.time),
            mock.patch.object(daemon.transport.http, "_single_connection", partial(Exchange, ask)),
        ):
            made = settings(**sync)
            built = await compose(
                made,
                cast("Database", database),
                Metrics(),
                platforms=load_platforms(),
                knows=_knows_all,
                now=clock.time,
            )
            await built.lifecycle.open_all()
            routes = Routes.of(build_routes(built, made), built.lifecycle.factory.metrics)
            postman = Postman(lambda: routes)
            woocommerce.webhooks.poster = postman
            nursery.start_soon(built.supervisor.run)
            parts: dict[str, Any] = {"database": database, "traffic": traffic, "postman": postman, "clock": clock}
            yield Whole(woocommerce=woocommerce, site=site, daemon=built, **parts)
            nursery.cancel_scope.cancel()
    database.close()
