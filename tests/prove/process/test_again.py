"""A lost database is no loss: the next start brings both sides together without making anything twice."""

from pathlib import Path

from daemon.sandbox import synthetic
from tests.e2e.harness import ProcessHarness
from tests.e2e.process import Process
from tests.e2e.trade import FIRST as FIRST_ORDER
from tests.prove.process.neighbours import open_connection_row


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
