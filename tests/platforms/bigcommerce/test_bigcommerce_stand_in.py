"""Orders, metafields and the store's facts, read from the strict stand-in of the API, and in how many calls."""

from typing import Any

import pytest
from trio.testing import MockClock

from daemon.errors import Blocked, Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.base import STORE
from daemon.sandbox import answer
from tests.platforms.bigcommerce.stand_in import CARTS, FACTS, House


async def test_an_enumeration_skips_to_the_orders_of_ours(house: House) -> None:
    ours = []
    for number in range(600):
        order = house.order(CARTS[number // 250] if number in {0, 250, 599} else None)
        ours += [str(order)] if number in {0, 250, 599} else []
    assert await house.walk(Kind.ORDERS) == ours
    assert house.calls() == {"GET /v3/orders/metafields": 1, "GET /v2/orders": 3}


async def test_a_store_without_orders_of_ours_costs_one_call(house: House) -> None:
    house.order()
    assert await house.walk(Kind.ORDERS) == []
    assert house.calls() == {"GET /v3/orders/metafields": 1}


OF_ONE = "GET /v3/orders/{order_id}/metafields"


async def test_other_orders_cost_the_one_call_each_that_shows_they_are_not_ours(house: House) -> None:
    others = [house.order() for _ in range(5)]
    ours = house.order(CARTS[0])
    await house.walk(Kind.ORDERS)
    house.calls()
    found = await house.read(Kind.ORDERS, *others, ours)
    assert house.calls() == {OF_ONE: 5, "GET /v2/orders": 1}
    assert [found[str(one)].value for one in others] == [None] * 5
    assert found[str(ours)].value.cart_id == CARTS[0]


async def test_an_order_whose_cart_comes_later_is_found_then(house: House) -> None:
    order = house.order()
    assert (await house.read(Kind.ORDERS, order))[str(order)].value is None
    house.store.metafields.set("order", order, "cart_id", CARTS[0], silent=True)
    assert (await house.read(Kind.ORDERS, order))[str(order)].value.cart_id == CARTS[0]


async def test_neighbours_are_read_together_and_others_apart(house: House) -> None:
    first, second = house.order(CARTS[0]), house.order(CARTS[1])
    for _ in range(260):
        house.order()
    third = house.order(CARTS[2])
    assert set(await house.read(Kind.ORDERS, first, second, third, "x")) == {str(first), str(second), str(third)}
    assert house.calls()["GET /v2/orders"] == 2


async def test_an_order_of_more_than_50_lines_is_read_whole(house: House) -> None:
    lines = [{"name": f"Part {n}", "sku": f"P-{n}", "quantity": 1, "price": 1} for n in range(60)]
    order = house.order(CARTS[0], lines=lines)
    value = (await house.read(Kind.ORDERS, order))[str(order)].value
    assert sum(len(package.lines) for package in value.packages) == 60
    assert house.calls()["GET /v2/orders/{order_id}/products"] == 1


async def test_shipments_are_asked_for_only_where_there_are_any(house: House) -> None:
    shipped, waiting = house.order(CARTS[0]), house.order(CARTS[1])
    house.store.orders.ship(shipped, None, carrier="DPD", tracking_number="T1", silent=True)
    found = await house.read(Kind.ORDERS, shipped, waiting)
    assert house.calls()["GET /v2/orders/{order_id}/shipments"] == 1
    assert found[str(shipped)].value.packages[0].shipment.tracking_number == "T1"


async def test_an_order_that_is_gone_is_none_and_an_archived_one_maps_to_none(house: House) -> None:
    order = house.order(CARTS[0])
    await house.walk(Kind.ORDERS)
    house.store.orders.archive(order, silent=True)
    assert await house.shop.read_one(Kind.ORDERS, ExternalId("9999"), Lane.LIVE) is None
    entity = await house.shop.read_one(Kind.ORDERS, ExternalId(str(order)), Lane.LIVE)
    assert entity is not None
    assert house.shop.map(Kind.ORDERS, entity, FACTS).value is None


async def test_a_cart_that_stands_in_the_staff_notes(house: House) -> None:
    noted, other = house.order(staff_notes=f"SparkLayer cart: {CARTS[3]}"), house.order(staff_notes="call first")
    assert (await house.read(Kind.ORDERS, noted))[str(noted)].value is None, "nobody has said where to look"
    house.connect(order_staff_notes_pattern=r"SparkLayer cart: (\S+)")
    found = await house.read(Kind.ORDERS, noted, other)
    assert (found[str(noted)].value.cart_id, found[str(other)].value) == (CARTS[3], None)
    assert await house.walk(Kind.ORDERS) == [str(noted)]


@pytest.mark.parametrize("body", ['"hello"', "{}", '{"status_id": 2}'])
async def test_an_answer_that_is_no_order_is_asked_for_again(house: House, body: str) -> None:
    order = house.order(CARTS[0])
    house.api.faults.add("GET */v2/orders/*", answer(200, body))
    with pytest.raises(Retry) as failed:
        await house.shop.read_one(Kind.ORDERS, ExternalId(str(order)), Lane.LIVE)
    assert failed.value.reason == "unexpected_shape"


async def test_staff_notes_that_are_no_text_harm_nothing(house: House) -> None:
    house.connect(order_staff_notes_pattern=r"SparkLayer cart: (\S+)")
    first, second = house.order(CARTS[0]), house.order(staff_notes=f"SparkLayer cart: {CARTS[3]}")
    order: Any = house.store.orders.get(first)
    order.staff_notes = {}  # as BigCommerce prints null
    found = await house.read(Kind.ORDERS, first, second)
    assert [found[str(one)].value.cart_id for one in (first, second)] == [CARTS[0], CARTS[3]]


async def test_the_store_is_one_entity_with_its_facts(house: House) -> None:
    house.store.set_tax_inclusive(inclusive=True, silent=True)
    (entity,) = (await house.shop.page(Kind.STORE, None)).entities
    assert entity.external_id == STORE
    assert (entity.content.currency, entity.content.weight_unit, entity.content.tax_inclusive) == ("USD", "LBS", True)
    assert house.shop.map(Kind.STORE, entity, FACTS).problems == ()
    house.store.set_weight_unit("Stones", silent=True)
    changed = await house.shop.read_one(Kind.STORE, STORE, Lane.LIVE)
    assert changed is not None
    assert [one.code for one in house.shop.map(Kind.STORE, changed, FACTS).problems] == ["weight_unit_unknown"]
    assert await house.shop.read(Kind.STORE, [ExternalId("other")], Lane.LIVE) == {}


async def test_a_missing_right_names_the_right(house: House, autojump_clock: MockClock) -> None:
    house.api.faults.add("GET */v2/orders*", answer(403, '{"status":403,"title":"no"}'))
    house.order(CARTS[0])
    with pytest.raises(Blocked, match="store_v2_orders_read_only"):
        await house.walk(Kind.ORDERS)
