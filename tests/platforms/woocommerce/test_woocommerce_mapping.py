"""Products, customers and orders of WooCommerce in SparkLayer's words: odd values are issues, and remove nothing."""

from decimal import Decimal
from typing import Any

import pytest

from daemon.entities import Mapped, Order, PackageType
from daemon.errors import Retry
from daemon.issues import IssueType
from daemon.model import ExternalId, Kind, Lane
from tests.platforms.woocommerce.recorded import FACTS
from tests.platforms.woocommerce.shop import ADDRESS, FakeShop, line, refund
from tests.platforms.woocommerce.summary import told

PRODUCTS, CUSTOMERS, ORDERS = Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS


async def mapped(shop: FakeShop, kind: Kind, id_: int = 1) -> Mapped[Any]:
    entity = await shop.adapter.read_one(kind, ExternalId(str(id_)), Lane.LIVE)
    assert entity is not None
    return shop.adapter.map(kind, entity, FACTS)


async def value_of(shop: FakeShop, kind: Kind) -> Any:
    """Return the value of entity 1."""
    return (await mapped(shop, kind)).value


async def summary(shop: FakeShop, kind: Kind, id_: int = 1) -> str:
    entity = await shop.adapter.read_one(kind, ExternalId(str(id_)), Lane.LIVE)
    assert entity is not None
    return told(shop.adapter, kind, entity)


async def product(**changes: Any) -> str:
    shop = FakeShop()
    shop.add(1, **changes)
    return await summary(shop, PRODUCTS)


async def variable(count: int = 2, product: Any = None, **changes: Any) -> str:
    """Return what the daemon makes of a product whose first variation has `changes`."""
    shop = FakeShop()
    shop.add(1, variations=count, **(product or {}))
    shop.variations[100_100] |= changes
    return await summary(shop, PRODUCTS)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "SKU-1 live 7 @5.00"),
        ({"status": "draft"}, "SKU-1 suspended 7 @5.00"),
        ({"status": "private"}, "SKU-1 suspended 7 @5.00"),
        ({"status": "pending"}, "SKU-1 suspended 7 @5.00"),
        ({"status": "future"}, "SKU-1 suspended 7 @5.00"),
        ({"status": "trash"}, "nothing"),
        ({"type": "grouped"}, "nothing"),
        ({"type": "external"}, "nothing"),
        ({"type": "bundle"}, "SKU-1 live 7 @5.00"),
        ({"purchasable": False}, "SKU-1 suspended 7 @5.00"),
        ({"sku": " "}, "no variants; variant_without_sku; nothing_to_sell"),
        ({"sku": "X" * 256}, "no variants; sku_too_long; nothing_to_sell"),
        ({"regular_price": ""}, "SKU-1 live 7 @no price; price_missing"),
        ({"regular_price": "-1"}, "SKU-1 live 7 @no price; price_missing"),
        ({"regular_price": "0"}, "SKU-1 live 7 @0"),
        ({"regular_price": "1e3"}, "nothing; field_unreadable"),
        ({"regular_price": "9,50"}, "nothing; field_unreadable"),
        ({"regular_price": 9.5}, "SKU-1 live 7 @9.5"),
        ({"regular_price": None}, "nothing; field_unreadable"),
        ({"manage_stock": False, "stock_quantity": None}, "SKU-1 live untracked @5.00"),
        ({"manage_stock": False, "stock_quantity": 4}, "SKU-1 live untracked @5.00"),
        ({"stock_quantity": None}, "nothing; field_unreadable"),
        ({"stock_quantity": -3}, "SKU-1 live -3 @5.00"),
        ({"stock_quantity": "12"}, "SKU-1 live 12 @5.00"),
        ({"stock_quantity": 2.0}, "SKU-1 live 2 @5.00"),
        ({"stock_quantity": 2.5}, "nothing; field_unreadable"),
        ({"manage_stock": "yes"}, "nothing; field_unreadable"),
        ({"manage_stock": None}, "nothing; field_unreadable"),
        ({"weight": "heavy"}, "nothing; field_unreadable"),
        ({"weight": "-2"}, "SKU-1 live 7 @5.00; weight_unusable"),
        ({"purchasable": "true"}, "SKU-1 live 7 @5.00"),
        ({"purchasable": 1}, "nothing; field_unreadable"),
        ({"images": None}, "nothing; field_unreadable"),
        ({"sku": 12}, "12 live 7 @5.00"),
        ({"slug": "x" * 300}, "SKU-1 live 7 @5.00; slug_too_long"),
    ],
)
@pytest.mark.holds("D7")
async def test_simple_products(changes: dict[str, Any], expected: str) -> None:
    assert await product(**changes) == expected


