"""Purchase writes: the platform's fields are replaced, the others written back, and money keeps every digit."""

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import httpx
import pytest
from attrs import evolve

from daemon.entities import Address, Option, Order, OrderLine, Package, PackageType, Shipment
from daemon.errors import Rejected
from daemon.model import CartId, ExternalId, Lane, Sku
from daemon.sparklayer import SparkLayer
from daemon.sparklayer.purchases import cancelled, detached, is_of, merged, owned
from tests.each import each

CART = CartId("0a1b2c3d-0000-4000-8000-000000000101")
HOME = Address(address_line1="1 High Street", city="Bath", country_code="GB", company="Jo's Shop")
LINE = OrderLine(
    external_id="55",
    name="Jumper",
    sku=Sku("J-S"),
    quantity=3,
    net=Decimal(30),
    tax=Decimal("6.00"),
    discount=Decimal("1.5"),
    options=(Option("Size", "S"),),
)
PACKAGE = Package(
    type=PackageType.SHIPPED,
    lines=(LINE,),
    address=HOME,
    method="Courier",
    shipping=(Decimal("4.99"), Decimal("0.998")),
    shipment=Shipment(carrier="DHL", tracking_number="T-1"),
)
ORDER = Order(
    external_id=ExternalId("101"),
    cart_id=CART,
    visible="101",
    customer=ExternalId("7"),
    placed=datetime(2026, 3, 1, 12, 30, 15, 999_999, tzinfo=timezone(timedelta(hours=2))),
    updated=datetime(2026, 3, 2, tzinfo=UTC),
    currency="GBP",
    packages=(PACKAGE,),
    billing_address=HOME,
    paid=Decimal(10),
    tax=Decimal("6.998"),
)


def test_what_the_platform_owns() -> None:
    address = {"address_line1": "1 High Street", "city": "Bath", "country_code": "GB", "company": "Jo's Shop"}
    assert owned(ORDER) == {
        "type": "order",
        "purchase_identifiers": {"sparklayer": CART, "platform": "101", "visible": "101"},
        "dates": {"placed_at": "2026-03-01T10:30:15Z", "updated_at": "2026-03-02T00:00:00Z"},
        "currency_code": "GBP",
        "billing_address": address,
        "total_paid": {"number": "10.00", "currency": "GBP"},
        "tax_lines": [{"title": "Tax", "amount": {"number": "6.998", "currency": "GBP"}}],
        "packages": [
            {
                "identifiers": {},
                "type": "shipped",
                "line_items": [
                    {
                        "identifiers": {"platform": "55", "sku": "J-S"},
                        "name_parent": "Jumper",
                        "quantity": 3,
                        "custom_attributes": [{"key": "Size", "value": "S"}],
                        "line_total": {
                            "total_net": {"number": "30.00", "currency": "GBP"},
                            "total_tax": {"number": "6.00", "currency": "GBP"},
                            "total_gross": {"number": "36.00", "currency": "GBP"},
                            "discount_net": {"number": "1.50", "currency": "GBP"},
                        },
                    }
                ],
                "shipments": [{"carrier": "DHL", "tracking_number": "T-1"}],
                "accounting_files": [],
                "shipping_method": {
                    "name": "Courier",
                    "line_total": {
                        "total_net": {"number": "4.99", "currency": "GBP"},
                        "total_tax": {"number": "0.998", "currency": "GBP"},
                        "total_gross": {"number": "5.988", "currency": "GBP"},
                        "discount_net": {"number": "0.00", "currency": "GBP"},
                    },
                },
                "shipping_address": address,
            }
        ],
    }


@each(
    ("amount", "text"),
    [
        ("1E+2", "100.00"),
        ("-0", "0.00"),
        ("-0.00", "0.00"),
        ("0.125", "0.125"),
        ("0.1250", "0.125"),
        ("15", "15.00"),
        ("-3.1", "-3.10"),
        ("12345678901234567.89", "12345678901234567.89"),
        ("0.0000001", "0.0000001"),
    ],
)
def test_money_is_a_plain_text_with_two_decimals_or_as_many_as_it_has(amount: str, text: str) -> None:
    assert owned(evolve(ORDER, paid=Decimal(amount)))["total_paid"] == {"number": text, "currency": "GBP"}


def test_what_is_not_known_is_not_said() -> None:
    bare = Package(type=PackageType.INCOMING, lines=(evolve(LINE, sku=None, options=()),))
    content = owned(evolve(ORDER, packages=(bare,), billing_address=None, paid=None, tax=None))
    assert content.keys() == {"type", "purchase_identifiers", "dates", "currency_code", "packages"}
    (package,) = content["packages"]
    assert package.keys() == {"identifiers", "type", "line_items", "shipments", "accounting_files"}
    assert package["line_items"][0]["identifiers"] == {"platform": "55"}


