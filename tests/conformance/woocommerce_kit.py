"""WooCommerce's kit: the sandbox's strict stand-in of the API, without sockets."""

import contextlib
import hashlib
import hmac
import json
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import trio
from attrs import define, evolve, field

from daemon.model import ExternalId, Kind, Secret
from daemon.platforms.woocommerce import PLATFORM
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.sandbox import Shop, WooCommerce, WooCommerceOptions
from daemon.sandbox.post import Poster
from daemon.sandbox.transport import InProcess
from daemon.sandbox.woocommerce import B2B_ROLE
from daemon.sandbox.woocommerce.catalogue import Webhook
from daemon.transport.http import Transport
from tests.conformance.kit import Hook, Kit, Sent, Visited

URL = "http://localhost"
LINES = [{"sku": "J-S", "quantity": 2}]
ADDRESS = {"address_1": "12 Analytical Row", "city": "London", "country": "GB", "first_name": "Augusta"}
WEBHOOK_SECRET, CONSUMER_KEY, CONSUMER_SECRET = "the-webhooks-own-secret", "ck_the_key", "cs_the_secret"


@define(eq=False, slots=False)
class Stand:
    """One shop. What each method is for is said by `tests.conformance.kit.Stand`."""

    nursery: trio.Nursery
    now: float = 1_790_000_000.0
    secrets: Sequence[str] = (WEBHOOK_SECRET, CONSUMER_KEY, CONSUMER_SECRET)
    personal: Sequence[str] = ("buyer", "Augusta", "Analytical Row", "Lovelace")
    destinations: tuple[str, str] = (
        "http://127.0.0.1:9/webhooks/live/ours",
        "http://127.0.0.1:9/webhooks/live/theirs",
    )
    moved: Sequence[str] = (
        "http://127.0.0.2:9/webhooks/live/ours",
        "http://127.0.0.1:99/webhooks/live/ours",
        "http://127.0.0.1:9/below/another/path/webhooks/live/ours",
    )
    spellings: Sequence[str] = (URL, f" {URL}/ \n", "HTTP://LOCALHOST:80/wp-admin/")
    strange_ids: Sequence[str] = ("", "abc123", "abc def", "http://shop.example", "ftp://shop.example", "https://")
    app_settings: None = None
    shop: Shop = field(factory=Shop)

    def __attrs_post_init__(self) -> None:
        """Open the API."""
        self.shop.clock = lambda: self.now
        options = WooCommerceOptions(consumer_key=CONSUMER_KEY, consumer_secret=CONSUMER_SECRET)
        self.api = WooCommerce(self.shop, options, URL, self.nursery)
        self.shop.customers.add_role(B2B_ROLE)
        self.shop.add_product("Jumper", price="10", sku="J-S", silent=True)
        self.jumper = next(iter(self.shop.products))
        self.shop.trash_product(self.jumper, silent=True)
        self.shop.delete_product(self.jumper)
        self.transport: Transport = InProcess(self.api)
        self.settings: Any = WooCommerceSettings(
            store_url=URL,
            consumer_key=Secret(CONSUMER_KEY),
            consumer_secret=Secret(CONSUMER_SECRET),
            webhook_secret=Secret(WEBHOOK_SECRET),
        )
        self.other_settings: Any = evolve(self.settings, webhook_secret=Secret("another-secret"))

    def add(self, kind: Kind, count: int) -> list[ExternalId]:
        """Add so many entities of ours."""
        return [ExternalId(str(getattr(self, f"_add_{kind}")())) for _ in range(count)]

    def edit(self, kind: Kind, external_id: ExternalId) -> None:
        """Change an entity."""
        mark = uuid.uuid4().hex
        if kind is Kind.PRODUCTS:
            self.shop.set_title(int(external_id), mark, silent=True)
        elif kind is Kind.CUSTOMERS:
            self.shop.customers.update(int(external_id), first_name=mark, silent=True)
        elif kind is Kind.ORDERS:
            order = self.shop.orders.get(int(external_id))
            self.shop.orders.set_status(order.id, "on-hold" if order.status != "on-hold" else "processing", silent=True)
        else:
            self.shop.update_settings(tax_inclusive=not self.shop.tax_inclusive)

    def edit_unseen(self, kind: Kind, external_id: ExternalId) -> None:
        """Change an order's tracking, which dates nothing on a shop with orders as posts."""
        assert kind is Kind.ORDERS
        self.shop.hpos = False
        self.shop.orders.set_tracking(int(external_id), "dpd", uuid.uuid4().hex)

    def spoil(self, kind: Kind, external_id: ExternalId) -> None:
        """Take away what SparkLayer needs."""
        number = int(external_id) if kind is not Kind.STORE else 0
        if kind is Kind.PRODUCTS:
            self.shop.set_sku(self.shop.variations_of(number)[0].id, "", silent=True)
        elif kind is Kind.CUSTOMERS:
            self.shop.customers.update(number, email="", silent=True)
        elif kind is Kind.ORDERS:
            self.shop.orders.set_meta(number, "sparklayer_cart_id", "no cart", silent=True)
        else:
            self.shop.update_settings(weight_unit="stones")

    def delete(self, kind: Kind, external_id: ExternalId) -> None:
        """Delete an entity for good."""
        number = int(external_id)
        if kind is Kind.PRODUCTS:
            self.shop.delete_product(number)
        elif kind is Kind.CUSTOMERS:
            self.shop.customers.delete(number, silent=True)
        else:
            self.shop.orders.delete(number)

    def called(self, kind: Kind, external_id: ExternalId) -> Sequence[str]:
        """Return what stands in the record."""
        number = int(external_id)
        if kind is Kind.PRODUCTS:
            product = self.shop.product(number)
            return [product.name, *(row.sku for row in self.shop.variations_of(number))]
        if kind is Kind.CUSTOMERS:
            customer = self.shop.customers.get(number)
            return [customer.email, f"{customer.first_name} {customer.last_name}"]
        return [str(number), f"#{number}"]

    def revoke(self) -> None:
        """Revoke the key, or give it back."""
        if CONSUMER_KEY in self.api.keys.known:
            self.api.keys.revoke(CONSUMER_KEY)
        else:
            self.api.keys.add("read_write", CONSUMER_KEY, CONSUMER_SECRET)

    def delivery(self, kind: Kind, external_id: ExternalId, *, body: bytes | None = None, age: float = 0) -> Sent:
        """Sign what an edit would have sent."""
        del age
        content = json.dumps({"id": int(external_id)}).encode() if body is None else body
        return _signed(f"{kind.value.removesuffix('s')}.updated", content)

    def typed(self) -> Mapping[str, str]:
        """Return the first key."""
        return {"woocommerce_api_key": CONSUMER_KEY, "woocommerce_api_secret": CONSUMER_SECRET}

    async def consent(self, install_url: str) -> Visited:
        """Have the shop make a key and post it."""
        catcher = _Catcher()
        self.api.authorization.poster = catcher
        await self.api.authorization.approve(install_url)
        return Visited(page="callback", body=catcher.body)

    def strangers(self, visited: Visited) -> Sequence[Visited]:
        """Return posts with invented and revoked keys, with one that may not write, and no posts of a shop."""
        posted = json.loads(visited.body)
        reading, revoked = self.api.keys.add("read"), self.api.keys.add()
        self.api.keys.revoke(revoked.consumer_key)
        keys = [("ck_invented", "cs_invented"), (posted["consumer_key"], "cs_wrong"), ("two words", "cs"), ("", "")]
        keys += [(key.consumer_key, key.consumer_secret) for key in (reading, revoked)]
        changes = [{"consumer_key": name, "consumer_secret": secret} for name, secret in keys]
        changes += [{"key_permissions": "read"}, {"user_id": ""}]
        bodies = [json.dumps(posted | change).encode() for change in changes]
        bodies += [visited.body.ljust(1_000_000), visited.body[:-1], b"", b"[" * 10_000, b"\xff"]
        return [evolve(visited, body=body) for body in bodies]

    def ping(self) -> Sent | None:
        """Return what a shop posts to an address that it is given."""
        return Sent(headers={b"content-type": b"application/x-www-form-urlencoded"}, body=b"webhook_id=17")

    def unmanaged(self) -> Sent:
        """Tell of a subscription, which a plugin sells."""
        return _signed("subscription.updated", b'{"id":3}')

    def hooks(self) -> Sequence[Hook]:
        """Return the registry."""
        return [
            Hook(scope=hook.topic, destination=hook.delivery_url, active=hook.status == "active")
            for hook in self._registered.values()
        ]

    def add_hook(self, destination: str) -> None:
        """Register a webhook of another program."""
        number = self.shop.new_id("webhook")
        made: Mapping[str, Any] = {
            "name": "ERP",
            "topic": "product.updated",
            "secret": "theirs",
            "created": self.shop.moment(),
        }
        self._registered[number] = Webhook(id=number, delivery_url=destination, **made)

    def disable_hooks(self) -> None:
        """Switch them off."""
        for hook in self._registered.values():
            hook.status = "disabled"

    @property
    def _registered(self) -> dict[int, Webhook]:
        return self.api.webhooks.hooks.registered

    def _add_products(self) -> int:
        number = len(self.shop.products)
        variants = [
            {"sku": f"SKU-{number}-{size}", "options": {"Size": size}, "price": "40", "stock": 3} for size in "SM"
        ]
        named: Mapping[str, Any] = {"sku": f"SKU-{number}", "weight": "1"}
        return self.shop.add_product(f"Jumper {number}", variants=variants, silent=True, **named)

    def _add_customers(self) -> int:
        number = len(self.shop.customers.people)
        named: Mapping[str, Any] = {"first_name": f"Augusta{number}", "last_name": "Lovelace"}
        return self.shop.customers.add(
            f"buyer-{number}@example.com", roles=["customer", B2B_ROLE], billing=ADDRESS, silent=True, **named
        )

    def _add_orders(self) -> int:
        people = self.shop.customers.people
        buyer = max(people) if len(people) > 1 else self._add_customers()
        if not any(product.sku == "J-S" for product in self.shop.products.values()):
            self.shop.add_product("Jumper", price="10", sku="J-S", silent=True)
        return self.shop.orders.place(buyer, LINES, cart_id=str(uuid.uuid4()), silent=True)


