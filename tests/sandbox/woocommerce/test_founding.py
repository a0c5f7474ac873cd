"""The sample company makes a WooCommerce shop: what a platform's store needs is there, and as in the data."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from daemon.sandbox import samples
from daemon.sandbox.company import WHOLESALE
from daemon.sandbox.woocommerce import B2B_ROLE, Shop, adventureworks, synthetic
from daemon.sandbox.woocommerce.order_book import CART_KEY, TRACKING_KEY
from daemon.sandbox.woocommerce.product_shapes import own


@pytest.fixture(scope="module")
def shop() -> Shop:
    return adventureworks()


def meta(row: Any) -> dict[str, Any]:
    return {each.key: each.value for each in row.meta}


def test_products_and_variations_are_those_of_the_company(shop: Shop) -> None:
    company = samples.adventureworks()
    assert [row.name for row in shop.tops.values()] == [product.title for product in company.products]
    for row, product in zip(shop.tops.values(), company.products, strict=True):
        single = len(product.variants) == 1 and not product.variants[0].options
        assert row.type == ("simple" if single else "variable")
        sold = [row] if single else shop.variations_of(row.id)
        for held, variant in zip(sold, product.variants, strict=True):
            assert (held.sku, held.options) == (variant.sku, dict(variant.options))
            wanted = product.price if variant.price is None else variant.price
            assert Decimal(held.price) == Decimal(str(wanted))
            assert held.manage_stock == product.tracked
            assert held.stock_quantity == (variant.stock if product.tracked else 0)
            weight = product.weight if variant.weight is None else variant.weight
            assert float(own(shop, held, "weight") or 0) == pytest.approx(weight)


def test_variations_without_a_sku_show_their_products(shop: Shop) -> None:
    without = [row for row in shop.variations.values() if not row.sku]
    assert len(without) == 3
    assert all(own(shop, row, "sku") for row in without)
    skus = Counter(row.sku for row in shop.products.values() if row.sku)
    assert {sku for sku, number in skus.items() if number > 1} == set()


def test_attributes_are_meta_data_with_their_prefix(shop: Shop) -> None:
    helmet = shop.by_sku("HL-U509-R")
    family = shop.product(helmet.parent_id or helmet.id)
    assert "sparklayer_settings" in meta(family)
    frame = meta(shop.by_sku("FR-R92R-62"))
    assert (frame["sparklayer_rrp"], frame["sparklayer_min_stock_level"]) == ("1949.5", "-25")


def test_trade_customers_have_the_role_half_of_them_hidden(shop: Shop) -> None:
    company = samples.adventureworks()
    trade = [customer.email for customer in company.customers if customer.group == WHOLESALE]
    holders = shop.customers.with_role(B2B_ROLE)
    assert [customer.email for customer in holders] == trade
    assert Counter(customer.roles[0] for customer in holders) == {B2B_ROLE: 351, "customer": 350}
    first, third = holders[0], holders[2]
    rich = company.customers[0]
    assert (first.billing["address_1"], first.billing["company"]) == (rich.addresses[0]["street"], rich.company)
    assert meta(first)["sparklayer_group"] == "gold"
    assert meta(first)["sparklayer_price_lists"] == "trade-usd, spring"
    assert meta(third)["sparklayer_parent_customer_id"] == str(first.id)
    # Two addresses fit; one without a street is kept.
    assert any(customer.shipping["city"] and not customer.shipping["address_1"] for customer in holders)


def test_orders_are_those_of_the_company(shop: Shop) -> None:
    company = samples.adventureworks()
    orders = list(shop.orders.orders.values())
    assert [meta(order).get(CART_KEY) for order in orders] == [order.cart for order in company.orders]
    assert Counter(order.status for order in orders)["completed"] >= 4
    assert [order.status for order in orders if order.status in {"pending", "cancelled", "trash"}] == [
        "cancelled",
        "pending",
        "cancelled",
        "trash",
    ]
    parcels = [meta(order)[TRACKING_KEY] for order in orders if TRACKING_KEY in meta(order)]
    assert [len(rows) for rows in parcels[:4]] == [1, 1, 2, 1]
    assert parcels[0][0]["tracking_number"] == "1Z"
    assert [fee.name for order in orders for fee in order.fees] == ["Frame engraving"]
    assert sum(len(order.refunds) for order in orders) == 3
    assert {row.stock_quantity for row in shop.tops.values() if row.sku == "HL-U509-R"} <= {
        variant.stock for product in company.products for variant in product.variants
    }


async def test_nothing_is_announced_and_all_has_a_past(running: Any, shop: Shop) -> None:
    async with running(shop) as opened:
        assert opened.woocommerce.webhooks.outstanding == 0
        products = await opened.get("/products?orderby=id&order=asc&per_page=1")
        orders = await opened.get("/orders?orderby=id&order=asc&per_page=2")
    assert products[0]["date_modified_gmt"] == "2026-01-01T00:00:00"
    assert [order["date_created_gmt"] for order in orders] == ["2026-01-02T00:00:00", "2026-01-03T00:00:00"]


def test_a_made_up_company_has_any_size() -> None:
    made = synthetic(30, 3, customers=7, orders=5)
    assert (len(made.tops), len(made.variations), len(made.orders.orders)) == (30, 84, 5)
    assert len(made.customers.with_role(B2B_ROLE)) == 7
