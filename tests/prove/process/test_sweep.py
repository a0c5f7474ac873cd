"""What no webhook told is found by the sweep, and by the whole read once a day."""

import sqlite3

from tests.e2e.harness import OpenHarness
from tests.e2e.process import QUICK

SWEEPING = {**QUICK, "sweep_seconds": 1}
JUMPER = 1


async def test_an_edit_whose_webhook_was_lost_arrives_by_the_sweep(harness: OpenHarness) -> None:
    async with harness(sync=SWEEPING) as h:
        await h.first_sync()
        h.store.set_title(JUMPER, "Quietly renamed", silent=True)
        await h.until(lambda: h.unequal == [])
        await h.process.idle()
        metrics = await h.process.metrics()
        assert metrics['ignite_sync_webhooks_missed_total{kind="products",site="test/sandbox"}'] == 1


async def test_a_sweep_that_finds_what_is_known_writes_nothing(harness: OpenHarness) -> None:
    async with harness(sync=SWEEPING) as h:
        await h.first_sync()
        h.store.set_title(JUMPER, "Renamed")
        await h.settle()
        writes, asked = h.state.products.writes, h.shop.statistics.calls["GET /v3/catalog/products"]
        await h.until(lambda: h.shop.statistics.calls["GET /v3/catalog/products"] >= asked + 2)
        await h.process.idle()
        assert h.state.products.writes == writes
        assert h.unequal == []


async def test_once_a_day_everything_is_read_and_a_silent_deletion_is_found(harness: OpenHarness) -> None:
    """A day is made to pass by making the last full sync a day older while the daemon is down."""
    async with harness(sync=SWEEPING) as h:
        await h.first_sync()
        assert await h.process.terminate() == 0
        h.store.delete_product(JUMPER, silent=True)
        with sqlite3.connect(h.process.database) as database:
            database.execute("UPDATE full_syncs SET started_at = started_at - 86401")
            database.execute("DELETE FROM gaps")  # that of the registered webhooks was closed on that day
        database.close()
        told = len(h.state.sync_log.calls)
        await h.process.start()
        await h.until(lambda: h.unequal == [])
        await h.process.when(lambda status: status["outbox"]["backfill"] == 0)
        later = h.state.sync_log.calls[told:]
        assert not any(call.method == "PUT" or "last_full_sync" in call.body for call in later), (
            "SparkLayer is not told"
        )
