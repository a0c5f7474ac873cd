"""A synced store of twenty products whose webhooks can be missed, for tests of gaps.

What is missed here moves no date, so that a sweep cannot find it: a stock level, and a deletion.
"""

import contextlib
from collections.abc import AsyncIterator

import trio
from attrs import evolve

from daemon.engine.deliveries import LONGEST_OUTAGE
from daemon.engine.runner import ConnectionRunner
from daemon.entities import Stock
from daemon.model import Kind
from daemon.platforms.base import Registration, WebhookTimes
from daemon.storage import gaps
from tests.engine.fakes import Bench, open_bench, product
from tests.storage.harness import TABLES

PRODUCTS = Kind.PRODUCTS
HERE = "https://here.test/webhooks/test/sandbox"
ACTIVE_AFTER, RETRIED_FOR = 70.0, 48 * 3600.0
SOON = 180.0
"""Seconds after a gap is known in which it is closed."""

RIGHT = Registration(registered=1)
MADE = Registration(registered=1, kinds=frozenset({PRODUCTS}), mended=1, fresh=True)
MENDED = evolve(MADE, fresh=False)


@contextlib.asynccontextmanager
async def open_wide() -> AsyncIterator[Bench]:
    """Open a store of a platform that sends webhooks again for two days."""
    async with open_bench() as bench:
        bench.context.platform_type = evolve(
            bench.context.platform_type, webhooks=WebhookTimes(active_after=ACTIVE_AFTER, retried_for=RETRIED_FOR)
        )
        bench.shop.put(*(product(str(n), {f"{n}1": f"S{n}"}) for n in range(1, 21)))
        yield bench


@contextlib.asynccontextmanager
async def working(bench: Bench, destination: str | None = HERE) -> AsyncIterator[ConnectionRunner]:
    runner = ConnectionRunner(bench.context, destination)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        yield runner
        runner.finish()


def lose(bench: Bench) -> None:
    """Change what moves no date, and tell nobody."""
    bench.shop.change("3", stock={next(iter(bench.shop.products["3"].stock)): evolve(_stock(bench, "3"), level=77)})
    del bench.shop.products["4"]


def _stock(bench: Bench, external_id: str) -> Stock:
    found: Stock = next(iter(bench.shop.products[external_id].stock.values()))
    return found


def is_found(bench: Bench) -> bool:
    return bench.stock().get("S3") == 77 and "S4" not in bench.skus()


async def readings(bench: Bench) -> int:
    """Return how often everything was read because of gaps."""
    rows = await bench.harness.everything(TABLES["full_syncs"])
    return sum(row["mode"] == "daily" for row in rows)


async def gap(bench: Bench) -> gaps.Gap | None:
    return await bench.context.storage.read(gaps.open_gap, bench.harness.connection_id, PRODUCTS)


async def settled(bench: Bench, works_for: float = 300.0) -> None:
    """Let the first sync end, and the reading after it if there is one."""
    await trio.sleep(works_for)
    assert bench.skus().keys() == {f"S{n}" for n in range(1, 21)}


async def failing(bench: Bench, _runners: ConnectionRunner) -> None:
    """Answer deliveries 5xx for longer than a moment."""
    for _ in range(3):
        bench.context.deliveries.failed({PRODUCTS})
        await trio.sleep(0.6 * LONGEST_OUTAGE)
    bench.context.deliveries.taken()
