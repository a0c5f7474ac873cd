"""The products of a run, and what their merchant does to them by chance.

Between the halves of an edit that moves SKUs they are not unique, as in life. `share_sku` leaves one on the variants of
two products, until one of them is given another or `settle_disputes` gives all but one another.
"""

import random
from collections.abc import Callable, Iterable
from typing import Any

from attrs import define, field

from tests.prove.simulation.stores.base import Article, Trade
from tests.prove.simulation.words import BANNED, Words

SIZES = "SMLX"

MOST_BANNED = 2
"""Products with a refused title at the same time: three refusals with no success between pass for a missing right."""


@define(eq=False)
class Merchandise:
    """Edits the products of a store."""

    trade: Trade
    chance: random.Random
    words: Words
    titles: dict[str, list[str]] = field(factory=dict)
    """Every title that a product was given, by its id, the newest last."""

    def retitle_one_of(self, products: Iterable[int]) -> None:
        """Give one of some products another title."""
        known = self._ids()
        there = [product for product in products if product in known]
        if there:
            self.rename(self.chance.choice(there), self.words.new("Title "))

    def retitle(self, *, silent: bool) -> None:
        if (product := self._product()) is not None:
            self.rename(product, self.words.new("Title "), silent=silent)

    def retitle_badly(self, *, silent: bool) -> None:
        """Give a product a title for which SparkLayer refuses it, unless `MOST_BANNED` have one."""
        product, banned = self._product(), sum(BANNED in article.title for article in self.trade.articles())
        if product is not None and banned < MOST_BANNED:
            self.rename(product, self.words.new(BANNED), silent=silent)

    def mend_titles(self) -> None:
        """Give products with such a title another one."""
        for article in self.trade.articles():
            if BANNED in article.title:
                self.rename(article.id, self.words.new("Title "))

    def rename(self, product: int, title: str, *, silent: bool = False) -> None:
        """Give a product another title, which is remembered."""
        self.titles.setdefault(str(product), []).append(title)
        self.trade.set_title(product, title, silent=silent)

    def waver(self) -> Callable[[], None]:
        """Rename a product, and return what gives it its old name back, if it is still there then."""
        article = self.chance.choice(self.trade.articles())
        self.rename(article.id, self.words.new("Title "))

        def return_to_it() -> None:
            if article.id in self._ids():
                self.rename(article.id, article.title)

        return return_to_it

    def reprice(self, *, silent: bool) -> None:
        article = self._article()
        if article is not None:
            price = self.chance.randint(1, 900) / 10
            item = self.chance.choice([None, self.chance.choice(article.items).id])
            self.trade.set_price(article, price, item, silent=silent)

    def restock(self, *, silent: bool) -> None:
        if variants := self.variants():
            self.trade.set_stock(self.chance.choice(variants), self.chance.randrange(50), silent=silent)

    def hide(self, *, silent: bool) -> None:
        if (product := self._product()) is not None:
            self.trade.turn_over(product, silent=silent)

    def reweigh(self, *, silent: bool) -> None:
        if (product := self._product()) is not None:
            self.trade.set_weight(product, self.chance.randint(1, 40) / 4, silent=silent)

    def add_product(self, *, silent: bool) -> None:
        if self.chance.random() < 0.4:
            variants: list[dict[str, Any]] = [{"sku": self.words.new("SKU-"), "stock": self.chance.randrange(9)}]
        else:
            sizes = self.chance.sample(SIZES, self.chance.randint(1, 3))
            variants = [self._variant(size) for size in sizes]
        self.trade.add_product(self.words.new("Product "), self.chance.randint(1, 90), variants, silent=silent)

    def _variant(self, size: str) -> dict[str, Any]:
        sku = "" if self.chance.random() < 0.1 else self.words.new("SKU-")
        return {"sku": sku, "options": {"Size": size}, "stock": self.chance.randrange(9)}

    def add_variant(self, *, silent: bool) -> None:
        article = self._article(simple=False)
        if article is not None and len(article.items) < 5:
            self.trade.add_item(article.id, self._variant(self.words.new("Size ")), silent=silent)

    def drop_variant(self, *, silent: bool) -> None:
        article = self._article(simple=False)
        if article is not None and len([item for item in article.items if item.sku]) > 1:
            self.trade.delete_item(self.chance.choice(article.items).id, silent=silent)

    def rename_sku(self, *, silent: bool) -> None:
        if variants := self.variants():
            self.trade.set_sku(self.chance.choice(variants), self.words.new("SKU-"), silent=silent)

    def swap_skus(self, *, silent: bool) -> None:
        variants = self.variants()
        if len(variants) > 1:
            chosen = self.chance.sample(variants, min(len(variants), self.chance.randint(2, 3)))
            skus = self._skus()
            first = [skus[item] for item in chosen]
            for item, sku in zip(chosen, [*first[1:], first[0]], strict=True):
                self.trade.set_sku(item, sku, silent=silent)

    def move_sku(self, *, silent: bool) -> None:
        variants = self.variants()
        if len(variants) > 2:
            source, target = self.chance.sample(variants, 2)
            sku = self._skus()[source]
            self.trade.set_sku(source, "", silent=silent)
            self.trade.set_sku(target, sku, silent=silent)

    def share_sku(self, *, silent: bool) -> None:
        """Give a variant the SKU of one of another product, by mistake."""
        variants = self.variants()
        if variants:
            source, target = (self.chance.choice(variants) for _ in range(2))
            owners = {item.id: article.id for article in self.trade.articles() for item in article.items}
            if owners[source] != owners[target]:
                self.trade.set_sku(target, self._skus()[source], silent=silent)

    def settle_disputes(self) -> None:
        """Leave each SKU to one of its variants."""
        variants = self.variants()
        self.chance.shuffle(variants)
        kept = set[str]()
        for variant in variants:
            sku = self._skus()[variant]
            if sku in kept:
                self.trade.set_sku(variant, self.words.new("SKU-"), silent=False)
            kept.add(sku)

    def set_metafield(self, *, silent: bool) -> None:
        if (product := self._product()) is not None:
            amount = f"{self.chance.randint(1, 99)}.50"
            self.trade.annotate(product, "rrp", amount, silent=silent)

    def delete_product(self, *, silent: bool) -> None:
        if len(self._ids()) > 2 and (product := self._product()) is not None:
            self.trade.delete_product(product, silent=silent)

    def _product(self) -> int | None:
        ids = self._ids()
        return self.chance.choice(ids) if ids else None

    def _ids(self) -> list[int]:
        return [article.id for article in self.trade.articles()]

    def _skus(self) -> dict[int, str]:
        return {item.id: item.sku for article in self.trade.articles() for item in article.items}

    def _article(self, *, simple: bool | None = None) -> Article | None:
        fitting = [article for article in self.trade.articles() if article.items and simple in {None, article.simple}]
        return self.chance.choice(fitting) if fitting else None

    def variants(self) -> list[int]:
        """Return the variants that have a SKU."""
        return [item for item, sku in self._skus().items() if sku]
