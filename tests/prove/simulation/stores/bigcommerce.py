"""BigCommerce's stores in the simulator."""

import contextlib
import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, cast
from unittest import mock

import trio
from attrs import define, field

from daemon.model import Kind, Secret
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.orders import reader as orders
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.bigcommerce.webhooks import REGISTERED, BigCommerceWebhooks
from daemon.sandbox import BigCommerce, BigCommerceOptions, Store, synthetic
from daemon.sandbox.bigcommerce.founding import add_groups
from daemon.sandbox.bigcommerce.order_book import CANCELLED, DECLINED
from daemon.sandbox.expectation import (
    attribute_differences,
    customer_differences,
    differences,
    expected_customers,
    order_differences,
)
from daemon.sandbox.sparklayer.api import State
from tests.prove.simulation.stores.base import Article, Edit, Item, Key, StoreType
from tests.prove.simulation.words import SECRETS, SHOP_URL

ACCESS, CLIENT_SECRET, HOOK_SECRET = SECRETS[:3]
SETTINGS = BigCommerceSettings(
    api_url=SHOP_URL,
    store_hash="sandbox",
    access_token=Secret(ACCESS),
    client_secret=Secret(CLIENT_SECRET),
    webhook_secret=Secret(HOOK_SECRET),
)
PAGE = 3
"""So many entities are on a page, so that a small store has several."""


@define(eq=False)
class BigCommerceTrade:
    """`stores.base.Trade` of one store."""

    store: Store
    statuses: Sequence[int] = (2, 5, 9, 10, 11)

    def articles(self) -> list[Article]:
        entries = (self.store.entries[product] for product in self.store.ids)
        return [
            Article(
                id=entry.product.id,
                title=entry.product.name,
                simple=entry.simple,
                items=[Item(variant.id, variant.sku) for variant in entry.variants],
            )
            for entry in entries
        ]

    def add_product(self, title: str, price: int, items: Sequence[Mapping[str, Any]], *, silent: bool) -> None:
        self.store.add_product(title, price=price, weight=1, variants=items, silent=silent)

    def delete_product(self, product: int, *, silent: bool) -> None:
        self.store.delete_product(product, silent=silent)

    def set_title(self, product: int, title: str, *, silent: bool) -> None:
        self.store.set_title(product, title, silent=silent)

    def set_price(self, article: Article, price: float, item: int | None, *, silent: bool) -> None:
        self.store.set_price(article.id, price, None if article.simple else item, silent=silent)

    def set_stock(self, item: int, level: int, *, silent: bool) -> None:
        self.store.set_stock(item, level, silent=silent)

    def set_sku(self, item: int, sku: str, *, silent: bool) -> None:
        self.store.set_sku(item, sku, silent=silent)

    def turn_over(self, product: int, *, silent: bool) -> None:
        visible = not self.store.entries[product].product.is_visible
        self.store.set_visible(product, visible=visible, silent=silent)

    def set_weight(self, product: int, weight: float, *, silent: bool) -> None:
        self.store.set_weight(product, weight, silent=silent)

    def annotate(self, product: int, name: str, text: str, *, silent: bool) -> None:
        self.store.metafields.set("product", product, name, text, silent=silent)

    def add_item(self, product: int, item: Mapping[str, Any], *, silent: bool) -> None:
        self.store.add_variant(product, silent=silent, **item)

    def delete_item(self, item: int, *, silent: bool) -> None:
        self.store.delete_variant(item, silent=silent)

    def people(self) -> list[int]:
        return list(self.store.customers.people)

    def trading(self) -> Collection[str]:
        return expected_customers(self.store)

    def add_customer(
        self, email: str, group: int, homes: Sequence[Mapping[str, str]], attributes: Mapping[str, str], **names: Any
    ) -> None:
        addresses = [{_PARTS.get(name, name): text for name, text in home.items()} for home in homes]
        self.store.customers.add(email, group_id=group, addresses=addresses, attributes=attributes, **names)

    def update_customer(self, customer: int, *, silent: bool, **fields: str) -> None:
        self.store.customers.update(customer, silent=silent, **fields)

    def delete_customer(self, customer: int, *, silent: bool) -> None:
        self.store.customers.delete(customer, silent=silent)

    def homes(self, customer: int) -> list[int]:
        return list(self.store.customers.people[customer].addresses)

    def add_home(self, customer: int, home: Mapping[str, str], *, silent: bool) -> None:
        fields = {_PARTS.get(name, name): text for name, text in home.items()}
        self.store.customers.add_address(customer, silent=silent, **fields)

    def move_home(self, customer: int, home: Any, street: str, *, silent: bool) -> None:
        del customer
        self.store.customers.update_address(home, silent=silent, address1=street)

    def delete_home(self, customer: int, home: Any, *, silent: bool) -> None:
        del customer
        self.store.customers.delete_address(home, silent=silent)

    def set_group(self, customer: int, group: int, *, silent: bool) -> None:
        self.store.customers.set_group(customer, group, silent=silent)

    def set_attribute(self, customer: int, name: str, text: str | None) -> None:
        self.store.customers.set_attribute(customer, name, text)

    def place_order(self, customer: int, lines: Sequence[tuple[int, int]], cart: str, *, silent: bool) -> None:
        named = [{"variant_id": item, "quantity": quantity} for item, quantity in lines]
        self.store.orders.place(customer, named, cart_id=cart, silent=silent)

    def orders(self) -> list[int]:
        return [order.id for order in self.store.orders.orders.values() if not order.is_deleted]

    def ship(self, order: int, *, silent: bool) -> None:
        with contextlib.suppress(ValueError):  # all of it was shipped already
            self.store.orders.ship(order, silent=silent)

    def set_order_status(self, order: int, status: Any, *, silent: bool) -> None:
        self.store.orders.set_status(order, status, silent=silent)

    def refundable(self, order: int) -> list[tuple[int, int]]:
        lines = self.store.orders.get(order).lines.values()
        return [(line.id, left) for line in lines if (left := line.quantity - line.quantity_refunded) > 0]

    def refund(self, order: int, line: int, quantity: int, *, silent: bool) -> None:
        self.store.orders.refund(order, line, quantity, silent=silent)

    def delete_order(self, order: int, *, silent: bool) -> None:
        self.store.orders.archive(order, silent=silent)

    def own_edits(self, *, parts: bool) -> Mapping[Edit, int]:
        del parts
        return {}