def test_a_purchase_that_sparklayer_does_not_have_names_the_platforms_customer() -> None:
    new = merged(ORDER, None)
    assert new["customer_identifiers"] == {"platform": "7"}
    assert (new["accounting_files"], new["custom_fields"], new["metadata"]) == ([], [], [])
    assert merged(evolve(ORDER, customer=None), None)["customer_identifiers"] == {}


HELD = {
    "type": "quote",
    "purchase_identifiers": {"sparklayer": CART, "platform": "old", "accounting": "INV-9"},
    "customer_identifiers": {"sparklayer": "cu_1"},
    "dates": {"placed_at": "2020-01-01T00:00:00Z", "due": "2026-04-01T00:00:00Z"},
    "sales_rep": {"email": "rep@shop.test"},
    "reference": "PO-1",
    "custom_fields": [{"key": "gate", "value": "B"}],
    "packages": [{"type": "processing", "line_items": [{"quantity": 9}]}],
    "calculated_total": {"number": "1.00", "currency": "GBP"},
    "calculated_status": "open",
}


def test_what_the_platform_does_not_own_is_carried_over_and_what_is_calculated_is_not() -> None:
    content = merged(ORDER, HELD)
    assert content["customer_identifiers"] == {"sparklayer": "cu_1"}
    assert content["purchase_identifiers"] == {
        "sparklayer": CART,
        "platform": "101",
        "visible": "101",
        "accounting": "INV-9",
    }
    assert content["dates"] == {
        "placed_at": "2026-03-01T10:30:15Z",
        "updated_at": "2026-03-02T00:00:00Z",
        "due": "2026-04-01T00:00:00Z",
    }
    assert (content["sales_rep"], content["reference"]) == ({"email": "rep@shop.test"}, "PO-1")
    assert content["custom_fields"] == [{"key": "gate", "value": "B"}]
    assert content["packages"] == owned(ORDER)["packages"]
    assert not any(name.startswith("calculated_") for name in content)


def test_what_the_platform_does_not_know_is_left_to_who_does() -> None:
    known = merged(ORDER, HELD)
    assert merged(evolve(ORDER, paid=None, tax=None, billing_address=None), known) == known
    assert merged(evolve(ORDER, paid=Decimal(0)), known)["total_paid"] == {"number": "0.00", "currency": "GBP"}


def test_a_purchase_that_an_order_has_left_is_cancelled_and_no_longer_the_orders() -> None:
    held = merged(ORDER, HELD)
    assert is_of(held, ORDER.external_id)
    content = detached(held)
    assert content["purchase_identifiers"] == {"sparklayer": CART, "accounting": "INV-9"}
    assert {package["type"] for package in content["packages"]} == {"cancelled"}
    assert is_of(content, ExternalId("another"))
    assert not is_of(held, ExternalId("another"))


def test_a_cancelled_purchase_is_as_it_was_with_every_package_cancelled() -> None:
    content = cancelled(HELD)
    assert content["packages"] == [{"type": "cancelled", "line_items": [{"quantity": 9}]}]
    kept = {name: value for name, value in HELD.items() if not name.startswith("calculated_") and name != "packages"}
    assert {name: value for name, value in content.items() if name != "packages"} == kept


def test_packages_held_as_an_object_survive() -> None:
    package = {"identifiers": {"sparklayer_package_id": "pk_1"}, "accounting_files": [{"file_type": "invoice"}]}
    line = owned(ORDER)["packages"][0]["line_items"][0]
    held = HELD | {"packages": {**package, "type": "processing", "line_items": [line]}}
    [written] = merged(ORDER, held)["packages"]
    assert {name: written[name] for name in package} == package
    [written] = cancelled(held)["packages"]
    assert written == {**package, "type": "cancelled", "line_items": [line]}


async def test_a_purchase_is_read_and_written_by_its_cart(sparklayer: SparkLayer, fake: Any) -> None:
    fake.answers = [httpx.Response(404, json={"title": "No", "detail": "No"}), httpx.Response(200, json=HELD)]
    assert await sparklayer.purchases.read(CART, Lane.LIVE) is None
    assert await sparklayer.purchases.read(CART, Lane.LIVE) == HELD
    await sparklayer.purchases.put(CART, merged(ORDER, None), Lane.LIVE, math.inf)
    path = f"/api/v1/purchases/sparklayer/{CART}"
    assert [(request.method, request.url.path) for request in fake.requests] == [("GET", path)] * 2 + [("PUT", path)]


@pytest.mark.parametrize(("status", "reason"), [(403, "http_403"), (409, "http_409"), (422, "http_422")])
async def test_a_refused_purchase_is_the_merchants_to_mend(
    sparklayer: SparkLayer, fake: Any, status: int, reason: str
) -> None:
    fake.answers = [httpx.Response(status, json={"title": "No", "detail": "not this one"})]
    with pytest.raises(Rejected, match="not this one") as rejected:
        await sparklayer.purchases.put(CART, merged(ORDER, None), Lane.LIVE, math.inf)
    assert rejected.value.reason == reason
