"""Changes made while webhooks were missing arrive soon, and no earlier registration is left.

What is edited silently here moves no date in part, so that no sweep can find it. When a reading may begin, and what
else is a gap, is shown in tests/engine/test_gaps.py, where time is the test's.
"""

import sqlite3
from collections import Counter

import pytest

from daemon.platforms.bigcommerce.webhooks import REGISTERED
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import SITE
from tests.e2e.trade import HEAD, HOME, SHOP, trade_store, writes

JUMPER, MUG = 1, 9


def hasten(h: ProcessHarness, seconds: float) -> None:
    h.process.entry = ("tests.prove.process.hasty", str(seconds))


def edit(h: ProcessHarness) -> None:
    """Change stock, delete a product and a customer, and add an address, while nobody is told."""
    h.store.set_stock(h.store.entries[JUMPER].variants[0].id, 77, silent=True)
    h.store.delete_product(MUG, silent=True)
    h.store.customers.add_address(HEAD, silent=True, **HOME)
    h.store.customers.delete(SHOP, silent=True)


async def closed(h: ProcessHarness) -> None:
    """Wait until no kind has a gap."""
    for kind in (await h.process.connection())["kinds"]:
        await h.process.when(lambda now: now["gap"] is None and not now["outbox"]["backfill"], kind)


def destinations(h: ProcessHarness) -> Counter[str]:
    return Counter(hook.destination for hook in h.shop.hooks.registered.values() if hook.is_active)


@pytest.mark.holds("E16")
async def test_what_was_lost_with_all_webhooks_arrives_once_they_are_mended(harness: OpenHarness) -> None:
    async with harness(trade_store(), start=False) as h:
        hasten(h, 0.2)
        await h.process.start()
        await h.first_sync()
        await closed(h)
        assert await h.process.terminate() == 0
        h.shop.hooks.registered.clear()
        edit(h)
        with sqlite3.connect(h.process.database) as database:
            database.execute("UPDATE full_syncs SET started_at = started_at - 3600")
        database.close()
        before = writes(h)
        await h.process.start()
        await h.until(lambda: h.unequal == [])
        await closed(h)
        written = writes(h) - before
        edits, most = 4, 8  # a deleted product also gives up its SKUs, stock and prices
        assert edits <= written.total() <= most, written


@pytest.mark.holds("E02")
async def test_no_webhooks_are_left_at_an_earlier_public_url(harness: OpenHarness) -> None:
    async with harness(start=False) as h:
        here, config = f"http://127.0.0.1:{h.process.port}", h.process.config.read_text("utf-8")
        for path in ("/ignite", "", "/other/place", None):
            public_url = "" if path is None else f'public_url = "{here}{path}"'
            h.process.config.write_text(config.replace(f'public_url = "{here}"', public_url), "utf-8")
            await h.process.start()
            if path is not None:
                await h.until(lambda path=path: destinations(h) == {f"{here}{path}/webhooks/{SITE}": len(REGISTERED)})  # type: ignore[misc]
                assert len(h.shop.hooks.registered) == len(REGISTERED)
                assert await h.process.terminate() == 0
        await h.process.request("POST", "/admin/disconnect", json={"site": SITE})
        await h.until(lambda: not h.shop.hooks.registered)
