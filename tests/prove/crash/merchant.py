"""A merchant who edits the store all the time, and a diary of what was edited and which edit was acknowledged.

An edit is acknowledged when the daemon has answered one of its webhooks with 2xx. From then on the daemon must see to
it by itself, whatever happens to its process.
"""

import random
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import trio
from attrs import define, field

from daemon.sandbox import Store
from daemon.sandbox.bigcommerce.delivery import Delivery
from daemon.sandbox.bigcommerce.events import Event
from daemon.sandbox.company import WHOLESALE

Entity = tuple[str, str]
"""Kind and external id."""

PLACE: Mapping[str, Any] = {"city": "Bath", "postal_code": "BA1 1AA", "country_code": "GB"}


@define(eq=False)
class Diary:
    """The edits of each entity with their times, and its last acknowledged edit. Edits are numbered."""

    clock: Callable[[], float]
    number: int = 0
    edits: dict[Entity, tuple[int, float]] = field(factory=dict)
    """The last edit of an entity, and when it was."""
    acknowledged: dict[Entity, int] = field(factory=dict)
    _events: dict[int, tuple[int, Event]] = field(factory=dict)

    def note(self, event: Event) -> None:
        """Note what an edit announces."""
        self._events[id(event)] = self.number, event
        self.edits[entity_of(event)] = self.number, self.clock()

    def read(self, attempts: deque[Delivery]) -> None:
        """Take over which webhooks were answered, and forget them."""
        while attempts:
            delivery = attempts.popleft()
            known = self._events.get(id(delivery.event))
            if delivery.accepted and known is not None:
                entity = entity_of(delivery.event)
                self.acknowledged[entity] = max(self.acknowledged.get(entity, 0), known[0])

    def settled(self, entity: Entity) -> bool:
        """Return true if the last edit of an entity was acknowledged, so that no webhook repeats it."""
        return entity in self.edits and self.acknowledged.get(entity, 0) == self.edits[entity][0]

    def edited_before(self, entity: Entity, moment: float) -> bool:
        """Return true if an entity has not changed since `moment`."""
        return entity not in self.edits or self.edits[entity][1] < moment


def entity_of(event: Event) -> Entity:
    """Return which entity an event is about."""
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


@define(eq=False)
class Merchant:
    """Edits a store of `synthetic` products, customers and orders at random."""

    store: Store
    chance: random.Random
    diary: Diary
    contested: set[Entity] = field(factory=set)
    """Products that exchanged SKUs: who may have one is settled between them, in more than one step."""
    removing: bool = True
    """True if entities are deleted. One deleted while the site is disconnected stays in SparkLayer."""

    async def trade(self, pause: float) -> None:
        """Edit until cancelled, every `pause` seconds on average."""
        while True:
            self.edit()
            await trio.sleep(self.chance.expovariate(1 / pause))

    def edit(self) -> None:
        """Make one edit."""
        edits = (
            *(self._rename, self._price, self._stock, self._show) * 3,
            *(self._name_customer, self._move_customer, self._ship) * 2,
            *(self._exchange_skus, self._add_product, self._place_order),
            *((self._delete_product, self._regroup, self._regroup) if self.removing else ()),
        )
        self.diary.number += 1
        self.chance.choice(edits)()

    def _product(self) -> int:
        return self.chance.choice(self.store.ids)

    def _customer(self) -> int:
        return self.chance.choice(list(self.store.customers.people))

    def _rename(self) -> None:
        self.store.set_title(self._product(), f"Product of edit {self.diary.number}")

    def _price(self) -> None:
        self.store.set_price(self._product(), self.chance.randrange(1, 9999) / 100)

    def _stock(self) -> None:
        variant = self.chance.choice(self.store.entry(self._product()).variants)
        self.store.set_stock(variant.id, self.chance.randrange(1000))

    def _show(self) -> None:
        self.store.set_visible(self._product(), visible=self.chance.random() < 0.5)

    def _exchange_skus(self) -> None:
        products = self.chance.sample(self.store.ids, 2)
        self.contested.update(("products", str(one)) for one in products)
        self.store.rotate_skus(*(self.store.entry(one).variants[0].id for one in products))

    def _add_product(self) -> None:
        number = self.diary.number
        self.store.add_product(f"Product {number}", price=number, variants=[{"sku": f"N{number}", "stock": number}])

    def _delete_product(self) -> None:
        if len(self.store.ids) > 10:
            self.store.delete_product(self._product())

    def _name_customer(self) -> None:
        self.store.customers.update(self._customer(), first_name=f"Name {self.diary.number}")

    def _move_customer(self) -> None:
        self.store.customers.add_address(self._customer(), address1=f"{self.diary.number} Road", **PLACE)

    def _regroup(self) -> None:
        self.store.customers.set_group(self._customer(), self.chance.choice([WHOLESALE, WHOLESALE, 0]))

    def _place_order(self) -> None:
        variant = self.store.entry(self._product()).variants[0]
        cart = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        self.store.orders.place(self._customer(), [{"variant_id": variant.id, "quantity": 3}], cart_id=cart)

    def _ship(self) -> None:
        waiting = [one.id for one in self.store.orders.orders.values() if any(one.to_ship()) and one.shipped is None]
        if waiting:
            number = f"T{self.diary.number}"
            self.store.orders.ship(self.chance.choice(waiting), carrier="DPD", tracking_number=number)
