"""The lists for people name what they list."""

from sqlalchemy import insert
from trio.testing import MockClock

from daemon.engine.writers.job import encoded
from daemon.engine.writers.products.diff import ProductParts
from daemon.model import Sku, VariantId
from daemon.storage import tables
from daemon.storage.states import RemovalCause, RemovalState
from tests.admin.notifications.harness import NotifiedHarness, open_notified


async def _tell_and_hold(h: NotifiedHarness, external_id: str, entry: ProductParts, variant: str = "") -> None:
    mine = {"connection_id": h.context.connection.id, "kind": "products", "external_id": external_id}
    held = {"variant": variant, "decided_at": 0.0, "cause": RemovalCause.DELETED, "state": RemovalState.HELD}
    await h.write(
        insert(tables.ledger).values(**mine, parts=encoded(entry), seen_run=0, settled_run=0),
        insert(tables.removals).values(**mine, **held),
    )


async def test_deleted_products_are_listed_by_their_skus(autojump_clock: MockClock) -> None:
    sizes = ProductParts(variants={VariantId(size): (Sku(f"TEE-{size}"),) for size in ("S", "M", "L", "XL", "XXL")})
    async with open_notified() as h:
        await _tell_and_hold(h, "1", ProductParts(variants={VariantId("11"): (Sku("MUG"),)}))
        await _tell_and_hold(h, "2", sizes)
        await _tell_and_hold(h, "3", sizes, variant="XL")
        await _tell_and_hold(h, "4", ProductParts())
        listed = await h.daemon.admin.removals({})
    assert [(removal["id"], removal["name"]) for removal in listed["removals"]] == [
        ("1", "SKU MUG"),
        ("2", "SKUs TEE-L, TEE-M, TEE-S and 2 more"),
        ("3", "SKU TEE-XL"),
        ("4", ""),
    ]
