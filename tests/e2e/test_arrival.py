"""Products through the real process: every edit that a merchant can make arrives by its webhook."""

from collections.abc import Callable, Mapping

from daemon.sandbox import SparkLayerOptions, Store
from tests.e2e.harness import OpenHarness

JUMPER = 1


def _small(store: Store) -> int:
    return int(store.by_sku("J-S").id)


def _mug(store: Store) -> int:
    return int(store.by_sku("MUG").product_id)


EDITS: Mapping[str, Callable[[Store], object]] = {
    "title": lambda store: store.set_title(JUMPER, "Pullover"),
    "hidden": lambda store: store.set_visible(JUMPER, visible=False),
    "shown": lambda store: store.set_visible(JUMPER, visible=True),
    "disabled": lambda store: store.set_availability(JUMPER, "disabled"),
    "on preorder": lambda store: store.set_availability(JUMPER, "preorder"),
    "variant not for sale": lambda store: store.set_purchasing_disabled(_small(store), disabled=True),
    "variant for sale": lambda store: store.set_purchasing_disabled(_small(store), disabled=False),
    "price": lambda store: store.set_price(JUMPER, 44.95),
    "price of 0": lambda store: store.set_price(JUMPER, 0),
    "variant's own price": lambda store: store.set_price(JUMPER, 39.5, _small(store)),
    "variant's own price taken away": lambda store: store.set_price(JUMPER, None, _small(store)),
    "stock": lambda store: store.set_stock(_small(store), 17),
    "no stock": lambda store: store.set_stock(_small(store), 0),
    "stock of a simple product": lambda store: store.set_stock(store.by_sku("MUG").id, 1),
    "stock no longer tracked": lambda store: store.set_tracking(JUMPER, "none"),
    "stock tracked as a whole": lambda store: store.set_tracking(JUMPER, "product"),
    "stock tracked by variant": lambda store: store.set_tracking(JUMPER, "variant"),
    "weight": lambda store: store.set_weight(JUMPER, 2.25),
    "variant's own weight": lambda store: store.set_weight(JUMPER, 0.5, _small(store)),
    "no weight": lambda store: store.set_weight(JUMPER, 0),
    "variant added": lambda store: store.add_variant(JUMPER, sku="J-L", options={"Size": "L"}, stock=5),
    "variant deleted": lambda store: store.delete_variant(_small(store)),
    "SKU changed": lambda store: store.set_sku(store.by_sku("J-M").id, "J-MEDIUM"),
    "SKU taken away, and with it stock and price": lambda store: store.set_sku(store.by_sku("J-MEDIUM").id, ""),
    "product added": lambda store: store.add_product("Cap", price=9, variants=[{"sku": "CAP", "stock": 2}]),
    "product deleted": lambda store: store.delete_product(_mug(store)),
}


async def test_every_edit_arrives(harness: OpenHarness) -> None:
    """One after the other, in one store, so that each starts from the state that the earlier ones have left."""
    async with harness(sparklayer=SparkLayerOptions(variants="replace")) as h:
        await h.first_sync()
        for name, edit in EDITS.items():
            edit(h.store)
            await h.settle()
            assert h.unequal == [], name
