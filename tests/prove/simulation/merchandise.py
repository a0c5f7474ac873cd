"""The products of a run, and what their merchant does to them by chance.

Between the halves of an edit that moves SKUs they are not unique, as in life. `share_sku` leaves one on the variants of
two products, until one of them is given another or `settle_disputes` gives all but one another.
"""

import random
from collections.abc import Callable, Iterable
from typing import Any

from attrs import define, field

from daemon.sandbox import Store
from daemon.sandbox.bigcommerce.records import Entry
from tests.prove.simulation.words import BANNED, Words

SIZES = "SMLX"


@define(eq=False)
class Merchandise:
    """Edits the products of `store`."""

    store: Store
    chance: random.Random
    words: Words
    titles: dict[str, list[str]] = field(factory=dict)
    """Every title that a product was given, by its id, the newest last."""

    def retitle_one_of(self, products: Iterable[int]) -> None:
        """Give one of some products another title."""
        there = [product for product in products if product in self.store.entries]
        if there:
            self.rename(self.chance.choice(there), self.words.new("Title "))

    def retitle(self, *, silent: bool) -> None:
        if (product := self._product()) is not None:
            self.rename(product, self.words.new("Title "), silent=silent)

    def retitle_badly(self, *, silent: bool) -> None:
        """Give a product a title for which SparkLayer refuses it."""
        if (product := self._product()) is not None:
            self.rename(product, self.words.new(BANNED), silent=silent)

    def mend_titles(self) -> None:
        """Give products with such a title another one."""
        for entry in [*self.store.entries.values()]:
            if BANNED in entry.product.name:
                self.rename(entry.product.id, self.words.new("Title "))

    def rename(self, product: int, title: str, *, silent: bool = False) -> None:
        """Give a product another title, which is remembered."""
        self.titles.setdefault(str(product), []).append(title)
        self.store.set_title(product, title, silent=silent)

    def waver(self) -> Callable[[], None]:
        """Rename a product, and return what gives it its old name back, if it is still there then."""
        product = self.chance.choice(self.store.ids)
        old = self.store.entries[product].product.name
        self.rename(product, self.words.new("Title "))

        def return_to_it() -> None:
            if product in self.store.entries:
                self.rename(product, old)

        return return_to_it

    def reprice(self, *, silent: bool) -> None:
        entry = self._entry()
        if entry is not None:
            price = self.chance.randint(1, 900) / 10
            variant = self.chance.choice([None, self.chance.choice(entry.variants).id])
            self.store.set_price(entry.product.id, price, None if entry.simple else variant, silent=silent)

    def restock(self, *, silent: bool) -> None:
        if variants := self.variants():
            self.store.set_stock(self.chance.choice(variants), self.chance.randrange(50), silent=silent)

    def hide(self, *, silent: bool) -> None:
        if (product := self._product()) is not None:
            visible = not self.store.entries[product].product.is_visible
            self.store.set_visible(product, visible=visible, silent=silent)

    def reweigh(self, *, silent: bool) -> None:
        if (product := self._product()) is not None:
            self.store.set_weight(product, self.chance.randint(1, 40) / 4, silent=silent)

    def add_product(self, *, silent: bool) -> None:
        if self.chance.random() < 0.4:
            variants: list[dict[str, Any]] = [{"sku": self.words.new("SKU-"), "stock": self.chance.randrange(9)}]
        else:
            sizes = self.chance.sample(SIZES, self.chance.randint(1, 3))
            variants = [self._variant(size) for size in sizes]
        self.store.add_product(
            self.words.new("Product "), price=self.chance.randint(1, 90), weight=1, variants=variants, silent=silent
        )

    def _variant(self, size: str) -> dict[str, Any]:
        sku = "" if self.chance.random() < 0.1 else self.words.new("SKU-")
        return {"sku": sku, "options": {"Size": size}, "stock": self.chance.randrange(9)}

    def add_variant(self, *, silent: bool) -> None:
        entry = self._entry(simple=False)
        if entry is not None and len(entry.variants) < 5:
            self.store.add_variant(entry.product.id, silent=silent, **self._variant(self.words.new("Size ")))

    def drop_variant(self, *, silent: bool) -> None:
        entry = self._entry(simple=False)
        if entry is not None and len([one for one in entry.variants if one.sku]) > 1:
            self.store.delete_variant(self.chance.choice(entry.variants).id, silent=silent)

    def rename_sku(self, *, silent: bool) -> None:
        if variants := self.variants():
            self.store.set_sku(self.chance.choice(variants), self.words.new("SKU-"), silent=silent)

    def swap_skus(self, *, silent: bool) -> None:
        variants = self.variants()
        if len(variants) > 1:
            chosen = self.chance.sample(variants, min(len(variants), self.chance.randint(2, 3)))
            self.store.rotate_skus(*chosen, silent=silent)

    def move_sku(self, *, silent: bool) -> None:
        variants = self.variants()
        if len(variants) > 2:
            source, target = self.chance.sample(variants, 2)
            self.store.move_sku(source, target, silent=silent)

    def share_sku(self, *, silent: bool) -> None:
        """Give a variant the SKU of one of another product, by mistake."""
        variants = self.variants()
        if variants:
            source, target = (self.store.variant(self.chance.choice(variants)) for _ in range(2))
            if source.product_id != target.product_id:
                self.store.set_sku(target.id, source.sku, silent=silent)

    def settle_disputes(self) -> None:
        """Leave each SKU to one of its variants."""
        variants = self.variants()
        self.chance.shuffle(variants)
        kept = set[str]()
        for variant in variants:
            sku = self.store.variant(variant).sku
            if sku in kept:
                self.store.set_sku(variant, self.words.new("SKU-"))
            kept.add(sku)

    def set_metafield(self, *, silent: bool) -> None:
        if (product := self._product()) is not None:
            amount = f"{self.chance.randint(1, 99)}.50"
            self.store.metafields.set("product", product, "rrp", amount, silent=silent)

    def delete_product(self, *, silent: bool) -> None:
        if len(self.store.ids) > 2 and (product := self._product()) is not None:
            self.store.delete_product(product, silent=silent)

    def _product(self) -> int | None:
        return self.chance.choice(self.store.ids) if self.store.ids else None

    def _entry(self, *, simple: bool | None = None) -> Entry | None:
        fitting = [one for one in self.store.entries.values() if simple is None or one.simple is simple]
        return self.chance.choice(fitting) if fitting else None

    def variants(self) -> list[int]:
        """Return the variants that have a SKU."""
        return [variant.id for variant in self.store.variants() if variant.sku]
