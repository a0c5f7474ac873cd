"""The queue of webhooks: late, one after the other, each once; its failures, and what they switch off."""

from typing import Any

import httpx
import pytest
import trio

from daemon.sandbox import WooCommerceOptions, open_woocommerce
from tests.sandbox.woocommerce.small import JUMPER, MUG, small_shop


async def status_of(shop: Any, hook: int) -> str:
    return str((await shop.get(f"/webhooks/{hook}"))["status"])


async def test_the_seventh_failure_in_a_row_switches_a_webhook_off(running: Any, recordings: Any) -> None:
    trail = recordings("deliveries")["disable_trail"]["failed_delivery_trail"]
    async with running() as shop:
        (number,) = await shop.register("product.updated")
        hook = shop.woocommerce.webhooks.hooks.registered[number]
        shop.inbox.script = [500]
        seen = []
        for price in range(len(trail)):
            shop.shop.set_price(MUG, price)
            await shop.woocommerce.webhooks.settled()
            seen.append(f"{await status_of(shop, number)} failures={hook.failure_count}")
        assert len(shop.inbox.received) == 7
    assert seen == trail


async def test_a_revived_webhook_has_one_chance_and_nothing_comes_later(running: Any, recordings: Any) -> None:
    known = recordings("deliveries")["scenarios"]
    async with running() as shop:
        (number,) = await shop.register("product.updated")
        shop.inbox.script = [500]
        for price in range(7):
            shop.shop.set_price(MUG, price)
            await shop.settled()
        shop.shop.set_price(JUMPER, 1)
        assert await shop.settled() == known["webhooks/41_after_disabling"]["deliveries"] == []
        shop.inbox.script = [200]
        await shop.ask("PUT", f"/webhooks/{number}", {"status": "active"})
        assert await shop.settled() == known["webhooks/42_reenable"]["deliveries"] == []
        shop.shop.set_price(MUG, 3)
        assert len(await shop.settled()) == len(known["webhooks/43_after_reenabling"]["deliveries"]) == 1
        assert shop.woocommerce.webhooks.hooks.registered[number].failure_count == 0

        hook = shop.woocommerce.webhooks.hooks.registered[number]
        hook.failure_count, shop.inbox.script = 6, [500]
        shop.shop.set_price(MUG, 4)
        await shop.settled()
        assert await status_of(shop, number) == "disabled"


@pytest.mark.parametrize(
    ("status", "delivered"),
    [(200, True), (204, True), (302, True), (303, False), (304, False), (410, False), (500, False), (None, False)],
)
async def test_what_counts_as_delivered(running: Any, status: int | None, delivered: bool) -> None:  # noqa: FBT001
    """As recorded in 39_answers_and_failure_counts; a redirect is not followed, and counts all the same."""
    async with running() as shop:
        (number,) = await shop.register("product.updated")
        hook = shop.woocommerce.webhooks.hooks.registered[number]
        hook.failure_count, shop.inbox.script = 3, [status]
        shop.shop.set_title(MUG, "Cup")
        await shop.settled()
    assert hook.failure_count == (0 if delivered else 4)


async def test_a_delivery_comes_after_wp_cron_and_only_once(running: Any, autojump_clock: Any) -> None:
    async with running(cron_delay=36.0) as shop:
        await shop.register("product.updated", "product.deleted")
        began = trio.current_time()
        shop.shop.set_title(MUG, "Cup")
        await trio.sleep(10)
        shop.shop.set_title(MUG, "Beaker")
        assert shop.inbox.received == []
        assert await shop.settled() == [("product.updated", MUG)]
        assert trio.current_time() - began == 36
        shop.shop.set_title(MUG, "Bowl")
        assert await shop.settled() == [("product.updated", MUG)]


async def test_a_quiet_shop_waits_for_a_visit(running: Any, autojump_clock: Any) -> None:
    async with running(cron_delay=10.0, needs_visits=True) as shop:
        await shop.register("product.updated")
        shop.shop.set_title(MUG, "Cup")
        await trio.sleep(3600)
        assert shop.inbox.received == []
        await shop.get("/products/1")
        assert await shop.settled() == [("product.updated", MUG)]


async def test_without_wp_cron_only_a_page_of_the_admin_sends(running: Any, autojump_clock: Any) -> None:
    async with running(cron_delay=None) as shop:
        await shop.register("product.updated")
        shop.shop.set_title(MUG, "Cup")
        await trio.sleep(75)
        await shop.get("/products/1")
        assert (shop.inbox.received, shop.woocommerce.webhooks.outstanding) == ([], 1)
        await shop.woocommerce.webhooks.run_queue()
        assert shop.inbox.topics == [("product.updated", MUG)]
        shop.shop.set_title(JUMPER, "Pullover")
        shop.woocommerce.webhooks.cron_delay = 0.0
        await shop.get("/products/1")
        assert await shop.settled() == [("product.updated", MUG), ("product.updated", JUMPER)]


