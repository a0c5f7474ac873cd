"""Orders of WooCommerce in SparkLayer's words: amounts, dates, refunds and tracking."""

from decimal import Decimal
from typing import Any

import pytest

from daemon.entities import Order, PackageType
from daemon.errors import Retry
from daemon.issues import IssueType
from daemon.model import Kind
from tests.each import each
from tests.platforms.woocommerce.mapped import mapped, summary, value_of
from tests.platforms.woocommerce.shop import FakeShop, line, refund

ORDERS = Kind.ORDERS
LINE = "3xSKU-10 25+5"


@each(
    ("changes", "expected"),
    [
        ({}, f"processing {LINE} EUR"),
        ({"status": "pending"}, f"incoming {LINE} EUR"),
        ({"status": "on-hold"}, f"on_hold {LINE} EUR"),
        ({"status": "completed"}, f"complete {LINE} EUR"),
        ({"status": "cancelled"}, f"cancelled {LINE} EUR"),
        ({"status": "failed"}, f"cancelled {LINE} EUR"),
        ({"status": "refunded"}, f"returned {LINE} EUR"),
        ({"status": "wc-backordered"}, f"incoming {LINE} EUR"),
        ({"status": "trash"}, "nothing"),
        ({"status": "checkout-draft"}, "nothing"),
        ({"currency": ""}, f"processing {LINE} GBP"),
        ({"total": "x"}, "nothing; order_amount_unusable"),
        ({"total_tax": ""}, "nothing; order_amount_unusable"),
        ({"date_created_gmt": None}, "nothing; order_date_unusable"),
        ({"date_created_gmt": None, "date_modified_gmt": None}, "nothing; order_date_unusable"),
        ({"date_modified_gmt": None}, f"processing {LINE} EUR"),
        ({"date_modified_gmt": ""}, "nothing; order_date_unusable"),
        ({"date_modified_gmt": "soon"}, "nothing; order_date_unusable"),
        ({"customer_id": None}, "nothing; field_unreadable"),
        ({"line_items": [line(10, -1, "1", "0")]}, "nothing; order_amount_unusable"),
        ({"line_items": [line(10, 1, "NaN", "0")]}, "nothing; order_amount_unusable"),
        ({"line_items": [line(10, 1, "1", "0", sku=None)]}, "processing 1xNone 1+0 EUR; line_without_product"),
        ({"line_items": [line(10, 1, "1", "0", sku="")]}, "processing 1xNone 1+0 EUR; line_without_product"),
        ({"line_items": [line(10, 1.5, "1", "0")]}, "nothing; field_unreadable"),  # type: ignore[arg-type]
        ({"line_items": None}, "nothing; field_unreadable"),
        ({"refunds": [{"id": 1, "total": "x"}]}, "nothing; order_amount_unusable"),
    ],
)
async def test_orders(changes: dict[str, Any], expected: str) -> None:
    shop = FakeShop()
    shop.add_orders(1, **changes)
    shop.refunds[1] = [refund(1)]
    assert await summary(shop, ORDERS) == expected


@each("name", ["status", "line_items", "refunds", "customer_id", "total"])
async def test_an_order_without_a_field_that_is_always_there_is_unreadable(name: str) -> None:
    shop = FakeShop()
    shop.add_orders(1)
    del shop.orders[1][name]
    with pytest.raises(Retry):
        await mapped(shop, ORDERS)


async def test_a_cart_that_is_no_uuid_is_told() -> None:
    shop = FakeShop()
    shop.add_orders(1, cart="12")
    assert await summary(shop, ORDERS) == "nothing; cart_unknown"
    assert IssueType.B2B_ROLE_MISSING.value.at == (Kind.STORE,)


def total_of(order: Order) -> Decimal:
    """Return the sum of an order: lines, shipping and fees, with tax."""
    lines = [part.net + part.tax - part.discount for package in order.packages for part in package.lines]
    costs = [sum(package.shipping) for package in order.packages if package.shipping]
    return sum(lines, Decimal(0)) + sum(costs, Decimal(0))


