"""The orders of a run, and what becomes of them by chance."""

import contextlib
import random
import uuid

from attrs import define

from daemon.sandbox import Store
from tests.simulation.clientele import Clientele
from tests.simulation.merchandise import Merchandise


@define(eq=False)
class Orders:
    """Edits the orders of `store`, placed by somebody of `clientele` for something of `goods`."""

    store: Store
    chance: random.Random
    goods: Merchandise
    clientele: Clientele

    def place_order(self, *, silent: bool) -> None:
        variants, customer = self.goods.variants(), self.clientele.anybody()
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
