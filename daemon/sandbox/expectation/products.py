"""The products, stock levels and prices that a site must hold for a store.

Prices and weights are compared as decimals. Stores whose weights cannot be read are not compared. A variant
without a SKU, or whose SKU another variant had first, is expected nowhere; what the site has beside the expected must
be discontinued, without stock and without a price.
"""

from decimal import Decimal

from daemon.sandbox.bigcommerce.catalogue import Catalogue
from daemon.sandbox.bigcommerce.records import Entry, Variant
from daemon.sandbox.expectation.picture import Picture
from daemon.sandbox.sparklayer.state import State

GRAMS = {"LBS": "453.59237", "Ounces": "28.349523125", "KGS": "1000", "Grams": "1", "Tonnes": "1000000"}
PRICE_LIST = "bigcommerce-price"


def expected(store: Catalogue) -> Picture:
    """Return {"products", "stock", "prices"} of a site that agrees with `store`; see `State.comparable`."""
    taken: set[str] = set()
    products: Picture = {}
    stock: Picture = {}
    prices: Picture = {}
    for product_id in sorted(store.entries):
        entry = store.entries[product_id]
        variants = [v for v in entry.variants if v.sku.strip() and v.sku not in taken]
        taken.update(variant.sku for variant in variants)
        if not variants:
            continue
        products[str(product_id)] = {
            "title": entry.product.name,
            "slug": entry.product.custom_url.url.strip("/"),
            "variants": {str(v.id): _variant(store, entry, v, place) for place, v in enumerate(variants, 1)},
        }
        for variant in variants:
            price = entry.product.price if variant.price is None else variant.price
            prices[variant.sku] = Decimal(str(price))
            if entry.product.inventory_tracking != "none":
                by_variant = entry.product.inventory_tracking == "variant"
                level = variant.inventory_level if by_variant else entry.product.inventory_level
                elsewhere = (store.elsewhere.get((variant.id, place.id), 0) for place in store.locations)
                stock[variant.sku] = level + sum(elsewhere)
    return {"products": products, "stock": stock, "prices": prices}


def _variant(store: Catalogue, entry: Entry, variant: Variant, place: int) -> Picture:
    product = entry.product
    weight = product.weight if variant.weight is None else variant.weight
    on_sale = product.is_visible and product.availability != "disabled" and not variant.purchasing_disabled
    thumbnails = [image.url_thumbnail for image in entry.images if image.is_thumbnail]
    return {
        "sku": variant.sku,
        "status": "live" if on_sale else "suspended",
        "position": place,
        "weight_in_grams": rounded(Decimal(str(weight)) * Decimal(GRAMS.get(store.weight_unit, "0"))),
        "cart_image_url": variant.image_url or (thumbnails[0] if thumbnails else ""),
        "options": {option.option_display_name: option.label for option in variant.option_values},
    }


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
        "weight_in_grams": rounded(Decimal(str(variant.get("weight_in_grams", 0)))),
        "cart_image_url": variant.get("cart_image_url", ""),
        "options": {option["group"]: option["value"] for option in variant.get("options", [])},
    }


def rounded(weight: Decimal) -> Decimal:
    """Return a weight as it is compared."""
    return round(weight, 6).normalize()


def differences(store: Catalogue, state: State) -> list[str]:
    """Return what a site has otherwise than the store, one line each; none means that they agree."""
    return picture_differences(expected(store), held(state))


def picture_differences(wanted: Picture, found: Picture) -> list[str]:
    """Return one line for each product, stock level and price that differs."""
    return [
        f"{part} {key}: the store says {wanted[part].get(key)}, SparkLayer {found[part].get(key)}"
        for part in wanted
        for key in sorted({*wanted[part], *found[part]})
        if wanted[part].get(key) != found[part].get(key)
    ]
