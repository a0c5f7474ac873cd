"""After a lost database (see `lost`), SKUs in SparkLayer that the store no longer has lose price and stock."""

# ruff: noqa: ASYNC110  the clock is a mock: looking again costs nothing

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from daemon.engine.actor import Actor
from daemon.engine.full_sync import FullSyncs
from daemon.engine.sync_log import SyncLogWriter
from daemon.entities import Issue
from daemon.model import Kind
from daemon.sandbox.faults import answer
from daemon.storage import leftovers
from daemon.storage.states import RunMode
from daemon.storage.tables import metadata
from tests.engine import losses
from tests.engine.fakes import PRICE_LIST, Bench, open_bench, product
from tests.engine.running import fill, running, until
from tests.engine.test_full_sync import RUNS
from tests.engine.writers.customers.people import customer

pytestmark = [pytest.mark.holds("D6"), pytest.mark.usefixtures("both_engines")]

PRICES = "GET */price-lists/*/pricing"
READ_PRICES = "GET /api/v1/price-lists/{slug}/pricing"


async def lose_database(bench: Bench) -> None:
    """Delete all of the connection's rows except the connection itself."""
    for table in metadata.sorted_tables:
        if "connection_id" in table.columns:
            await bench.harness.alter(table.name, "connection_id = 999")
    bench.terms.forget()
    bench.restart()


@contextlib.asynccontextmanager
async def lost(number: int = 6, gone: tuple[str, ...] = ("2",)) -> AsyncIterator[Bench]:
    """Open a bench with products in SparkLayer; the store lost those in `gone` while the database was lost."""
    async with open_bench() as bench:
        bench.shop.page_size = 250
        fill(bench, number)
        async with running(bench):
            await until(bench)
        for key in gone:
            del bench.shop.products[key]
        await lose_database(bench)
        yield bench


async def settled(bench: Bench) -> None:
    """Wait until the daemon has finished its own work, and some time more."""

    async def is_over() -> bool:
        return not await bench.harness.rows() and (await bench.harness.newest()).state == "ended"

    with trio.fail_after(20_000):
        await trio.sleep(5)
        await bench.until(is_over)
        await trio.sleep(5)


async def removals_decided(bench: Bench) -> None:
    """Wait until the database has removals."""

    async def decided() -> bool:
        return bool(await bench.harness.everything_of("removals"))

    await bench.until(decided, 0.01)


async def owed(bench: Bench) -> bool:
    return await bench.context.storage.read(leftovers.owed, bench.harness.connection_id, bench.kind)


def skus(numbers: range, *but: int) -> set[str]:
    return {f"S{number}" for number in numbers if number not in but}


async def test_skus_that_the_store_no_longer_has_lose_price_and_stock(autojump_clock: MockClock) -> None:
    async with lost() as bench:
        pages, before_page = bench.shop.calls["page"], list[bool]()

        async def look(method: str) -> None:
            if method == "page":
                before_page.append("S2" in bench.prices())

        bench.shop.before = look
        with capture_logs() as logs:
            async with running(bench):
                await settled(bench)
        assert (bench.shop.calls["page"] - pages, before_page) == (2, [True, True]), "one read does not decide"
        assert bench.prices().keys() == bench.stock().keys() == skus(range(1, 7), 2)
        assert "S2" in bench.skus(), "its former product is unknown"
        runs = await bench.harness.everything(RUNS)
        assert [run["mode"] for run in runs] == ["normal", "daily"], "a second read of the store has decided"
        assert all(run["succeeded"] for run in runs)
        assert set(await bench.harness.ledger()) == set(bench.shop.products)
        assert set(await bench.harness.owners()) == skus(range(1, 7), 2)
        [context] = [one for one in logs if one["event"] == "full sync began without a ledger"]
        assert context["not_removed"] == "products without a price that the store no longer has stay in SparkLayer"
        told = [body for method in ("PUT", "PATCH") for body in bench.sync_calls(method)]
        assert "sku:" not in str(told)
        before, calls = bench.writes, bench.calls[READ_PRICES]
        async with running(bench) as syncs:
            await syncs.start(RunMode.NORMAL)
            await settled(bench)
        assert (bench.writes, bench.calls[READ_PRICES]) == (before, calls), "that was it"


