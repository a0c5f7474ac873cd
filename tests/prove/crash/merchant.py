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

from daemon.sandbox.company import WHOLESALE
from tests.prove.simulation.stores.base import Article, Trade

Entity = tuple[str, str]
"""Kind and external id."""

PLACE: Mapping[str, str] = {"city": "Bath", "postcode": "BA1 1AA", "country_code": "GB"}
NO_GROUP = 0
UNHEARD = 0.05
"""The share of edits that a merchant makes though nobody hears them."""


@define(eq=False)
class Diary:
    """The edits of each entity with their times, and its last acknowledged edit. Edits are numbered."""

    clock: Callable[[], float]
    entity_of: Callable[[Any], Entity]
    number: int = 0
    edits: dict[Entity, tuple[int, float]] = field(factory=dict)
    """The last edit of an entity, and when it was."""
    acknowledged: dict[Entity, int] = field(factory=dict)
    _events: dict[int, tuple[int, Any]] = field(factory=dict)

    def note(self, event: Any) -> None:
        """Note what an edit announces."""
        self._events[id(event)] = self.number, event
        self.edits[self.entity_of(event)] = self.number, self.clock()

    def read(self, attempts: deque[Any]) -> None:
        """Take over which webhooks were answered, and forget them."""
        while attempts:
            delivery = attempts.popleft()
            known = self._events.get(id(delivery.event))
            if delivery.accepted and known is not None:
                entity = self.entity_of(delivery.event)
                self.acknowledged[entity] = max(self.acknowledged.get(entity, 0), known[0])

    def settled(self, entity: Entity) -> bool:
        """Return true if the last edit of an entity was acknowledged, so that no webhook repeats it."""
        return entity in self.edits and self.acknowledged.get(entity, 0) == self.edits[entity][0]

    def edited_before(self, entity: Entity, moment: float) -> bool:
        """Return true if an entity has not changed since `moment`."""
        return entity not in self.edits or self.edits[entity][1] < moment


@define(eq=False)
class Merchant:
    """Edits a store full of products, customers and orders at random. Each edit is announced."""

    trade: Trade
    chance: random.Random
    diary: Diary
    contested: set[Entity] = field(factory=set)
    """Products that exchanged SKUs: who may have one is settled between them, in more than one step."""
    heard: Callable[[], bool] = lambda: True
    """Tells if edits are heard, now or later. Those that nobody hears are few: they would switch the webhooks off."""
    removing: bool = True
    """True if entities are deleted. One deleted while the site is disconnected stays in SparkLayer."""
    _shipped: set[int] = field(factory=set)
    _outside: set[int] = field(factory=set)
    """Customers who have left every group."""
    _deleted: int = 0
    """Products deleted so far."""

    async def trade_on(self, pause: float) -> None:
        """Edit until cancelled, every `pause` seconds on average."""
        while True:
            if self.heard() or self.chance.random() < UNHEARD:
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

    def _article(self) -> Article:
        return self.chance.choice(self.trade.articles())

    def _customer(self) -> int:
        return self.chance.choice(self.trade.people())

    def _rename(self) -> None:
        self.trade.set_title(self._article().id, f"Product of edit {self.diary.number}", silent=False)

    def _price(self) -> None:
        self.trade.set_price(self._article(), self.chance.randrange(1, 9999) / 100, None, silent=False)

    def _stock(self) -> None:
        item = self.chance.choice(self._article().items)
        self.trade.set_stock(item.id, self.chance.randrange(1000), silent=False)

    def _show(self) -> None:
        self.trade.turn_over(self._article().id, silent=False)

    def _exchange_skus(self) -> None:
        first, second = self.chance.sample(self.trade.articles(), 2)
        self.contested.update(("products", str(article.id)) for article in (first, second))
        self.trade.set_sku(first.items[0].id, second.items[0].sku, silent=False)
        self.trade.set_sku(second.items[0].id, first.items[0].sku, silent=False)

    def _add_product(self) -> None:
        number = self.diary.number
        self.trade.add_product(f"Product {number}", number, [{"sku": f"N{number}", "stock": number}], silent=False)

    def _delete_product(self) -> None:
        # The brake holds removals for a person when about half of a kind is removed in an hour.
        if self._deleted < len(self.trade.articles()) // 3:
            self._deleted += 1
            self.trade.delete_product(self._article().id, silent=False)

    def _name_customer(self) -> None:
        self.trade.update_customer(self._customer(), first_name=f"Name {self.diary.number}", silent=False)

    def _move_customer(self) -> None:
        self.trade.add_home(self._customer(), {"street": f"{self.diary.number} Road", **PLACE}, silent=False)

    def _regroup(self) -> None:
        customer, group = self._customer(), self.chance.choice([WHOLESALE, WHOLESALE, NO_GROUP])
        # The brake holds removals for a person, as above.
        if group == NO_GROUP and len(self._outside | {customer}) > len(self.trade.people()) // 4:
            customer, group = min(self._outside), WHOLESALE
        (self._outside.discard if group == WHOLESALE else self._outside.add)(customer)
        self.trade.set_group(customer, group, silent=False)

    def _place_order(self) -> None:
        item = self._article().items[0]
        cart = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        self.trade.place_order(self._customer(), [(item.id, 3)], cart, silent=False)

    def _ship(self) -> None:
        if waiting := [order for order in self.trade.orders() if order not in self._shipped]:
            order = self.chance.choice(waiting)
            self._shipped.add(order)
            self.trade.ship(order, silent=False)
