"""Purchases and customers in SparkLayer may have any shape: they are written back unchanged, or read again."""

from collections.abc import Awaitable, Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from trio.testing import MockClock

from daemon.entities import Address, Customer, Order, OrderLine, Package, PackageType
from daemon.errors import Retry
from daemon.model import AddressId, CartId, ExternalId, Lane, Sku, VariantId
from daemon.sparklayer import SparkLayer
from daemon.sparklayer.client import encode_json
from daemon.sparklayer.customers import CustomerWrite, is_agent
from daemon.sparklayer.customers import merged as merged_customer
from daemon.sparklayer.products import ProductWrite
from daemon.sparklayer.purchases import cancelled, detached, is_of, merged

pytestmark = pytest.mark.holds("C6")

CART = CartId("0a1b2c3d-0000-4000-8000-000000000101")
MONEY = {"number": "15.99", "currency": "GBP"}
PURCHASE: dict[str, Any] = {
    "type": "order_unconfirmed",
    "purchase_identifiers": {"sparklayer": CART, "platform": "7", "internal": "ERP-1", "visible": "#7"},
    "customer_identifiers": {
        "sparklayer": "cu_1",
        "sparklayer_impersonator": "cu_2",
        "sparklayer_child": "cu_3",
        "sparklayer_sales_rep": "cu_4",
        "unheard_of": ["cu_5"],
    },
    "customer_reference": "PO-77",
    "dates": {"created_at": "2026-01-30T08:30:00Z", "calculated_submitted_at": "2026-01-30T08:30:00Z"},
    "packages": [
        {
            "identifiers": {"sparklayer_package_id": "p"},
            "type": "incoming",
            "line_items": [
                {
                    "identifiers": {"platform": "55", "sku": "J-S"},
                    "custom_attributes": [{"key": "engraving", "value": "Jo"}],
                    "line_total": {"total_net": MONEY},
                }
            ],
            "accounting_files": [{"file_type": "invoice", "data": {"type": "uri"}}],
        }
    ],
    "accounting_files": [],
    "custom_fields": [{"name": "ref"}],
    "metadata": [{"name": "a", "value": "b"}],
}
CUSTOMER: dict[str, Any] = {
    "id": "cu_1",
    "external_id": "1",
    "email": "jo@shop.test",
    "role": "main",
    "group": "vip",
    "price_lists": ["by-hand"],
    "payment_on_account": {"credit_limit": 5, "balance": 1},
    "addresses": [{"id": "ca_1", "external_id": "11", "city": "Bath"}, {"id": "ca_2", "external_id": "yard"}],
    "default_billing_address_id": "ca_1",
    "default_shipping_address_id": "ca_2",
    "available_shipping_addresses": ["ca_1"],
}
LINE = OrderLine(external_id="55", name="Jumper", sku=Sku("J-S"), quantity=3, net=Decimal(30), tax=Decimal(6))
NOW = datetime(2026, 2, 1, tzinfo=UTC)
ORDER = Order(
    external_id=ExternalId("7"),
    cart_id=CART,
    visible="#7",
    customer=ExternalId("1"),
    currency="GBP",
    placed=NOW,
    updated=NOW,
    packages=(Package(type=PackageType.INCOMING, lines=(LINE,)),),
)
HOME = Address(address_line1="1 High Street", city="Bath", country_code="GB")
WRITE = CustomerWrite(
    customer=Customer(external_id=ExternalId("1"), email="jo@shop.test", addresses={AddressId("11"): HOME}),
    email="jo@shop.test",
)
ODD: list[Any] = [None, 7, "x", True, 1.5, [], {}, [None], [7], ["x"], [[]], {"x": None}, [{"x": [1]}]]
"""Values of unexpected types."""


def _use_purchase(held: dict[str, Any]) -> list[dict[str, Any]]:
    is_of(held, ORDER.external_id)
    return [merged(ORDER, held), cancelled(held), detached(held)]


def _use_customer(held: dict[str, Any]) -> list[dict[str, Any]]:
    is_agent(held)
    return [merged_customer(WRITE, held)]


