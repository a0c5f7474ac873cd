"""Entities in SparkLayer that the ledger does not know are adopted, and lost ones are created again."""

import pytest
import trio
from trio.testing import MockClock

from daemon.entities import StockLevel
from daemon.sandbox.faults import answer
from tests.engine.fakes import Bench, product


async def test_a_product_that_sparklayer_has_already_is_adopted(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A", "12": "B"}))
    await bench.change("1")
    await bench.work()
    await bench.harness.alter("ledger", "connection_id = 999")  # Like the ledger of another daemon.
    await bench.harness.alter("owners", "connection_id = 999")
    bench.shop.put(product("1", {"11": "A", "13": "C"}, title="Mine"))
    await bench.change("1")
    await bench.work()
    assert bench.skus() == {"A": "1", "C": "1"}
    assert bench.site.state.comparable()["products"]["1"]["title"] == "Mine"
    assert await bench.issues() == {}


@pytest.mark.parametrize("variants", [{"11": "A", "13": "C"}, {}])
async def test_an_adoption_that_fails_on_the_way_is_taken_up_again(
    autojump_clock: MockClock, bench: Bench, variants: dict[str, str]
) -> None:
    bench.shop.put(product("1", {"11": "A", "12": "B"}))
    await bench.change("1")
    await bench.work()
    await bench.harness.alter("ledger", "connection_id = 999")
    await bench.harness.alter("owners", "connection_id = 999")
    bench.shop.put(product("1", {"11": "A", "13": "C"}))
    failing = bench.site.faults.add("GET */products/1", answer(503))
    await bench.change("1")
    await bench.once()
    bench.site.faults.remove(failing)
    bench.shop.put(product("1", variants))
    await bench.work()
    assert set(bench.skus()) == set(bench.stock()) == set(bench.prices()) == set(variants.values())
    assert await bench.issues() == {}


async def test_a_lost_ledger_and_skus_that_went_round_meanwhile_end_equal(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.shop.put(*(product(one, {f"{one}1": sku}) for one, sku in {"1": "A", "2": "B", "3": "C"}.items()))
    await bench.change("1", "2", "3")
    await bench.work()
    await bench.harness.alter("ledger", "connection_id = 999")
    await bench.harness.alter("owners", "connection_id = 999")
    moved = {"1": "B", "2": "C", "3": "A"}
    bench.shop.put(*(product(one, {f"{one}1": sku}) for one, sku in moved.items()))
    bench.shop.batch_size = 1
    await bench.change("1", "2", "3")
    await bench.work()
    assert bench.skus() == {sku: one for one, sku in moved.items()}
    assert await bench.issues() == {}


async def test_a_sku_of_an_unmanaged_product_is_an_issue(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    await bench.change("1")
    await bench.work()
    await bench.harness.alter("ledger", "connection_id = 999")
    await bench.harness.alter("owners", "connection_id = 999")
    bench.shop.put(product("2", {"21": "A"}))
    await bench.change("2")
    await bench.work()
    assert await bench.issues() == {"2": ["refused_by_sparklayer"]}
    assert bench.skus() == {"A": "1"}


async def test_a_product_gone_from_sparklayer_is_made_again(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    await bench.change("1")
    await bench.work()
    products = bench.site.state.products
    products.products.clear()
    for index in (products._ids, products._variant_ids, products._skus):
        index.clear()
    bench.shop.change("1", title="New")
    await bench.change("1")
    await bench.work()
    assert bench.skus() == {"A": "1"}


@pytest.mark.parametrize("what", ["price list", "location"])
async def test_a_price_list_or_location_that_was_deleted_is_made_again(
    autojump_clock: MockClock, bench: Bench, what: str
) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    await bench.change("1")
    await bench.work()
    state = bench.site.state
    if what == "price list":
        state.price_lists.lists.clear()
        state.prices.prices.clear()
    else:
        state.stock.locations.clear()
        state.stock.levels.clear()
    bench.shop.change("1", prices={"A": 3}, stock={"A": StockLevel(4)})
    await bench.change("1")
    with trio.fail_after(3600):
        await bench.work()
    assert (bench.stock(), bench.prices()) == ({"A": 4}, {"A": 3.0})
    assert await bench.issues() == {}
