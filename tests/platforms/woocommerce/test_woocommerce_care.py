"""Webhooks that WooCommerce has switched off, and deliveries that could not be taken, in the whole daemon."""

import trio
from trio.testing import MockClock

from daemon.sandbox import WooCommerceOptions
from tests.platforms.woocommerce.edits import trading_shop
from tests.platforms.woocommerce.whole import EPOCH, LATEST, SWEEP, Whole, true_time, whole_daemon

SEVEN = 7
"""Failures in a row that switch a webhook off."""


async def fail_seven_times(whole: Whole) -> None:
    """Make seven edits of products, each with a delivery that is not taken; the last switches the webhook off."""
    mug = whole.shop.by_sku("MUG").id
    for number in range(SEVEN):
        assert not disabled(whole)
        whole.shop.set_title(mug, f"Unheard {number}")
        await whole.woocommerce.webhooks.settled()
    assert disabled(whole) == {"product.updated"}
    whole.shop.set_price(mug, "99")
    await whole.woocommerce.webhooks.settled()


def disabled(whole: Whole) -> set[str]:
    """Return the topics that the shop has switched off."""
    hooks = whole.woocommerce.webhooks.hooks.registered.values()
    return {hook.topic for hook in hooks if hook.status == "disabled"}


async def test_a_webhook_switched_off_is_on_again_within_one_sweep(autojump_clock: MockClock) -> None:
    """The daemon itself has seen none of the failures: a proxy before it answered."""
    async with whole_daemon(trading_shop()) as whole:
        await whole.synced()
        whole.postman.answer = 502
        await fail_seven_times(whole)
        whole.postman.answer = None
        assert whole.unequal != []
        began = true_time()
        await whole.swept()
        assert disabled(whole) == set()
        assert whole.unequal == []
        found = (await whole.status())["webhooks"]
        assert found["mended"]["switched_off"] == ["product.updated"]
        assert began < found["mended"]["at"] < began + SWEEP * LATEST
        assert found["well_at"] >= found["mended"]["at"]
        # It works again: an edit needs no sweep.
        whole.shop.set_title(whole.shop.by_sku("MUG").id, "Heard")
        await whole.settle(within=60)
        assert whole.unequal == []
    samples = whole.context.metrics.registry
    labels = {"site": "test/sandbox"}
    assert samples.get_sample_value("ignite_sync_webhooks_switched_off_total", labels) == 1


async def test_a_full_disk_is_caught_up_as_soon_as_it_has_room(autojump_clock: MockClock) -> None:
    """Every delivery is answered 503, which WooCommerce sends once only; so the webhook is switched off as well."""
    async with whole_daemon(trading_shop()) as whole:
        await whole.synced()
        whole.postman.statuses.clear()
        whole.database.full = True
        await fail_seven_times(whole)
        assert set(whole.postman.statuses) == {503}
        await trio.sleep(600)
        whole.database.full = False
        await trio.sleep(60)
        await whole.settle()
        assert disabled(whole) == set()
        assert whole.unequal == []
        found = (await whole.status())["webhooks"]
        assert found["mended"]["switched_off"] == ["product.updated"]
        assert found["well_at"] > EPOCH + 600


async def test_no_product_of_a_batch_is_lost_though_deliveries_share_their_ids(autojump_clock: MockClock) -> None:
    """Fifty products edited at once: their deliveries have one id, as of 50 recorded ones two were distinct."""
    shop = trading_shop()
    ids = [shop.add_product(f"P{n}", sku=f"P{n}", price="1", stock=1, silent=True) for n in range(50)]
    async with whole_daemon(shop, WooCommerceOptions(cron_delay=36.0)) as whole:
        await whole.synced()
        whole.woocommerce.webhooks.attempts.clear()
        for id_ in ids:
            shop.set_price(id_, "2")
        await whole.settle(within=60)
        sent = [each for each in whole.woocommerce.webhooks.attempts if each.event.id in ids]
        assert len(sent) == 50
        assert len({each.delivery_id for each in sent}) <= 2
        assert whole.unequal == []
