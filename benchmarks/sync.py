"""Full syncs of a synthetic store without rate limits: the daemon's CPU and memory, and the number of calls.

The CPU is the daemon's alone; store and site are another process. The first full sync writes every product, the
second one finds nothing to write. Memory is the peak of a daemon's whole life, for two sizes of the store. The least
possible calls follow from the APIs' largest ones: pages as `benchmarks.platforms` has them, one product per write
(SparkLayer has no bulk call for products), and `BULK_ROWS` rows of stock or prices (no maximum is published).

Findings of profiles, and their remedies (on two busy cores, CPU seconds per 1,000 products: 1.2 before and 1.0 after
for a first sync; 0.26 before and 0.15 after without changes):

| slow | done |
|---|---|
| tenacity, a seventh of every request though few fail | only a request that failed goes through it |
| httpx decoding bodies that are not compressed, parsing the same URL a thousand times | neither |
| the garbage collector walking all loaded modules | `gc.freeze` before the start |
| SQLAlchemy on each row of tags, ledger and owners; a thread's crossing at every statement | as in `webhooks` |
| a statement for each row: at each, the driver lets another thread run and waits for it | `storage.upsert` |
| SQLAlchemy on each value of an IN: 4 us | `storage.prepared.among`: one parameter |
| the outcome of a failure, built for each success | not built |

The rest: two thirds of a first sync are its 1,000 requests, 0.6 ms each, half of that in httpcore and h11. An unchanged
product costs a quarter each for decoding, mapping, the database and everything else.

`measure_kinds` has the full syncs of every kind: the calls that each makes to the store beside the least possible
number. The second time nothing is written.
"""

import math
from collections.abc import Mapping, Sequence

from attrs import frozen

from benchmarks.platforms import BIGCOMMERCE, BenchPlatform, Size
from benchmarks.processes import Daemon, Sandbox, open_daemon, open_sandbox
from benchmarks.table import Figure
from daemon.model import Secret
from daemon.sparklayer.client import BULK_ROWS

FIRST_CALLS = 6
"""Fixed calls: a token, two for the price list (read, created), the stock locations, two sync-log reports."""


@frozen(kw_only=True)
class Cost:
    """Cost of one full sync. `reports` are calls of the sync-log; `writes` are all others that write something."""

    cpu_seconds: float
    shop_calls: int
    site_calls: int
    reports: int
    writes: int


@frozen(kw_only=True)
class Life:
    """A daemon's life: two full syncs of a store with these numbers of products, variants, stock levels and prices."""

    products: int
    variants: int
    first: Cost
    second: Cost
    peak_bytes: int


async def live(products: int, url: Secret | None = None, platform: BenchPlatform = BIGCOMMERCE) -> Life:
    """Let a new daemon sync a new store twice, with its database in a file or at `url`."""
    async with open_sandbox(products, platform) as sandbox, open_daemon(sandbox.told, url=url) as daemon:
        first, second = [await full_sync(daemon, sandbox, platform) for _ in range(2)]
        [(variants,)] = daemon.query("SELECT count(*) FROM owners WHERE kind = 'products'")
        return Life(products=products, variants=variants, first=first, second=second, peak_bytes=daemon.peak_bytes())


async def full_sync(daemon: Daemon, sandbox: Sandbox, platform: BenchPlatform, kind: str = "products") -> Cost:
    """Measure a full sync."""
    await sandbox.count_anew()
    used = daemon.cpu_seconds()
    await daemon.full_sync(kind)
    used = daemon.cpu_seconds() - used
    shop, site = await sandbox.statistics(platform.name), await sandbox.statistics("sparklayer")
    reads = ("GET ", "POST /api/auth", "POST /api/v1/batch-fetch")
    calls = {route: number for route, number in site["answers"].items() if "sync-log" not in route}
    return Cost(
        cpu_seconds=used,
        shop_calls=shop["total"],
        site_calls=site["total"],
        reports=site["total"] - sum(calls.values()),
        writes=sum(number for route, number in calls.items() if not route.startswith(reads)),
    )


def least_shop_calls(products: int, platform: BenchPlatform = BIGCOMMERCE) -> int:
    """Return the least number of calls to the store for a full sync."""
    return platform.least(Size(products=products))["products"]


def least_site_calls(products: int, variants: int) -> int:
    """Return the least number of calls to SparkLayer for a first full sync."""
    return FIRST_CALLS + products + 2 * math.ceil(variants / BULK_ROWS)


async def measure(platform: BenchPlatform = BIGCOMMERCE, small: int = 2_000, large: int = 20_000) -> list[Figure]:
    """Measure two sizes of store."""
    before, life = await live(small, platform=platform), await live(large, platform=platform)
    grown = (life.peak_bytes - before.peak_bytes) / 2**20
    per = life.products / 1_000
    first, second = life.first, life.second
    shop, site = least_shop_calls(life.products, platform), least_site_calls(life.products, life.variants)
    return [
        Figure(f"full sync of {life.products:,} products, {life.variants:,} variants"),
        Figure("  first time: CPU s per 1,000 products", f"{first.cpu_seconds / per:.2f}", "0.9", "1.5"),
        Figure("  first time: calls to SparkLayer", f"{first.site_calls:,}", f"{site:,}"),
        Figure("  first time: calls to the store", f"{first.shop_calls:,}", f"{shop:,}"),
        Figure("  unchanged: CPU s per 1,000 products", f"{second.cpu_seconds / per:.2f}", "0.15", "0.35"),
        Figure("  unchanged: writes", f"{second.writes:,}", "0", "0"),
        Figure("  unchanged: calls to the store", f"{second.shop_calls:,}", f"{shop:,}"),
        Figure(f"  peak memory, MB more than with {small:,}", f"{grown:.1f}", "", "20"),
        Figure("  peak memory, MB", f"{life.peak_bytes / 2**20:.0f}"),
    ]


async def twice(size: Size, platform: BenchPlatform = BIGCOMMERCE) -> Mapping[str, Sequence[Cost]]:
    """Sync every kind of a new store twice."""
    async with (
        open_sandbox(size.products, platform, customers=size.customers, orders=size.orders) as sandbox,
        open_daemon(sandbox.told) as daemon,
    ):
        return {
            kind: [await full_sync(daemon, sandbox, platform, kind) for _ in range(2)] for kind in platform.least(size)
        }


async def measure_kinds(platform: BenchPlatform = BIGCOMMERCE, size: Size | None = None) -> list[Figure]:
    """Measure every kind."""
    size = size or Size()
    found, least = await twice(size, platform), platform.least(size)
    first = found["customers"][0]
    head = f"full syncs of {size.products:,} products, {size.customers:,} customers, {size.orders:,} orders"
    return [
        Figure(head),
        *(row for kind, costs in found.items() for row in _rows(kind, costs, least[kind])),
        Figure(
            "  customers: calls to SparkLayer for each new one",
            f"{(first.site_calls - first.reports) / size.customers:.2f}",
            "2",
            "2.01",
        ),
    ]


def _rows(kind: str, costs: Sequence[Cost], least: int) -> list[Figure]:
    both = ", ".join(f"{cost.shop_calls:,}" for cost in costs)
    return [
        Figure(f"  {kind}: calls to the store, first and second time", both, f"{least:,}"),
        Figure(f"  {kind}: writes of the second time", f"{costs[1].writes:,}", "0", "0"),
    ]
