"""The orders of a run, and what becomes of them by chance."""

import random
import uuid
from collections.abc import Callable

from attrs import define

from tests.prove.simulation.clientele import Clientele
from tests.prove.simulation.merchandise import Merchandise
from tests.prove.simulation.stores.base import Trade


@define(eq=False)
class Orders:
    """Edits the orders of a store, placed by somebody of `clientele` for something of `goods`."""

    trade: Trade
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
            lines = [(item, self.chance.randint(1, 5)) for item in chosen]
            if self.placed is not None and self.chance.random() < 0.7:
                self.placed(cart)
            self.trade.place_order(customer, lines, cart, silent=silent)

    def ship_order(self, *, silent: bool) -> None:
        if (order := self._order()) is not None:
            self.trade.ship(order, silent=silent)

    def advance_order(self, *, silent: bool) -> None:
        if (order := self._order()) is not None:
            self.trade.set_order_status(order, self.chance.choice(self.trade.statuses), silent=silent)

    def refund_order(self, *, silent: bool) -> None:
        if (order := self._order()) is not None:
            lines = self.trade.refundable(order)
            if lines:
                line, most = self.chance.choice(lines)
                self.trade.refund(order, line, self.chance.randint(1, most), silent=silent)

    def archive_order(self, *, silent: bool) -> None:
        left = self.trade.orders()
        if len(left) > 2:  # a store that lists no orders at all is not believed
            self.trade.delete_order(self.chance.choice(left), silent=silent)

    def _order(self) -> int | None:
        orders = self.trade.orders()
        return self.chance.choice(orders) if orders else None
