"""The SparkLayer purchase of a BigCommerce order, row by row, worked out by hand."""

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.entities import Address, Mapped, Option, Order, PackageType, Shipment, StoreFacts
from daemon.model import ExternalId
from daemon.platforms.bigcommerce.orders import mapping, schema
from daemon.platforms.shared.rows import Unreadable
from tests.each import each

FACTS = StoreFacts(currency="GBP", weight_unit="KGS", url="https://store-abc.mybigcommerce.com")
CART = "4217ba4f-7618-4e3b-b1af-9055639b18d1"
PLACE: dict[str, Any] = {
    "street_1": "1 High St",
    "city": "Bath",
    "country_iso2": "GB",
    "zip": "BA1",
    "company": "Lee Ltd",
}
SHIRT: dict[str, Any] = {
    "id": 9,
    "product_id": 7,
    "variant_id": 77,
    "sku": "S",
    "name": "Shirt",
    "quantity": 3,
    "price_ex_tax": "10.1000",
    "price_inc_tax": "12.1200",
    "product_options": [{"display_name": "Size", "display_value": "M"}],
}
ORDER: dict[str, Any] = {
    "id": 101,
    "customer_id": 5,
    "status_id": 11,
    "default_currency_code": "GBP",
    "date_created": "Fri, 30 Jan 2026 08:30:00 +0000",
    "date_modified": "Sat, 31 Jan 2026 09:00:00 +0000",
    "total_inc_tax": "36.3600",
    "total_tax": "6.0600",
    "payment_status": "",
    "items_total": 3,
    "items_shipped": 0,
    "is_deleted": False,
}


def mapped(
    *,
    cart: str = CART,
    lines: list[dict[str, Any]] | None = None,
    shipments: list[dict[str, Any]] | None = None,
    **more: Any,
) -> Mapped[Order]:
    parts = {"shipping": [{**PLACE, "line_items": [SHIRT] if lines is None else lines}]}
    read = schema.ORDERS.read(msgspec.Raw(msgspec.json.encode({**ORDER, "consignments": parts, **more})))
    assert isinstance(read, schema.Order), read
    sent = msgspec.convert(shipments or [], list[schema.Shipment])
    return mapping.order(mapping.RawOrder(read, cart, sent), FACTS)


def order(**more: Any) -> Order:
    value = mapped(**more).value
    assert value is not None
    return value


def packages(value: Order) -> list[tuple[str, list[tuple[str, int]]]]:
    return [(one.type.value, [(line.external_id, line.quantity) for line in one.lines]) for one in value.packages]


def shipment(number: int, **items: int) -> dict[str, Any]:
    rows = [{"order_product_id": int(line[1:]), "quantity": quantity} for line, quantity in items.items()]
    return {"id": number, "items": rows, "tracking_carrier": "DPD", "tracking_number": f"T{number}"}


def test_an_order_that_waits() -> None:
    result = mapped()
    assert (result.issues, result.name) == ((), "Order 101")
    assert result.url == "https://store-abc.mybigcommerce.com/manage/orders/101"
    value = order()
    assert (value.external_id, value.cart_id, value.visible, value.customer) == ("101", CART, "101", ExternalId("5"))
    assert value.placed == dt.datetime(2026, 1, 30, 8, 30, tzinfo=dt.UTC)
    assert value.updated == dt.datetime(2026, 1, 31, 9, 0, tzinfo=dt.UTC)
    assert (value.currency, value.paid, value.tax) == ("GBP", None, Decimal("6.06"))
    (package,) = value.packages
    assert package.type is PackageType.PROCESSING
    assert package.address == Address(
        address_line1="1 High St", city="Bath", country_code="GB", postal_code="BA1", company="Lee Ltd"
    )
    (line,) = package.lines
    assert (line.name, line.sku, line.quantity, line.options) == ("Shirt", "S", 3, (Option("Size", "M"),))
    assert (line.net, line.tax, line.discount) == (Decimal("30.30"), Decimal("6.06"), Decimal(0))


@each(
    ("status", "expected"),
    [
        (1, "incoming"),
        (7, "incoming"),
        (2, "shipped"),
        (3, "processing"),
        (4, "returned"),
        (9, "processing"),
        (10, "complete"),
        (11, "processing"),
        (14, "processing"),
        (5, "cancelled"),
        (6, "cancelled"),
        (12, "on_hold"),
        (13, "on_hold"),
    ],
)
def test_what_waits_is_as_the_order_is(status: int, expected: str) -> None:
    assert packages(order(status_id=status)) == [(expected, [("9", 3)])]


def test_pieces_are_dealt_out_to_shipments_returns_and_the_rest() -> None:
    hat = {**SHIRT, "id": 8, "sku": "H", "quantity": 5, "quantity_refunded": 1}
    value = order(lines=[SHIRT, hat], shipments=[shipment(1, l9=1, l8=2), shipment(2, l9=1)], status_id=3)
    assert packages(value) == [
        ("shipped", [("9", 1), ("8", 2)]),
        ("shipped", [("9", 1)]),
        ("returned", [("8", 1)]),
        ("processing", [("9", 1), ("8", 2)]),
    ]
    assert [one.shipment for one in value.packages] == [
        Shipment(carrier="DPD", tracking_number="T1"),
        Shipment(carrier="DPD", tracking_number="T2"),
        None,
        None,
    ]


