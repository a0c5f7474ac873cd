"""The real daemon as a process of its own, between the two stand-ins, which live in the test's process.

    async def test_something(harness: OpenHarness) -> None:
        async with harness(store, sync={"debounce_seconds": 1.0}, sparklayer=SparkLayerOptions(...)) as h:
            await h.first_sync()                 # the start's full sync is over, both sides agree, webhooks registered
            h.store.set_title(1, "New")          # h.store, h.state, h.shop, h.site: the stand-ins (see daemon.sandbox)
            await h.settle()                     # every webhook taken, nothing waits in the outbox
            h.assert_equal()                     # h.unequal is []: SparkLayer holds exactly what the store says
            await h.until(lambda: ...)           # looked at whenever a stand-in was called; fails after PATIENCE

`harness(..., start=False)` leaves starting to the test. `h.process` is the `Process`.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import trio
from attrs import evolve, frozen

from daemon.model import Secret
from daemon.platforms.bigcommerce.webhooks import REGISTERED
from daemon.sandbox import (
    BigCommerce,
    BigCommerceOptions,
    Sandbox,
    SparkLayer,
    SparkLayerOptions,
    Store,
    call,
    open_sandbox,
)
from daemon.sandbox.bigcommerce.founding import add_groups
from daemon.sandbox.expectation import (
    attribute_differences,
    customer_differences,
    differences,
    order_differences,
)
from daemon.sandbox.sparklayer.api import State
from tests.contract import CONTRACT
from tests.e2e.process import GLANCE, QUICK, TIMEOUT, Process, free_port, settings


@frozen(kw_only=True)
class ProcessHarness:
    """The daemon's process and the stand-ins that it runs between."""

    sandbox: Sandbox
    process: Process
    _called: trio.lowlevel.ParkingLot

    @property
    def store(self) -> Store:
        """The merchant's side: every edit is a method of it."""
        return self.sandbox.store

    @property
    def shop(self) -> BigCommerce:
        """The stand-in of BigCommerce's API."""
        return self.sandbox.bigcommerce

    @property
    def site(self) -> SparkLayer:
        """The stand-in of SparkLayer's API."""
        return self.sandbox.sparklayer

    @property
    def state(self) -> State:
        """The state of the SparkLayer site."""
        return self.sandbox.sparklayer.state

    @property
    def writes(self) -> tuple[int, int, int]:
        """Numbers of product writes, stock levels and prices that SparkLayer took so far."""
        return self.state.products.writes, self.state.stock.writes, self.state.prices.writes

    @property
    def errors(self) -> dict[str, Any]:
        """The errors in the sync-log of products, by external id."""
        log = self.state.sync_log.logs.get(("bigcommerce", "products"))
        return dict(log.errors) if log else {}

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until `holds()`; it is asked whenever one of the stand-ins was called."""
        with trio.fail_after(TIMEOUT):
            while not holds():
                with trio.move_on_after(GLANCE):  # an outage or a cleared switchboard tells nobody
                    await self._called.park()

    async def first_sync(self) -> None:
        """Wait for the end of the full syncs that a new daemon starts with, and for its webhooks."""
        for kind in (await self.process.connection())["kinds"]:
            await self.process.first_run(kind)
        await self.hooked()
        await self.settle()
        self.assert_equal()

    async def hooked(self) -> None:
        """Wait until every webhook is registered."""
        await self.until(lambda: len(self.shop.hooks.registered) == len(REGISTERED))

    async def settle(self) -> None:
        """Wait until every webhook was taken and worked off."""
        with trio.fail_after(TIMEOUT):
            await self.shop.webhooks.settled()
        await self.process.idle()

    @property
    def unequal(self) -> list[str]:
        """Differences between SparkLayer and the store, by the sandbox's own reckoning."""
        site = self.state.comparable()
        return [
            *differences(self.store, self.state),
            *attribute_differences(self.store, self.state),
            *customer_differences(self.store, site["customers"]),
            *order_differences(self.store, site["purchases"]),
        ]

    def assert_equal(self) -> None:
        """Fail unless SparkLayer holds exactly what the store says."""
        assert self.unequal == []


class OpenHarness(Protocol):
    """Opens a harness: the fixture `harness`. Sandbox options, then what the daemon's settings shall say."""

    def __call__(
        self,
        store: Store | None = None,
        *,
        bigcommerce: BigCommerceOptions | None = None,
        sparklayer: SparkLayerOptions | None = None,
        sync: Mapping[str, Any] = QUICK,
        more: str = "",
        start: bool = True,
        database: Secret | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> contextlib.AbstractAsyncContextManager[ProcessHarness]:
        """Open it, with a started and ready daemon unless told otherwise."""
        ...


@contextlib.asynccontextmanager
async def open_harness(
    folder: Path,
    store: Store | None = None,
    *,
    bigcommerce: BigCommerceOptions | None = None,
    sparklayer: SparkLayerOptions | None = None,
    sync: Mapping[str, Any] = QUICK,
    more: str = "",
    start: bool = True,
    database: Secret | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[ProcessHarness]:
    """Open both stand-ins, with a small store unless another is given, and the daemon between them.

    Its database is a file, unless the URL of another is given. `environment` has variables of its own.

    The keys may write global settings unless told otherwise: a refusal is asked for twice, which takes seconds.
    """
    site = evolve(sparklayer or SparkLayerOptions(settings_writable=True), contract=CONTRACT)
    async with open_sandbox(store=store or small_store(), bigcommerce=bigcommerce, sparklayer=site) as sandbox:
        called, port = trio.lowlevel.ParkingLot(), free_port()
        for faults in (sandbox.bigcommerce.faults, sandbox.sparklayer.faults):
            faults.add("*", call(lambda _: _wake(called)), after_effect=True)
        text = settings(sandbox, port, database or folder / "ignite-sync.db", sync=sync, more=more)
        async with Process(folder, text, port, environment=environment) as process:
            if start:
                await process.start()
            yield ProcessHarness(sandbox=sandbox, process=process, called=called)


def small_store() -> Store:
    """Return a store with a jumper in two sizes and a simple mug, and its groups; every id is small and known."""
    store = Store()
    add_groups(store)
    sizes = [
        {"sku": "J-S", "options": {"Size": "S"}, "stock": 3},
        {"sku": "J-M", "options": {"Size": "M"}, "stock": 4, "price": 42.5},
    ]
    store.add_product("Jumper", price=40, weight=1.5, variants=sizes)
    store.add_product("Mug", price=7.5, variants=[{"sku": "MUG", "stock": 9}])
    return store


def _wake(lot: trio.lowlevel.ParkingLot) -> None:
    lot.unpark_all()
