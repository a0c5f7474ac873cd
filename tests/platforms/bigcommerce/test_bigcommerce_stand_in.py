"""Orders, metafields and the store's facts, read from the strict stand-in of the API, with the number of calls."""

from typing import Any

import pytest
from trio.testing import MockClock

from daemon.errors import Blocked, Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.base import STORE
from daemon.sandbox import answer
from tests.platforms.bigcommerce.stand_in import CARTS, FACTS, AdapterHarness


async def test_an_enumeration_skips_to_the_orders_of_ours(harness: AdapterHarness) -> None:
    ours = []
    for number in range(600):
        order = harness.order(CARTS[number // 250] if number in {0, 250, 599} else None)
        ours += [str(order)] if number in {0, 250, 599} else []
    assert await harness.walk(Kind.ORDERS) == ours
    assert harness.calls() == {"GET /v3/orders/metafields": 1, "GET /v2/orders": 3}


async def test_a_store_without_orders_of_ours_costs_one_call(harness: AdapterHarness) -> None:
    harness.order()
    assert await harness.walk(Kind.ORDERS) == []
    assert harness.calls() == {"GET /v3/orders/metafields": 1}


OF_ONE = "GET /v3/orders/{order_id}/metafields"


async def test_other_orders_cost_the_one_call_each_that_shows_they_are_not_ours(harness: AdapterHarness) -> None:
    others = [harness.order() for _ in range(5)]
    ours = harness.order(CARTS[0])
    await harness.walk(Kind.ORDERS)
    harness.calls()
    found = await harness.read(Kind.ORDERS, *others, ours)
    assert harness.calls() == {OF_ONE: 5, "GET /v2/orders": 1}
    assert [found[str(one)].value for one in others] == [None] * 5
    assert found[str(ours)].value.cart_id == CARTS[0]


async def test_an_order_whose_cart_comes_later_is_found_then(harness: AdapterHarness) -> None:
    order = harness.order()
    assert (await harness.read(Kind.ORDERS, order))[str(order)].value is None
    harness.store.metafields.set("order", order, "cart_id", CARTS[0], silent=True)
    assert (await harness.read(Kind.ORDERS, order))[str(order)].value.cart_id == CARTS[0]


async def test_neighbours_are_read_together_and_others_apart(harness: AdapterHarness) -> None:
    first, second = harness.order(CARTS[0]), harness.order(CARTS[1])
    for _ in range(260):
        harness.order()
    third = harness.order(CARTS[2])
    assert set(await harness.read(Kind.ORDERS, first, second, third, "x")) == {str(first), str(second), str(third)}
    assert harness.calls()["GET /v2/orders"] == 2


async def test_an_order_of_more_than_50_lines_is_read_whole(harness: AdapterHarness) -> None:
    lines = [{"name": f"Part {n}", "sku": f"P-{n}", "quantity": 1, "price": 1} for n in range(60)]
    order = harness.order(CARTS[0], lines=lines)
    value = (await harness.read(Kind.ORDERS, order))[str(order)].value
    assert sum(len(package.lines) for package in value.packages) == 60
    assert harness.calls()["GET /v2/orders/{order_id}/products"] == 1


async def test_shipments_are_asked_for_only_where_there_are_any(harness: AdapterHarness) -> None:
    shipped, waiting = harness.order(CARTS[0]), harness.order(CARTS[1])
    harness.store.orders.ship(shipped, None, carrier="DPD", tracking_number="T1", silent=True)
    found = await harness.read(Kind.ORDERS, shipped, waiting)
    assert harness.calls()["GET /v2/orders/{order_id}/shipments"] == 1
    assert found[str(shipped)].value.packages[0].shipment.tracking_number == "T1"


async def test_an_order_that_is_gone_is_none_and_an_archived_one_maps_to_none(harness: AdapterHarness) -> None:
    order = harness.order(CARTS[0])
    await harness.walk(Kind.ORDERS)
    harness.store.orders.archive(order, silent=True)
    assert await harness.shop.read_one(Kind.ORDERS, ExternalId("9999"), Lane.LIVE) is None
    entity = await harness.shop.read_one(Kind.ORDERS, ExternalId(str(order)), Lane.LIVE)
    assert entity is not None
    assert harness.shop.map(Kind.ORDERS, entity, FACTS).value is None


async def test_a_cart_that_stands_in_the_staff_notes(harness: AdapterHarness) -> None:
    noted, other = harness.order(staff_notes=f"SparkLayer cart: {CARTS[3]}"), harness.order(staff_notes="call first")
    assert (await harness.read(Kind.ORDERS, noted))[str(noted)].value is None, "no pattern is set"
    harness.connect(order_staff_notes_pattern=r"SparkLayer cart: (\S+)")
    found = await harness.read(Kind.ORDERS, noted, other)
    assert (found[str(noted)].value.cart_id, found[str(other)].value) == (CARTS[3], None)
    assert await harness.walk(Kind.ORDERS) == [str(noted)]


@pytest.mark.parametrize("body", ['"hello"', "{}", '{"status_id": 2}'])
async def test_an_answer_that_is_no_order_is_asked_for_again(harness: AdapterHarness, body: str) -> None:
    order = harness.order(CARTS[0])
    harness.api.faults.add("GET */v2/orders/*", answer(200, body))
    with pytest.raises(Retry) as failed:
        await harness.shop.read_one(Kind.ORDERS, ExternalId(str(order)), Lane.LIVE)
    assert failed.value.reason == "unexpected_shape"


async def test_staff_notes_that_are_no_text_harm_nothing(harness: AdapterHarness) -> None:
    harness.connect(order_staff_notes_pattern=r"SparkLayer cart: (\S+)")
    first, second = harness.order(CARTS[0]), harness.order(staff_notes=f"SparkLayer cart: {CARTS[3]}")
    order: Any = harness.store.orders.get(first)
    order.staff_notes = {}  # as BigCommerce prints null
    found = await harness.read(Kind.ORDERS, first, second)
    assert [found[str(one)].value.cart_id for one in (first, second)] == [CARTS[0], CARTS[3]]


async def test_the_store_is_one_entity_with_its_facts(harness: AdapterHarness) -> None:
    harness.store.update_settings(tax_inclusive=True, silent=True)
    (entity,) = (await harness.shop.page(Kind.STORE, None)).entities
    assert entity.external_id == STORE
    assert (entity.content.currency, entity.content.weight_unit, entity.content.tax_inclusive) == ("USD", "LBS", True)
    assert harness.shop.map(Kind.STORE, entity, FACTS).issues == ()
    harness.store.update_settings(weight_unit="Stones", silent=True)
    changed = await harness.shop.read_one(Kind.STORE, STORE, Lane.LIVE)
    assert changed is not None
    assert [one.code for one in harness.shop.map(Kind.STORE, changed, FACTS).issues] == ["weight_unit_unknown"]
    assert await harness.shop.read(Kind.STORE, [ExternalId("other")], Lane.LIVE) == {}


async def test_a_missing_right_names_the_right(harness: AdapterHarness, autojump_clock: MockClock) -> None:
    harness.api.faults.add("GET */v2/orders*", answer(403, '{"status":403,"title":"no"}'))
    harness.order(CARTS[0])
    with pytest.raises(Blocked, match="store_v2_orders_read_only"):
        await harness.walk(Kind.ORDERS)
