"""A synced store of twenty products with missed webhooks, for tests of gaps.

The missed changes have no date, so a sweep cannot find them: a stock level, and a deletion.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import trio
from attrs import evolve

from daemon.engine.deliveries import LONGEST_OUTAGE
from daemon.engine.runner import ConnectionRunner
from daemon.entities import StockLevel
from daemon.model import Kind
from daemon.platforms.base import Registration, WebhookTimes
from daemon.storage import full_syncs, gaps
from daemon.storage.full_syncs import Run, Start
from daemon.storage.states import RunMode
from tests.engine.fakes import Bench, open_bench, product
from tests.storage.harness import TABLES

PRODUCTS = Kind.PRODUCTS
HERE = "https://here.test/webhooks/test/sandbox"
ACTIVE_AFTER, RETRIED_FOR = 70.0, 48 * 3600.0
REPEATING = WebhookTimes(active_after=ACTIVE_AFTER, retried_for=RETRIED_FOR)
SOON = 180.0
"""Seconds within which a known gap is closed."""

RIGHT = Registration(registered=1)
MADE = Registration(registered=1, kinds=frozenset({PRODUCTS}), mended=1, fresh=True)
MENDED = evolve(MADE, fresh=False)


class GapBench(Bench):
    """A bench of a platform that repeats failed webhooks for two days."""

    @contextlib.asynccontextmanager
    async def working(self, destination: str | None = HERE) -> AsyncIterator[ConnectionRunner]:
        runner = ConnectionRunner(self.context, destination)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runner.run)
            yield runner
            runner.finish()

    async def synced(self) -> None:
        """Wait for the end of the first sync, and of the run after it, if any."""
        await trio.sleep(300.0)
        assert self.skus().keys() == {f"S{n}" for n in range(1, 21)}

    def lose(self) -> None:
        """Change a stock level and delete a product, without a webhook."""
        self.shop.change("3", stock={"S3": StockLevel(77)})
        del self.shop.products["4"]

    def is_found(self) -> bool:
        return self.stock().get("S3") == 77 and "S4" not in self.skus()

    async def fail_deliveries(self, *kinds: Kind) -> None:
        """Answer deliveries with 5xx for more than a moment."""
        for _ in range(3):
            self.context.deliveries.failed(kinds)
            await trio.sleep(0.6 * LONGEST_OUTAGE)
        self.context.deliveries.taken()

    async def readings(self) -> int:
        """Return the number of full reads caused by gaps."""
        return sum(row["mode"] == "daily" for row in await self.harness.everything(TABLES["full_syncs"]))

    async def gap(self) -> gaps.Gap | None:
        return await self.context.storage.read(gaps.open_gap, self.harness.connection_id, PRODUCTS)

    async def running(self, kind: Kind) -> Run | None:
        """Return the present run of a kind."""
        return await self.context.storage.read(full_syncs.current, self.harness.connection_id, kind)

    async def start(self, kind: Kind = PRODUCTS) -> None:
        """Start a full sync."""
        pending = Start(
            connection_id=self.harness.connection_id, kind=kind, mode=RunMode.NORMAL, now=self.context.now()
        )
        assert await self.context.storage.write(full_syncs.start, pending) is not None


@contextlib.asynccontextmanager
async def open_gap_bench(
    kinds: frozenset[Kind] | None = None,
    *,
    webhooks: WebhookTimes = REPEATING,
    platform: Mapping[str, Any] | None = None,
    **tuning: Any,
) -> AsyncIterator[GapBench]:
    async with open_bench(kinds=kinds, platform={"webhooks": webhooks, **(platform or {})}, **tuning) as bench:
        bench.shop.put(*(product(str(n), {f"{n}1": f"S{n}"}) for n in range(1, 21)))
        yield GapBench(bench.context, bench.shop, bench.site, bench.harness, bench.refused, bench.kind)
