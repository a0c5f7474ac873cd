"""BigCommerce's kit: the sandbox's strict stand-in of the API, without sockets."""

import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import trio
from attrs import define, evolve, field

from daemon.model import ExternalId, Kind, Secret
from daemon.platforms.bigcommerce import PLATFORM
from daemon.platforms.bigcommerce.app import BigCommerceAppSettings
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.sandbox import BigCommerce as StandIn
from daemon.sandbox import BigCommerceOptions, Store
from daemon.sandbox.bigcommerce import events
from daemon.sandbox.bigcommerce.events import Event
from daemon.sandbox.bigcommerce.login import SCOPE
from daemon.sandbox.bigcommerce.webhooks import Hook as Registered
from daemon.sandbox.transport import InProcess
from daemon.transport.http import Transport
from tests.conformance.kit import Hook, Kit, Sent, Visited

URL = "http://shop.test"
LINES = [{"name": "Shirt", "sku": "J-S", "quantity": 2, "price": 10}]
ADDRESS = {"address1": "12 Analytical Row", "city": "London", "country_code": "GB", "first_name": "Augusta"}
SECRET_HEADER = b"x-ignite-sync-secret"
WEBHOOK_SECRET, TOKEN, CLIENT_SECRET = "the-webhooks-own-secret", "the-access-token", "the-client-secret"


