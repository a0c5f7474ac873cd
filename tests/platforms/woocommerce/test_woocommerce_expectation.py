"""The expected state of a WooCommerce shop: the daemon reaches it, and every edit is a difference until it arrives."""

from trio.testing import MockClock

from daemon.sandbox.woocommerce import adventureworks
from tests.platforms.woocommerce.edits import COUNTED, SWEPT, UNANNOUNCED, trading_shop
from tests.platforms.woocommerce.whole import whole_daemon

MANY = SWEPT | UNANNOUNCED | COUNTED


async def test_the_whole_company_reaches_the_expected_state(autojump_clock: MockClock) -> None:
    """Two mappings that share nothing agree about 119 products, 704 customers and 12 orders."""
    async with whole_daemon(adventureworks()) as whole:
        await whole.synced()
        assert whole.unequal == []
        site = whole.site.state.comparable()
        assert (len(site["products"]), len(site["purchases"])) == (119, 12)
        assert len(site["customers"]) == 700, "all trade customers but the one without a usable e-mail"


async def test_every_edit_is_a_difference_until_it_arrives(autojump_clock: MockClock) -> None:
    """Without the first half, the tests that compare nothing would look as good as those that hold."""
    async with whole_daemon(trading_shop()) as whole:
        await whole.synced()
        assert whole.unequal == []
        whole.woocommerce.webhooks.dropping = True
        unseen = []
        for name, edit in MANY.items():
            before = whole.unequal
            edit(whole.shop)
            if whole.unequal == before:
                unseen.append(name)
        assert unseen == ["trash emptied"], "what is in the trash is gone already"