_PARTS = {"street": "address1", "postcode": "postal_code"}


@define(eq=False)
class BigCommercePremises:
    """`stores.base.Premises` of one store."""

    store: Store
    api: BigCommerce
    trade: BigCommerceTrade = field(init=False)
    _reader: BigCommerceWebhooks = field(init=False, factory=lambda: BigCommerceWebhooks(SETTINGS))

    def __attrs_post_init__(self) -> None:
        """Let the merchant in."""
        self.trade = BigCommerceTrade(self.store)

    @classmethod
    def open(cls, _seed: int, plan: Any, clock: Any, nursery: trio.Nursery) -> "BigCommercePremises":
        options = BigCommerceOptions(
            access_token=ACCESS, client_secret=CLIENT_SECRET, quota=plan.quota, time_scale=0.02
        )
        store = Store(clock=clock.true_time)
        add_groups(store)
        return cls(store, BigCommerce(store, options, SHOP_URL, nursery))

    def deliver_by(self, poster: Any) -> None:
        self.api.webhooks.poster = poster

    @property
    def outstanding(self) -> int:
        return self.api.webhooks.outstanding

    def hooked(self) -> bool:
        hooks = self.api.hooks.registered.values()
        return len(hooks) >= len(REGISTERED) and all(hook.is_active for hook in hooks)

    def lose_hooks(self, chance: random.Random) -> None:
        hooks = self.api.hooks.registered
        if chance.random() < 0.5:
            hooks.clear()
        for hook in hooks.values():
            hook.is_active = False

    def told(self, headers: Mapping[bytes, bytes], body: bytes) -> list[Key]:
        changes = self._reader.read(headers, body).changes
        return [(change.kind.value, str(change.external_id)) for change in changes if change.kind is not Kind.STORE]

    def listed_products(self) -> set[str]:
        return set(map(str, self.store.ids))

    def there(self) -> Mapping[Key, str]:
        book, orders = self.store.customers, self.store.orders
        groups = [group.id for group in book.groups.values() if not group.is_group_for_guests]
        variants = [(str(one.id), one.sku.strip()) for one in self.store.variants()]
        times = Counter(sku for _, sku in variants)
        lost = {CANCELLED, DECLINED}
        kept = [one.id for one in orders.orders.values() if not one.is_deleted and one.status_id not in lost]
        return {
            **{("variants", variant): sku for variant, sku in variants if sku and times[sku] == 1},
            **{("customers", str(person.customer.id)): "" for person in book.in_groups(*groups)},
            **{("purchases", cart): "" for one in kept if (cart := orders.cart_id(one))},
        }

    def unannounced(self) -> set[Key]:
        return set()

    def differences(self, state: State, customers: Mapping[str, Any], *, whole: bool) -> list[str]:
        del whole
        return [
            *differences(self.store, state),
            *attribute_differences(self.store, state),
            *customer_differences(self.store, customers),
            *order_differences(self.store, state.comparable()["purchases"]),
        ]

    @property
    def hooks(self) -> Mapping[int, Any]:
        return self.api.hooks.registered

    @property
    def webhooks(self) -> Any:
        return self.api.webhooks

    def entity_of(self, event: Any) -> Key:
        data, subject = event.data, event.scope.split("/")[1]
        match subject:
            case "customer":
                return "customers", str(data.get("address", {}).get("customer_id", data["id"]))
            case "order" | "shipment" | "metafield":
                return "orders", str(data.get("orderId") or data.get("resource_id") or data["id"])
            case "sku":
                about = data.get("sku") or data["inventory"]
                return "products", str(about["product_id"])
        return "products", str(data.get("product_id") or data["id"])

    def carts(self) -> Mapping[str, str]:
        book = self.store.orders
        return {cart: str(order) for order in book.orders if (cart := book.cart_id(order))}

    def shift(self, products: Sequence[int]) -> None:
        """Pages begin at an id, so nothing moves them."""

    def move(self, *, ahead: bool) -> None:
        """Dates have no zone."""

    def calm(self) -> None:
        """There is no trouble of its own."""


