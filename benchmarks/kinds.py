"""Full syncs of every kind: the calls that each makes to the store, beside the least possible number.

The least number follows from the API's largest calls (bigcommerce.md section 9): pages of 250 products, customers or
orders; one list of metafields for products, for variants and for orders; the groups and the names of attributes before
customers; the store's settings and its list of locations. Each shipped order of ours needs one more
read, for its shipments. Every kind is synced twice; the second time nothing is written.
"""

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from benchmarks.processes import Daemon, Sandbox, open_daemon, open_sandbox
from benchmarks.sync import writes_among
from benchmarks.table import Figure
from daemon.sandbox.samples.synthetic import SHIPPED_EVERY

PAGE = 250
STORE_CALLS = 2
"""The settings, the locations."""

PRODUCT_LISTS = 2
"""Metafields of products, and of variants."""

CUSTOMER_LISTS = 2
"""Groups, and the names of attributes."""


@frozen(kw_only=True)
class Size:
    """Sizes of a store."""

    products: int = 1_000
    customers: int = 2_000
    orders: int = 2_000

    @property
    def least(self) -> Mapping[str, int]:
        """Return the least number of calls to the store, by kind."""
        carts = math.ceil(self.orders / PAGE)
        shipped = self.orders // SHIPPED_EVERY
        return {
            "store": STORE_CALLS,
            "products": STORE_CALLS + PRODUCT_LISTS + math.ceil(self.products / PAGE),
            "customers": CUSTOMER_LISTS + math.ceil(self.customers / PAGE),
            "orders": carts + math.ceil(self.orders / PAGE) + shipped,
        }


@frozen(kw_only=True)
class Calls:
    """Calls of one kind: to the store the first and the second time, and to SparkLayer."""

    first: int
    second: int
    asked: int
    """Calls to SparkLayer the first time, sync-log aside."""

    written: int
    """Writes to SparkLayer the second time."""


async def twice(size: Size) -> Mapping[str, Calls]:
    """Sync every kind of a new store twice."""
    with tempfile.TemporaryDirectory(prefix="ignite-sync-bench-") as folder:
        async with (
            open_sandbox(size.products, customers=size.customers, orders=size.orders) as sandbox,
            open_daemon(Path(folder), sandbox.told) as daemon,
        ):
            return {kind: await _synced_twice(daemon, sandbox, kind) for kind in size.least}


async def measure(size: Size | None = None) -> list[Figure]:
    """Measure every kind."""
    size = size or Size()
    found = await twice(size)
    head = f"full syncs of {size.products:,} products, {size.customers:,} customers, {size.orders:,} orders"
    return [
        Figure(head),
        *(row for kind, calls in found.items() for row in _rows(kind, calls, size.least[kind])),
        Figure(
            "  customers: calls to SparkLayer for each new one",
            f"{found['customers'].asked / size.customers:.2f}",
            "2",
            "2.01",
        ),
    ]


def _rows(kind: str, calls: Calls, least: int) -> list[Figure]:
    both = f"{calls.first:,}, {calls.second:,}"
    return [
        Figure(f"  {kind}: calls to the store, first and second time", both, f"{least:,}"),
        Figure(f"  {kind}: writes of the second time", f"{calls.written:,}", "0", "0"),
    ]


async def _synced_twice(daemon: Daemon, sandbox: Sandbox, kind: str) -> Calls:
    store, sparklayer = [], []
    for _ in range(2):
        await sandbox.count_anew()
        await daemon.full_sync(kind)
        store.append((await sandbox.statistics("bigcommerce"))["total"])
        sparklayer.append((await sandbox.statistics("sparklayer"))["answers"])
    asked = sum(number for route, number in sparklayer[0].items() if "sync-log" not in route)
    return Calls(first=store[0], second=store[1], asked=asked, written=writes_among(sparklayer[1]))