async def test_a_ledger_that_knows_something_looks_at_no_prices(autojump_clock: MockClock, bench: Bench) -> None:
    """A price that a person puts on our list stays through later syncs."""
    fill(bench, 3)
    async with running(bench) as syncs:
        await until(bench)
        looked = bench.calls[READ_PRICES]
        bench.site.state.prices.prices[PRICE_LIST]["BY-HAND"] = bench.site.state.prices.prices[PRICE_LIST]["S1"]
        for mode in RunMode:
            assert await syncs.start(mode) is not None
            await settled(bench)
        assert (looked, bench.calls[READ_PRICES]) == (1, 1)
    assert bench.prices().keys() == skus(range(1, 4)) | {"BY-HAND"}


async def test_a_sku_that_the_second_read_shows_stays(autojump_clock: MockClock) -> None:
    async with lost() as bench:

        async def short_at_first(method: str) -> None:
            if method == "page" and bench.shop.calls["page"] == pages + 1:
                bench.shop.put(product("2", {"21": "S2"}))

        bench.shop.before, pages = short_at_first, bench.shop.calls["page"]
        async with running(bench):
            await settled(bench)
        assert bench.shop.calls["page"] == pages + 2
        assert bench.prices().keys() == bench.stock().keys() == skus(range(1, 7))
        assert await bench.issues() == {}
        assert set(await bench.harness.ledger()) == set(bench.shop.products)
        assert await bench.harness.everything_of("removals") == []


async def test_a_product_may_have_a_leftover_sku_at_any_time(autojump_clock: MockClock) -> None:
    """The step between noting a SKU and removing it, in SparkLayer and in the ledger."""
    async with lost() as bench, running(bench):
        await removals_decided(bench)
        bench.shop.put(product("2", {"21": "S2"}, price="3.00", stock=9))
        await bench.change("2")
        await settled(bench)
        assert (bench.prices()["S2"], bench.stock()["S2"]) == (3.0, 9)
        assert await bench.issues() == {}
        assert set(await bench.harness.ledger()) == set(bench.shop.products)


async def test_an_enumeration_that_shows_nothing_takes_nothing_away(autojump_clock: MockClock) -> None:
    async with lost() as bench:
        kept, bench.shop.products = bench.shop.products, {}
        async with running(bench) as syncs:
            await settled(bench)
            assert bench.prices().keys() == bench.stock().keys() == skus(range(1, 7))
            assert len(await losses.held(bench)) == 6
            bench.shop.products = kept
            await syncs.start(RunMode.NORMAL)
            await settled(bench)
            assert [one["id"] for one in await losses.held(bench)] == ["sku:S2"], "the others are products' again"
            assert bench.prices().keys() == skus(range(1, 7))


MANY = 120
GONE = tuple(str(number) for number in range(1, 61))


async def test_too_many_are_held_by_their_skus_until_allowed_or_owned(autojump_clock: MockClock) -> None:
    async with lost(MANY, GONE) as bench, running(bench):
        bench.shop.change("61", title="Written all the same")
        await settled(bench)
        held = await losses.held(bench)
        assert [(one["id"], one["name"]) for one in sorted(held, key=lambda one: int(one["name"][1:]))] == [
            (f"sku:S{number}", f"S{number}") for number in range(1, 61)
        ]
        assert bench.prices().keys() == bench.stock().keys() == skus(range(1, MANY + 1))
        assert bench.site.state.comparable()["products"]["61"]["title"] == "Written all the same"
        bench.shop.put(product("7", {"71": "S7"}, price="1.00", stock=9))
        await bench.change("7")
        await settled(bench)
        assert (bench.prices()["S7"], bench.stock()["S7"], await bench.issues()) == (1.0, 9, {}), "it has no product"
        assert await bench.allow_removals("sku:S1", "sku:S2", "sku:S7") == 2
        bench.context.kind_states[bench.kind].wake()
        await settled(bench)
        assert bench.prices().keys() == bench.stock().keys() == skus(range(1, MANY + 1), 1, 2)
        assert len(await losses.held(bench)) == 57
        told = [body for method in ("PUT", "PATCH") for body in bench.sync_calls(method)]
        assert "sku:" not in str(told)