RETRIES = (0.2,) * 1000
"""Seconds between the attempts at a webhook: not BigCommerce's, whose growing pauses outlast short lives."""


def stand_in(store: Any, url: str, nursery: trio.Nursery) -> BigCommerce:
    """Return the server of a store in real time."""
    return BigCommerce(store, BigCommerceOptions(time_scale=1.0, retries=RETRIES), url, nursery)


def section(api: BigCommerce) -> Mapping[str, str]:
    """Return the settings of a connection."""
    return {
        "api_url": api.url,
        "store_hash": api.store_hash,
        "access_token": api.access_token,
        "client_secret": api.client_secret,
        "webhook_secret": HOOK_SECRET,
    }


@contextlib.contextmanager
def small_scale() -> Iterator[None]:
    """Have lists come in pages of a few entities."""
    with (
        mock.patch.object(schema, "LARGEST_PAGE", PAGE),
        mock.patch.object(orders.OrderReader, "batch", PAGE),
    ):
        yield


STORE = StoreType(
    platform="bigcommerce",
    settings=SETTINGS,
    store_id="sandbox",
    reader=BigCommerceWebhooks,
    root="/stores/sandbox",
    lists={"/v3/catalog/products": Kind.PRODUCTS, "/v3/customers": Kind.CUSTOMERS, "/v2/orders": Kind.ORDERS},
    naming="id:in=",
    ids=("id:in", "min_id"),
    rights=("/v3/catalog/", "/v3/customers", "/v2/customer_groups", "/v2/orders", "/v2/store"),
    open=cast("Any", BigCommercePremises.open),
    small_scale=small_scale,
    furnished=lambda: synthetic(40, 2, customers=15, orders=10),
    stand_in=stand_in,
    enter=lambda store, api, _chance: BigCommercePremises(store, api),
    section=section,
)
