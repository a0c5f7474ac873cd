"""B2B attributes of products through the real process: metafields of products and variants arrive by their webhooks."""

from collections.abc import Callable, Mapping

from daemon.sandbox import Store
from tests.e2e.harness import OpenHarness
from tests.e2e.trade import writes

JUMPER = 1
RULES = '[{"customer_group": "base", "pack_size": 6}, {"customer_group": "gold", "min_order_quantity": 12}]'
BY_GROUP = '{"gold": {"pack_size": 2, "max_order_quantity": 40, "display": true, "sell": false}}'


def _small(store: Store) -> int:
    return int(store.by_sku("J-S").id)


def _delete(store: Store, resource: str, resource_id: int, key: str) -> None:
    store.metafields.delete(next(one.id for one in store.metafields.of(resource, resource_id) if one.key == key))


EDITS: Mapping[str, Callable[[Store], object]] = {
    "the product's rrp": lambda store: store.metafields.set("product", JUMPER, "rrp", "49.99"),
    "changed": lambda store: store.metafields.set("product", JUMPER, "rrp", "59"),
    "the variant's own rrp": lambda store: store.metafields.set("variant", _small(store), "rrp", "54.5"),
    "the variant's own rrp taken away": lambda store: _delete(store, "variant", _small(store), "rrp"),
    "the product's rrp taken away": lambda store: _delete(store, "product", JUMPER, "rrp"),
    "a single rule": lambda store: store.metafields.set("variant", _small(store), "pack_size", "3"),
    "and another": lambda store: store.metafields.set("product", JUMPER, "sell", "no"),
    "settings of all groups": lambda store: store.metafields.set("product", JUMPER, "settings", RULES),
    "a single rule beside them": lambda store: store.metafields.set("variant", _small(store), "pack_size", "4"),
    "settings of a variant": lambda store: store.metafields.set("variant", _small(store), "settings", BY_GROUP),
    "settings of all taken away": lambda store: _delete(store, "product", JUMPER, "settings"),
    "settings of the variant taken away": lambda store: _delete(store, "variant", _small(store), "settings"),
    "restock date": lambda store: store.metafields.set("product", JUMPER, "restock_date", "2027-01-15"),
    "of a variant": lambda store: store.metafields.set("variant", _small(store), "restock_date", "2027-02-01"),
    "minimum stock level": lambda store: store.metafields.set("variant", _small(store), "min_stock_level", "-5"),
    "restock date taken away": lambda store: _delete(store, "product", JUMPER, "restock_date"),
    "of the variant taken away": lambda store: _delete(store, "variant", _small(store), "restock_date"),
    "minimum stock level taken away": lambda store: _delete(store, "variant", _small(store), "min_stock_level"),
    "of another app": lambda store: store.metafields.set("product", JUMPER, "rrp", "1", namespace="erp"),
    "a product with its own": lambda store: store.metafields.set(
        "product", store.add_product("Cap", variants=[{"sku": "CAP"}]), "rrp", "12"
    ),
    "a product deleted with its own": lambda store: store.delete_product(JUMPER),
}


async def test_every_edit_arrives(harness: OpenHarness) -> None:
    """One after the other, in one store, so that each starts from what the ones before it have left."""
    async with harness() as h:
        await h.first_sync()
        for name, edit in EDITS.items():
            told = writes(h)
            edit(h.store)
            assert name == "of another app" or h.unequal, name
            await h.settle()
            assert h.unequal == [], name
            assert (writes(h) == told) == (name == "of another app"), name