async def test_few_among_many_go_by_themselves(autojump_clock: MockClock) -> None:
    async with lost(MANY, GONE[:12]) as bench, running(bench):
        await settled(bench)
        assert bench.prices().keys() == bench.stock().keys() == skus(range(13, MANY + 1))
        assert await losses.held(bench) == []


UNREADABLE = Issue(code="field_unreadable", message="An odd value.")


async def test_while_a_product_cannot_be_read_any_sku_may_be_its(autojump_clock: MockClock) -> None:
    async with lost() as bench, running(bench):
        bench.shop.issues["5"] = (UNREADABLE,)
        bench.shop.excluded.add("5")
        await settled(bench)
        assert bench.prices().keys() == skus(range(1, 7))
        del bench.shop.issues["5"]
        bench.shop.excluded.clear()
        await bench.change("5")
        await trio.sleep(120)
        await settled(bench)
        assert bench.prices().keys() == skus(range(1, 7), 2)


async def test_a_product_that_fails_is_waited_for(autojump_clock: MockClock) -> None:
    async with lost() as bench, running(bench):
        bench.shop.broken = {"5"}
        await trio.sleep(3000)
        assert bench.prices().keys() == skus(range(1, 7)), "its SKUs are not known"
        bench.shop.broken.clear()
        await bench.change("5")
        await trio.sleep(120)
        await settled(bench)
        assert bench.prices().keys() == skus(range(1, 7), 2)


async def test_a_product_with_an_issue_of_another_sort_is_not_waited_for(autojump_clock: MockClock) -> None:
    async with lost() as bench, running(bench):
        bench.shop.put(product("9", {}))
        bench.shop.issues["9"] = (Issue(code="variant_without_sku", message="It has no SKU."),)
        await settled(bench)
        assert bench.prices().keys() == skus(range(1, 7), 2)


@pytest.mark.parametrize("spelling", [str.lower, lambda sku: f" {sku} "])
async def test_what_sparklayer_spells_otherwise_is_no_leftover(
    autojump_clock: MockClock, spelling: Callable[[str], str]
) -> None:
    async with lost() as bench:
        prices = bench.site.state.prices.prices[PRICE_LIST]
        for number in (1, 3):
            prices[spelling(f"S{number}")] = prices.pop(f"S{number}")
        async with running(bench):
            await settled(bench)
        assert bench.prices().keys() >= {spelling("S1"), spelling("S3")}
        assert "S2" not in bench.prices()


@pytest.mark.parametrize("status", [403, 404])
async def test_prices_that_may_not_be_read_stop_nothing(autojump_clock: MockClock, status: int) -> None:
    async with lost() as bench:
        bench.site.faults.add(PRICES, answer(status, f'{{"title": "No", "status": {status}}}', PROBLEM))
        with capture_logs() as logs:
            async with running(bench) as syncs:
                await settled(bench)
                assert await syncs.start(RunMode.NORMAL) is not None
                await settled(bench)
                assert bench.context.blocked(bench.kind) is None
        assert "prices in SparkLayer cannot be read; leftovers stay" in {one["event"] for one in logs}
        assert bench.prices().keys() == skus(range(1, 7))
        assert not await owed(bench)


PROBLEM = {"content-type": "application/problem+json"}


@pytest.mark.parametrize("trouble", [answer(503), answer(200, "<html>", {"content-type": "text/html"})])
async def test_prices_that_cannot_be_read_for_now_are_read_later(autojump_clock: MockClock, trouble: Any) -> None:
    async with lost() as bench:
        rule = bench.site.faults.add(PRICES, trouble)
        async with running(bench) as syncs:
            await settled(bench)
            assert (await owed(bench), set(bench.prices())) == (True, skus(range(1, 7)))
            assert await syncs.start(RunMode.NORMAL) is not None, "a person need not wait for it"
            await settled(bench)
            bench.site.faults.remove(rule)
            await trio.sleep(1000)
            await settled(bench)
        assert (await owed(bench), set(bench.prices())) == (False, skus(range(1, 7), 2))


