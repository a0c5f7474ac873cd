"""The orders of a run, and what becomes of them by chance."""

import contextlib
import random
import uuid
from collections.abc import Callable

from attrs import define

from daemon.sandbox import Store
from daemon.sandbox.bigcommerce.order_records import Order
from tests.prove.simulation.clientele import Clientele
from tests.prove.simulation.merchandise import Merchandise


@define(eq=False)
class Orders:
    """Edits the orders of `store`, placed by somebody of `clientele` for something of `goods`."""

    store: Store
    chance: random.Random
    goods: Merchandise
    clientele: Clientele
    placed: Callable[[str], None] | None = None
    """Is told of the cart before the store has the order: SparkLayer's storefront, where there is one."""

    def place_order(self, *, silent: bool) -> None:
        variants, customer = self.goods.variants(), self.clientele.anybody()
        if variants and customer is not None:
            chosen = self.chance.sample(variants, min(len(variants), self.chance.randint(1, 2)))
            cart = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
            lines = [{"variant_id": one, "quantity": self.chance.randint(1, 5)} for one in chosen]
            if self.placed is not None and self.chance.random() < 0.7:
                self.placed(cart)
            self.store.orders.place(customer, lines, cart_id=cart, silent=silent)

    def ship_order(self, *, silent: bool) -> None:
        if (order := self._order()) is not None:
            with contextlib.suppress(ValueError):  # all of it was shipped already
                self.store.orders.ship(order.id, silent=silent)

    def advance_order(self, *, silent: bool) -> None:
        if (order := self._order()) is not None:
            self.store.orders.set_status(order.id, self.chance.choice([2, 5, 9, 10, 11]), silent=silent)

    def refund_order(self, *, silent: bool) -> None:
        if (order := self._order()) is not None:
            lines = [line for line in order.lines.values() if line.quantity_refunded < line.quantity]
            if lines:
                line = self.chance.choice(lines)
                parts_of = self.chance.randint(1, line.quantity - line.quantity_refunded)
                self.store.orders.refund(order.id, line.id, parts_of, silent=silent)

    def archive_order(self, *, silent: bool) -> None:
        left = [one for one in self.store.orders.orders.values() if not one.is_deleted]
        if len(left) > 2:  # a store that lists no orders at all is not believed
            self.store.orders.archive(self.chance.choice(left).id, silent=silent)

    def _order(self) -> Order | None:
        orders = [one for one in self.store.orders.orders.values() if not one.is_deleted]
        return self.chance.choice(orders) if orders else None
