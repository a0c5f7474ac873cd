"""Everything a SparkLayer site holds, and a picture of it that tests can compare."""

from typing import Any

import msgspec
from attrs import frozen

from daemon.sandbox.sparklayer.price_lists import PriceLists
from daemon.sandbox.sparklayer.prices import Prices
from daemon.sandbox.sparklayer.products import Product, Products, Variant
from daemon.sandbox.sparklayer.settings import Settings
from daemon.sandbox.sparklayer.stock import Stock
from daemon.sandbox.sparklayer.sync_log import SyncLog

_OWN = ("id", "product_id", "created_at", "updated_at")


@frozen(kw_only=True)
class State:
    """The parts of a site."""

    products: Products
    stock: Stock
    price_lists: PriceLists
    prices: Prices
    settings: Settings
    sync_log: SyncLog

    def comparable(self) -> dict[str, Any]:
        """Return the site as plain data without ids and times of its own: equal pictures, equal sites.

        {"products": {external id: {title, slug, variants: {external id: fields}}},
         "stock": {sku: {location: level}}, "prices": {slug: {sku: [[quantity, price]]}}, "currency": ...}
        A location is named by its external id where it has one.
        """
        places = {place.id: place.external_id or place.id for place in self.stock.locations}
        return {
            "products": {
                product.external_id or product.id: _product(product) for product in self.products.products.values()
            },
            "stock": {
                sku: {str(places[place]): level.stock_level for place, level in levels.items()}
                for sku, levels in self.stock.levels.items()
            },
            "prices": {
                slug: {sku: [[row.quantity, row.price] for row in rows] for sku, rows in prices.items()}
                for slug, prices in self.prices.prices.items()
                if prices
            },
            "currency": self.settings.currency,
        }


def _product(product: Product) -> dict[str, Any]:
    variants = {variant.external_id or variant.id: _variant(variant) for variant in product.variants}
    return {"title": product.title, "slug": product.slug, "variants": variants}


def _variant(variant: Variant) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(variant)
    return {name: value for name, value in fields.items() if name not in _OWN}
