"""Full syncs of every kind: the calls that each makes to the store, beside the least possible number.

The least number follows from the API's largest calls: see `benchmarks.platforms`. Every kind is synced twice; the
second time nothing is written.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from benchmarks.platforms import BIGCOMMERCE, BenchPlatform, Size
from benchmarks.processes import Daemon, Sandbox, open_daemon, open_sandbox
from benchmarks.sync import writes_among
from benchmarks.table import Figure


@frozen(kw_only=True)
class Calls:
    """Calls of one kind: to the store the first and the second time, and to SparkLayer."""

    first: int
    second: int
    asked: int
    """Calls to SparkLayer the first time, sync-log aside."""

    written: int
    """Writes to SparkLayer the second time."""


async def twice(size: Size, platform: BenchPlatform = BIGCOMMERCE) -> Mapping[str, Calls]:
    """Sync every kind of a new store twice."""
    with tempfile.TemporaryDirectory(prefix="ignite-sync-bench-") as folder:
        async with (
            open_sandbox(size.products, platform, customers=size.customers, orders=size.orders) as sandbox,
            open_daemon(Path(folder), sandbox.told) as daemon,
        ):
            return {kind: await _synced_twice(daemon, sandbox, kind, platform) for kind in platform.least(size)}


async def measure(platform: BenchPlatform = BIGCOMMERCE, size: Size | None = None) -> list[Figure]:
    """Measure every kind."""
    size = size or Size()
    found, least = await twice(size, platform), platform.least(size)
    head = f"full syncs of {size.products:,} products, {size.customers:,} customers, {size.orders:,} orders"
    return [
        Figure(head),
        *(row for kind, calls in found.items() for row in _rows(kind, calls, least[kind])),
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


async def _synced_twice(daemon: Daemon, sandbox: Sandbox, kind: str, platform: BenchPlatform) -> Calls:
    store, sparklayer = [], []
    for _ in range(2):
        await sandbox.count_anew()
        await daemon.full_sync(kind)
        store.append((await sandbox.statistics(platform.name))["total"])
        sparklayer.append((await sandbox.statistics("sparklayer"))["answers"])
    asked = sum(number for route, number in sparklayer[0].items() if "sync-log" not in route)
    return Calls(first=store[0], second=store[1], asked=asked, written=writes_among(sparklayer[1]))
