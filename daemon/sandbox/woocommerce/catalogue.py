"""The rows of a shop and its settings, and how an edit is dated and announced.

Products, variations, orders and refunds draw their ids from one sequence, as WordPress's posts do; users, meta data,
lines and webhooks have their own. Knows neither which edits there are (see `shop`) nor HTTP.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from typing import Any

from attrs import define, field

from daemon.sandbox.woocommerce.records import TRASH, Event, Meta, Product, WooCommerceChronicle

ROLES = ("administrator", "editor", "author", "contributor", "subscriber", "customer", "shop_manager")
"""Roles of every shop (recordings, index)."""


@define(eq=False, kw_only=True)
class Catalogue(WooCommerceChronicle):
    """The shop's settings and products."""

    name: str = "Sandbox Shop"
    home: str = "http://shop.example"
    """The site's address, without a slash at the end; the stand-in sets it to where it listens."""
    currency: str = "USD"
    decimals: int = 2
    """Number of decimals of shown prices, and of order amounts where `dp` is not given."""
    weight_unit: str = "lbs"
    tax_inclusive: bool = False
    hpos: bool = True
    """High-performance order storage. Without it orders are posts, and much of them moves no date."""
    roles: list[str] = field(factory=lambda: list(ROLES))
    products: dict[int, Product] = field(factory=dict, repr=False)
    """Products and variations, by id and in the order of ids."""
    tops: dict[int, Product] = field(factory=dict, repr=False)
    """Those of `products` that are no variations."""
    variations: dict[int, Product] = field(factory=dict, repr=False)
    terms: dict[str, dict[str, str]] = field(factory=dict, repr=False)
    """Of each attribute of the shop: the shown name of a term, where it was renamed."""
    _children: dict[int, list[int]] = field(factory=lambda: defaultdict(list), repr=False)
    _sequences: dict[str, Iterator[int]] = field(factory=lambda: defaultdict(lambda: count(1)), repr=False)

    def new_id(self, kind: str = "post") -> int:
        """Return the next id of a kind: post, user, meta, line, webhook."""
        return next(self._sequences[kind])

    def product(self, product_id: int) -> Product:
        """Return a product or variation, also one in the trash. Raises KeyError."""
        return self.products[product_id]

    def variations_of(self, product_id: int, *, trashed: bool = False) -> list[Product]:
        """Return the variations of a product by id, those in the trash or the others."""
        children = (self.products[child] for child in self._children.get(product_id, ()))
        return [child for child in children if (child.status == TRASH) is trashed]

    def by_sku(self, sku: str) -> Product:
        """Return the product or variation with `sku` of its own, not inherited. Raises KeyError."""
        for product in self.products.values():
            if product.sku == sku:
                return product
        raise KeyError(sku)

    def stock_keeper(self, product: Product) -> Product | None:
        """Return the holder of a product's stock: itself or its variable product; None if stock is not managed."""
        if product.manage_stock:
            return product
        parent = self.products.get(product.parent_id)
        return parent if parent is not None and parent.manage_stock else None

    def put(self, product: Product) -> None:
        """Place a ready product without announcing it."""
        self.products[product.id] = product
        (self.variations if product.parent_id else self.tops)[product.id] = product
        if product.parent_id:
            self._children[product.parent_id].append(product.id)

    def drop(self, product_id: int) -> None:
        """Remove a product with its variations without announcing it."""
        for child in self._children.pop(product_id, ()):
            del self.products[child], self.variations[child]
        product = self.products.pop(product_id)
        self.tops.pop(product_id, None)
        if product.parent_id:
            del self.variations[product_id]
            self._children[product.parent_id].remove(product_id)

    def write_meta(self, rows: list[Meta], key: str, value: Any) -> None:
        """Set the value of a key among `rows`; None removes it."""
        row = next((row for row in rows if row.key == key), None)
        if row is None and value is not None:
            rows.append(Meta(id=self.new_id("meta"), key=key, value=value))
        elif row is not None and value is None:
            rows.remove(row)
        elif row is not None:
            row.value = value

    def touch(self, product: Product, *announced: Event, silent: bool) -> None:
        """Date an edit, a variation's also on its parent (recorded), and announce it."""
        if self.stamping:
            product.modified = self.moment()
            if parent := self.products.get(product.parent_id):
                parent.modified = product.modified
        self.announce(*announced, silent=silent)
