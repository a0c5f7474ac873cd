"""The store's settings reach SparkLayer, and what every product depends on starts the full sync that it needs."""

import trio
from attrs import evolve
from trio.testing import MockClock

from daemon.engine.actor import Actor
from daemon.engine.full_sync import FullSyncs
from daemon.engine.pipeline import Pipeline
from daemon.engine.store import StoreWriter
from daemon.model import Kind, StoreFacts
from tests.engine.fakes import PRICE_LIST, Bench, open_bench

STORE = "1"
FACTS = StoreFacts(currency="USD", weight_unit="KGS")


async def _told(bench: Bench, facts: StoreFacts) -> None:
    bench.shop.store = bench.shop.products[STORE] = facts
    await bench.change(STORE)
    await bench.work()


async def test_only_what_products_depend_on_has_them_read_again(autojump_clock: MockClock) -> None:
    async with open_bench(kind=Kind.STORE) as bench:
        resyncs: list[str] = []

        async def resync() -> None:
            resyncs.append(bench.shop.store.weight_unit)

        bench.pipeline = Pipeline(bench.line, StoreWriter(bench.line, resync))
        await _told(bench, FACTS)
        await _told(bench, evolve(FACTS, url="https://elsewhere.test"))
        assert resyncs == []
        await _told(bench, evolve(FACTS, weight_unit="LBS"))
        await _told(bench, evolve(FACTS, weight_unit="LBS"))
        assert resyncs == ["LBS"]
        assert bench.site.state.settings.currency == "USD"


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
        runs = FullSyncs(bench.line, Kind.STORE)
        await runs.start("refresh")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runs.run)
            nursery.start_soon(Actor(bench.line, bench.pipeline).run)
            while (await bench.house.newest()).state in {"enumerating", "draining"}:  # noqa: ASYNC110  a mock clock
                await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert bench.site.state.price_lists.existing(PRICE_LIST).currency_code == "USD"