async def test_an_order_with_prices_that_include_tax_adds_up_to_the_cent() -> None:
    """Three for 300.00 with 20 % tax, and one for 27.97: totals are net, with six decimals."""
    items = [line(10, 3, "250.000000", "50.000000"), line(11, 1, "23.308333", "4.661667")]
    cost = {"total": "4.125000", "total_tax": "0.825000", "method_title": "DPD"}
    fee = {"total": "2.500000", "total_tax": "0.500000"}
    shop = FakeShop()
    shop.add_orders(
        1, line_items=items, shipping_lines=[cost], fee_lines=[fee], total="335.920000", total_tax="55.986667"
    )
    order = await value_of(shop, ORDERS)
    assert [(part.net, part.tax) for part in order.packages[0].lines] == [
        (Decimal(250), Decimal(50)),
        (Decimal("23.308333"), Decimal("4.661667")),
    ]
    assert total_of(order).quantize(Decimal("0.01")) == Decimal("335.92")
    assert order.packages[0].shipping == (Decimal("6.625"), Decimal("1.325"))
    assert order.packages[0].method == "DPD"
    assert order.tax == Decimal("55.986667")


async def test_an_order_of_a_shop_with_0_decimals_keeps_its_cents() -> None:
    shop = FakeShop()
    shop.add_orders(1, line_items=[line(10, 1, "27.970000", "0.000000")], total="27.970000", total_tax="0.000000")
    order = await value_of(shop, ORDERS)
    assert total_of(order) == Decimal("27.97")
    assert shop.queries("/orders/1")[0]["dp"] == "6"


async def test_tracking_belongs_to_the_pieces_that_were_not_returned() -> None:
    tracking = [
        {"tracking_provider": "royal-mail", "tracking_number": "RM9", "date_shipped": "1794732538"},
        {"custom_tracking_provider": "Van", "tracking_number": 77, "custom_tracking_link": "https://t/77"},
    ]
    shop = FakeShop()
    shop.add_orders(1, refunds=[{"id": 9, "total": "-10"}])
    shop.orders[1]["meta_data"].append({"key": "_wc_shipment_tracking_items", "value": tracking})
    shop.refunds[1] = [refund(9, (10, 1))]
    sent, returned = (await value_of(shop, ORDERS)).packages
    assert (sent.type, returned.type) == (PackageType.SHIPPED, PackageType.RETURNED)
    assert returned.shipment is None
    assert (sent.shipment.carrier, sent.shipment.tracking_number) == ("royal-mail", "RM9, 77")
    assert sent.shipment.tracking_url == "https://t/77"


@each("value", [None, "", [], "x", [7], {}, [{"tracking_number": []}]])
async def test_odd_tracking_is_no_tracking(value: Any) -> None:
    shop = FakeShop()
    shop.add_orders(1)
    shop.orders[1]["meta_data"].append({"key": "_wc_shipment_tracking_items", "value": value})
    assert (await value_of(shop, ORDERS)).packages[0].shipment is None


@each(
    ("changes", "paid"),
    [
        ({"date_paid_gmt": "2026-11-01T06:00:00"}, Decimal(30)),
        ({"date_paid_gmt": "2026-11-01T06:00:00", "refunds": [{"id": 9, "total": "-12.50"}]}, Decimal("17.5")),
        ({"status": "pending"}, Decimal(0)),
        ({"status": "processing"}, None),
    ],
)
async def test_the_amount_paid(changes: dict[str, Any], paid: Decimal | None) -> None:
    shop = FakeShop()
    shop.add_orders(1, **changes)
    shop.refunds[1] = [refund(9)]
    assert (await value_of(shop, ORDERS)).paid == paid


async def test_an_order_in_full() -> None:
    shown = [
        {"key": "pa_size", "value": "small", "display_key": "Size", "display_value": "Small"},
        {"key": "_reduced_stock", "value": "5", "display_key": "_reduced_stock", "display_value": "5"},
    ]
    shop = FakeShop()
    shop.add_orders(1, customer_id=0, line_items=[line(10, 1, "1", "0", meta_data=shown)])
    order = await value_of(shop, ORDERS)
    assert (order.visible, order.customer, order.currency) == ("N1", None, "EUR")
    assert (order.placed.isoformat(), order.updated.isoformat()) == (
        "2026-11-01T06:00:00+00:00",
        "2026-11-01T07:00:00+00:00",
    )
    assert [(option.group, option.value) for option in order.packages[0].lines[0].options] == [("Size", "Small")]
    assert order.packages[0].address.address_line1 == "1 Mill Road"
