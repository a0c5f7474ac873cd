"""Doing it all again is harmless, and repairs what changed behind our back.

A normal run that finds nothing new writes nothing. A refresh run ignores the ledger and writes
everything. A lost database is no loss: the next start brings both sides together without making anything twice.
"""

from pathlib import Path

from daemon.sandbox import synthetic
from daemon.sandbox.sparklayer.products import Products
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import Process
from tests.e2e.trade import FIRST as FIRST_ORDER
from tests.prove.process.neighbours import open_connection_row


async def test_a_refresh_run_writes_everything_and_repairs_what_was_changed_behind_our_back(
    harness: OpenHarness,
) -> None:
    many = 12
    async with harness(synthetic(many, 2)) as h:
        await h.first_sync()
        site, before = h.state, h.writes
        first, second = site.products.find("1"), site.products.find("2")
        assert first is not None
        assert second is not None
        first.title = "Changed in the dashboard"
        second.variants[0].status = "discontinued"
        _forget(site.products, "3")
        site.stock.levels["S4-1"].clear()
        del site.prices.prices["bigcommerce-price"]["S5-1"]
        assert len(h.unequal) == 8, "its recommended prices too"
        assert (await h.process.full_sync())["succeeded"]
        assert h.writes == before, "a normal run trusts the ledger"
        assert (await h.process.full_sync(refresh=True))["succeeded"]
        h.assert_equal()
        skus = len(list(h.store.variants()))
        assert [now - then for now, then in zip(h.writes, before, strict=True)] == [many, skus, skus]


def _forget(products: Products, external_id: str) -> None:
    """Delete a product in SparkLayer, which has no operation for it."""
    product = products.find(external_id)
    assert product is not None
    del products.products[product.id], products._ids[external_id]
    for variant in product.variants:
        del (
            products._owners[variant.id],
            products._skus[str(variant.sku)],
            products._variant_ids[str(variant.external_id)],
        )


async def test_a_lost_database_of_two_connections_that_trade_ends_equal_without_duplicates(tmp_path: Path) -> None:
    """Products, customers and orders of both. Some are edited while nobody looks, and nothing tells of it."""
    stores = [synthetic(12, 2, customers=8, orders=8), synthetic(9, 3, customers=6, orders=10)]
    async with open_connection_row(tmp_path, stores) as row:
        await row.in_step()
        before = [_held(h) for h in row.harnesses]
        assert before == [(12, 8, 8), (9, 6, 10)]
        await row.process.kill()
        _lose_database(row.process)
        for h in row.harnesses:
            h.store.set_title(1, "Edited while nobody looked", silent=True)
            h.store.customers.update(1, silent=True, company="Renamed while nobody looked")
            h.store.orders.cancel(FIRST_ORDER, silent=True)
            assert h.unequal
        await row.process.start()
        await row.in_step()
        assert [_held(h) for h in row.harnesses] == before, "nothing twice"
        assert all(not log.errors for h in row.harnesses for log in h.state.sync_log.logs.values())


def _held(h: ProcessHarness) -> tuple[int, int, int]:
    """Return how many products, customers and orders a site has, whatever they are called."""
    return len(h.state.products.products), len(h.state.customers.customers), len(h.state.purchases.purchases)


def _lose_database(process: Process) -> None:
    for file in process.database.parent.glob(f"{process.database.name}*"):
        file.unlink()


async def test_a_full_sync_that_cannot_end_is_cancelled_and_started_again(harness: OpenHarness) -> None:
    order = {"site": "test/sandbox", "kind": "products"}
    async with harness() as h:
        await h.first_sync()
        async with h.shop.faults.hold("GET */catalog/products"):
            run = (await h.process.request("POST", "/admin/sync", json=order)).raise_for_status().json()["run"]
            cancelled = await h.process.request("POST", "/admin/sync/cancel", json=order)
            assert cancelled.raise_for_status().json() == {"run": run}
            again = await h.process.request("POST", "/admin/sync/cancel", json=order)
            assert again.status_code == 409
            assert again.json()["detail"] == "no full sync of products is running"
        log = h.state.sync_log.logs
        await h.until(lambda: any(one.last_full_sync_succeeded is False for one in log.values()))
        assert (await h.process.full_sync("products"))["succeeded"]
        await h.settle()
        h.assert_equal()
