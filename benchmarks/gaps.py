"""Closing a gap in the webhooks: changes without a date (stock, deletions, addresses), on BigCommerce's Standard plan.

A shop of 500 products, 500 customers and 200 orders is edited twice without webhooks: in the minute after the
registration, while BigCommerce still activates them, and during an hour in which all registrations are lost. The
seconds count from the edits, and from the registration that repairs the loss.
"""

import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import trio
from attrs import frozen

from benchmarks.processes import POLL_SECONDS, open_daemon
from benchmarks.table import Figure
from daemon.platforms.bigcommerce.webhooks import REGISTERED
from daemon.sandbox import (
    BigCommerceOptions,
    Sandbox,
    SparkLayerOptions,
    Store,
    open_sandbox,
    synthetic,
)
from daemon.sandbox.expectation import customer_differences, differences, order_differences
from daemon.sandbox.opening import whereabouts

PRODUCTS, CUSTOMERS, ORDERS = 500, 500, 200
QUOTA = 150
"""Requests in 30 s: BigCommerce's Standard plan (bigcommerce.md section 10)."""

RATE = 20.0
"""Requests per second that SparkLayer is assumed to allow; it publishes no number."""

EDITS = 10
"""Number of edited entities of each sort."""

LONGEST = 600.0
HOUR = 3600.0
KINDS = ("store", "products", "customers", "orders")
ADDRESS = {"address1": "1 High Street", "city": "Bath", "postal_code": "BA1 1AA", "country_code": "GB"}


@frozen(kw_only=True)
class Closed:
    """A closed gap: the seconds taken, and the writes to SparkLayer by route."""

    seconds: float
    writes: Counter[str]

    @property
    def spare(self) -> int:
        """The writes that no edit needed: of customers and products, and of orders, which were not edited."""
        needed = {"*/customers/*": 2 * EDITS, "*/products*": EDITS, "*/purchases*": 0}
        return sum(self._count(pattern) - number for pattern, number in needed.items())

    def _count(self, pattern: str) -> int:
        return sum(number for route, number in self.writes.items() if fnmatchcase(route, pattern))


async def close_gaps() -> list[Closed]:
    """Edit a shop in both gaps, and wait each time until SparkLayer equals the store."""
    shop, site = BigCommerceOptions(quota=QUOTA), SparkLayerOptions(rate=RATE, settings_writable=True)
    store = synthetic(PRODUCTS, customers=CUSTOMERS, orders=ORDERS)
    with tempfile.TemporaryDirectory(prefix="ignite-sync-bench-") as name:
        async with open_sandbox(store=store, bigcommerce=shop, sparklayer=site) as sandbox:
            daemon_of = partial(
                open_daemon, Path(name), whereabouts(sandbox.bigcommerce, sandbox.sparklayer), webhooks=True
            )
            async with daemon_of() as daemon:
                for kind in KINDS:
                    await daemon.full_sync(kind)
                await _registered(sandbox)
                before = _writes(sandbox)
                _edit(sandbox.store, first=1)
                registering = await _equal(sandbox, before)
                while daemon.query("SELECT count(*) FROM outbox") != [(0,)]:  # noqa: ASYNC110  another process
                    await trio.sleep(POLL_SECONDS)  # A stop during a batch would write it again.
            with closing(sqlite3.connect(daemon.database)) as database, database:
                database.execute("UPDATE full_syncs SET started_at = started_at - ?", (HOUR,))
            sandbox.bigcommerce.hooks.registered.clear()
            before = _writes(sandbox)
            _edit(sandbox.store, first=1 + 3 * EDITS)
            async with daemon_of():
                await _registered(sandbox)
                return [registering, await _equal(sandbox, before)]


def _edit(store: Store, first: int) -> None:
    """Edit stock levels and addresses, and delete products and customers, without webhooks."""
    for number in range(first, first + EDITS):
        store.set_stock(store.entries[number].variants[0].id, 7_777, silent=True)
        store.delete_product(number + EDITS, silent=True)
        store.customers.add_address(number, silent=True, **ADDRESS)
        store.customers.delete(number + EDITS, silent=True)


async def _registered(sandbox: Sandbox) -> None:
    with trio.fail_after(LONGEST):
        while len(sandbox.bigcommerce.hooks.registered) < len(REGISTERED):  # noqa: ASYNC110  another process
            await trio.sleep(POLL_SECONDS)


async def _equal(sandbox: Sandbox, before: Counter[str]) -> Closed:
    began, store, site = trio.current_time(), sandbox.store, sandbox.sparklayer
    with trio.fail_after(LONGEST):
        while True:
            held = site.state.comparable()
            if not (
                differences(store, site.state)
                or customer_differences(store, held["customers"])
                or order_differences(store, held["purchases"])
            ):
                return Closed(seconds=trio.current_time() - began, writes=_writes(sandbox) - before)
            await trio.sleep(1.0)


def _writes(sandbox: Sandbox) -> Counter[str]:
    calls = sandbox.sparklayer.statistics.calls.items()
    passing = ("GET *", "* /api/auth/*", "*/sync-log*")
    return Counter({route: count for route, count in calls if not any(fnmatchcase(route, one) for one in passing)})


async def measure() -> list[Figure]:
    """Measure both gaps."""
    registering, lost = await close_gaps()
    return [
        Figure(f"a gap in the webhooks of {PRODUCTS} products, {CUSTOMERS} customers, {ORDERS} orders; Standard plan"),
        *(
            figure
            for what, closed in (("the first minute after registering", registering), ("all lost for an hour", lost))
            for figure in (
                Figure(f"  {what}: seconds until both sides are equal", f"{closed.seconds:.0f}", "", "180"),
                Figure(f"  {what}: writes that no edit needed", f"{closed.spare}", "0", "0"),
            )
        ),
    ]