@pytest.mark.parametrize(
    "name", ["sku", "regular_price", "manage_stock", "stock_quantity", "variations", "status", "type"]
)
async def test_a_product_without_a_field_that_is_always_there_is_unreadable(name: str) -> None:
    shop = FakeShop()
    shop.add(1)
    del shop.products[1][name]
    with pytest.raises(Retry):
        await mapped(shop, PRODUCTS)


REST = "SKU-100101 100101 live untracked @6.50"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, f"SKU-100100 100100 live untracked @6.50, {REST}"),
        ({"sku": "SKU-1"}, f"{REST}; variant_without_sku"),
        ({"sku": ""}, f"{REST}; variant_without_sku"),
        ({"sku": "SKU-100101"}, "SKU-100101 100100 live untracked @6.50; sku_repeated"),
        ({"status": "private"}, f"SKU-100100 100100 suspended untracked @6.50, {REST}"),
        ({"purchasable": False}, f"SKU-100100 100100 suspended untracked @6.50, {REST}"),
        ({"menu_order": 5}, f"{REST}, SKU-100100 100100 live untracked @6.50"),
        ({"manage_stock": True, "stock_quantity": 3}, f"SKU-100100 100100 live 3 @6.50, {REST}"),
        (
            {"manage_stock": "parent", "stock_quantity": 40},
            f"SKU-100100 100100 live 40 @6.50, {REST}; stock_of_product",
        ),
        ({"manage_stock": "other"}, "nothing; field_unreadable"),
        ({"manage_stock": True, "stock_quantity": None}, "nothing; field_unreadable"),
        ({"manage_stock": "parent", "stock_quantity": None}, "nothing; field_unreadable"),
        ({"regular_price": "x"}, "nothing; field_unreadable"),
        ({"stock_quantity": []}, "nothing; field_unreadable"),
        ({"parent_id": 2}, "Retry out_of_filter"),
        (
            {"attributes": [{"name": "Size", "option": "S"}, {"name": "Size", "option": "M"}]},
            f"SKU-100100 S live untracked @6.50, {REST}; option_repeated",
        ),
        (
            {"attributes": [{"name": "Ink &amp; Dye", "option": "A &amp; B"}, {"name": "Any", "option": ""}]},
            f"SKU-100100 A & B live untracked @6.50, {REST}",
        ),
    ],
)
@pytest.mark.holds("D7")
async def test_variations(changes: dict[str, Any], expected: str) -> None:
    assert await variable(**changes) == expected


async def test_one_stock_is_shared_by_all_variations_and_told_once() -> None:
    shop = FakeShop()
    shop.add(1, variations=3)
    for variation in shop.variations.values():
        variation |= {"manage_stock": "parent", "stock_quantity": 40}
    found = await mapped(shop, PRODUCTS)
    assert {stock.level for stock in (await value_of(shop, PRODUCTS)).stock.values()} == {40}
    assert [issue.code for issue in found.issues] == ["stock_of_product"]


async def test_a_variable_product_without_variations_has_nothing_to_sell() -> None:
    assert await product(type="variable") == "no variants; nothing_to_sell"


async def test_a_hidden_product_hides_its_variations() -> None:
    hidden = await variable(product={"status": "draft"})
    assert hidden.count("suspended") == 2