def paths(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values in `content`, at any depth."""
    if path:
        yield path
    keys = content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in keys:
        yield from paths(content[key], (*path, key))


def changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    whole = deepcopy(content)
    place = whole
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return whole


@pytest.mark.parametrize(
    ("content", "use", "path"),
    [
        pytest.param(content, use, path, id=".".join(map(str, path)))
        for content, use in ((PURCHASE, _use_purchase), (CUSTOMER, _use_customer))
        for path in paths(content)
    ],
)
async def test_a_body_of_another_shape_is_carried_over_or_asked_for_again(
    sparklayer: SparkLayer,
    fake: Any,
    autojump_clock: MockClock,
    content: Any,
    use: Callable[[dict[str, Any]], list[dict[str, Any]]],
    path: tuple[Any, ...],
) -> None:
    for value in ODD:
        fake.answers = [httpx.Response(200, json=changed(content, path, value))]
        try:
            if content is PURCHASE:
                held = await sparklayer.purchases.read(CART, Lane.LIVE)
            else:
                held = await sparklayer.customers.read(ExternalId("1"), Lane.LIVE)
        except Retry:
            continue
        assert held is not None
        for body in use(held):
            encode_json(body)


def test_the_customer_of_a_purchase_is_carried_over_whole() -> None:
    for body in _use_purchase(PURCHASE):
        assert body["customer_identifiers"] == PURCHASE["customer_identifiers"]


def without(content: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in names}


PRODUCT: dict[str, Any] = {
    "id": "pp_1",
    "external_id": "7",
    "variants": [{"external_id": "V1", "sku": "A-1"}, {"external_id": "V2", "sku": "A-2"}],
}
ANOTHERS_PRODUCT = PRODUCT | {"external_id": "8"}
WITH_STAYING = ProductWrite(
    external_id=ExternalId("7"),
    title="Shirt",
    slug="shirt",
    variants=(),
    kept=frozenset({VariantId("V1"), VariantId("V2")}),
)
ANOTHERS_IDS = PURCHASE["purchase_identifiers"] | {"sparklayer": "0a1b2c3d-0000-4000-8000-000000000102"}
READS: dict[str, tuple[Callable[[SparkLayer], Awaitable[Any]], list[dict[str, Any]]]] = {
    "a customer": (
        lambda site: site.customers.read(ExternalId("1"), Lane.LIVE),
        [
            {"id": "cu_1"},
            without(CUSTOMER, "external_id"),
            without(CUSTOMER, "addresses"),
            CUSTOMER | {"external_id": "2"},
        ],
    ),
    "a customer by e-mail": (
        lambda site: site.customers.read_by_email("Jo@shop.test", Lane.LIVE),
        [
            {"id": "cu_1"},
            without(CUSTOMER, "email"),
            without(CUSTOMER, "addresses"),
            CUSTOMER | {"email": "bo@shop.test"},
        ],
    ),
    "a purchase": (
        lambda site: site.purchases.read(CART, Lane.LIVE),
        [
            {"type": "order"},
            without(PURCHASE, "purchase_identifiers"),
            without(PURCHASE, "packages"),
            PURCHASE | {"purchase_identifiers": ANOTHERS_IDS},
            PURCHASE | {"packages": {"0": PURCHASE["packages"][0]}},
            PURCHASE | {"packages": {"type": "processing", "line_items": {"9": {}}}},
        ],
    ),
    "variants to adopt": (
        lambda site: site.products.variants_of(ExternalId("7"), Lane.LIVE),
        [{"id": "pp_1"}, without(PRODUCT, "external_id"), without(PRODUCT, "variants"), ANOTHERS_PRODUCT],
    ),
    "variants that stay": (
        lambda site: site.products.update(WITH_STAYING, Lane.LIVE),
        [
            {"id": "pp_1"},
            without(PRODUCT, "external_id"),
            without(PRODUCT, "variants"),
            ANOTHERS_PRODUCT,
            PRODUCT | {"variants": []},
            PRODUCT | {"variants": PRODUCT["variants"][:1]},
        ],
    ),
}
"""Each read of an entity to be written back, with bodies that are incomplete or another entity's."""


@pytest.mark.parametrize(
    ("read", "body"),
    [
        pytest.param(read, body, id=f"{name} {number}")
        for name, (read, bodies) in READS.items()
        for number, body in enumerate(bodies)
    ],
)
async def test_a_part_of_what_was_asked_for_or_another_one_is_asked_for_again(
    sparklayer: SparkLayer,
    fake: Any,
    autojump_clock: MockClock,
    read: Callable[[SparkLayer], Awaitable[Any]],
    body: dict[str, Any],
) -> None:
    """An incomplete body, written back, would wipe the rest; another customer's fields would become this customer's."""
    fake.answers = [httpx.Response(200, json=body)] * 9
    with pytest.raises(Retry, match=r"another object|does not show"):
        await read(sparklayer)


@pytest.mark.holds("A3")
async def test_variants_that_stay_and_are_not_shown_are_asked_for_again(
    sparklayer: SparkLayer, fake: Any, autojump_clock: MockClock
) -> None:
    fake.answers = [httpx.Response(404, json={"title": "Not found", "status": 404})] * 2
    with pytest.raises(Retry, match="does not show"):
        await sparklayer.products.update(WITH_STAYING, Lane.LIVE)


async def test_variants_that_stay_are_read_again_before_each_write(
    sparklayer: SparkLayer, fake: Any, autojump_clock: MockClock
) -> None:
    edited = [{**variant, "sku": f"{variant['sku']}-new"} for variant in PRODUCT["variants"]]
    fake.answers = [
        httpx.Response(200, json=PRODUCT),
        httpx.Response(503),
        httpx.Response(200, json=PRODUCT | {"variants": edited}),
        httpx.Response(200, json=PRODUCT),
    ]
    await sparklayer.products.update(WITH_STAYING, Lane.LIVE)
    assert [request.method for request in fake.requests] == ["GET", "PATCH", "GET", "PATCH"]
    assert [body["variants"] for body in fake.bodies()] == [PRODUCT["variants"], edited]


@pytest.mark.parametrize(
    ("name", "body", "whole"),
    [
        ("a customer", CUSTOMER, CUSTOMER),
        ("a customer by e-mail", CUSTOMER, CUSTOMER),
        ("a purchase", PURCHASE, PURCHASE),
    ],
)
async def test_the_whole_of_what_was_asked_for_is_read(
    sparklayer: SparkLayer, fake: Any, name: str, body: Any, whole: Any
) -> None:
    fake.answers = [httpx.Response(200, json=body)]
    assert await READS[name][0](sparklayer) == whole
