"""A list that BigCommerce answers short or empty, once, takes nothing away in SparkLayer."""

import json
from collections.abc import Callable

import pytest
from attrs import frozen

from daemon.sandbox import Store, answer
from daemon.sandbox.bigcommerce.catalogue import Location
from daemon.sandbox.faults import Act
from daemon.sandbox.message import Request, Response
from tests.e2e.harness import OpenHarness
from tests.e2e.trade import FIRST, HOME, SHOP, asked, cart, trade_store, writes

PAGES = {"total": 0, "count": 0, "per_page": 250, "current_page": 1, "total_pages": 0}
NONE = answer(200, json.dumps({"data": [], "meta": {"pagination": PAGES}}))


@frozen
class Case:
    """What the store has, the list that will be short, what it answers, and an edit that has it read."""

    prepare: Callable[[Store], object]
    path: str
    short: Act
    edit: Callable[[Store], object]


def _crowd(store: Store) -> None:
    for number in range(12):
        store.customers.add_address(SHOP, silent=True, **HOME | {"address2": f"Pause {number}"})
        store.customers.set_attribute(SHOP, f"other {number}", "v")
    store.customers.set_attribute(SHOP, "price_lists", "vip")


def _rename(store: Store) -> None:
    store.customers.update(SHOP, first_name="Al")


def _order(store: Store) -> None:
    store.orders.place(SHOP, [{"sku": "MUG"}] * 60, cart_id=cart(FIRST + 1), silent=True)
    store.orders.ship(FIRST + 1, tracking_number="T1", silent=True)


def _complete(store: Store) -> None:
    store.orders.set_status(FIRST + 1, 10)


def _two_places(store: Store) -> None:
    store.locations.append(Location(2, "york", "York"))
    store.set_stock(store.by_sku("J-S").id, 20, location_id=2, silent=True)


def _retitle(store: Store) -> None:
    store.set_title(store.by_sku("J-S").product_id, "Pullover")


CASES = {
    "addresses": Case(_crowd, "GET */v3/customers/addresses", NONE, _rename),
    "attributes": Case(_crowd, "GET */v3/customers/attribute-values", NONE, _rename),
    "an order's lines": Case(_order, "GET */v2/orders/*/products", answer(204), _complete),
    "an order's shipments": Case(_order, "GET */v2/orders/*/shipments", answer(204), _complete),
    "stock": Case(_two_places, "GET */v3/inventory/items", NONE, _retitle),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_one_short_answer_takes_nothing_away(harness: OpenHarness, case: Case) -> None:
    store = trade_store()
    case.prepare(store)
    async with harness(store) as h:
        await h.first_sync()
        h.shop.faults.add(case.path, case.short, times=1)
        reads = asked(h, case.path)
        case.edit(h.store)
        await h.settle()
        h.assert_equal()
        assert asked(h, case.path) - reads == 2


async def test_one_empty_list_of_stock_locations_takes_no_stock_away(harness: OpenHarness) -> None:
    store = trade_store()
    _two_places(store)
    async with harness(store) as h:
        await h.first_sync()
        h.shop.faults.add("GET */v3/inventory/locations", NONE, times=1)
        assert (await h.process.full_sync("products"))["succeeded"]
        await h.settle()
        h.assert_equal()


async def test_a_full_sync_that_a_product_is_left_out_of_the_metafields_keeps_its_rules(harness: OpenHarness) -> None:
    store = trade_store()
    for sku, size in (("J-S", "6"), ("MUG", "3")):
        store.metafields.set("product", store.by_sku(sku).product_id, "min_order_quantity", size, silent=True)
    kept = store.by_sku("MUG").product_id

    async def leave_out(_request: Request, response: Response | None) -> Response:
        assert response is not None
        body = json.loads(response.body)
        body["data"] = [row for row in body["data"] if row["resource_id"] == kept]
        body["meta"]["pagination"] |= {"total": 1, "count": 1}
        body["meta"]["cursor_pagination"] |= {"count": 1}
        return Response(status=200, headers=response.headers, body=json.dumps(body).encode())

    async with harness(store) as h:
        await h.first_sync()
        h.shop.faults.add("GET */v3/catalog/products/metafields", leave_out, after_effect=True)
        told = writes(h)
        assert (await h.process.full_sync("products"))["succeeded"]
        await h.settle()
        h.assert_equal()
        assert writes(h) == told
