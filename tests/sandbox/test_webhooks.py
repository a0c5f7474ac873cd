"""Webhooks are registered, signed, delivered, retried and given up as the contract says."""

import base64
import json
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from daemon.sandbox import BigCommerceOptions, reset
from daemon.sandbox.bigcommerce.webhooks import RETRIES, Blocklist

AT_ONCE = BigCommerceOptions(time_scale=0.0)


async def register(running: Any, destination: str, scope: str = "store/product/*") -> int:
    hook = {"scope": scope, "destination": destination, "is_active": True, "headers": {"X-Secret": "s"}}
    answer = await running.shop("POST", "/v3/hooks", hook)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["data"]["id"])


@pytest.mark.parametrize(
    "change",
    [
        {"scope": "store/nonsense"},
        {"destination": "http://example.com/webhooks"},
        {"destination": "https://127.0.0.1/webhooks"},
        {"surprise": 1},
        {"headers": {"X": 1}},
        {"is_active": "yes"},
    ],
)
async def test_an_unfit_hook_is_refused(harness: Any, change: dict[str, Any]) -> None:
    hook = {"scope": "store/product/*", "destination": "http://127.0.0.1:1/", "is_active": True}
    async with harness() as running:
        assert (await running.shop("POST", "/v3/hooks", hook | change)).status_code == 422


async def test_one_hook_per_scope_and_destination_and_ten_per_scope(harness: Any) -> None:
    async with harness() as running:
        for number in range(10):
            await register(running, f"http://127.0.0.1:1/{number}")
        for path in ("0", "another"):
            hook = {"scope": "store/product/*", "destination": f"http://127.0.0.1:1/{path}"}
            assert (await running.shop("POST", "/v3/hooks", hook)).status_code == 422


async def test_hooks_are_listed_changed_and_removed(harness: Any) -> None:
    async with harness() as running:
        hook = await register(running, "http://127.0.0.1:1/")
        changed = await running.shop("PUT", f"/v3/hooks/{hook}", {"is_active": False})
        listed = await running.shop("GET", "/v3/hooks?is_active=false&scope=store/product/*")
        health = await running.shop("GET", "/v3/hooks/admin")
        await running.shop("DELETE", f"/v3/hooks/{hook}")
        gone = await running.shop("GET", f"/v3/hooks/{hook}")
    assert changed.json()["data"]["headers"] == {"X-Secret": "s"}
    assert [found["id"] for found in listed.json()["data"]] == [hook]
    (told,) = health.json()["data"]["hooks_list"]
    assert (told["id"], told["status"], told["destination"]) == (hook, "inactive", "http://127.0.0.1:1/")
    assert health.json()["data"]["blocked_domains"] == []
    assert gone.status_code == 404


async def test_a_delivery_is_an_envelope_with_our_headers_and_a_signature(harness: Any, receiver: Any) -> None:
    async with harness() as running:
        await register(running, receiver.url)
        running.store.set_title(1, "Pullover")
        await running.sandbox.bigcommerce.webhooks.settled()
        secret = running.sandbox.bigcommerce.client_secret
    (request,) = receiver.received
    body = json.loads(request.body)
    assert (body["scope"], body["data"]) == ("store/product/updated", {"type": "product", "id": 1})
    assert (body["store_id"], body["producer"]) == ("1025646", "stores/sandbox")
    assert len(body["hash"]) == 40
    assert isinstance(body["created_at"], int)
    assert request.headers["x-secret"] == "s"
    Webhook(base64.b64encode(secret.encode()).decode()).verify(request.body, dict(request.headers))


async def test_a_refused_delivery_comes_again_with_the_same_id_and_body(harness: Any, receiver: Any) -> None:
    receiver.script = [503, 500, 204]
    async with harness(bigcommerce=AT_ONCE) as running:
        await register(running, receiver.url)
        running.store.set_title(1, "Pullover")
        webhooks = running.sandbox.bigcommerce.webhooks
        await webhooks.settled()
    assert [attempt.status for attempt in webhooks.attempts] == [503, 500, 204]
    assert len({(request.body, request.headers["webhook-id"]) for request in receiver.received}) == 1


