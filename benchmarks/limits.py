"""A full sync with rate limits, or with random 429s: the throttle's reaction to them.

BigCommerce allows 150 requests in 30 s and sends quota headers; WooCommerce has no quota. SparkLayer allows 20 per
second, after a burst of 20, and sends only 429s. The bound is the time that a client which knew both limits would need
for the least possible calls.

In the rows without a limit, a share of all requests is answered 429 at random, as shared gateways do: to slow down does
not help. Other rows have both.

Chance decides which request is refused, and that matters without a limit. Some calls have others wait behind them: the
first ones, a page of the store, and prices, which are sent one call at a time. Each such refusal costs its Retry-After
of a second, as the last one of a sync does. So the shop is large, the refusals are compared with a sync that ran just
before, and the median of several rounds counts.
"""

import statistics
from collections.abc import Sequence

import trio
from attrs import field, frozen

from benchmarks.platforms import BIGCOMMERCE, BenchPlatform
from benchmarks.processes import Sandbox, open_daemon, open_sandbox
from benchmarks.sync import least_shop_calls, least_site_calls
from benchmarks.table import Figure

WINDOW = 30.0
RATE, BURST = 20.0, 20

SHARES = (0.01, 0.02)
"""Shares of all requests refused at random."""

ROUNDS = 3
"""Rounds of syncs without a limit; each has one without a refusal, and one for each of `SHARES`."""

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


async def race(
    products: int, platform: BenchPlatform = BIGCOMMERCE, *, limits: bool = True, share: float = 0.0
) -> Race:
    """Let a new daemon sync a store of `products`."""
    async with open_sandbox(products, platform, limits=limits) as sandbox, open_daemon(sandbox.told) as daemon:
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
            bound=bound(products, variants, platform),
            products=products,
            asked=await _asked(sandbox),
            first_minute=first_minute,
        )


async def _asked(sandbox: Sandbox) -> Asked:
    answers = (await sandbox.statistics("sparklayer"))["answers"]
    return Asked(sum(answers.values()), sum(number for route, number in answers.items() if route.endswith(" 429")))


def bound(products: int, variants: int, platform: BenchPlatform = BIGCOMMERCE) -> float:
    """Return the seconds in which both limits allow the least possible calls."""
    shop, site = least_shop_calls(products, platform), least_site_calls(products, variants)
    of_shop = WINDOW * ((shop - 1) // platform.quota) if platform.quota else 0.0
    return max(of_shop, (site - BURST) / RATE)


def slowdowns(rounds: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return how many times longer each sync of a round took than the round's first one, by place and then by round."""
    free, *others = zip(*rounds, strict=True)
    return [[seconds / first for first, seconds in zip(free, other, strict=True)] for other in others]


async def measure(
    platform: BenchPlatform = BIGCOMMERCE, products: int = 2_000, unlimited_products: int = 20_000
) -> list[Figure]:
    """Measure full syncs without a limit, with a hidden one, and with one beside refusals at random."""
    rounds = [
        [await race(unlimited_products, platform, limits=False, share=share) for share in (0.0, *SHARES)]
        for _ in range(ROUNDS)
    ]
    times = slowdowns([[each.seconds for each in races] for races in rounds])
    run = await race(products, platform)
    both = [await race(products, platform, share=share) for share in SHARES]
    return [
        Figure(f"full sync of {run.products:,} products within rate limits"),
        Figure("  wall time over what the limits allow", f"{run.seconds / run.bound:.3f}", "", "1.1"),
        Figure("  seconds, and what the limits allow", f"{run.seconds:.1f}", f"{run.bound:.1f}"),
        Figure("  refusals that it took to find the rate", f"{run.asked.refused:,}"),
        Figure("  refused after the first minute, %", f"{run.share:.2f}", "", "2"),
        *(
            figure
            for share, beside in zip(SHARES, both, strict=True)
            for figure in (
                Figure(
                    f"  the same with {100 * share:g} % refused at random, %",
                    f"{beside.share:.2f}",
                    "",
                    f"{100 * share + 2:g}",
                ),
                Figure("  the same: wall time over what the limits allow", f"{beside.seconds / beside.bound:.3f}"),
            )
        ),
        Figure(f"full sync of {unlimited_products:,} products without a limit, {ROUNDS} rounds"),
        Figure(
            "  seconds without a refusal, the median", f"{statistics.median(races[0].seconds for races in rounds):.1f}"
        ),
        *(
            figure
            for share, of_rounds in zip(SHARES, times, strict=True)
            for figure in (
                Figure(
                    f"  {100 * share:g} % refused at random: times the time, the median",
                    f"{statistics.median(of_rounds):.2f}",
                    "",
                    "2",
                ),
                Figure("    the rounds", ", ".join(f"{each:.2f}" for each in sorted(of_rounds))),
            )
        ),
    ]
