"""Full syncs to their end: every issue is checked, every item tried, and hours are true to the clock."""

import contextlib
from collections import Counter

import pytest
import trio
from trio.testing import MockClock

from daemon.engine.actor import Actor
from daemon.engine.full_sync import STALLED, FullSyncs
from daemon.engine.sweep import DAY
from daemon.entities import Customer, Issue, Order, Product
from daemon.errors import Rejected
from daemon.model import Kind, Lane
from daemon.platforms.base import Page
from daemon.sandbox.faults import answer
from daemon.storage.states import RunMode
from tests.engine.fakes import EPOCH, Bench, open_bench, product
from tests.engine.running import running, until
from tests.engine.writers.customers.people import customer
from tests.engine.writers.test_orders import order

pytestmark = pytest.mark.usefixtures("both_engines")

KINDS = [Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS]
CODE = "something_is_wrong"
YEAR = 365 * DAY
EVERY = 900.0


def entity(kind: Kind, number: int) -> Product | Customer | Order:
    if kind is Kind.PRODUCTS:
        return product(str(number), {f"{number}1": f"S{number}"})
    if kind is Kind.CUSTOMERS:
        return customer(str(number))
    return order(str(number), f"4217ba4f-7618-4e3b-b1af-{number:012}")


@pytest.mark.holds("D1")
@pytest.mark.parametrize(
    ("kind", "mode", "all_of_it"),
    [*((kind, mode, False) for kind in KINDS for mode in RunMode), *((kind, RunMode.NORMAL, True) for kind in KINDS)],
)
async def test_what_is_wrong_with_an_entity_that_never_arrived_goes_with_it(
    autojump_clock: MockClock, kind: Kind, mode: RunMode, *, all_of_it: bool
) -> None:
    """Entity 9 has an issue, 8 raises a bug until it is parked; the store deletes both without a webhook."""
    async with open_bench(kind=kind) as bench:
        bench.shop.put(*(entity(kind, number) for number in (8, 9, *(() if all_of_it else (1, 2)))))
        bench.shop.excluded, bench.shop.broken = {"9"}, {"8"}
        bench.shop.issues = {"9": (Issue(code=CODE, message="It is wrong."),)}
        async with running(bench) as runs:
            await until(bench, within=4 * 3600)
            assert await bench.issues() == {"9": [CODE]}
            assert {key: row["state"] for key, row in (await bench.harness.rows()).items()} == {"8": "parked"}
            del bench.shop.products["8"], bench.shop.products["9"]
            await runs.start(mode)
            await until(bench)
            await trio.sleep(5)
        assert await bench.issues() == {}
        assert await bench.harness.rows() == {}
        assert (await bench.harness.newest()).succeeded
        logs = bench.site.state.sync_log.logs.values()
        assert [dict(log.errors) for log in logs] == ([] if kind is Kind.ORDERS else [{}])


@pytest.mark.holds("C2")
@pytest.mark.parametrize("refused", [None, "4"], ids=["first page", "third page"])
async def test_a_run_whose_page_is_refused_for_ever_does_not_hold_up_the_kinds_after_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, refused: str | None
) -> None:
    async with open_bench(kinds=frozenset(KINDS), full_sync_on_start=False) as bench:
        bench.shop.put(*(entity(Kind.PRODUCTS, number) for number in range(1, 9)))
        page, asked = bench.shop.page, Counter[Kind]()

        async def refuse(kind: Kind, cursor: str | None) -> Page:
            asked[kind] += 1
            if kind is Kind.PRODUCTS and cursor == refused:
                raise Rejected("no such page", reason="http_422")
            return await page(kind, cursor)

        monkeypatch.setattr(bench.shop, "page", refuse)
        runs = [FullSyncs(bench.context, kind) for kind in KINDS[:2]]
        async with trio.open_nursery() as nursery:
            for each in runs:
                nursery.start_soon(each.run)
                await each.start(RunMode.NORMAL)
            await trio.sleep(STALLED - 60)
            assert asked[Kind.CUSTOMERS] == 0
            await trio.sleep(180)
            assert asked[Kind.CUSTOMERS] > 0
            nursery.cancel_scope.cancel()


