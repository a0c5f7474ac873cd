"""What all locations of a store can sell of products, from the inventory's lists of many products at once.

A row that cannot be read concerns its product only. Where a row does not say whose it is, or names a product that was
not asked for, products of which less is listed than the store counts are doubtful.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

from attrs import frozen
from msgspec import Raw

from daemon.errors import Failure
from daemon.model import Lane
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.ids import listed
from daemon.platforms.bigcommerce.products.mapping import Levels
from daemon.platforms.bigcommerce.products.schema import ITEMS, Product, read_owner
from daemon.platforms.bigcommerce.secondary import of_lists
from daemon.transport.http import shortly

PATH = "/v3/inventory/items"
LIMIT = 1000


@frozen(kw_only=True)
class Inventory:
    """The levels of a product; `fault` stands for the product when they could not be read."""

    levels: Levels
    fault: Failure | schema.Unreadable | schema.Odd | None = None
    has_strays: bool = False
    """The answer had rows of which it is not known whose they are."""


async def read_inventory(client: Client, products: Mapping[int, Product], lane: Lane) -> Mapping[int, Inventory]:
    """Return the inventory of each of `products`. Raises what is nobody's own failure."""

    async def ask(some: Sequence[int]) -> list[Raw]:
        query = {"product_id:in": listed(some)}
        return await shortly(partial(client.every, PATH, schema.RAW_LISTING, lane=lane, limit=LIMIT, query=query))

    found: dict[int, Inventory] = {}
    for some, answer in await of_lists(list(products), ask, lane, beside=False):
        if isinstance(answer, Failure):
            found.update({owner: Inventory(levels={}, fault=answer) for owner in some})
        else:
            found.update(_shared_out(answer, {owner: products[owner] for owner in some}))
    return found


def _shared_out(raws: Sequence[Raw], products: Mapping[int, Product]) -> Mapping[int, Inventory]:
    """Return the rows of an answer by the product that each names."""
    by_owner: dict[int | None, list[Raw]] = defaultdict(list)
    for raw in raws:
        owner = read_owner(raw)
        by_owner[owner if owner in products else None].append(raw)
    found = {}
    for owner, product in products.items():
        rows = ITEMS.rows(by_owner[owner], "inventory")
        fault = rows.fault(owner, product)
        levels = {} if fault else {item.identity.variant_id: item.level for item in rows.found}
        found[owner] = Inventory(levels=levels, fault=fault, has_strays=bool(by_owner.get(None)))
    return found
