"""The store's settings reach SparkLayer. A change that affects all products starts a full sync of them."""

from typing import NoReturn

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon.engine.actor import Actor
from daemon.engine.full_sync import FullSyncs
from daemon.entities import StoreFacts
from daemon.errors import StorageTrouble
from daemon.model import Kind
from daemon.sandbox.faults import answer
from daemon.storage import resync
from daemon.storage.states import RunMode
from daemon.transport import backoff
from tests.engine.fakes import PRICE_LIST, Bench, open_bench

STORE = "1"
WITH_PRODUCTS = frozenset({Kind.STORE, Kind.PRODUCTS})
FACTS = StoreFacts(currency="USD", weight_unit="KGS")


async def _told(bench: Bench, facts: StoreFacts) -> None:
    bench.shop.store = bench.shop.products[STORE] = facts
    await bench.change(STORE)
    await bench.work()


async def _runs(bench: Bench) -> list[bool]:
    """Return the run-again mark of each full sync of products."""
    rows = await bench.harness.everything_of("full_syncs")
    return [row["again"] for row in rows if row["kind"] == Kind.PRODUCTS.value]


async def _end_runs(bench: Bench) -> None:
    await bench.harness.alter("full_syncs", "state = 'ended'")


async def test_only_changes_that_products_depend_on_start_a_full_sync(autojump_clock: MockClock) -> None:
    async with open_bench(kind=Kind.STORE, kinds=WITH_PRODUCTS) as bench:
        await _told(bench, FACTS)
        await _told(bench, evolve(FACTS, url="https://elsewhere.test"))
        assert await _runs(bench) == []
        await _told(bench, evolve(FACTS, weight_unit="LBS"))
        await _told(bench, evolve(FACTS, weight_unit="LBS"))
        assert await _runs(bench) == [False]
        assert bench.site.state.settings.currency == "USD"
        await _told(bench, FACTS)
        assert await _runs(bench) == [True], "the run that is on its way has read some of it as it was"


async def test_one_change_starts_one_full_sync_however_often_it_is_sent(autojump_clock: MockClock) -> None:
    async with open_bench(kind=Kind.STORE, kinds=WITH_PRODUCTS) as bench:
        await _told(bench, FACTS)
        bench.site.state.settings.currency = None
        outage = bench.site.faults.add("PUT */store-currency", answer(503), times=20)
        bench.shop.store = bench.shop.products[STORE] = evolve(FACTS, currency="GBP")
        await bench.change(STORE)
        await bench.once()
        assert await _runs(bench) == [False], "it starts before the settings are taken"
        await _end_runs(bench)
        bench.restart()
        await bench.work()
        assert outage.used == 20
        assert await _runs(bench) == [False]
        assert bench.site.state.settings.currency == "GBP"


async def test_a_second_change_during_retries_starts_another_full_sync(autojump_clock: MockClock) -> None:
    async with open_bench(kind=Kind.STORE, kinds=WITH_PRODUCTS) as bench:
        await _told(bench, FACTS)
        bench.site.faults.add("PUT */store-currency", answer(503))
        for unit in ("LBS", "KGS"):
            bench.shop.store = bench.shop.products[STORE] = evolve(FACTS, weight_unit=unit)
            await bench.change(STORE)
            await trio.sleep(backoff.LONGEST)
            assert await bench.once()
            await _end_runs(bench)
        assert await _runs(bench) == [False, False]


async def test_a_change_is_noted_and_its_run_started_together_or_not_at_all(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_bench(kind=Kind.STORE, kinds=WITH_PRODUCTS) as bench:
        await _told(bench, FACTS)
        bench.shop.store = bench.shop.products[STORE] = evolve(FACTS, weight_unit="LBS")
        await bench.change(STORE)
        with monkeypatch.context() as trouble:
            trouble.setattr(resync, "start", _fails)
            with pytest.raises(StorageTrouble):
                await bench.once()
        assert await _runs(bench) == []
        await bench.work()
        assert await _runs(bench) == [False]


def _fails(*_: object) -> NoReturn:
    raise StorageTrouble("the disk is full", reason="full")


async def test_another_base_currency_is_an_issue_until_it_can_be_set(autojump_clock: MockClock) -> None:
    async with open_bench(kind=Kind.STORE) as bench:
        bench.site.state.settings.currency = "EUR"
        await _told(bench, FACTS)
        assert await bench.issues() == {STORE: ["currency_conflict"]}
        assert bench.site.state.price_lists.existing(PRICE_LIST).currency_code == "USD"
        bench.site.state.settings.currency = None
        await _told(bench, FACTS)
        assert await bench.issues() == {}
        assert bench.site.state.settings.currency == "USD"


async def test_a_refresh_looks_at_the_price_list_too(autojump_clock: MockClock) -> None:
    async with open_bench(kind=Kind.STORE) as bench:
        await _told(bench, FACTS)
        bench.site.state.price_lists.existing(PRICE_LIST).currency_code = "EUR"
        runs = FullSyncs(bench.context, Kind.STORE)
        await runs.start(RunMode.REFRESH)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runs.run)
            nursery.start_soon(Actor(bench.context, bench.pipeline).run)
            while (await bench.harness.newest()).state in {"enumerating", "draining"}:  # noqa: ASYNC110  a mock clock
                await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert bench.site.state.price_lists.existing(PRICE_LIST).currency_code == "USD"
