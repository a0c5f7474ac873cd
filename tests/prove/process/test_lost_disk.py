"""A daemon that begins with an empty ledger on a site that it, or another, has synced before."""

import pytest
import trio

from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.trade import SHOP, trade_store

JUMPER = ("J-S", "J-M")


async def _lose_disk(h: ProcessHarness) -> None:
    """Let an acknowledged deletion be lost together with the disk."""
    async with h.site.faults.hold("PATCH */products/1"):
        h.store.delete_product(1)
        h.store.customers.delete(SHOP)
        with trio.fail_after(60):
            await h.shop.webhooks.settled()
        await h.process.kill()
    for file in h.process.database.parent.glob(f"{h.process.database.name}*"):
        file.unlink()
    await h.process.start()


@pytest.mark.holds("D6")
async def test_what_was_deleted_meanwhile_loses_price_and_stock_and_the_rest_is_named(harness: OpenHarness) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        held = h.state.comparable()
        assert all(sku in held["stock"] and sku in _prices(h) for sku in JUMPER)
        others = {sku for sku in _prices(h) if sku not in JUMPER}
        await _lose_disk(h)
        await h.until(lambda: not set(JUMPER) & (_prices(h).keys() | h.state.comparable()["stock"].keys()))
        await h.process.first_run("customers")
        await h.settle()
        assert _prices(h).keys() == others, "nothing else is taken away"
        assert {variant["status"] for variant in held["products"]["1"]["variants"].values()} == {"live"}
        assert str(SHOP) in h.state.comparable()["customers"], "of which nobody can know"
        said = h.process.output
        assert "products without a price that the store no longer has stay in SparkLayer" in said
        assert "customers that the store no longer has stay in SparkLayer" in said


def _prices(h: ProcessHarness) -> dict[str, object]:
    [found] = h.state.comparable()["prices"].values()
    return dict(found)
