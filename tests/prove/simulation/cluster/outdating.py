"""Edits of a merchant to the entities of a write that is under way, so that it is out of date when it arrives.

Besides changing them, the merchant takes away what the write would bring back: the entity, a variant, a SKU, which may
go to another product, an e-mail address.
"""

from collections.abc import Callable, Mapping
from functools import partial

from tests.prove.simulation.cluster.world import ClusterWorld
from tests.prove.simulation.merchant import Merchant
from tests.prove.simulation.network import Call
from tests.prove.simulation.stores.base import Article, Item
from tests.prove.simulation.traffic import written
from tests.prove.simulation.words import PERSONAL

Edit = Callable[[], object]

LEADING: Mapping[str, Callable[[Merchant], object]] = {
    "/v1/products": lambda merchant: merchant.goods.retitle(silent=False),
    "-stock": lambda merchant: merchant.goods.restock(silent=False),
    "pric": lambda merchant: merchant.goods.reprice(silent=False),
    "/customers": lambda merchant: merchant.clientele.rename_customer(silent=False),
    "/purchases": lambda merchant: merchant.orders.advance_order(silent=False),
    "/": lambda merchant: merchant.edit(),
}
"""By a part of a path: an edit that leads to such a write."""

FEWEST = 2
"""The least number of entities of a kind that a store keeps."""


def outdate(world: ClusterWorld, call: Call) -> None:
    """Make one edit of an entity that a write is about, if the store still has one."""
    merchant = world.merchant
    kind, external_id = written(call) or ("", "")
    edits: list[Edit] = []
    if kind == "purchases":
        edits.append(lambda: merchant.orders.archive_order(silent=False))
    elif kind == "customers":
        edits += _of_customer(merchant, external_id)
    else:
        content = call.request.body.decode()
        for article in merchant.trade.articles():
            skus = [item.sku for item in article.items if item.sku]
            if str(article.id) == external_id or any(f'"{sku}"' in content for sku in skus):
                edits += _of_product(merchant, article)
    if edits:
        world.chance.choice(edits)()


def _of_customer(merchant: Merchant, external_id: str) -> list[Edit]:
    trade, people = merchant.trade, [str(customer) for customer in merchant.trade.people()]
    if external_id not in people:
        return []
    customer, email = int(external_id), f"{merchant.words.new(PERSONAL)}@example.com".lower()
    deletes = [partial(trade.delete_customer, customer, silent=False)] if len(people) > FEWEST else []
    return [partial(trade.update_customer, customer, email=email, silent=False), *deletes]


def _of_product(merchant: Merchant, article: Article) -> list[Edit]:
    trade, articles = merchant.trade, merchant.trade.articles()
    edits: list[Edit] = [partial(merchant.goods.retitle_one_of, [article.id])]
    if len(articles) > FEWEST:
        edits.append(partial(trade.delete_product, article.id, silent=False))
    sold = [item for item in article.items if item.sku]
    others = [item for other in articles if other.id != article.id for item in other.items if item.sku]
    for item in sold:
        edits.append(partial(trade.set_sku, item.id, merchant.words.new("SKU-"), silent=False))
        if len(sold) > 1 and not article.simple:
            edits.append(partial(trade.delete_item, item.id, silent=False))
        if others:
            edits.append(partial(_move_sku, merchant, item, merchant.chance.choice(others)))
    return edits


def _move_sku(merchant: Merchant, source: Item, target: Item) -> None:
    merchant.trade.set_sku(source.id, merchant.words.new("SKU-"), silent=False)
    merchant.trade.set_sku(target.id, source.sku, silent=False)
