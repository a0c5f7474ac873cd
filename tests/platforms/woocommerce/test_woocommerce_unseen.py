"""What can stay unseen, and how long: one test for each line of the table of that name in docs/operating.md."""

from trio.testing import MockClock

from tests.platforms.woocommerce.edits import COUNTED, SWEPT, UNANNOUNCED, trading_shop
from tests.platforms.woocommerce.whole import whole_daemon


async def test_a_webhook_brings_every_announced_edit(autojump_clock: MockClock) -> None:
    """Line 1: within seconds of its delivery, each by itself, without any sweep."""
    settings = {"tax in prices", "unit of weight"}
    async with whole_daemon(trading_shop()) as whole:
        await whole.synced()
        for name, edit in SWEPT.items():
            if name in settings | {"variation deleted", "refund deleted", "attribute", "parent"}:
                continue
            edit(whole.shop)
            await whole.settle()
            assert whole.unequal == [], name


async def test_dropped_deliveries_come_with_the_next_sweep_and_census(autojump_clock: MockClock) -> None:
    """Lines 2 to 4: all deliveries dropped for 10 minutes, with every sort of edit in them."""
    async with whole_daemon(trading_shop()) as whole:
        await whole.synced()
        whole.woocommerce.webhooks.dropping = True
        for edit in (SWEPT | UNANNOUNCED | COUNTED).values():
            edit(whole.shop)
        await whole.settle()
        assert whole.woocommerce.webhooks.dropped > 0
        await whole.swept()
        print(whole.unequal)
        await whole.counted()
        assert whole.unequal == []