async def test_a_product_in_full() -> None:
    shop = FakeShop()
    image = {"src": "https://x/a.jpg", "thumbnail": "https://x/a-small.jpg"}
    shop.add(1, name="Weird &amp; good", slug="", weight="2.5", images=[image])
    found = await mapped(shop, PRODUCTS)
    value: Any = found.value
    assert (value.title, value.slug) == ("Weird & good", "product-1")
    variant = value.variants[0]
    assert (variant.weight_in_grams, variant.cart_image_url) == (Decimal(2500), "https://x/a-small.jpg")
    assert (variant.external_id, variant.position, variant.rrp) == ("1", 1, None)
    assert found.url == "https://shop.example.com/wp-admin/post.php?post=1&action=edit"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "c1@example.com billing+shipping"),
        ({"email": ""}, "nothing; email_missing"),
        ({"email": "x"}, "nothing; email_invalid"),
        ({"email": None}, "nothing; field_unreadable"),
        ({"billing": {**ADDRESS, "address_1": ""}}, "c1@example.com shipping; address_line_1_empty"),
        ({"billing": {**ADDRESS, "city": ""}}, "c1@example.com shipping; address_city_empty"),
        ({"billing": {**ADDRESS, "country": ""}}, "c1@example.com shipping; address_country_empty"),
        ({"billing": {**ADDRESS, "country": "UK!"}}, "c1@example.com shipping; address_country_unknown"),
        ({"billing": {**ADDRESS, "country": "gb"}}, "c1@example.com billing+shipping"),
        # Never entered: WooCommerce fills in the shop's country and the person's name.
        (
            {"shipping": {**ADDRESS, **dict.fromkeys(("address_1", "address_2", "city", "postcode"), "")}},
            "c1@example.com billing",
        ),
        ({"billing": {**ADDRESS, "city": 7}}, "c1@example.com billing+shipping"),
        ({"billing": {**ADDRESS, "city": None}}, "nothing; field_unreadable"),
        ({"billing": None}, "nothing; field_unreadable"),
        ({"meta_data": None}, "nothing; field_unreadable"),
        (
            {"meta_data": [{"key": "sparklayer_discount_percentage", "value": "200"}]},
            "c1@example.com billing+shipping; attribute_unreadable",
        ),
        (
            {"meta_data": [{"key": "sparklayer_parent_customer_id", "value": str(2**64)}]},
            "nothing; parent_impossible",
        ),
    ],
)
async def test_customers(changes: dict[str, Any], expected: str) -> None:
    shop = FakeShop()
    shop.add_customers(1, **changes)
    assert await summary(shop, CUSTOMERS) == expected


async def test_the_ids_of_addresses_are_unique_in_the_shop() -> None:
    """SparkLayer refuses an address id that another customer's address has."""
    shop = FakeShop()
    shop.add_customers(1, 2)
    first, second = (await mapped(shop, CUSTOMERS, 1)).value, (await mapped(shop, CUSTOMERS, 2)).value
    assert first is not None
    assert second is not None
    assert list(first.addresses) == ["1-billing", "1-shipping"]
    assert not set(first.addresses) & set(second.addresses)


async def test_odd_fields_of_a_retail_customer_are_no_issue() -> None:
    shop = FakeShop()
    shop.add_customers(1, roles=("customer",), email=None)
    assert await summary(shop, CUSTOMERS) == "nothing"


@pytest.mark.parametrize("name", ["billing", "shipping", "email", "meta_data"])
async def test_a_customer_without_a_field_that_is_always_there_is_unreadable(name: str) -> None:
    shop = FakeShop()
    shop.add_customers(1)
    del shop.customers[1][name]
    with pytest.raises(Retry):
        await mapped(shop, CUSTOMERS)


async def test_attributes_are_meta_fields_with_the_prefix() -> None:
    meta = [
        {"key": "sparklayer_group", "value": "gold"},
        {"key": "sparklayer_group", "value": "second"},
        {"key": "sparklayer_payment_on_account", "value": {"credit_limit": 1000, "net_terms": 30}},
        {"key": "sparklayer_price_lists", "value": ["a", "b"]},
        {"key": "sparklayer_discount_percentage", "value": 12.5},
        {"key": "accounting_id", "value": "without the prefix"},
        {"key": "sparklayer_company_name", "value": None},
    ]
    shop = FakeShop()
    shop.add_customers(1, meta_data=meta)
    value = await value_of(shop, CUSTOMERS)
    assert (value.group, value.price_lists, value.discount_percentage) == ("gold", ("a", "b"), Decimal("12.5"))
    assert value.payment_on_account.limit == 1000
    assert (value.accounting_id, value.company_name) == (None, "Engines Ltd")
    other = FakeShop(attribute_prefix="b2b_")
    other.add_customers(1, meta_data=[{"key": "b2b_group", "value": "silver"}, *meta])
    assert (await value_of(other, CUSTOMERS)).group == "silver"


LINE = "3xSKU-10 25+5"


@pytest.mark.parametrize(
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


@pytest.mark.parametrize("name", ["status", "line_items", "refunds", "customer_id", "total"])
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


@pytest.mark.parametrize("value", [None, "", [], "x", [7], {}, [{"tracking_number": []}]])
async def test_odd_tracking_is_no_tracking(value: Any) -> None:
    shop = FakeShop()
    shop.add_orders(1)
    shop.orders[1]["meta_data"].append({"key": "_wc_shipment_tracking_items", "value": value})
    assert (await value_of(shop, ORDERS)).packages[0].shipment is None


@pytest.mark.parametrize(
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