@define(eq=False, slots=False)
class Stand:
    """One store. What each method is for is said by `tests.conformance.kit.Stand`."""

    nursery: trio.Nursery
    now: float = 1_790_000_000.0
    secrets: Sequence[str] = (WEBHOOK_SECRET, TOKEN, CLIENT_SECRET)
    personal: Sequence[str] = ("buyer", "Augusta", "Analytical Row", "Lovelace")
    destinations: tuple[str, str] = (
        "http://127.0.0.1:9/webhooks/live/ours",
        "http://127.0.0.1:9/webhooks/live/theirs",
    )
    spellings: Sequence[str] = field(init=False)
    strange_ids: Sequence[str] = ("", "a/b", "stores/abc", "https://shop.example", "shop.example", "x" * 65, "é")
    moved: Sequence[str] = (
        "http://127.0.0.2:9/webhooks/live/ours",
        "http://127.0.0.1:99/webhooks/live/ours",
        "http://127.0.0.1:9/below/another/path/webhooks/live/ours",
    )
    store: Store = field(factory=Store)

    def __attrs_post_init__(self) -> None:
        """Open the API."""
        self.store.clock = lambda: self.now
        options = BigCommerceOptions(access_token=TOKEN, client_secret=CLIENT_SECRET)
        self.api = StandIn(self.store, options, URL, self.nursery)
        self.spellings = (self.api.store_hash, f" {self.api.store_hash}\n")
        self.group = self.store.customers.add_group("Trade")
        self.transport: Transport = InProcess(self.api)
        self.settings: Any = BigCommerceSettings(
            api_url=URL,
            store_hash=self.api.store_hash,
            access_token=Secret(TOKEN),
            client_secret=Secret(CLIENT_SECRET),
            webhook_secret=Secret(WEBHOOK_SECRET),
        )
        self.app_settings: Any = BigCommerceAppSettings(
            client_id=self.api.login.client_id, client_secret=Secret(CLIENT_SECRET), login_url=URL, api_url=URL
        )
        self.other_settings: Any = evolve(
            self.settings, webhook_secret=Secret("another-secret"), client_secret=Secret("another-client-secret")
        )

    def add(self, kind: Kind, count: int) -> list[ExternalId]:
        """Add so many entities of ours."""
        return [ExternalId(str(getattr(self, f"_add_{kind}")())) for _ in range(count)]

    def edit(self, kind: Kind, external_id: ExternalId) -> None:
        """Change an entity; an address or a metafield would not date it."""
        mark = uuid.uuid4().hex
        if kind is Kind.PRODUCTS:
            self.store.set_title(int(external_id), mark, silent=True)
        elif kind is Kind.CUSTOMERS:
            self.store.customers.update(int(external_id), company=mark, silent=True)
        elif kind is Kind.ORDERS:
            order = self.store.orders.get(int(external_id))
            line = next(iter(order.lines.values()))
            self.store.orders.set_quantity(order.id, line.id, line.quantity + 1, silent=True)
        else:
            self.store.update_settings(tax_inclusive=not self.store.tax_inclusive, silent=True)

    def edit_unseen(self, kind: Kind, external_id: ExternalId) -> None:
        """Change a metafield, or put a customer into a group of a moment ago."""
        number = int(external_id)
        if kind is Kind.CUSTOMERS:
            group = self.store.customers.add_group("Newer")
            self.store.customers.update(number, customer_group_id=group, company="Newer Ltd", silent=True)
            return
        resource, key, text = "product", "rrp", "49.99"
        if kind is Kind.ORDERS:
            resource, key, text = "order", "cart_id", str(uuid.uuid4())
        self.store.metafields.set(resource, number, key, text, silent=True)

    def spoil(self, kind: Kind, external_id: ExternalId) -> None:
        """Take away what SparkLayer needs."""
        number = int(external_id) if kind is not Kind.STORE else 0
        if kind is Kind.PRODUCTS:
            self.store.set_sku(self.store.entry(number).variants[0].id, "", silent=True)
        elif kind is Kind.CUSTOMERS:
            self.store.customers.update(number, email="", silent=True)
        elif kind is Kind.ORDERS:
            self.store.metafields.set("order", number, "cart_id", "no cart", silent=True)
        else:
            self.store.update_settings(weight_unit="Stones", silent=True)

    def delete(self, kind: Kind, external_id: ExternalId) -> None:
        """Delete an entity; an order only by way of the state, since the control panel merely archives."""
        number = int(external_id)
        if kind is Kind.PRODUCTS:
            self.store.delete_product(number, silent=True)
        elif kind is Kind.CUSTOMERS:
            self.store.customers.delete(number, silent=True)
        else:
            del self.store.orders.orders[number]
            self.store.metafields.forget("order", number)

    def called(self, kind: Kind, external_id: ExternalId) -> Sequence[str]:
        """Return what stands in the record; the buyer of all orders is one."""
        number = int(external_id)
        if kind is Kind.PRODUCTS:
            entry = self.store.entry(number)
            return [entry.product.name, *(variant.sku for variant in entry.variants)]
        if kind is Kind.CUSTOMERS:
            customer = self.store.customers.people[number].customer
            return [customer.email, customer.company]
        return [str(number), f"#{number}"]

    def revoke(self) -> None:
        """Have another token be valid, or the first one again."""
        self.api.access_token = TOKEN if self.api.access_token != TOKEN else "another-token"

    def delivery(self, kind: Kind, external_id: ExternalId, *, body: bytes | None = None, age: float = 0) -> Sent:
        """Sign what an edit would have sent."""
        event = Event("store/information/updated", {"type": "store"})
        if kind is not Kind.STORE:
            tell = {Kind.PRODUCTS: events.product, Kind.CUSTOMERS: events.customer, Kind.ORDERS: events.order}[kind]
            event = tell("updated", int(external_id))
        return self._signed(event, body, age)

    def unmanaged(self) -> Sent:
        """Tell of a price list."""
        return self._signed(Event("store/priceList/updated", {"type": "priceList", "id": 3}), None, 0)

    def typed(self) -> Mapping[str, str]:
        """Return nothing: merchants type no keys."""
        return {}

    async def consent(self, _install_url: str) -> Visited:
        """Send the merchant's browser to the app, with a code."""
        code = self.api.login.authorize(self.api.store_hash)
        return Visited(page="auth", query=self._authorized(code))

    def strangers(self, visited: Visited) -> Sequence[Visited]:
        """Return calls with codes that were invented, or made for another store, and calls without one."""
        code, another = (self.api.login.authorize(store) for store in (self.api.store_hash, "another"))
        changes = [{"code": "invented"}, {"code": another}, {"code": code, "context": "stores/another"}]
        changes += [{"context": ""}, {"context": "stores/a/b"}, {"code": ""}, {"scope": ""}, {"scope": "more"}]
        forged = self.api.login.signed_payload(self.api.store_hash, key="forged")
        signed = [{"signed_payload_jwt": forged}, {"signed_payload_jwt": "x.y.z"}, {}]
        return [
            *(evolve(visited, query={**self._authorized(code), **change}) for change in changes),
            *(Visited(page=page, query=query) for page in ("load", "uninstall") for query in signed),
        ]

    def _authorized(self, code: str) -> dict[str, str]:
        return {"code": code, "scope": SCOPE, "context": f"stores/{self.api.store_hash}"}

    def ping(self) -> Sent | None:
        """Return None."""
        return None

    def hooks(self) -> Sequence[Hook]:
        """Return the registry."""
        return [Hook(scope=h.scope, destination=h.destination, active=h.is_active) for h in self._registered.values()]

    def add_hook(self, destination: str) -> None:
        """Register a hook with headers of its own."""
        hook = Registered(id=self.store.new_id(), scope="store/product/updated", destination=destination)
        hook.headers = {"X-Ignite-Sync-Secret": "somebody-else's"}
        self._registered[hook.id] = hook

    def disable_hooks(self) -> None:
        """Switch them off."""
        for hook in self._registered.values():
            hook.is_active, hook.deactivated = False, True

    @property
    def _registered(self) -> dict[int, Registered]:
        return self.api.hooks.registered

    def _add_products(self) -> int:
        number = len(self.store.ids)
        variants = [{"sku": f"SKU-{number}-{size}", "options": {"Size": size}, "stock": 3} for size in "SM"]
        return self.store.add_product(f"Jumper {number}", price=40, weight=1, variants=variants, silent=True)

    def _add_customers(self) -> int:
        number = len(self.store.customers.people)
        named: Mapping[str, Any] = {"first_name": "Augusta", "last_name": "Lovelace", "company": f"Engines {number}"}
        return self.store.customers.add(
            f"buyer-{number}@example.com", group_id=self.group, addresses=[ADDRESS], silent=True, **named
        )

    def _add_orders(self) -> int:
        people = self.store.customers.people
        buyer = next(iter(people)) if people else self._add_customers()
        return self.store.orders.place(buyer, LINES, cart_id=str(uuid.uuid4()), silent=True)

    def _signed(self, event: Event, body: bytes | None, age: float) -> Sent:
        sender = self.api.webhooks
        hook = Registered(id=0, scope=event.scope, destination=self.destinations[0])
        message = sender.prepare(hook, event)
        message = message if body is None else evolve(message, body=body)
        signed = sender._sign(message, int(time.time() - age), "valid")
        headers = {name.encode(): value.encode() for name, value in signed.items()}
        return Sent(headers={SECRET_HEADER: WEBHOOK_SECRET.encode(), **headers}, body=message.body)


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Stand]:
    """Open a store."""
    async with trio.open_nursery() as nursery:
        yield Stand(nursery)
        nursery.cancel_scope.cancel()


KIT = Kit(
    platform=PLATFORM,
    open=opened,
    page=dict.fromkeys(Kind, 250),
    dated=frozenset({Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS}),
    refusal=lambda words: {"status": 422, "title": words},
    registers_together=False,
    unseen=frozenset({Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS}),
    shrinking=frozenset({Kind.PRODUCTS}),
    signs_time=True,
)
