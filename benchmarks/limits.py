"""A full sync with rate limits on: how near it comes to the time that the limits allow at best.

BigCommerce allows 150 requests in 30 s and says so; SparkLayer allows 20 in a second and says nothing but 429, after
a burst of 20. The bound is the time in which a client that knew both limits could make the least possible calls.
"""

import tempfile
from pathlib import Path

import trio
from attrs import frozen

from benchmarks.processes import open_daemon, open_sandbox
from benchmarks.sync import least_shop_calls, least_site_calls
from benchmarks.table import Figure

QUOTA, WINDOW = 150, 30.0
RATE, BURST = 20.0, 20


@frozen(kw_only=True)
class Race:
    """How long a full sync took, the least it could have, and how often it was told to slow down."""

    seconds: float
    bound: float
    refused: int
    products: int
    variants: int


async def race(products: int) -> Race:
    """Have a new daemon sync a store of `products` within the limits."""
    with tempfile.TemporaryDirectory(prefix="ignite-sync-bench-") as folder:
        async with open_sandbox(products, limits=True) as sandbox, open_daemon(Path(folder), sandbox.told) as daemon:
            began = trio.current_time()
            await daemon.full_sync()
            seconds = trio.current_time() - began
            [(variants,)] = daemon.query("SELECT count(*) FROM owners WHERE kind = 'products'")
            answers = (await sandbox.statistics("sparklayer"))["answers"]
            return Race(
                seconds=seconds,
                bound=bound(products, variants),
                refused=sum(number for route, number in answers.items() if route.endswith(" 429")),
                products=products,
                variants=variants,
            )


def bound(products: int, variants: int) -> float:
    """Return in how many seconds both limits allow the least possible calls."""
    shop, site = least_shop_calls(products), least_site_calls(products, variants)
    return max(WINDOW * ((shop - 1) // QUOTA), (site - BURST) / RATE)


async def measure(products: int = 2_000) -> list[Figure]:
    """Measure one full sync."""
    run = await race(products)
    return [
        Figure(f"full sync of {run.products:,} products within rate limits"),
        Figure("  wall time over what the limits allow", f"{run.seconds / run.bound:.3f}", "", "1.1"),
        Figure("  seconds, and what the limits allow", f"{run.seconds:.1f}", f"{run.bound:.1f}"),
        Figure("  refusals that it took to find the rate", f"{run.refused:,}"),
    ]
