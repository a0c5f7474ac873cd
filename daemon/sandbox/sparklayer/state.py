"""Everything a SparkLayer site holds, and a picture of it that tests can compare."""

from collections.abc import Iterable
from typing import Any

import msgspec
from attrs import fields, frozen

from daemon.sandbox.sparklayer import customers, products
from daemon.sandbox.sparklayer.customers import Customers
from daemon.sandbox.sparklayer.prices import PriceLists, Prices
from daemon.sandbox.sparklayer.products import Products
from daemon.sandbox.sparklayer.purchases import Purchases
from daemon.sandbox.sparklayer.record import Record
from daemon.sandbox.sparklayer.settings import Settings
from daemon.sandbox.sparklayer.stock import Stock
from daemon.sandbox.sparklayer.sync_log import SyncLog


@frozen(kw_only=True)
class State:
    """The parts of a site."""

    products: Products
    stock: Stock
    price_lists: PriceLists
    prices: Prices
    settings: Settings
    customers: Customers
    purchases: Purchases
    sync_log: SyncLog

    @property
    def parts(self) -> Iterable[object]:
        """Everything that has routes."""
        return (getattr(self, attribute.name) for attribute in fields(type(self)))

    @property
    def writes(self) -> int:
        """Number of writes and deletions of every kind so far, without the sync-log."""
        return (
            self.products.writes
            + self.stock.writes
            + self.prices.writes
            + self.customers.writes
            + self.customers.removals
            + self.purchases.writes
            + self.purchases.removals
        )

    def comparable(self) -> dict[str, Any]:
        """Return the site as plain data without ids and times of its own: equal pictures, equal sites.

        {"products": {external id: {title, slug, variants: {external id: fields}}},
         "stock": {sku: {location: level}}, "prices": {slug: {sku: [[quantity, price]]}}, "currency": ...,
         "stock_terms": {sku: {location: {restock_date, min_stock_level}}} where a level has any of them,
         "price_lists": {slug: fields}, "purchases": {cart id: body},
         "customers": {external id: fields, with addresses by their external ids}}
        A location is named by its external id where it has one.
        """
        positions = {place.id: place.external_id or place.id for place in self.stock.locations}
        return {
            "products": products.comparable(self.products.products),
            "stock": {
                sku: {str(positions[place]): level.stock_level for place, level in levels.items()}
                for sku, levels in self.stock.levels.items()
            },
            "prices": {
                slug: {sku: [[row["quantity"], row["price"]] for row in rows] for sku, rows in prices.items()}
                for slug, prices in self.prices.prices.items()
                if prices
            },
            "stock_terms": {
                sku: {str(positions[place]): terms for place, level in levels.items() if (terms := _terms(level))}
                for sku, levels in self.stock.levels.items()
                if any(_terms(level) for level in levels.values())
            },
            "price_lists": msgspec.to_builtins(self.price_lists.lists),
            "currency": self.settings.currency,
            "customers": customers.comparable(self.customers.customers),
            "purchases": self.purchases.comparable(),
        }


def _terms(level: Record) -> dict[str, Any]:
    return level.without("stock_location_id", "stock_level")
