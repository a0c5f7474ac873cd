"""The products, stock levels and prices that a site must hold for a WooCommerce shop.

A variation without a SKU of its own has none, though WooCommerce shows its product's. A product in the trash, a
grouped and an external one are expected nowhere. A price is the regular one. Where there is none, SparkLayer may keep
an earlier one, so that price is not compared.
"""

import html
from collections.abc import Iterator
from decimal import Decimal

from daemon.sandbox.expectation.picture import Picture
from daemon.sandbox.expectation.products import held, picture_differences, rounded
from daemon.sandbox.sparklayer.state import State
from daemon.sandbox.woocommerce.records import TRASH, Product
from daemon.sandbox.woocommerce.shop import Shop

GRAMS = {"kg": "1000", "g": "1", "lbs": "453.59237", "oz": "28.349523125"}
PRICE_LIST = "woocommerce-price"
NOT_SOLD_HERE = ("grouped", "external")


def product_differences(shop: Shop, state: State) -> list[str]:
    """Return how a site's products, stock levels and prices differ from the shop's."""
    wanted, found = expected_products(shop), held(state, PRICE_LIST)
    unpriced = {sku for sku, price in wanted["prices"].items() if price is None}
    for prices in (wanted["prices"], found["prices"]):
        for sku in unpriced & prices.keys():
            del prices[sku]
    return picture_differences(wanted, found)


def expected_products(shop: Shop) -> Picture:
    """Return {"products", "stock", "prices"} of a site that agrees with a shop; a price of None may be anything."""
    taken: set[str] = set()
    products: Picture = {}
    stock: Picture = {}
    prices: Picture = {}
    for product in sorted(shop.tops.values(), key=lambda row: row.id):
        sold = [unit for unit in _units(shop, product) if _sku(shop, unit) and _sku(shop, unit) not in taken]
        taken.update(_sku(shop, unit) for unit in sold)
        if sold:
            products[str(product.id)] = {
                "title": html.unescape(product.name),
                "slug": product.slug or f"product-{product.id}",
                "variants": {str(unit.id): _variant(shop, product, unit, place) for place, unit in enumerate(sold, 1)},
            }
        for unit in sold:
            prices[_sku(shop, unit)] = Decimal(unit.regular_price) if unit.regular_price else None
            keeper = unit if unit.manage_stock else product
            if keeper.manage_stock:
                stock[_sku(shop, unit)] = keeper.stock_quantity
    return {"products": products, "stock": stock, "prices": prices}


def _units(shop: Shop, product: Product) -> list[Product]:
    """Return what of a product is sold, in its order."""
    if product.status == TRASH or product.type in NOT_SOLD_HERE:
        return []
    if product.type != "variable":
        return [product]
    return sorted(shop.variations_of(product.id), key=lambda row: (row.menu_order, row.id))


def _sku(shop: Shop, unit: Product) -> str:
    own = unit.sku.strip()
    parent = shop.products.get(unit.parent_id)
    return "" if parent is not None and own == parent.sku.strip() else own


def _variant(shop: Shop, product: Product, unit: Product, place: int) -> Picture:
    published = product.status == "publish" and unit.status == "publish"
    weight = Decimal(unit.weight or product.weight or "0") * Decimal(GRAMS[shop.weight_unit])
    return {
        "sku": _sku(shop, unit),
        "status": "live" if published and (unit.sale_price or unit.regular_price) else "suspended",
        "position": place,
        "weight_in_grams": rounded(weight),
        "cart_image_url": product.image[1] if product.image else "",
        "options": dict(_options(shop, product, unit)),
    }


def _options(shop: Shop, product: Product, unit: Product) -> Iterator[tuple[str, str]]:
    """Yield the options of a variation; one that is any of an attribute's is empty, and no option."""
    for attribute in product.attributes:
        option = unit.options.get(attribute.name)
        if option:
            # The shop's own attributes have terms, whose names can be changed.
            renamed = shop.terms.get(attribute.name, {}) if attribute.id else {}
            yield attribute.name, renamed.get(option, option)
