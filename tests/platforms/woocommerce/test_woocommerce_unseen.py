"""The table "What can stay unseen, and how long" of docs/operating.md, line by line.

| line of the table | test |
|---|---|
| an edit with a delivery | `test_a_delivery_brings_every_announced_edit` |
| an edit whose delivery is lost | `test_dropped_deliveries_come_with_the_next_sweep` |
| a role or an attribute given by code | the same, by `UNANNOUNCED` |
| a setting of the shop | `test_a_setting_comes_with_the_next_sweep`, `test_a_currency_comes_with_the_next_sweep` |
| tracking, a line, a deleted refund of an open order | `test_open_orders_without_dates_come_with_the_next_sweep` |
| restored amid a full sync | `test_woocommerce_walk_and_sweep.py` |
| deleted permanently, or without the role | `test_silent_removals_come_with_the_next_census` |
| a renamed term, a write into the database, a closed order | `test_what_moves_no_date_comes_with_the_daily_read` |
| a webhook that was switched off; a full disk | `test_woocommerce_care.py` |
| a sale price | `test_a_sale_price_is_never_synced` |
"""

import pytest
import trio
from trio.testing import MockClock

from daemon.platforms.woocommerce import PLATFORM
from daemon.sandbox import WooCommerceOptions
from tests.each import each
from tests.platforms.woocommerce.edits import (
    COUNTED,
    CUSTOMER_EDITS,
    ORDER_EDITS,
    PRODUCT_EDITS,
    READ_DAILY,
    SETTINGS_EDITS,
    SILENT,
    SWEPT,
    UNANNOUNCED,
    UNDATED_ORDERS,
    trading_shop,
)
from tests.platforms.woocommerce.whole import whole_daemon

DAY = 86_400.0
OUTAGE = 600.0


async def test_a_delivery_brings_every_announced_edit(autojump_clock: MockClock) -> None:
    """Within ten seconds of it, each by itself: the sweep is a quarter of an hour away."""
    async with whole_daemon(trading_shop(), WooCommerceOptions(cron_delay=36.0)) as whole:
        await whole.synced()
        for name in [name for name in SWEPT if name not in SILENT]:
            SWEPT[name](whole.shop)
            await whole.settle(within=36 + 10)
            assert whole.unequal == [], name


async def test_dropped_deliveries_come_with_the_next_sweep(autojump_clock: MockClock) -> None:
    """All deliveries of ten minutes are lost, with an edit of every sort in them; no person does anything."""
    edits = PRODUCT_EDITS | CUSTOMER_EDITS | ORDER_EDITS | UNANNOUNCED
    assert len(edits) >= 30
    async with whole_daemon(trading_shop()) as whole:
        await whole.synced()
        whole.woocommerce.webhooks.dropping = True
        for edit in edits.values():
            edit(whole.shop)
            await trio.sleep(OUTAGE / len(edits))
        whole.woocommerce.webhooks.dropping = False
        assert whole.woocommerce.webhooks.dropped > len(edits) / 2
        await whole.swept()
        assert whole.unequal == []


@each("name", [*SETTINGS_EDITS])
async def test_a_setting_comes_with_the_next_sweep(autojump_clock: MockClock, name: str) -> None:
    """It has everything read, so it would hide what the sweeps of other kinds do not find."""
    async with whole_daemon(trading_shop()) as whole:
        await whole.synced()
        SETTINGS_EDITS[name](whole.shop)
        assert whole.unequal != []
        await whole.swept()
        assert whole.unequal == []
        # No webhook tells of it, so none was missed.
        await trio.sleep(PLATFORM.webhooks.delivered_within + 1)
        samples, labels = whole.context.metrics.registry, {"site": "test/sandbox", "kind": "store"}
        assert not samples.get_sample_value("ignite_sync_webhooks_missed_total", labels)


async def test_a_currency_comes_with_the_next_sweep(autojump_clock: MockClock) -> None:
    """It converts nothing, and orders keep theirs."""
    async with whole_daemon(trading_shop()) as whole:
        await whole.synced()
        assert whole.site.state.settings.currency == "GBP"
        whole.shop.update_settings(currency="EUR")
        await whole.swept()
        assert whole.site.state.settings.currency == "EUR"
        assert whole.unequal == []


async def test_silent_removals_come_with_the_next_census(autojump_clock: MockClock) -> None:
    """No list of changes has them, so the sweeps before the census cannot help."""
    async with whole_daemon(trading_shop()) as whole:
        await whole.synced()
        whole.woocommerce.webhooks.dropping = True
        for edit in COUNTED.values():
            edit(whole.shop)
        whole.woocommerce.webhooks.dropping = False
        await whole.settle()
        assert whole.unequal != []
        await whole.counted()
        assert whole.unequal == []


@pytest.mark.parametrize("hpos", [True, False], ids=["HPOS", "posts"])
async def test_open_orders_without_dates_come_with_the_next_sweep(autojump_clock: MockClock, *, hpos: bool) -> None:
    shop = trading_shop()
    shop.hpos = hpos
    async with whole_daemon(shop) as whole:
        await whole.synced()
        whole.woocommerce.webhooks.dropping = True
        for name, edit in UNDATED_ORDERS.items():
            before = whole.unequal
            edit(shop)
            assert whole.unequal != before, name
        await whole.swept()
        assert whole.unequal == []


async def test_what_moves_no_date_comes_with_the_daily_read(autojump_clock: MockClock) -> None:
    async with whole_daemon(trading_shop()) as whole:
        await whole.synced()
        for name, edit in READ_DAILY.items():
            before = whole.unequal
            edit(whole.shop)
            assert whole.unequal != before, name
        for ahead in (0.9, 1.1):
            assert whole.unequal != []
            whole.clock.ahead = ahead * DAY
            whole.context.sweep_now()
            await trio.sleep(60)
            await whole.settle()
        assert whole.unequal == []


async def test_a_sale_price_is_never_synced(autojump_clock: MockClock) -> None:
    """SparkLayer holds regular prices: what a sale changes is nothing that it would have."""
    async with whole_daemon(trading_shop()) as whole:
        await whole.synced()
        writes = whole.site.state.writes
        whole.shop.update(whole.shop.by_sku("MUG").id, sale_price="1.00")
        await whole.settle()
        assert (whole.unequal, whole.site.state.writes) == ([], writes)