@pytest.mark.parametrize("moment", ["before the look", "before the second read", "before the removal"])
async def test_a_restart_at_any_moment_loses_nothing(autojump_clock: MockClock, moment: str) -> None:
    async with lost() as bench:
        if moment == "before the look":
            bench.site.faults.add(PRICES, answer(503), times=3)
        async with running(bench):

            async def reached() -> bool:
                return _reached(moment, [run["mode"] for run in await bench.harness.everything(RUNS)])

            await bench.until(reached, 0.01)
            if moment == "before the removal":
                await removals_decided(bench)
        bench.restart()
        assert "S2" in bench.prices()
        async with running(bench):
            await trio.sleep(1000)
            await settled(bench)
        assert bench.prices().keys() == bench.stock().keys() == skus(range(1, 7), 2)


REMOVING = ["POST */batch-fetch-stock", "POST */batch-delete-stock", "PATCH */pricing"]
"""The calls that remove a leftover."""


@contextlib.asynccontextmanager
async def removing(bench: Bench, calls: str, trouble: Any, times: int | None) -> AsyncIterator[None]:
    """Work until the removal of leftovers has met `trouble` in `calls`."""
    async with running(bench):
        await removals_decided(bench)
        rule = bench.site.faults.add(calls, trouble, times=times)
        with trio.fail_after(60):
            while not rule.used:
                await trio.sleep(0.01)
        yield


@pytest.mark.parametrize(("calls", "restart"), [*((calls, True) for calls in REMOVING), (REMOVING[-1], False)])
async def test_a_removal_that_fails_halfway_is_done_again(
    autojump_clock: MockClock, calls: str, *, restart: bool
) -> None:
    async with lost() as bench:
        async with removing(bench, calls, answer(503), times=1):
            if not restart:
                await settled(bench)
        if restart:
            bench.restart()
            async with running(bench) as syncs:
                await syncs.start(RunMode.NORMAL)
                await trio.sleep(1000)
                await settled(bench)
        assert bench.prices().keys() == bench.stock().keys() == skus(range(1, 7), 2)
        assert set(await bench.harness.ledger()) == set(bench.shop.products)
        assert set(await bench.harness.owners()) == skus(range(1, 7), 2)


async def test_a_product_takes_a_sku_whose_removal_sparklayer_refuses(autojump_clock: MockClock) -> None:
    refusal = answer(400, '{"title": "No", "status": 400, "detail": "No"}', PROBLEM)
    async with lost() as bench, removing(bench, "PATCH */pricing", refusal, times=1):
        await settled(bench)
        assert "S2" in bench.prices()
        bench.shop.put(product("2", {"21": "S2"}, price="3.00", stock=9))
        await bench.change("2")
        await settled(bench)
        assert (bench.prices()["S2"], bench.stock()["S2"]) == (3.0, 9)
        assert (await bench.harness.owners())["S2"] == "2"


def _reached(moment: str, modes: list[str]) -> bool:
    return len(modes) == (1 if moment == "before the look" else 2)


async def test_what_is_cancelled_has_seen_nothing_whole(autojump_clock: MockClock) -> None:
    async with lost() as bench:
        bench.shop.page_size = 2
        blocker = trio.Event()

        async def stop(method: str) -> None:
            if method == "page" and bench.shop.calls["page"] > 4:
                await blocker.wait()

        bench.shop.before = stop
        async with running(bench) as syncs:
            await trio.sleep(20)
            assert await syncs.cancel() is not None
            await trio.sleep(200)
            assert bench.prices().keys() == skus(range(1, 7))
            blocker.set()
            await syncs.start(RunMode.NORMAL)
            await settled(bench)
        assert bench.prices().keys() == skus(range(1, 7), 2)


async def test_who_is_left_of_the_customers_is_named(autojump_clock: MockClock) -> None:
    async with open_bench(kind=Kind.CUSTOMERS) as bench:
        bench.shop.put(customer("1"))
        with capture_logs() as logs:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(FullSyncs(bench.context, Kind.CUSTOMERS).run)
                nursery.start_soon(SyncLogWriter(bench.context, Kind.CUSTOMERS).run)
                nursery.start_soon(Actor(bench.context, bench.pipeline).run)
                await until(bench)
                await trio.sleep(10)
                nursery.cancel_scope.cancel()
        [context] = [one for one in logs if one["event"] == "full sync began without a ledger"]
        assert context["not_removed"] == "customers that the store no longer has stay in SparkLayer"
