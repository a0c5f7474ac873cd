"""Edits by the merchant of a WooCommerce shop, and the webhooks that the shop sends of them, if any.

Variations, permanent deletions, roles given by code, refunds taken back and tracking announce nothing, or move no date.
"""

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field

from daemon.sandbox import Shop, WooCommerce
from daemon.sandbox.company import RETAIL, WHOLESALE
from daemon.sandbox.expectation import expected_customers
from daemon.sandbox.woocommerce import B2B_ROLE
from daemon.sandbox.woocommerce.catalogue import TRASH
from tests.prove.simulation.stores.base import Article, Edit, Item

OPEN = ("pending", "processing", "on-hold")
ZONES = ("UTC", "America/New_York", "America/New_York", "Australia/Sydney")


@define(eq=False)
class WooCommerceTrade:
    """`stores.base.Trade` of one shop, and what only WooCommerce's merchants do."""

    shop: Shop
    api: WooCommerce
    chance: random.Random
    statuses: Sequence[str] = ("pending", "cancelled", "on-hold", "completed", "processing")
    restless: set[str] = field(factory=set)
    """Products that were in the trash: they may have come back behind a walk."""
    relabelled: set[int] = field(factory=set)
    """Items that were given another SKU, or deleted: closed orders keep what they were read with."""

    def articles(self) -> list[Article]:
        return [
            Article(id=row.id, title=row.name, simple=row.type != "variable", items=list(self._items(row.id)))
            for row in self.shop.tops.values()
            if row.status != TRASH
        ]

    def _items(self, product: int) -> Iterator[Item]:
        row = self.shop.product(product)
        for unit in self.shop.variations_of(product) if row.type == "variable" else [row]:
            yield Item(unit.id, unit.sku)

    def add_product(self, title: str, price: int, items: Sequence[Mapping[str, Any]], *, silent: bool) -> None:
        # A variation without a SKU of its own shows its product's, if there is one.
        named: dict[str, Any] = {"sku": f"FAMILY-{title}"} if self.chance.random() < 0.5 else {}
        priced = [{**item, "price": price} for item in items]
        self.shop.add_product(title, price=price, weight="1", variants=priced, silent=silent, **named)

    def delete_product(self, product: int, *, silent: bool) -> None:
        self.restless.add(str(product))
        self.shop.trash_product(product, silent=silent)

    def set_title(self, product: int, title: str, *, silent: bool) -> None:
        self.shop.set_title(product, title, silent=silent)

    def set_price(self, article: Article, price: float, item: int | None, *, silent: bool) -> None:
        self.shop.set_price(article.id if item is None else item, price, silent=silent)

    def set_stock(self, item: int, level: int, *, silent: bool) -> None:
        self.shop.set_stock(item, level, silent=silent)

    def set_sku(self, item: int, sku: str, *, silent: bool) -> None:
        self.relabelled.add(item)
        self.shop.set_sku(item, sku, silent=silent)

    def turn_over(self, product: int, *, silent: bool) -> None:
        hidden = self.chance.choice(["draft", "private", "pending"])
        shown = self.shop.product(product).status == "publish"
        self.shop.set_status(product, hidden if shown else "publish", silent=silent)

    def set_weight(self, product: int, weight: float, *, silent: bool) -> None:
        self.shop.set_weight(product, weight, silent=silent)

    def annotate(self, product: int, name: str, text: str, *, silent: bool) -> None:
        self.shop.set_meta(product, name, text, silent=silent)

    def add_item(self, product: int, item: Mapping[str, Any], *, silent: bool) -> None:
        self.shop.add_variation(product, price=self.chance.randint(1, 90), silent=silent, **item)

    def delete_item(self, item: int, *, silent: bool) -> None:
        del silent  # it is, always
        self.relabelled.add(item)
        self.shop.delete_variation(item)

    def people(self) -> list[int]:
        return list(self.shop.customers.people)[1:]  # the first is the administrator

    def trading(self) -> Collection[str]:
        return expected_customers(self.shop)

    def add_customer(
        self, email: str, group: int, homes: Sequence[Mapping[str, str]], attributes: Mapping[str, str], **names: Any
    ) -> None:
        billing, shipping = [*map(_address, homes), None, None][:2]
        roles = self._roles(group)
        company = {"company": names.pop("company", "")}
        self.shop.customers.add(
            email, roles=roles, billing={**(billing or {}), **company}, shipping=shipping, meta=attributes, **names
        )

    def _roles(self, group: int) -> list[str]:
        # A trade customer may also have the role `customer`, behind which the API hides the other.
        if group in {WHOLESALE, RETAIL}:
            return [B2B_ROLE] if group == WHOLESALE and self.chance.random() < 0.5 else ["customer", B2B_ROLE]
        return ["customer"]

    def update_customer(self, customer: int, *, silent: bool, **fields: str) -> None:
        self.shop.customers.update(customer, silent=silent, **fields)

    def delete_customer(self, customer: int, *, silent: bool) -> None:
        self.shop.customers.delete(customer, silent=silent)

    def homes(self, customer: int) -> list[str]:
        person = self.shop.customers.get(customer)
        return [name for name in ("billing", "shipping") if getattr(person, name)["address_1"]]

    def add_home(self, customer: int, home: Mapping[str, str], *, silent: bool) -> None:
        name = "shipping" if "billing" in self.homes(customer) else "billing"
        self.shop.customers.update(customer, silent=silent, **{name: _address(home)})

    def move_home(self, customer: int, home: Any, street: str, *, silent: bool) -> None:
        self.shop.customers.update(customer, silent=silent, **{home: {"address_1": street}})

    def delete_home(self, customer: int, home: Any, *, silent: bool) -> None:
        blank = dict.fromkeys(("address_1", "city", "postcode", "country", "first_name", "last_name"), "")
        self.shop.customers.update(customer, silent=silent, **{home: blank})

    def set_group(self, customer: int, group: int, *, silent: bool) -> None:
        self.shop.customers.set_roles(customer, self._roles(group))
        if not silent:  # the profile page saves the customer, code that gives a role does not
            self.shop.customers.update(customer)

    def set_attribute(self, customer: int, name: str, text: str | None) -> None:
        self.shop.customers.set_meta(customer, name, text)

    def place_order(self, customer: int, lines: Sequence[tuple[int, int]], cart: str, *, silent: bool) -> None:
        named = [{"product_id": item, "quantity": quantity} for item, quantity in lines]
        rate = self.chance.choice(["0", "0.2"])
        self.shop.orders.place(customer, named, cart_id=cart, tax_rate=rate, shipping="4.99", silent=silent)

    def orders(self) -> list[int]:
        return [order.id for order in self.shop.orders.orders.values() if order.status != TRASH]

    def _open(self) -> int | None:
        fitting = [order for order in self.orders() if self.shop.orders.get(order).status in OPEN]
        return self.chance.choice(fitting) if fitting else None

    def ship(self, order: int, *, silent: bool) -> None:
        self.shop.orders.set_tracking(order, "dpd", f"DPD-{self.chance.randrange(10**6)}", silent=silent)
        self.shop.orders.set_status(order, "completed", silent=silent)

    def set_order_status(self, order: int, status: Any, *, silent: bool) -> None:
        self.shop.orders.set_status(order, status, silent=silent)

    def refundable(self, order: int) -> list[tuple[int, int]]:
        row, back = self.shop.orders.get(order), Counter[int]()
        for refund in row.refunds:
            for line in refund.lines:
                back[line.refunded_item] -= line.quantity
        return [(line.id, left) for line in row.lines.values() if (left := line.quantity - back[line.id]) > 0]

    def refund(self, order: int, line: int, quantity: int, *, silent: bool) -> None:
        self.shop.orders.refund(order, {line: quantity}, silent=silent)

    def delete_order(self, order: int, *, silent: bool) -> None:
        self.shop.orders.trash(order, silent=silent)

    # What only WooCommerce's merchants do

    def own_edits(self, *, parts: bool) -> Mapping[Edit, int]:
        farewells: dict[Edit, int] = {
            self.restore: 3,
            self.delete_for_good: 2,
            self.empty_trash: 1,
            self.delete_order_for_good: 1,
            self.restore_order: 1,
            self.leave_by_code: 2,
        }
        return {
            self.track: 2,
            self.change_quantity: 1,
            self.delete_refund: 1,
            self.join_by_code: 1,
            self.annotate_customer: 1,
            self.edit_blog: 1,
            self.begin_sale: 1,
            self.move: 1,
            self.turn_rights: 1,
            **(farewells if parts else {}),
        }

    def restore(self, *, silent: bool) -> None:
        """Take a product out of the trash, on the admin page or by REST."""
        trashed = [row.id for row in self.shop.tops.values() if row.status == TRASH]
        if trashed:
            by_rest = self.chance.random() < 0.3
            self.shop.restore_product(self.chance.choice(trashed), by_rest=by_rest, silent=silent)

    def delete_for_good(self, *, silent: bool) -> None:
        """Delete a product permanently, which tells nobody."""
        del silent
        articles = self.articles()
        if len(articles) > 2:
            article = self.chance.choice(articles)
            self.relabelled.update(item.id for item in article.items)
            self.shop.delete_product(article.id)

    def empty_trash(self, *, silent: bool) -> None:
        """Delete what is in the trash permanently."""
        del silent
        self.relabelled.update(row.id for row in self.shop.products.values() if row.status == TRASH)
        self.shop.empty_trash()

    def delete_order_for_good(self, *, silent: bool) -> None:
        """Delete an order permanently."""
        del silent
        if len(orders := self.orders()) > 2:
            self.shop.orders.delete(self.chance.choice(orders))

    def restore_order(self, *, silent: bool) -> None:
        """Take an order out of the trash."""
        trashed = [order.id for order in self.shop.orders.orders.values() if order.status == TRASH]
        if trashed:
            self.shop.orders.restore(self.chance.choice(trashed), silent=silent)

    def leave_by_code(self, *, silent: bool) -> None:
        """Take the B2B role from a customer as plugins do."""
        del silent
        members = self.shop.customers.with_role(B2B_ROLE)
        if len(members) > 2:
            self.shop.customers.set_roles(self.chance.choice(members).id, ["customer"])

    def join_by_code(self, *, silent: bool) -> None:
        """Give a customer the B2B role behind the first one."""
        del silent
        if people := self.people():
            self.shop.customers.set_roles(self.chance.choice(people), ["customer", B2B_ROLE])

    def annotate_customer(self, *, silent: bool) -> None:
        """Have a plugin write a B2B attribute."""
        del silent
        if people := self.people():
            number = f"AC-{self.chance.randrange(10**6)}"
            self.shop.customers.set_meta(self.chance.choice(people), "sparklayer_accounting_id", number)

    def track(self, *, silent: bool) -> None:
        """Note a parcel of an open order as shipment plugins do."""
        if (order := self._open()) is not None:
            number = f"DPD-{self.chance.randrange(10**6)}"
            self.shop.orders.set_tracking(order, "dpd", number, added=self.chance.random() < 0.5, silent=silent)

    def change_quantity(self, *, silent: bool) -> None:
        """Change a line of an open order of which nothing was refunded."""
        if (order := self._open()) is not None and not self.shop.orders.get(order).refunds:
            line = self.chance.choice(list(self.shop.orders.get(order).lines))
            self.shop.orders.set_quantity(order, line, self.chance.randint(1, 9), silent=silent)

    def delete_refund(self, *, silent: bool) -> None:
        """Delete a refund of an open order, which tells nobody and moves no date."""
        del silent
        if (order := self._open()) is not None and (refunds := self.shop.orders.get(order).refunds):
            self.shop.orders.delete_refund(order, self.chance.choice(refunds).id)

    def edit_blog(self, *, silent: bool) -> None:
        """Trash a blog post, which is announced as a product."""
        if not silent:
            self.shop.trash_blog_post()

    def begin_sale(self, *, silent: bool) -> None:
        """Sell an item for less, of which SparkLayer is not told."""
        items = [item for article in self.articles() for item in article.items]
        if items:
            self.shop.update(self.chance.choice(items).id, sale_price="0.5", silent=silent)

    def move(self, *, silent: bool) -> None:
        """Move the shop to another time zone."""
        del silent
        self.shop.set_zone(self.chance.choice(ZONES[-2:]))

    def turn_rights(self, *, silent: bool) -> None:
        """Take the role from the user of our key, or give it back."""
        del silent
        self.api.keys.role_lost = not self.api.keys.role_lost


def _address(home: Mapping[str, str]) -> dict[str, str]:
    return {_PARTS.get(name, name): text for name, text in home.items()}


_PARTS = {"street": "address_1", "country_code": "country"}
