"""The store of a run, and the edits that its merchant makes, by chance.

Every person's data begins with `PERSONAL`, so that it can be looked for in the log. SKUs are unique once an edit is
whole: between the halves of one that moves them they are not, as in life. An edit is announced unless it is `silent`.
"""

import contextlib
import random
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, field

from daemon.sandbox import Store
from daemon.sandbox.bigcommerce.records import Entry
from daemon.sandbox.samples.groups import RETAIL, WHOLESALE, add_groups

PERSONAL = "Zyxw"
SIZES = "SMLX"


@define(eq=False)
class Merchant:
    """Edits the store. `edits` counts them."""

    store: Store
    chance: random.Random
    heard: Callable[[], bool] = lambda: True
    """Whether webhooks are registered: no sweep finds out what was deleted before, or where customers moved to."""
    parts: bool = True
    """Whether anything may be deleted, or lose its SKU. Who has lost the ledger would never hear of it."""
    attributes: bool = False
    """Whether customers' attributes change, which tells nobody until everything is read."""
    titles: dict[str, list[str]] = field(factory=dict)
    """Every title that a product was given, by its id, the newest last."""
    edits: int = 0
    unheard: bool = False
    """Whether an edit was made while no webhooks were registered. A sweep finds it, but one may die with the daemon."""
    _words: int = 0
    _carts: dict[int, str] = field(factory=dict)

    def furnish(self) -> None:
        """Fill the empty store."""
        add_groups(self.store)
        for _ in range(self.chance.randint(3, 9)):
            self.add_product(silent=True)
        for _ in range(self.chance.randint(2, 6)):
            self.add_customer(silent=True)
        for _ in range(self.chance.randint(0, 5)):
            self.place_order(silent=True)

    def retitle_one_of(self, products: Iterable[int]) -> None:
        """Give one of some products another title."""
        there = [product for product in products if product in self.store.entries]
        if there:
            self.rename(self.chance.choice(there), self._word("Title "))

    def edit(self, *, silent: bool = False) -> str:
        """Make one edit, and return its name; what cannot be done now is not done."""
        self.unheard |= not self.heard()
        name, act = self.chance.choice(self._acts())
        act(silent=silent)
        self.edits += 1
        return name

    def _acts(self) -> list[tuple[str, Callable[..., None]]]:
        shares: Mapping[Callable[..., None], int] = {
            self.retitle: 4,
            self.reprice: 4,
            self.restock: 4,
            self.hide: 2,
            self.reweigh: 1,
            self.add_product: 2,
            self.add_variant: 1,
            self.drop_variant: 1,
            self.rename_sku: 2,
            self.swap_skus: 3,
            self.set_metafield: 1,
            self.add_customer: 1,
            self.rename_customer: 3,
            self.change_email: 1,
            self.place_order: 2,
            self.ship_order: 2,
            self.advance_order: 1,
            **({self.regroup: 1, self.move_sku: 1} if self.parts else {}),
            **({self.move_home: 2} if self.heard() else {}),
            **({self.delete_product: 1, self.delete_customer: 1} if self.parts and self.heard() else {}),
            **({self.set_attribute: 1} if self.attributes else {}),
        }
        return [(act.__name__, act) for act, share in shares.items() for _ in range(share)]

    def _word(self, head: str) -> str:
        self._words += 1
        return f"{head}{self._words}"

    def _product(self) -> int | None:
        return self.chance.choice(self.store.ids) if self.store.ids else None

    def _entry(self, *, simple: bool | None = None) -> Entry | None:
        fitting = [one for one in self.store.entries.values() if simple is None or one.simple is simple]
        return self.chance.choice(fitting) if fitting else None

    def _variants(self) -> list[int]:
        return [variant.id for variant in self.store.variants() if variant.sku]

    def _customer(self) -> int | None:
        people = list(self.store.customers.people)
        return self.chance.choice(people) if people else None

    def retitle(self, *, silent: bool) -> None:
        if (product := self._product()) is not None:
            self.rename(product, self._word("Title "), silent=silent)

    def rename(self, product: int, title: str, *, silent: bool = False) -> None:
        """Give a product another title, which is remembered."""
        self.titles.setdefault(str(product), []).append(title)
        self.store.set_title(product, title, silent=silent)

    def waver(self) -> Callable[[], None]:
        """Rename a product, and return what gives it its old name back, if it is still there then."""
        product = self.chance.choice(self.store.ids)
        old = self.store.entries[product].product.name
        self.rename(product, self._word("Title "))

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
        if variants := self._variants():
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
            variants: list[dict[str, Any]] = [{"sku": self._word("SKU-"), "stock": self.chance.randrange(9)}]
        else:
            sizes = self.chance.sample(SIZES, self.chance.randint(1, 3))
            variants = [self._variant(size) for size in sizes]
        self.store.add_product(
            self._word("Product "), price=self.chance.randint(1, 90), weight=1, variants=variants, silent=silent
        )

    def _variant(self, size: str) -> dict[str, Any]:
        sku = "" if self.chance.random() < 0.1 else self._word("SKU-")
        return {"sku": sku, "options": {"Size": size}, "stock": self.chance.randrange(9)}

    def add_variant(self, *, silent: bool) -> None:
        entry = self._entry(simple=False)
        if entry is not None and len(entry.variants) < 5:
            self.store.add_variant(entry.product.id, silent=silent, **self._variant(self._word("Size ")))

    def drop_variant(self, *, silent: bool) -> None:
        entry = self._entry(simple=False)
        if entry is not None and len([one for one in entry.variants if one.sku]) > 1:
            self.store.delete_variant(self.chance.choice(entry.variants).id, silent=silent)

    def rename_sku(self, *, silent: bool) -> None:
        if variants := self._variants():
            self.store.set_sku(self.chance.choice(variants), self._word("SKU-"), silent=silent)

    def swap_skus(self, *, silent: bool) -> None:
        variants = self._variants()
        if len(variants) > 1:
            chosen = self.chance.sample(variants, min(len(variants), self.chance.randint(2, 3)))
            self.store.rotate_skus(*chosen, silent=silent)

    def move_sku(self, *, silent: bool) -> None:
        variants = self._variants()
        if len(variants) > 2:
            source, target = self.chance.sample(variants, 2)
            self.store.move_sku(source, target, silent=silent)

    def set_metafield(self, *, silent: bool) -> None:
        if (product := self._product()) is not None:
            amount = f"{self.chance.randint(1, 99)}.50"
            self.store.metafields.set("product", product, "rrp", amount, silent=silent)

    def delete_product(self, *, silent: bool) -> None:
        if len(self.store.ids) > 2 and (product := self._product()) is not None:
            self.store.delete_product(product, silent=silent)

    def add_customer(self, *, silent: bool) -> None:
        homes = [self._home() for _ in range(self.chance.randint(0, 2))]
        self.store.customers.add(
            f"{self._word(PERSONAL)}@example.com".lower(),
            group_id=self.chance.choice([WHOLESALE, WHOLESALE, RETAIL]),
            first_name=self._word(PERSONAL),
            last_name=self._word(PERSONAL),
            company=self._word(PERSONAL),
            addresses=homes,
            silent=silent,
        )

    def _home(self) -> dict[str, str]:
        words = {name: self._word(PERSONAL) for name in ("address1", "city", "first_name", "last_name")}
        return {**words, "postal_code": "BA1 1AA", "country_code": "GB"}

    def rename_customer(self, *, silent: bool) -> None:
        if (customer := self._customer()) is not None:
            self.store.customers.update(customer, first_name=self._word(PERSONAL), silent=silent)

    def change_email(self, *, silent: bool) -> None:
        if (customer := self._customer()) is not None:
            email = f"{self._word(PERSONAL)}@example.com".lower()
            self.store.customers.update(customer, email=email, silent=silent)

    def move_home(self, *, silent: bool) -> None:
        customer = self._customer()
        if customer is None:
            return
        addresses = list(self.store.customers.people[customer].addresses)
        act = self.chance.choice(["add", "update", "delete"]) if addresses else "add"
        if act == "add":
            self.store.customers.add_address(customer, silent=silent, **self._home())
        elif act == "update":
            chosen = self.chance.choice(addresses)
            self.store.customers.update_address(chosen, silent=silent, address1=self._word(PERSONAL))
        else:
            self.store.customers.delete_address(self.chance.choice(addresses), silent=silent)

    def regroup(self, *, silent: bool) -> None:
        if (customer := self._customer()) is not None:
            group = self.chance.choice([WHOLESALE, RETAIL])
            self.store.customers.set_group(customer, group, silent=silent)

    def delete_customer(self, *, silent: bool) -> None:
        if len(self.store.customers.people) > 2 and (customer := self._customer()) is not None:
            self.store.customers.delete(customer, silent=silent)

    def set_attribute(self, *, silent: bool) -> None:
        del silent  # it is, always
        if (customer := self._customer()) is not None:
            self.store.customers.set_attribute(customer, "sparklayer_accounting_id", self._word("AC-"))

    def place_order(self, *, silent: bool) -> None:
        variants, customer = self._variants(), self._customer()
        if variants and customer is not None:
            sku = self.store.variant(self.chance.choice(variants)).sku
            cart = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
            lines = [{"sku": sku, "quantity": self.chance.randint(1, 5)}]
            self.store.orders.place(customer, lines, cart_id=cart, silent=silent)

    def ship_order(self, *, silent: bool) -> None:
        orders = [one for one in self.store.orders.orders.values() if not one.is_deleted]
        if orders:
            with contextlib.suppress(ValueError):  # all of it was shipped already
                self.store.orders.ship(self.chance.choice(orders).id, silent=silent)

    def advance_order(self, *, silent: bool) -> None:
        orders = [one for one in self.store.orders.orders.values() if not one.is_deleted]
        if orders:
            self.store.orders.set_status(
                self.chance.choice(orders).id, self.chance.choice([2, 9, 10, 11]), silent=silent
            )
