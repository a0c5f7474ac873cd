"""Products and customers of WooCommerce in SparkLayer's words: odd values are issues, and remove nothing."""

from decimal import Decimal
from typing import Any

import pytest

from daemon.errors import Retry
from daemon.model import Kind
from tests.each import each
from tests.platforms.woocommerce.mapped import mapped, summary, value_of
from tests.platforms.woocommerce.shop import ADDRESS, FakeShop

PRODUCTS, CUSTOMERS = Kind.PRODUCTS, Kind.CUSTOMERS


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


@each(
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


@each("name", ["sku", "regular_price", "manage_stock", "stock_quantity", "variations", "status", "type"])
async def test_a_product_without_a_field_that_is_always_there_is_unreadable(name: str) -> None:
    shop = FakeShop()
    shop.add(1)
    del shop.products[1][name]
    with pytest.raises(Retry):
        await mapped(shop, PRODUCTS)


REST = "SKU-100101 100101 live untracked @6.50"


@each(
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


@each(
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


@each("name", ["billing", "shipping", "email", "meta_data"])
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
