"""Customers whose parents have no place in SparkLayer cost a full sync no extra reads, on either side.

The real adapter reads the strict stand-in of BigCommerce, and every call to both stand-ins counts.
"""

import itertools
from collections import Counter
from collections.abc import Awaitable

import pytest
import trio
from trio.testing import MockClock

from daemon.model import Kind, RunId
from daemon.sandbox.samples.trade_customers import PARENT
from daemon.storage.states import RunMode
from tests.engine.fakes import Bench, open_bench
from tests.engine.running import running, until
from tests.engine.writers.customers.people import held
from tests.platforms.bigcommerce.stand_in import AdapterHarness

OTHERS, CHILDREN = 40, 60
MOST_MORE = 2
ADDRESS = {"address1": "1 High Street", "city": "Bath", "postal_code": "BA1 1AA", "country_code": "GB"}
RESTART = "after a restart"


def fill(shop: AdapterHarness, children: int, parents: int) -> None:
    """Add customers, and children of parents outside the groups. Add these parents also without children."""
    customers = shop.store.customers
    elsewhere = [customers.add(f"parent-{number}@example.com", silent=True) for number in range(parents)]
    customers.define_attribute(PARENT)
    trade = customers.add_group("Wholesale")
    for number in range(OTHERS):
        customers.add(f"c{number}@example.com", group_id=trade, addresses=[ADDRESS], silent=True)
    for number, parent in zip(range(children), itertools.cycle(elsewhere), strict=False):
        attributes = {PARENT: str(parent)}
        customers.add(
            f"child-{number}@example.com", group_id=trade, addresses=[ADDRESS], attributes=attributes, silent=True
        )


async def unchanged(children: int, parents: int, mode: RunMode, moment: str) -> Counter[str]:
    """Sync a shop, and then again; return all calls of the second time, by side and route."""
    async with open_bench(kind=Kind.CUSTOMERS, full_sync_on_start=False) as bench, trio.open_nursery() as nursery:
        shop = AdapterHarness(nursery)
        fill(shop, children, parents)
        bench.context.platform = shop.shop
        async with running(bench) as runs:
            await _synced(bench, runs.start(RunMode.NORMAL))
        assert len(held(bench)) == OTHERS + children
        assert list((await bench.issues()).values()) == [["parent_missing"]] * children
        if moment == RESTART:
            await shop.shop.aclose()
            shop.connect()
            bench.restart()
            bench.context.platform = shop.shop
        shop.api.statistics.reset()
        bench.site.statistics.reset()
        written = bench.site.state.customers.writes
        async with running(bench) as runs:
            await _synced(bench, runs.start(mode))
        assert bench.site.state.customers.writes - written == 0
        await shop.shop.aclose()
        nursery.cancel_scope.cancel()
        calls = {"shop": shop.api.statistics.calls, "site": bench.site.statistics.calls}
        return Counter({f"{side} {route}": number for side in calls for route, number in calls[side].items()})


async def _synced(bench: Bench, start: Awaitable[RunId | None]) -> None:
    assert await start is not None
    await until(bench)
    await trio.sleep(60)  # calls that come after a run belong to it too


@pytest.mark.holds("F4")
@pytest.mark.parametrize(
    ("parents", "mode", "moment"),
    [
        (1, RunMode.NORMAL, "at once"),
        (1, RunMode.DAILY, RESTART),
        (CHILDREN, RunMode.DAILY, "at once"),
        (CHILDREN, RunMode.NORMAL, RESTART),
    ],
)
async def test_sixty_children_of_parents_outside_the_groups_cost_two_calls_at_most(
    autojump_clock: MockClock, parents: int, mode: RunMode, moment: str
) -> None:
    without = await unchanged(0, parents, mode, moment)
    with_them = await unchanged(CHILDREN, parents, mode, moment)
    assert without.total() > 2, "both sides were asked"
    assert with_them.total() <= without.total() + MOST_MORE, with_them - without