def test_what_was_all_shipped_and_came_back_is_counted_once() -> None:
    value = order(lines=[{**SHIRT, "quantity_refunded": 2}], shipments=[shipment(1, l9=3)], status_id=2)
    assert packages(value) == [("shipped", [("9", 1)]), ("returned", [("9", 2)])]


def test_a_completed_order_is_complete() -> None:
    assert packages(order(status_id=10, shipments=[shipment(1, l9=3)])) == [("complete", [("9", 3)])]


@pytest.mark.parametrize("state", [{"is_deleted": True}, {"status_id": 0}], ids=["archived", "incomplete"])
def test_what_is_no_order_any_more_or_not_yet_is_none_and_nobodys_trouble(state: dict[str, Any]) -> None:
    result = mapped(lines=[{**SHIRT, "sku": ""}], **state)
    assert (result.value, result.issues) == (None, ())


def whole(consignments: Any, *lines: dict[str, Any]) -> list[tuple[str | None, list[int]]]:
    """Return the destination of each part of an order, and its lines among `lines`, which are read separately."""
    read = schema.ORDERS.read(msgspec.Raw(msgspec.json.encode({**ORDER, "consignments": consignments})))
    assert isinstance(read, schema.Order), read
    assert not read.parts.is_whole
    dealt = read.parts.holding(msgspec.convert(lines, list[schema.OrderLine], strict=False))
    assert dealt.is_whole
    return [(part.city, [one.id for one in part.lines]) for part in dealt.all]


WARNED = {"line_items": [SHIRT], "__warning__": "only 50"}
TO_BATH, TO_YORK = {**PLACE, **WARNED, "id": 1}, {**PLACE, "city": "York", "id": 2, "line_items": []}
FIRST_LINE, SECOND_LINE = {**SHIRT, "order_address_id": 1}, {**SHIRT, "id": 10, "order_address_id": 2}
STRAY = {**SHIRT, "id": 11, "order_address_id": 0}


@each(
    ("consignments", "parts"),
    [
        ({"shipping": [TO_BATH, TO_YORK]}, [("Bath", [9, 11]), ("York", [10])]),
        ({"shipping": [TO_YORK, TO_BATH]}, [("York", [10, 11]), ("Bath", [9])]),
        ({"pickups": [{"id": 1, **WARNED}]}, [(None, [9, 10, 11])]),
        ({"downloads": [{"id": 7}]}, [(None, [9, 10, 11])]),
        (
            {"url": "https://api.test/orders/101/consignments", "resource": "/orders/101/consignments"},
            [(None, [9, 10, 11])],
        ),
        ({"shipping": [], "pickups": [], "downloads": []}, [(None, [9, 10, 11])]),
        (None, [(None, [9, 10, 11])]),
    ],
)
def test_lines_that_were_not_included_are_dealt_out_to_where_they_go(consignments: Any, parts: Any) -> None:
    assert whole(consignments, FIRST_LINE, SECOND_LINE, STRAY) == parts


def test_nulls_where_there_is_nothing_to_say_are_no_trouble() -> None:
    bare = {**SHIRT, "name": None, "quantity_shipped": None, "quantity_refunded": None}
    nothing: dict[str, Any] = dict.fromkeys(("customer_id", "default_currency_code"))
    value = mapped(lines=[bare], **nothing).value
    assert value is not None
    assert (value.customer, value.currency, value.packages[0].lines[0].name) == (None, "GBP", "")


def test_a_shipment_of_more_than_there_is_does_not_make_more_of_it() -> None:
    assert packages(order(shipments=[shipment(1, l9=9), shipment(2, l9=1, l4=1)])) == [("shipped", [("9", 3)])]


@each(
    ("status", "came_back", "paid"),
    [
        ("captured", 0, "36.36"),
        ("Paid", 0, "36.36"),
        ("partially refunded", 1, "24.7400"),
        ("partially refunded", 0, None),
        ("refunded", 3, "0"),
        ("refunded", 0, "0"),
        ("authorized", 0, "0"),
        ("void", 0, "0"),
        ("", 1, None),
        (None, 0, None),
    ],
)
def test_what_was_paid_and_not_paid_back(status: str | None, came_back: int, paid: str | None) -> None:
    """One of three pieces is returned at 12.12, less its share of a discount of 1.50; `refunded_amount` is always 0."""
    line = {**SHIRT, "quantity_refunded": came_back, "applied_discounts": [{"id": "x", "amount": "1.50"}]}
    value = order(payment_status=status, refunded_amount="0.0000", lines=[line])
    assert value.paid == (None if paid is None else Decimal(paid))


def test_an_order_is_in_the_currency_that_is_paid_in() -> None:
    assert order(currency_code="EUR", default_currency_code="USD").currency == "USD"


