"""A full sync with rate limits, or with random 429s: the throttle's reaction to them.

BigCommerce allows 150 requests in 30 s and sends quota headers. SparkLayer allows 20 per second, after a burst of 20,
and sends only 429s. The bound is the time that a client which knew both limits would need for the least possible calls.

In the rows without a limit, a share of all requests is answered 429 at random, as shared gateways do: to slow down does
not help. One row has both. The rows without a limit use a larger shop: a sync of 2,000 products takes under two seconds
there, and a single Retry-After of a second at its end would decide the result.
"""

import tempfile
from pathlib import Path

import trio
from attrs import field, frozen

from benchmarks.processes import Sandbox, open_daemon, open_sandbox
from benchmarks.sync import least_shop_calls, least_site_calls
from benchmarks.table import Figure

QUOTA, WINDOW = 150, 30.0
RATE, BURST = 20.0, 20

SHARES = (0.01, 0.02)
"""Shares of all requests refused at random."""

MINUTE = 60.0
"""Seconds allowed for finding a hidden limit."""


@frozen
class Asked:
    """Numbers of requests that SparkLayer answered, and of those refused."""

    answers: int = 0
    refused: int = 0

    def share_since(self, before: "Asked") -> float:
        """Return the share that was refused since an earlier count, in percent."""
        return 100 * (self.refused - before.refused) / max(1, self.answers - before.answers)


@frozen(kw_only=True)
class Race:
    """A full sync's duration, the least possible one, and the 429s."""

    seconds: float
    bound: float
    products: int
    asked: Asked
    first_minute: Asked = field(factory=Asked)

    @property
    def share(self) -> float:
        """The share of requests that was refused after the first minute, in percent."""
        return self.asked.share_since(self.first_minute)


async def race(products: int, *, limits: bool = True, share: float = 0.0) -> Race:
    """Let a new daemon sync a store of `products`."""
    with tempfile.TemporaryDirectory(prefix="ignite-sync-bench-") as folder:
        async with open_sandbox(products, limits=limits) as sandbox, open_daemon(Path(folder), sandbox.told) as daemon:
            if share:
                await sandbox.refuse(share)
            first_minute = Asked()

            async def count() -> None:
                nonlocal first_minute
                await trio.sleep(MINUTE)
                first_minute = await _asked(sandbox)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(count)
                began = trio.current_time()
                await daemon.full_sync()
                seconds = trio.current_time() - began
                nursery.cancel_scope.cancel()
            [(variants,)] = daemon.query("SELECT count(*) FROM owners WHERE kind = 'products'")
            return Race(
                seconds=seconds,
                bound=bound(products, variants),
                products=products,
                asked=await _asked(sandbox),
                first_minute=first_minute,
            )


async def _asked(sandbox: Sandbox) -> Asked:
    answers = (await sandbox.statistics("sparklayer"))["answers"]
    return Asked(sum(answers.values()), sum(number for route, number in answers.items() if route.endswith(" 429")))


def bound(products: int, variants: int) -> float:
    """Return the seconds in which both limits allow the least possible calls."""
    shop, site = least_shop_calls(products), least_site_calls(products, variants)
    return max(WINDOW * ((shop - 1) // QUOTA), (site - BURST) / RATE)


async def measure(products: int = 2_000, unlimited_products: int = 10_000) -> list[Figure]:
    """Measure full syncs without a limit, with a hidden one, and with one beside refusals at random."""
    free = await race(unlimited_products, limits=False)
    random = [await race(unlimited_products, limits=False, share=share) for share in SHARES]
    run = await race(products)
    both = await race(products, share=SHARES[-1])
    percent = 100 * SHARES[-1]
    return [
        Figure(f"full sync of {run.products:,} products within rate limits"),
        Figure("  wall time over what the limits allow", f"{run.seconds / run.bound:.3f}", "", "1.1"),
        Figure("  seconds, and what the limits allow", f"{run.seconds:.1f}", f"{run.bound:.1f}"),
        Figure("  refusals that it took to find the rate", f"{run.asked.refused:,}"),
        Figure("  refused after the first minute, %", f"{run.share:.2f}", "", "2"),
        Figure(f"  the same with {percent:g} % refused at random, %", f"{both.share:.2f}", "", f"{percent + 2:g}"),
        Figure("  the same: wall time over what the limits allow", f"{both.seconds / both.bound:.3f}"),
        *(
            Figure(
                f"  no limit, {100 * share:g} % refused at random: times the time",
                f"{refused.seconds / free.seconds:.2f}",
                "",
                "2",
            )
            for share, refused in zip(SHARES, random, strict=True)
        ),
        Figure(f"  seconds for {free.products:,} products without a limit or a refusal", f"{free.seconds:.1f}"),
    ]
