"""The history of entities is forgotten in the background, whether its connection is worked on or not."""

from functools import partial

import trio
from trio.testing import MockClock

from daemon.admin.history import FORGET_EVERY, forget_old
from daemon.model import ExternalId, Kind
from daemon.model.outcome import Result
from daemon.storage import settle
from daemon.storage.history import KEPT, HistoryEntry
from daemon.storage.settle import Settlement
from daemon.storage.tables import settlements
from tests.connections.harness import LifecycleHarness, link, open_harness


async def kept(harness: LifecycleHarness) -> int:
    return len(await harness.database.read(lambda conn: conn.execute(settlements.select()).all()))


async def test_rows_are_forgotten_after_a_week(autojump_clock: MockClock) -> None:
    async with open_harness(link("a", "store-1")) as harness, trio.open_nursery() as nursery:
        [stored] = await harness.rows("a")
        entry = HistoryEntry(ExternalId("1"), Result.WRITTEN)
        call = Settlement(connection_id=stored.id, kind=Kind.PRODUCTS, now=harness.lifecycle.now(), history=[entry])
        await harness.database.write(settle.settle, call)
        nursery.start_soon(partial(forget_old, harness.database, harness.lifecycle.now))
        await trio.sleep(KEPT - FORGET_EVERY)
        assert await kept(harness) == 1
        await trio.sleep(2.5 * FORGET_EVERY)
        assert await kept(harness) == 0
        nursery.cancel_scope.cancel()