async def test_a_slow_receiver_holds_up_all_and_fails_after_a_minute(running: Any, autojump_clock: Any) -> None:
    async with running() as shop:
        first, second = await shop.register("product.updated", "customer.updated")
        hooks = shop.woocommerce.webhooks.hooks.registered
        began, shop.inbox.seconds = trio.current_time(), 75.0
        shop.shop.set_title(MUG, "Cup")
        shop.shop.customers.update(2, first_name="Anne")
        await shop.settled()
        assert trio.current_time() - began == 120
    assert [hooks[number].failure_count for number in (first, second)] == [1, 1]


async def test_dropped_deliveries_are_lost_and_count_as_nothing(running: Any) -> None:
    async with running() as shop:
        (number,) = await shop.register("product.updated")
        shop.woocommerce.webhooks.dropping = True
        for price in range(9):
            shop.shop.set_price(MUG, price)
            await shop.settled()
        shop.woocommerce.webhooks.dropping = False
        assert (await shop.settled(), shop.woocommerce.webhooks.dropped) == ([], 9)
        assert await status_of(shop, number) == "active"
        shop.shop.set_price(MUG, 10)
        assert await shop.settled() == [("product.updated", MUG)]


async def test_without_a_plugin_no_webhook_goes_to_loopback(running: Any) -> None:
    async with running(safe_urls_only=True) as shop:
        for url in ("http://127.0.0.1:8399/", "http://localhost/", "https://daemon.example:8399/"):
            await shop.ask("POST", "/webhooks", {"topic": "product.updated", "delivery_url": url})
        await shop.ask("POST", "/webhooks", {"topic": "product.updated", "delivery_url": "https://daemon.example/"})
        shop.shop.set_title(MUG, "Cup")
        await shop.woocommerce.webhooks.settled()
        counts = [hook.failure_count for hook in shop.woocommerce.webhooks.hooks.registered.values()]
    assert counts == [1, 1, 1, 0]
    assert {url for url, _, _ in shop.inbox.received} == {"https://daemon.example/"}


async def test_a_deleted_webhook_gets_nothing_that_waits(running: Any) -> None:
    async with running(cron_delay=None) as shop:
        (number,) = await shop.register("product.updated")
        shop.shop.set_title(MUG, "Cup")
        refused = await shop.ask("DELETE", f"/webhooks/{number}")
        deleted = await shop.ask("DELETE", f"/webhooks/{number}?force=true")
        gone = await shop.ask("GET", f"/webhooks/{number}")
        await shop.woocommerce.webhooks.run_queue()
    assert [answer.status_code for answer in (refused, deleted, gone)] == [501, 200, 404]
    assert shop.inbox.received == []


async def test_a_batch_makes_and_mends_webhooks(running: Any) -> None:
    async with running() as shop:
        first, second = await shop.register("product.updated", "product.updated")
        body = {
            "update": [
                {"id": first, "secret": "other", "delivery_url": "http://other/"},
                {"id": 99, "status": "active"},
            ],
            "create": [{"topic": "no.such", "delivery_url": "http://daemon/"}],
            "delete": [second],
        }
        answer = (await shop.ask("POST", "/webhooks/batch", body)).json()
        listed = await shop.get("/webhooks?status=active")
    assert answer["create"][0]["error"]["code"] == "woocommerce_rest_shop_webhook_invalid_topic"
    assert answer["update"][1]["error"]["data"]["status"] == 400
    assert [hook["id"] for hook in listed] == [first]
    assert listed[0]["delivery_url"] == "http://other/"
    assert shop.woocommerce.webhooks.hooks.registered[first].secret == "other"


async def test_by_hand_one_can_repeat_and_forge(running: Any) -> None:
    async with running() as shop:
        await shop.register("product.updated")
        shop.shop.set_title(MUG, "Cup")
        webhooks = shop.woocommerce.webhooks
        await webhooks.settled()
        delivery = webhooks.attempts[0]
        await webhooks.send(delivery)
        await webhooks.send(delivery, signature="forged")
        await webhooks.send(delivery, signature="none", headers={"x-wc-webhook-topic": "product.deleted"})
    first, repeated, forged, bare = (headers for _, headers, _ in shop.inbox.received)
    assert repeated == first
    assert forged["x-wc-webhook-signature"] != first["x-wc-webhook-signature"]
    assert "x-wc-webhook-signature" not in bare
    assert bare["x-wc-webhook-topic"] == "product.deleted"


async def test_over_sockets_all_is_the_same(receiver: Any) -> None:
    async with open_woocommerce(WooCommerceOptions(), shop=small_shop()) as woocommerce:
        auth = (woocommerce.key.consumer_key, woocommerce.key.consumer_secret)
        async with httpx.AsyncClient(
            base_url=f"{woocommerce.url}/wp-json/wc/v3/", auth=auth, trust_env=False
        ) as client:
            await client.post("webhooks", json={"topic": "product.updated", "delivery_url": receiver.url})
            await client.put("products/1", json={"name": "Cup"})
            await woocommerce.webhooks.settled()
            head = await client.head("products")
    kinds = [request.headers["content-type"] for request in receiver.received]
    assert sorted(kinds) == ["application/json", "application/x-www-form-urlencoded"]
    assert all(request.headers["connection"] == "close" for request in receiver.received)
    assert head.headers["x-wp-total"] == "2"
    assert head.content == b""