async def test_after_48_hours_the_hook_is_switched_off_and_says_so_elsewhere(harness: Any, receiver: Any) -> None:
    assert sum(RETRIES) == 173_040
    async with harness(bigcommerce=AT_ONCE) as running:
        hook = await register(running, "http://127.0.0.1:1/closed")
        await register(running, receiver.url, "store/hook/deliveryException")
        running.store.set_title(1, "Pullover")
        webhooks = running.sandbox.bigcommerce.webhooks
        await webhooks.settled()
        found = (await running.shop("GET", f"/v3/hooks/{hook}")).json()["data"]
        health = (await running.shop("GET", "/v3/hooks/admin")).json()["data"]["hooks_list"][0]
        assert not found["is_active"]
        assert health["status"] == "deactivated"
        assert [a.status for a in webhooks.attempts if a.hook.id == hook] == [None] * 12
        assert json.loads(receiver.received[0].body)["data"]["error_code"] == 90002

        running.store.set_title(1, "Sweater")
        assert webhooks.outstanding == 0
        await running.shop("PUT", f"/v3/hooks/{hook}", {"is_active": True, "destination": receiver.url})
        running.store.set_title(1, "Cardigan")
        await webhooks.settled()
        assert json.loads(receiver.received[-1].body)["scope"] == "store/product/updated"


async def test_to_a_blocked_domain_nothing_is_sent(harness: Any, receiver: Any) -> None:
    async with harness(bigcommerce=BigCommerceOptions(time_scale=1.0)) as running:
        hook = await register(running, receiver.url)
        control = f"{running.sandbox.bigcommerce.url}/_sandbox/block"
        assert (await running.shop("POST", control, {"domain": "127.0.0.1"})).status_code == 204
        health = (await running.shop("GET", "/v3/hooks/admin")).json()["data"]
        webhooks = running.sandbox.bigcommerce.webhooks
        webhooks.time_scale = 0.0
        running.store.set_title(1, "Pullover")
        await webhooks.settled()
        found = (await running.shop("GET", f"/v3/hooks/{hook}")).json()["data"]
    (blocked,) = health["blocked_domains"]
    assert (blocked["destination"], blocked["time_left"] > 0, bool(blocked["reasons"])) == ("127.0.0.1", True, True)
    assert (len(webhooks.attempts), receiver.received, found["is_active"]) == (0, [], False)


async def test_a_block_ends(mock_clock: Any) -> None:
    blocklist = Blocklist(0.5)
    blocklist.block("sync.example.com")
    mock_clock.jump(89)
    assert blocklist.has("https://sync.example.com/webhooks")
    assert not blocklist.has("https://other.example.com/")
    mock_clock.jump(1)
    assert not blocklist.has("https://sync.example.com/webhooks")
    assert blocklist.shown() == []


async def test_by_hand_one_can_repeat_forge_and_date_back(harness: Any, receiver: Any) -> None:
    async with harness() as running:
        await register(running, receiver.url)
        running.store.set_title(1, "Pullover")
        shop = running.sandbox.bigcommerce
        await shop.webhooks.settled()
        delivery = shop.webhooks.attempts[0]
        await shop.webhooks.send(delivery)
        await shop.webhooks.send(delivery, signature="forged")
        await shop.webhooks.send(delivery, signature="none", headers={})
        await shop.webhooks.send(delivery, age=3600)
        verify = Webhook(base64.b64encode(shop.client_secret.encode()).decode()).verify
    first, repeated, forged, bare, old = receiver.received
    assert repeated.body == first.body
    verify(repeated.body, dict(repeated.headers))
    for refused in (forged, old):
        with pytest.raises(WebhookVerificationError):
            verify(refused.body, dict(refused.headers))
    assert not {"webhook-id", "x-secret"} & bare.headers.keys()


async def test_a_kept_connection_that_died_costs_no_attempt(harness: Any, receiver: Any) -> None:
    async with harness() as running:
        await register(running, receiver.url)
        running.store.set_title(1, "A")
        webhooks = running.sandbox.bigcommerce.webhooks
        await webhooks.settled()
        receiver.faults.add("*", reset(), times=1)
        running.store.set_title(1, "B")
        await webhooks.settled()
    assert [(attempt.attempt, attempt.status) for attempt in webhooks.attempts] == [(1, 200), (1, 200)]


async def test_a_removed_hook_is_not_tried_again(harness: Any, receiver: Any) -> None:
    receiver.script = [500]
    async with harness(bigcommerce=AT_ONCE) as running:
        hook = await register(running, receiver.url)
        async with receiver.faults.hold("*") as held:
            running.store.set_title(1, "A")
            await held.arrived()
            await running.shop("DELETE", f"/v3/hooks/{hook}")
        await running.sandbox.bigcommerce.webhooks.settled()
    assert len(receiver.received) == 1