def test_what_all_pieces_cost_is_not_summed_up_from_rounded_prices() -> None:
    thirds = {**SHIRT, "price_ex_tax": "8.3333", "price_inc_tax": "10.0000"}
    whole = {**thirds, "total_ex_tax": "25.0000", "total_inc_tax": "30.0000"}
    value = order(lines=[whole], shipments=[shipment(1, l9=1)])
    assert [(line.net, line.tax) for package in value.packages for line in package.lines] == [
        (Decimal("8.3333"), Decimal("1.6667")),
        (Decimal("16.6667"), Decimal("3.3333")),
    ]


def test_pieces_go_where_their_consignment_goes() -> None:
    hat, book = {**SHIRT, "id": 8, "quantity_refunded": 1}, {**SHIRT, "id": 4}
    york = {**PLACE, "city": "York", "line_items": [hat]}
    parts = {"shipping": [{**PLACE, "line_items": [SHIRT]}, york], "downloads": [{"line_items": [book]}]}
    value = order(consignments=parts)
    assert [(one.type.value, one.address and one.address.city, len(one.lines)) for one in value.packages] == [
        ("returned", "York", 1),
        ("processing", "Bath", 1),
        ("processing", "York", 1),
        ("processing", None, 1),
    ]


def test_what_shipping_costs_is_on_the_first_package() -> None:
    parts = {"shipping": [{**PLACE, "line_items": [SHIRT], "shipping_method": "Courier"}]}
    value = order(consignments=parts, shipping_cost_ex_tax="5.0000", shipping_cost_inc_tax="6.0000")
    assert (value.packages[0].method, value.packages[0].shipping) == ("Courier", (Decimal(5), Decimal(1)))


def test_handling_and_wrapping_are_paid_for_with_transport() -> None:
    costs = {"shipping_cost": ("5", "6"), "handling_cost": ("2", "2.4"), "wrapping_cost": ("1", "1.2")}
    told = {
        f"{name}_{tax}": cost
        for name, both in costs.items()
        for tax, cost in zip(("ex_tax", "inc_tax"), both, strict=True)
    }
    assert order(**told).packages[0].shipping == (Decimal(8), Decimal("1.6"))


def test_lines_of_pickups_and_downloads_belong_to_it_too() -> None:
    book = {**SHIRT, "id": 4, "quantity": 1}
    value = order(consignments={"pickups": [{"line_items": [SHIRT]}], "downloads": [{"line_items": [book]}]})
    assert packages(value) == [("processing", [("9", 3), ("4", 1)])]
    assert value.packages[0].address is None


def test_a_line_without_product_stays_and_is_told() -> None:
    result = mapped(lines=[{"id": 3, "name": "Engraving", "quantity": 1, "price_ex_tax": "2", "price_inc_tax": "2"}])
    assert [issue.code for issue in result.issues] == ["line_without_product"]
    assert "Engraving" in result.issues[0].message
    assert result.value is not None
    assert result.value.packages[0].lines[0].sku is None


@each("cart", ["", "none", "4217ba4f-7618-4e3b-b1af"])
def test_a_cart_that_is_none_is_told(cart: str) -> None:
    result = mapped(cart=cart)
    assert (result.value, [issue.code for issue in result.issues]) == (None, ["cart_unknown"])


def test_a_cart_is_written_one_way() -> None:
    assert order(cart=f" {CART.upper()} ").cart_id == CART


def test_a_guest_and_an_address_that_is_none() -> None:
    value = order(customer_id=0, billing_address={**PLACE, "street_1": ""})
    assert (value.customer, value.billing_address) == (None, None)


def test_an_order_of_another_shape_is_unreadable() -> None:
    raw = msgspec.Raw(msgspec.json.encode({**ORDER, "consignments": {"shipping": [{"line_items": [{"id": 1}]}]}}))
    assert isinstance(schema.ORDERS.read(raw), Unreadable)


@given(
    quantity=st.integers(1, 40),
    sent=st.lists(st.integers(0, 15), max_size=4),
    refunded=st.integers(0, 40),
    discount=st.decimals(0, 500, places=4),
    price=st.decimals(0, 1000, places=4),
)
def test_no_piece_and_no_money_is_lost_or_made(
    quantity: int, sent: list[int], refunded: int, discount: Decimal, price: Decimal
) -> None:
    line = {
        **SHIRT,
        "quantity": quantity,
        "quantity_refunded": min(refunded, quantity),
        "price_ex_tax": str(price),
        "price_inc_tax": str(price * 2),
        "applied_discounts": [{"id": "x", "amount": str(discount)}],
    }
    value = order(lines=[line], shipments=[shipment(n, l9=count) for n, count in enumerate(sent, 1) if count])
    lines = [one for package in value.packages for one in package.lines]
    assert sum(one.quantity for one in lines) == quantity
    assert sum((one.discount for one in lines), Decimal(0)) == discount
    assert sum((one.net for one in lines), Decimal(0)) == price * quantity
    assert sum((one.tax for one in lines), Decimal(0)) == price * quantity