class _Catcher(Poster):
    """Takes what a shop posts."""

    body: bytes = b""

    async def post(self, _url: str, _headers: Mapping[str, str], body: bytes) -> int:
        """Answer 200."""
        self.body = body
        return 200


def _signed(topic: str, body: bytes) -> Sent:
    signature = b64encode(hmac.digest(WEBHOOK_SECRET.encode(), body, hashlib.sha256))
    headers = {b"content-type": b"application/json", b"x-wc-webhook-topic": topic.encode()}
    return Sent(headers={**headers, b"x-wc-webhook-signature": signature}, body=body)


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Stand]:
    """Open a shop."""
    async with trio.open_nursery() as nursery:
        yield Stand(nursery)
        nursery.cancel_scope.cancel()


KIT = Kit(
    platform=PLATFORM,
    open=opened,
    page={Kind.PRODUCTS: 400, Kind.CUSTOMERS: 100, Kind.ORDERS: 100, Kind.STORE: 1},
    dated=frozenset({Kind.PRODUCTS}),
    refusal=lambda words: {"code": "refused", "message": words, "data": {"status": 422}},
    registers_together=True,
    unseen=frozenset({Kind.ORDERS}),
    shrinking=frozenset({Kind.PRODUCTS}),
    signs_time=False,
)