@pytest.mark.holds("D2")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_run_outlasts_its_hour_until_its_last_item_was_tried(autojump_clock: MockClock, kind: Kind) -> None:
    """One item fails, and no other has its turn for hours, as in a long or slow queue."""
    async with open_bench(kind=kind) as bench:
        bench.shop.put(*(entity(kind, number) for number in range(1, 6)))
        bench.shop.broken, bench.shop.batch_size = {"1"}, 1
        async with running(bench, actor=False):
            await until(bench, "draining")
            await bench.once(Lane.BACKFILL)
            await trio.sleep(3 * 3600)
            newest = await bench.harness.newest()
            assert (newest.state, newest.done, newest.failed) == ("draining", 0, 1)
            rows = await bench.harness.rows()
            assert {key for key, found in rows.items() if found["full_sync_id"]} == {"2", "3", "4", "5"}
            bench.shop.broken = set()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(Actor(bench.context, bench.pipeline).run)
                await until(bench)
                nursery.cancel_scope.cancel()
        newest = await bench.harness.newest()
        assert (newest.done, newest.failed, newest.succeeded) == (4, 1, False)


@pytest.mark.holds("D4")
@pytest.mark.parametrize(
    ("jump", "restarts"), [(-YEAR, 0), (-3600.0, 0), (3600.0, 0), (YEAR, 0), (-YEAR, 3), (YEAR, 3)]
)
async def test_the_hour_of_stragglers_is_one_with_any_clock(
    autojump_clock: MockClock, bench: Bench, jump: float, restarts: int
) -> None:
    bench.shop.put(entity(Kind.PRODUCTS, 1))
    bench.site.faults.add("POST */products", answer(409, '{"title": "try later", "detail": "try later"}'))
    skew = 0.0
    bench.context.now = lambda: EPOCH + skew + trio.current_time()
    for _ in range(restarts):
        async with running(bench):
            await trio.sleep(900)
        bench.restart()
    async with running(bench):
        await trio.sleep(60)
        skew = jump
        await until(bench, within=2 * 3600)
    assert 3600 <= trio.current_time() <= 3600 + 75 * (restarts + 2)
    newest = await bench.harness.newest()
    assert (newest.failed, newest.succeeded) == (1, False)


@pytest.mark.holds("D4")
@pytest.mark.parametrize("skew", [-YEAR, YEAR], ids=["a year behind", "a year ahead"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_once_a_clock_is_corrected_everything_is_read_once(
    autojump_clock: MockClock, bench: Bench, skew: float, *, restarted: bool
) -> None:
    """A sweep with a wrong clock misses a change without a webhook."""
    bench.shop.put(*(entity(Kind.PRODUCTS, number) for number in (1, 2, 3)))
    bench.context.now = lambda: EPOCH + skew + trio.current_time()
    async with contextlib.AsyncExitStack() as first:
        await first.enter_async_context(running(bench, sweep=True))
        await trio.sleep(2.5 * EVERY)
        bench.shop.change("1", title="Changed")
        skew = 0.0
        if restarted:
            await first.aclose()
            bench.restart()
            await first.enter_async_context(running(bench, sweep=True))
        await trio.sleep(1.5 * EVERY)
        assert bench.site.state.comparable()["products"]["1"]["title"] == "Changed"
        assert (await bench.harness.newest()).mode == "daily"
        read = bench.shop.calls["page"]
        await trio.sleep(6 * EVERY)
        assert bench.shop.calls["page"] == read, "not again and again"


@pytest.mark.holds("D4")
async def test_facts_of_the_store_are_read_for_a_run_though_the_clock_was_set_back(
    autojump_clock: MockClock, bench: Bench
) -> None:
    skew = YEAR
    bench.context.now = lambda: EPOCH + skew + trio.current_time()
    async with running(bench) as runs:
        await until(bench)
        skew, read = 0.0, bench.shop.calls["facts"]
        await runs.start(RunMode.NORMAL)
        await until(bench)
    assert bench.shop.calls["facts"] == read + 1
