"""All recorded deliveries, brought to the daemon's own routes: each is taken, and none of them does harm."""

from http import HTTPStatus

from trio.testing import MockClock

from tests.platforms.woocommerce.edits import trading_shop
from tests.platforms.woocommerce.test_woocommerce_webhooks import EDITS, READER, raw, signed
from tests.platforms.woocommerce.whole import HOOK_SECRET, REGISTERED, whole_daemon


async def test_every_recorded_ping_and_delivery_is_answered_200(autojump_clock: MockClock) -> None:
    """27 pings, and 141 deliveries signed by our secret. Most of their entities are not in this shop."""
    async with whole_daemon(trading_shop()) as whole:
        await whole.synced()
        address = next(iter(whole.woocommerce.webhooks.hooks.registered.values())).delivery_url
        whole.postman.statuses.clear()
        for recorded in (delivery for deliveries in EDITS.values() for delivery in deliveries):
            headers, body = raw(recorded["headers"]), recorded["body"].encode()
            if not READER.is_ping(headers, body):
                headers = signed(recorded["headers"], body, HOOK_SECRET)
            named = {name.decode(): value.decode() for name, value in headers.items()}
            await whole.postman.post(address, named, body)
        assert len(whole.postman.statuses) == 141 + 27
        assert set(whole.postman.statuses) <= {HTTPStatus.OK, HTTPStatus.NO_CONTENT}
        samples = whole.context.metrics.registry
        counted = {"site": "test/sandbox"}
        assert samples.get_sample_value("ignite_sync_webhooks_total", {**counted, "outcome": "ping"}) == 27 + len(
            REGISTERED
        )
        await whole.settle()
        assert whole.unequal == []
        kinds = (await whole.status())["kinds"]
        assert [kind["outbox"]["parked"] for kind in kinds.values()] == [0] * len(kinds)


async def test_the_listener_takes_deliveries_of_8_mib(autojump_clock: MockClock) -> None:
    """A product with the data of a page builder is over a MiB; what is refused counts as a failure in the shop."""
    async with whole_daemon(trading_shop()) as whole:
        assert whole.postman.routes().largest("/webhooks/test/sandbox") == 8 * 1024 * 1024
