"""WooCommerce's shops in the simulator.

A shop sends no webhook twice and tells nobody what is deleted permanently. So every run has sweeps and censuses, and
at its end what is unseen must be seen within the time of one each. The documented exception is the next reading of
everything: it finds the new SKU of what a closed order sold.
"""

import contextlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast
from unittest import mock

import msgspec
import trio
from attrs import define

from daemon.model import Kind, Secret
from daemon.platforms.shared.page_size import PageSize
from daemon.platforms.woocommerce import reader as every
from daemon.platforms.woocommerce.products import reader as products
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.platforms.woocommerce.webhooks import TOPICS, WooCommerceWebhooks
from daemon.sandbox import Shop, WooCommerce, WooCommerceOptions
from daemon.sandbox.expectation import customer_differences, differences, order_differences
from daemon.sandbox.sparklayer.api import State
from daemon.sandbox.woocommerce import B2B_ROLE, failures, synthetic
from daemon.sandbox.woocommerce.catalogue import TRASH
from tests.prove.simulation.stores.base import Key, StoreType
from tests.prove.simulation.stores.woocommerce_bugs import BUGS, FOUND
from tests.prove.simulation.stores.woocommerce_trade import OPEN, ZONES, WooCommerceTrade
from tests.prove.simulation.words import SECRETS, SHOP_URL

KEY, KEY_SECRET, HOOK_SECRET = SECRETS[:3]
SETTINGS = WooCommerceSettings(
    store_url=SHOP_URL,
    consumer_key=Secret(KEY),
    consumer_secret=Secret(KEY_SECRET),
    webhook_secret=Secret(HOOK_SECRET),
)
PAGE = 3
"""So many entities are on a page, so that a small shop has several."""

CLOSED_FOR_GOOD = ("cancelled", "failed", "checkout-draft", TRASH)
"""Statuses of orders of which SparkLayer may have nothing."""

CHANGES = (1_805_007_600.0, 1_825_567_200.0)
"""The two changes of New York's clock in 2027."""
MOST_FAILURES = 6
"""After so many failures the next one switches a webhook off."""


class _Body(msgspec.Struct):
    id: int | None = None
    parent_id: int = 0
    type: str = ""


@define(eq=False)
class WooCommercePremises:
    """`stores.base.Premises` of one shop."""

    store: Shop
    api: WooCommerce
    trade: WooCommerceTrade

    @classmethod
    def open(cls, seed: int, _plan: Any, clock: Any, nursery: trio.Nursery) -> "WooCommercePremises":
        chance = random.Random(f"shop {seed}")
        if chance.random() < 0.5:
            clock.epoch = chance.choice(CHANGES) - chance.uniform(0, 60)
        shop = Shop(clock=clock.true_time, hpos=chance.random() < 0.5, tax_inclusive=chance.random() < 0.5)
        shop.set_zone(chance.choice(ZONES))
        shop.customers.add_role(B2B_ROLE)
        options = WooCommerceOptions(
            consumer_key=KEY, consumer_secret=KEY_SECRET, cron_delay=chance.choice([0.0, 2.0, 36.0])
        )
        api = WooCommerce(shop, options, SHOP_URL, nursery)
        return cls(shop, api, WooCommerceTrade(shop, api, chance))

    def deliver_by(self, poster: Any) -> None:
        self.api.webhooks.poster = poster

    @property
    def outstanding(self) -> int:
        return self.api.webhooks.outstanding

    def hooked(self) -> bool:
        hooks = self.api.webhooks.hooks.registered.values()
        return {hook.topic for hook in hooks if hook.status == "active"} >= TOPICS.keys()

    def lose_hooks(self, chance: random.Random) -> None:
        hooks, what = self.api.webhooks.hooks.registered, chance.random()
        if what < 0.3:
            hooks.clear()
        for hook in hooks.values():
            if what < 0.7:
                hook.status = "disabled"
            else:
                hook.failure_count = MOST_FAILURES

    def told(self, headers: Mapping[bytes, bytes], body: bytes) -> list[Key]:
        resource = headers.get(b"x-wc-webhook-topic", b"").decode().partition(".")[0]
        if resource not in {"product", "order", "customer"}:
            return []
        content = msgspec.json.decode(body, type=_Body)
        if content.id is None:
            return []
        is_part = resource == "product" and content.type == "variation"
        return [(f"{resource}s", str(content.parent_id if is_part else content.id))]

    def listed_products(self) -> set[str]:
        return {str(row.id) for row in self.store.tops.values() if row.status != TRASH} - self.trade.restless

    def there(self) -> Mapping[Key, str]:
        sold = [item for article in self.trade.articles() for item in article.items]
        times = Counter(item.sku.strip() for item in sold)
        kept = [order for order in self.store.orders.orders.values() if order.status not in CLOSED_FOR_GOOD]
        return {
            **{("variants", str(item.id)): item.sku for item in sold if item.sku and times[item.sku] == 1},
            **{("customers", customer): "" for customer in self.trade.trading()},
            **{("purchases", cart): "" for order in kept if (cart := _cart(order))},
        }

    def differences(self, state: State, customers: Mapping[str, Any], *, whole: bool) -> list[str]:
        passed = self._nameless() | (set() if whole else self._outdated())
        return [
            *differences(self.store, state),
            *customer_differences(self.store, customers),
            *(
                line
                for line in order_differences(self.store, state.comparable()["purchases"])
                if line.removeprefix("purchase ")[:36] not in passed
            ),
        ]

    def _nameless(self) -> set[str]:
        """Return the carts of orders with a line whose product is gone: SparkLayer keeps the SKU that it was told."""
        skus = {row.id: own for row in self.store.products.values() if (own := self._sku(row))}
        return {
            _cart(order)
            for order in self.store.orders.orders.values()
            if any((line.variation_id or line.product_id) not in skus for line in order.lines.values())
        }

    def _sku(self, row: Any) -> str:
        parent = self.store.products.get(row.parent_id)
        return str(row.sku or (parent.sku if parent else ""))

    def _outdated(self) -> set[str]:
        """Return the carts of closed orders that sold something whose SKU has changed since."""
        return {_cart(order) for order in self._relabelled() if order.status not in OPEN}

    def unannounced(self) -> set[Key]:
        """Return the orders that sold something whose SKU has changed since: a sweep finds them, no webhook tells."""
        return {("orders", str(order.id)) for order in self._relabelled()}

    def _relabelled(self) -> list[Any]:
        return [
            order
            for order in self.store.orders.orders.values()
            if self.trade.relabelled & {line.variation_id or line.product_id for line in order.lines.values()}
        ]

    @property
    def hooks(self) -> Mapping[int, Any]:
        return self.api.webhooks.hooks.registered

    @property
    def webhooks(self) -> Any:
        return self.api.webhooks

    def entity_of(self, event: Any) -> Key:
        resource, _, name = event.topic.partition(".")
        row = self.store.products.get(event.id)
        part = resource == "product" and name != "deleted" and row is not None and row.parent_id
        return f"{resource}s", str(row.parent_id if part and row else event.id)

    def carts(self) -> Mapping[str, str]:
        return {cart: str(order.id) for order in self.store.orders.orders.values() if (cart := _cart(order))}

    def shift(self, products: Sequence[int]) -> None:
        there = {article.id for article in self.trade.articles()} & set(products)
        if there:
            self.trade.delete_product(min(there), silent=False)

    def move(self, *, ahead: bool) -> None:
        # Dates that were stored before a move ahead look older than they are.
        self.store.set_zone(ZONES[-1] if ahead else ZONES[-2])

    def calm(self) -> None:
        self.api.keys.role_lost = False


