"""The products, stock levels and prices that a site must hold for a store.

Prices and weights are compared as decimals. Stores whose weights cannot be read are not compared. A unit without a SKU,
or whose SKU another unit had first, is expected nowhere; what the site has beside the expected must be discontinued,
without stock and without a price.

Of a WooCommerce shop: a variation without a SKU of its own has none, though WooCommerce shows its product's. A product
in the trash, a grouped and an external one are expected nowhere. A price is the regular one. Where there is none,
SparkLayer may keep an earlier one, so that price is not compared.
"""

import html
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from daemon.sandbox.bigcommerce.records import Entry, Variant
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.record import Record, record
from daemon.sandbox.sparklayer.api import State
from daemon.sandbox.woocommerce.catalogue import TRASH, Product
from daemon.sandbox.woocommerce.shop import Shop

Picture = dict[str, Any]


def compared(what: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return one line for each key whose values differ; a value that is a picture itself is told by its keys."""
    lines = []
    for key in sorted({*wanted, *found}):
        ours, theirs = wanted.get(key), found.get(key)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            lines += compared(f"{what} {key}", ours, theirs)
        elif ours != theirs:
            lines.append(f"{what} {key}: the store says {ours}, SparkLayer {theirs}")
    return lines


GRAMS = {"LBS": "453.59237", "Ounces": "28.349523125", "KGS": "1000", "Grams": "1", "Tonnes": "1000000"}
GRAMS |= {"kg": "1000", "g": "1", "lbs": "453.59237", "oz": "28.349523125"}
PRICE_LIST, SHOP_PRICE_LIST = "bigcommerce-price", "woocommerce-price"
NOT_SOLD_HERE = ("grouped", "external")


@record("id sku on_sale weight picture options price level")
class _Unit(Record):
    """A thing that is sold by a SKU. A price of None may be anything; without a level, stock is not counted."""


@record("id title slug units")
class _Sold(Record):
    """A product with its units, in their order."""


def expected(store: Store | Shop) -> Picture:
    """Return {"products", "stock", "prices"} of a site that agrees with `store`; see `State.comparable`."""
    taken: set[str] = set()
    products: Picture = {}
    stock: Picture = {}
    prices: Picture = {}
    for product in _of_shop(store) if isinstance(store, Shop) else _of_store(store):
        units = [unit for unit in product.units if unit.sku.strip() and unit.sku not in taken]
        taken.update(unit.sku for unit in units)
        if units:
            variants = {str(unit.id): _variant(unit, place, store.weight_unit) for place, unit in enumerate(units, 1)}
            products[str(product.id)] = {"title": product.title, "slug": product.slug, "variants": variants}
        prices |= {unit.sku: unit.price for unit in units}
        stock |= {unit.sku: unit.level for unit in units if unit.level is not None}
    return {"products": products, "stock": stock, "prices": prices}


def _variant(unit: _Unit, place: int, weight_unit: str) -> Picture:
    return {
        "sku": unit.sku,
        "status": "live" if unit.on_sale else "suspended",
        "position": place,
        "weight_in_grams": _rounded(Decimal(str(unit.weight)) * Decimal(GRAMS.get(weight_unit, "0"))),
        "cart_image_url": unit.picture,
        "options": unit.options,
    }


def _of_store(store: Store) -> Iterator[_Sold]:
    for product_id, entry in sorted(store.entries.items()):
        units = [_store_unit(store, entry, variant) for variant in entry.variants]
        yield _Sold(product_id, entry.product.name, entry.product.custom_url.url.strip("/"), units)


def _store_unit(store: Store, entry: Entry, variant: Variant) -> _Unit:
    product = entry.product
    thumbnails = [image.url_thumbnail for image in entry.images if image.is_thumbnail]
    keeper = variant if product.inventory_tracking == "variant" else product
    elsewhere = sum(store.elsewhere.get((variant.id, place.id), 0) for place in store.locations)
    return _Unit(
        id=variant.id,
        sku=variant.sku,
        on_sale=product.is_visible and product.availability != "disabled" and not variant.purchasing_disabled,
        weight=product.weight if variant.weight is None else variant.weight,
        picture=variant.image_url or (thumbnails[0] if thumbnails else ""),
        options={option.option_display_name: option.label for option in variant.option_values},
        price=Decimal(str(product.price if variant.price is None else variant.price)),
        level=None if product.inventory_tracking == "none" else keeper.inventory_level + elsewhere,
    )


def _of_shop(shop: Shop) -> Iterator[_Sold]:
    for product in sorted(shop.tops.values(), key=lambda row: row.id):
        if product.status != TRASH and product.type not in NOT_SOLD_HERE:
            variations = sorted(shop.variations_of(product.id), key=lambda row: (row.menu_order, row.id))
            units = [
                _shop_unit(shop, product, row) for row in (variations if product.type == "variable" else [product])
            ]
            yield _Sold(product.id, html.unescape(product.name), product.slug or f"product-{product.id}", units)


def _shop_unit(shop: Shop, product: Product, unit: Product) -> _Unit:
    own, keeper = unit.sku.strip(), unit if unit.manage_stock else product
    published = product.status == "publish" and unit.status == "publish"
    return _Unit(
        id=unit.id,
        sku="" if unit is not product and own == product.sku.strip() else own,
        on_sale=published and bool(unit.price),
        weight=unit.weight or product.weight or "0",
        picture=product.image[1] if product.image else "",
        options=dict(_options(shop, product, unit)),
        price=Decimal(unit.regular_price) if unit.regular_price else None,
        level=keeper.stock_quantity if keeper.manage_stock else None,
    )


def _options(shop: Shop, product: Product, unit: Product) -> Iterator[tuple[str, str]]:
    """Yield the options of a variation; one that is any of an attribute's is empty, and no option."""
    for attribute in product.attributes:
        option = unit.options.get(attribute.name)
        if option:
            # The shop's own attributes have terms, whose names can be changed.
            renamed = shop.terms.get(attribute.name, {}) if attribute.id else {}
            yield attribute.name, renamed.get(option, option)


def held(state: State, price_list: str = PRICE_LIST) -> Picture:
    """Return the same picture of what a site sells; what is discontinued is not sold."""
    site = state.comparable()
    products = {
        external_id: {
            "title": product["title"],
            "slug": product["slug"],
            "variants": {
                variant_id: _held_variant(variant)
                for variant_id, variant in product["variants"].items()
                if variant.get("status") != "discontinued"
            },
        }
        for external_id, product in site["products"].items()
    }
    return {
        "products": {external_id: product for external_id, product in products.items() if product["variants"]},
        "stock": {sku: sum(levels.values()) for sku, levels in site["stock"].items() if levels},
        "prices": {sku: Decimal(str(rows[0][1])) for sku, rows in site["prices"].get(price_list, {}).items() if rows},
    }


def _held_variant(variant: Picture) -> Picture:
    return {
        "sku": variant.get("sku"),
        "status": variant.get("status"),
        "position": variant.get("position"),
        "weight_in_grams": _rounded(Decimal(str(variant.get("weight_in_grams", 0)))),
        "cart_image_url": variant.get("cart_image_url", ""),
        "options": {option["group"]: option["value"] for option in variant.get("options", [])},
    }


def _rounded(weight: Decimal) -> Decimal:
    return round(weight, 6).normalize()


def differences(store: Store | Shop, state: State) -> list[str]:
    """Return what a site has otherwise than the store, one line each; none means that they agree."""
    wanted, found = expected(store), held(state, SHOP_PRICE_LIST if isinstance(store, Shop) else PRICE_LIST)
    for sku in [sku for sku, price in wanted["prices"].items() if price is None]:
        wanted["prices"].pop(sku), found["prices"].pop(sku, None)
    return [
        f"{part} {key}: the store says {wanted[part].get(key)}, SparkLayer {found[part].get(key)}"
        for part in wanted
        for key in sorted({*wanted[part], *found[part]})
        if wanted[part].get(key) != found[part].get(key)
    ]
