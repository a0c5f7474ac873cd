"""The merchant of a run: furnishes the store, and edits it by chance.

An edit is announced unless it is `silent`.
"""

import random
from collections.abc import Callable, Mapping

from attrs import Factory, define

from tests.prove.simulation.clientele import Clientele
from tests.prove.simulation.merchandise import Merchandise
from tests.prove.simulation.orders import Orders
from tests.prove.simulation.stores.base import Trade
from tests.prove.simulation.words import Words


@define(eq=False)
class Merchant:
    """Edits the store. `edits` counts them."""

    trade: Trade
    chance: random.Random
    ours: Callable[[], bool] = lambda: True
    """Tells if webhooks are registered."""
    parts: bool = True
    """True if entities may be deleted, or lose a SKU, address or parent. A lost ledger could not know of it."""
    attributes: bool = False
    """True if customers' attributes change, which no webhook announces."""
    edits: int = 0
    words: Words = Factory(Words)
    goods: Merchandise = Factory(lambda self: Merchandise(self.trade, self.chance, self.words), takes_self=True)
    clientele: Clientele = Factory(lambda self: Clientele(self.trade, self.chance, self.words), takes_self=True)
    orders: Orders = Factory(lambda self: Orders(self.trade, self.chance, self.goods, self.clientele), takes_self=True)

    def furnish(self) -> None:
        """Fill the empty store."""
        for _ in range(self.chance.randint(3, 9)):
            self.goods.add_product(silent=True)
        for _ in range(self.chance.randint(2, 6)):
            self.clientele.add_customer(silent=True)
        for _ in range(self.chance.randint(0, 5)):
            self.orders.place_order(silent=True)

    def edit(self, *, silent: bool = False) -> str:
        """Make one edit, and return its name; what cannot be done now is not done."""
        name, act = self.chance.choice(self._acts())
        act(silent=silent)
        self.edits += 1
        return name

    def part(self) -> None:
        """Delete something, if anything may be."""
        if self.parts:
            self.chance.choice(list(self._farewells()))(silent=False)

    def mend(self) -> None:
        """Mend what SparkLayer cannot hold as it is."""
        self.goods.settle_disputes()
        self.goods.mend_titles()

    def _acts(self) -> list[tuple[str, Callable[..., None]]]:
        shares: Mapping[Callable[..., None], int] = {
            self.goods.retitle: 4,
            self.goods.retitle_badly: 1,
            self.goods.reprice: 4,
            self.goods.restock: 4,
            self.goods.hide: 2,
            self.goods.reweigh: 1,
            self.goods.add_product: 2,
            self.goods.add_variant: 1,
            self.goods.drop_variant: 1,
            self.goods.rename_sku: 2,
            self.goods.swap_skus: 3,
            self.goods.share_sku: 1,
            self.goods.set_metafield: 1,
            self.clientele.add_customer: 1,
            self.clientele.rename_customer: 3,
            self.clientele.change_email: 1,
            self.orders.place_order: 2,
            self.orders.ship_order: 2,
            self.orders.advance_order: 1,
            self.orders.refund_order: 1,
            **({self.clientele.regroup: 1, self.clientele.set_parent: 2, self.goods.move_sku: 1} if self.parts else {}),
            **({self.clientele.move_home: 2} if self.parts else {}),
            **(self._farewells() if self.parts else {}),
            **({self.clientele.set_attribute: 1} if self.attributes else {}),
            **self.trade.own_edits(parts=self.parts),
        }
        return [(act.__name__, act) for act, share in shares.items() for _ in range(share)]

    def _farewells(self) -> Mapping[Callable[..., None], int]:
        return {self.goods.delete_product: 1, self.clientele.delete_customer: 1, self.orders.archive_order: 1}
