"""Orders are told in v2's ways, cut where the contract says, and every edit of them is announced."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from daemon.sandbox import Store
from daemon.sandbox.bigcommerce.events import SCOPES, Event
from tests.each import each

CART = "4217ba4f-7618-4e3b-b1af-9055639b18d1"
FIRST = 101
AT = 1_900_000_000
FULL = "include=consignments.line_items&consignment_structure=object"


def store() -> Store:
    filled = Store()
    filled.add_product("Mug", price=7.5, variants=[{"sku": "MUG"}])
    filled.add_product("Jumper", price=40, variants=[{"sku": "J-S", "options": {"Size": "S"}}])
    address = {"address1": "1 Road", "city": "Ulm", "postal_code": "89073", "country_code": "DE"}
    filled.customers.add("a@example.com", company="A Ltd", addresses=[address])
    lines = [{"sku": "MUG", "quantity": 4, "discount": 3}, {"sku": "J-S", "quantity": 2}]
    with filled.at(AT):
        filled.orders.place(1, lines, cart_id=CART, tax_rate="0.2", shipping=5)
    return filled


CASES: dict[str, tuple[Callable[[Store], Any], list[str]]] = {
    "placed": (lambda s: s.orders.place(0, [{"sku": "MUG"}]), ["order/created"]),
    "placed from a cart": (
        lambda s: s.orders.place(0, [{"sku": "MUG"}], cart_id=CART),
        ["order/created", "order/metafield/created", "metafield/created"],
    ),
    "status": (lambda s: s.orders.set_status(FIRST, 9), ["order/updated", "order/statusUpdated"]),
    "same status": (lambda s: s.orders.set_status(FIRST, 11), ["order/updated"]),
    "cancelled": (lambda s: s.orders.cancel(FIRST), ["order/updated", "order/statusUpdated"]),
    "archived": (lambda s: s.orders.archive(FIRST), ["order/archived", "order/updated"]),
    "line": (lambda s: s.orders.add_line(FIRST, sku="MUG"), ["order/updated"]),
    "quantity": (lambda s: s.orders.set_quantity(FIRST, 1, 9), ["order/updated"]),
    "notes": (lambda s: s.orders.set_staff_notes(FIRST, "call"), ["order/updated"]),
    "shipped": (lambda s: s.orders.ship(FIRST), ["shipment/created", "order/updated", "order/statusUpdated"]),
    "refunded": (
        lambda s: s.orders.refund(FIRST, 1, 1),
        ["order/refund/created", "order/updated", "order/statusUpdated"],
    ),
}


@each("case", [*CASES])
def test_an_edit_is_announced(case: str) -> None:
    filled, heard = store(), list[Event]()
    filled.listen(heard.append)
    edit, scopes = CASES[case]
    edit(filled)
    assert [event.scope.removeprefix("store/") for event in heard] == scopes
    assert {event.scope for event in heard} <= SCOPES


def test_a_change_of_status_tells_both_and_a_shipment_its_order() -> None:
    filled, heard = store(), list[Event]()
    filled.listen(heard.append)
    filled.orders.ship(FIRST, {1: 4})
    assert heard[0].data == {"type": "shipment", "id": 1, "orderId": FIRST}
    status = {"previous_status_id": 11, "new_status_id": 3}
    assert heard[2].data == {"type": "order", "id": FIRST, "status": status}


def test_shipping_and_refunding_lead_to_their_statuses() -> None:
    filled = store()
    orders = filled.orders
    orders.ship(FIRST, {1: 1})
    assert orders.get(FIRST).status_id == 3
    with pytest.raises(ValueError, match="not so many"):
        orders.ship(FIRST, {1: 4})
    orders.ship(FIRST)
    assert (orders.get(FIRST).status_id, orders.get(FIRST).lines[1].quantity_shipped) == (2, 4)
    orders.refund(FIRST, 1, 4)
    assert orders.get(FIRST).status_id == 14
    orders.refund(FIRST, 2, 2)
    assert orders.get(FIRST).status_id == 4
    with pytest.raises(ValueError, match="not so many"):
        orders.refund(FIRST, 2, 1)
    with pytest.raises(ValueError, match="no such status"):
        orders.set_status(FIRST, 99)


async def test_an_order_tells_money_as_text_and_times_as_rfc_2822(harness: Any) -> None:
    async with harness(store()) as running:
        order = (await running.shop("GET", f"/v2/orders/{FIRST}")).json()
    assert order["date_created"] == "Sun, 17 Mar 2030 17:46:40 +0000"
    assert (order["subtotal_ex_tax"], order["subtotal_inc_tax"]) == ("110.0000", "132.0000")
    assert (order["shipping_cost_ex_tax"], order["shipping_cost_inc_tax"]) == ("5.0000", "6.0000")
    assert (order["total_ex_tax"], order["total_inc_tax"], order["total_tax"]) == ("112.0000", "135.0000", "23.0000")
    assert (order["coupon_discount"], order["refunded_amount"]) == ("3.0000", "0.0000")
    assert (order["status"], order["items_total"], order["customer_id"]) == ("Awaiting Fulfillment", 6, 1)
    assert (order["billing_address"]["street_1"], order["billing_address"]["country_iso2"]) == ("1 Road", "DE")
    assert order["products"]["resource"] == f"/orders/{FIRST}/products"
    assert "url" in order["consignments"]


async def test_prices_that_are_entered_with_tax_contain_it(harness: Any) -> None:
    filled = store()
    filled.update_settings(tax_inclusive=True)
    number = filled.orders.place(0, [{"sku": "MUG", "price": 9.99}], tax_rate="0.2")
    async with harness(filled) as running:
        (line,) = (await running.shop("GET", f"/v2/orders/{number}/products")).json()
        facts = (await running.shop("GET", "/v2/store")).json()
    assert (line["price_ex_tax"], line["price_inc_tax"], line["price_tax"]) == ("8.3250", "9.9900", "1.6650")
    assert facts["is_price_entered_with_tax"]


async def test_lines_come_along_by_kind_of_consignment(harness: Any) -> None:
    filled = store()
    lines: list[dict[str, Any]] = [
        {"sku": "J-S"},
        {"sku": "MUG", "to": "pickup"},
        {"name": "Engraving", "price": 2, "to": "download"},
    ]
    number = filled.orders.place(1, lines)
    async with harness(filled) as running:
        parts = (await running.shop("GET", f"/v2/orders/{number}?{FULL}")).json()["consignments"]
        bare = (await running.shop("GET", f"/v2/orders/{number}?include=consignments.shipping")).json()["consignments"]
    (shipping,), (pickup,), (download,) = parts["shipping"], parts["pickups"], parts["downloads"]
    assert (shipping["street_1"], shipping["line_items"][0]["sku"]) == ("1 Road", "J-S")
    (option,) = shipping["line_items"][0]["product_options"]
    assert (option["display_name"], option["display_value"]) == ("Size", "S")
    assert pickup["line_items"][0]["variant_id"] == filled.by_sku("MUG").id
    custom = download["line_items"][0]
    assert "variant_id" not in custom
    assert (custom["name"], custom["product_id"], custom["sku"]) == ("Engraving", 0, "")
    assert isinstance(bare, list)
    assert "line_items" not in bare[0]["shipping"][0]


async def test_a_consignment_shows_fifty_lines_and_says_so(harness: Any) -> None:
    filled = store()
    number = filled.orders.place(1, [{"sku": "MUG"}] * 60)
    async with harness(filled) as running:
        (order,) = (await running.shop("GET", f"/v2/orders?{FULL}&min_id={number}")).json()
        every = (await running.shop("GET", f"/v2/orders/{number}/products?limit=250")).json()
        second = (await running.shop("GET", f"/v2/orders/{number}/products?page=2")).json()
        (first,) = (await running.shop("GET", f"/v2/orders?{FULL}&max_id={FIRST}")).json()
    (shipping,) = order["consignments"]["shipping"]
    assert len(shipping["line_items"]) == 50
    assert "__warning__" in shipping
    assert (len(every), len(second)) == (60, 10)
    assert "__warning__" not in first["consignments"]["shipping"][0]


async def test_shipments_are_told_apart_from_the_order(harness: Any) -> None:
    filled = store()
    async with harness(filled) as running:
        none = await running.shop("GET", f"/v2/orders/{FIRST}/shipments")
        filled.orders.ship(FIRST, {2: 1}, carrier="ups", tracking_number="1Z9", link="https://track.example/1Z9")
        (shipment,) = (await running.shop("GET", f"/v2/orders/{FIRST}/shipments")).json()
        order = (await running.shop("GET", f"/v2/orders/{FIRST}?{FULL}")).json()
    assert (none.status_code, none.content) == (204, b"")
    assert (shipment["tracking_carrier"], shipment["tracking_number"]) == ("ups", "1Z9")
    assert shipment["items"] == [{"order_product_id": 2, "product_id": filled.by_sku("J-S").product_id, "quantity": 1}]
    assert (order["status_id"], order["items_shipped"]) == (3, 1)
    assert [line["quantity_shipped"] for line in order["consignments"]["shipping"][0]["line_items"]] == [0, 1]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [101, 102, 103]),
        ("min_id=102", [102, 103]),
        ("max_id=101", [101]),
        ("customer_id=0", [102, 103]),
        ("status_id=5", [103]),
        ("email=a@example.com", [101]),
        ("sort=date_modified:desc", [103, 102, 101]),
        ("sort=date_modified:asc&limit=2&page=2", [103]),
        ("min_date_modified=2030-03-17T17:48:00Z", [102, 103]),
        ("min_date_modified=Sun, 17 Mar 2030 17:48:20 %2B0000", [102, 103]),
        ("max_date_modified=2030-03-17T17:48:20%2B00:00", [101, 102]),
        ("is_deleted=true", [104]),
    ],
)
async def test_orders_are_filtered_and_sorted(harness: Any, query: str, numbers: list[int]) -> None:
    filled = store()
    for seconds in (100, 200, 300):
        with filled.at(AT + seconds):
            filled.orders.place(0, [{"sku": "MUG"}])
    with filled.at(AT + 200):
        filled.orders.cancel(103)
    filled.orders.archive(104)
    async with harness(filled) as running:
        answer = await running.shop("GET", f"/v2/orders?{query}")
    assert [order["id"] for order in answer.json()] == numbers


async def test_an_archived_order_is_in_no_list_but_answers(harness: Any) -> None:
    filled = store()
    filled.orders.place(0, [{"sku": "MUG"}])
    filled.orders.archive(FIRST)
    async with harness(filled) as running:
        answer = (await running.shop("GET", f"/v2/orders/{FIRST}")).json()
        listed = (await running.shop("GET", "/v2/orders")).json()
    assert answer["is_deleted"]
    assert [order["id"] for order in listed] == [FIRST + 1]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/orders?limit=251", 413),
        ("/v2/orders?min_id=4711", 204),
        ("/v2/orders?page=2", 204),
        ("/v2/orders?kittens=1", 400),
        ("/v2/orders?include=products", 400),
        ("/v2/orders?sort=weight", 400),
        ("/v2/orders?min_date_modified=2030-03-17", 400),
        ("/v2/orders?min_date_modified=Sun, 17 Mar 2030 17:48:20", 400),
        ("/v2/orders/4711", 404),
        ("/v2/orders/abc/products", 404),
        ("/v2/nothing", 404),
    ],
)
async def test_refusals_are_arrays_and_nothing_is_no_content(harness: Any, path: str, status: int) -> None:
    async with harness(store()) as running:
        answer = await running.shop("GET", path)
    assert answer.status_code == status
    assert status == 204 or answer.json()[0]["status"] == status


async def test_an_order_is_edited_over_http(harness: Any) -> None:
    async with harness(store()) as running:
        control = f"{running.sandbox.bigcommerce.url}/_sandbox"
        lines = [{"sku": "MUG", "quantity": 2}]
        placed = {"edit": "orders.place", "arguments": {"customer_id": 1, "lines": lines, "cart_id": CART}}
        number = (await running.shop("POST", f"{control}/edit", placed)).json()["result"]
        shipped = {"edit": "orders.ship", "arguments": {"order_id": number, "items": {"3": 1}}}
        assert (await running.shop("POST", f"{control}/edit", shipped)).status_code == 200
        state = (await running.shop("GET", f"{control}/state")).json()
    order = running.store.orders.get(number)
    assert (state["orders"], order.status_id, running.store.orders.cart_id(number)) == (2, 3, CART)
    assert order.sums("inc_tax")["total"] == Decimal(15)