def _cart(order: Any) -> str:
    return next((str(row.value) for row in order.meta if row.key == "sparklayer_cart_id"), "")


def stand_in(store: Any, url: str, nursery: trio.Nursery) -> WooCommerce:
    """Return the server of a shop in real time."""
    return WooCommerce(store, WooCommerceOptions(consumer_key=KEY, consumer_secret=KEY_SECRET), url, nursery)


def section(api: WooCommerce) -> Mapping[str, str]:
    """Return the settings of a connection."""
    keys = {"consumer_key": KEY, "consumer_secret": KEY_SECRET}
    return {"store_url": api.url, **keys, "webhook_secret": HOOK_SECRET}


@contextlib.contextmanager
def small_scale() -> Iterator[None]:
    """Have lists come in pages of a few entities."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(every, "PageSize", _small))
        stack.enter_context(mock.patch.object(every.WooCommerceReader, "batch", PAGE))
        stack.enter_context(mock.patch.object(products, "POOLED_PAGES", 2))
        yield


def _small(_most: int) -> PageSize:
    return PageSize(PAGE)


STORE = StoreType(
    platform="woocommerce",
    settings=SETTINGS,
    store_id=SHOP_URL,
    reader=WooCommerceWebhooks,
    root="/wp-json/wc/v3",
    lists={"/products": Kind.PRODUCTS, "/customers": Kind.CUSTOMERS, "/orders": Kind.ORDERS},
    naming="include=",
    ids=("include",),
    rights=("/products", "/variations", "/customers", "/orders", "/settings/"),
    open=cast("Any", WooCommercePremises.open),
    small_scale=small_scale,
    furnished=lambda: synthetic(40, 2, customers=15, orders=10),
    stand_in=stand_in,
    enter=lambda shop, api, chance: WooCommercePremises(shop, api, WooCommerceTrade(shop, api, chance)),
    section=section,
    repeats=False,
    swept_whole=frozenset({Kind.STORE.value, Kind.CUSTOMERS.value, Kind.ORDERS.value}),
    foreign={
        "maintenance": failures.maintenance(),
        "fatal": failures.fatal(),
        "php-warning": failures.php_warning(),
        "database-down": failures.database_down(),
        "challenge": failures.challenge(),
        "login": failures.login(),
    },
    bugs=BUGS,
    found=FOUND,
)
