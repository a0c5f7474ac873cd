"""Webhooks are made in one call, repaired, switched on again, and removed; those of others stay."""

from typing import Any

import httpx
import pytest
from trio.testing import MockClock

from daemon.errors import Blocked, ConfigError, Retry
from daemon.model import Kind, Secret
from daemon.platforms.base import Registration
from daemon.platforms.woocommerce.webhooks import TOPICS
from tests.each import each
from tests.platforms.woocommerce.recorded import SIGNING
from tests.platforms.woocommerce.shop import FakeShop, own

HERE = "https://ignite.example.com/webhooks/live/site-1"
MOVED = "https://other.example.com/webhooks/live/site-1"
ALL_KINDS = frozenset({Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS})
FOREIGN = {"name": "ERP", "status": "active", "topic": "product.updated", "delivery_url": "https://erp.example.com/x"}
NEIGHBOUR = {**FOREIGN, "name": "Ignite Sync product.updated 1", "delivery_url": HERE.replace("site-1", "site-2")}
SAME_PATH = {**FOREIGN, "delivery_url": HERE}


async def test_all_are_made_in_one_call_and_found_again() -> None:
    shop = FakeShop()
    announced: list[Registration] = []

    async def announce(found: Registration) -> None:
        announced.append(found)

    made = await shop.adapter.ensure_webhooks(HERE, announce)
    assert (made.registered, made.missing, made.kinds, made.mended, made.fresh) == (11, {}, ALL_KINDS, 11, True)
    assert announced[0].kinds == ALL_KINDS
    assert {hook["topic"] for hook in shop.hooks.values()} == set(TOPICS)
    assert all(hook["secret"] == SIGNING and hook["delivery_url"] == HERE for hook in shop.hooks.values())
    assert [request.method for request in shop.asked] == ["GET", "POST"]
    again = await shop.adapter.ensure_webhooks(HERE, announce)
    assert (again.registered, again.mended, again.kinds, len(announced)) == (11, 0, frozenset(), 1)
    assert len(shop.asked) == 3


async def test_those_of_others_stay() -> None:
    shop = FakeShop()
    shop.hooks = {id_: {**hook, "id": id_} for id_, hook in enumerate((FOREIGN, NEIGHBOUR, SAME_PATH), 1)}
    before = {id_: dict(hook) for id_, hook in shop.hooks.items()}
    await shop.adapter.ensure_webhooks(HERE)
    await shop.adapter.remove_webhooks(HERE)
    assert shop.hooks == before


@each("change", [{"status": "disabled"}, {"status": "paused"}, {"delivery_url": MOVED}, {"name": "Ignite Sync old"}])
async def test_a_wrong_one_is_repaired(change: dict[str, str]) -> None:
    shop = FakeShop()
    await shop.adapter.ensure_webhooks(HERE)
    hook = next(hook for hook in shop.hooks.values() if hook["topic"] == "order.updated")
    right = dict(hook)
    hook |= change
    mended = await shop.adapter.ensure_webhooks(HERE)
    assert (mended.mended, mended.kinds, mended.registered, mended.fresh) == (1, frozenset({Kind.ORDERS}), 11, False)
    assert mended.switched_off == ({"order.updated"} if change == {"status": "disabled"} else frozenset())
    assert shop.hooks[hook["id"]] == right
    assert len(shop.hooks) == 11


async def test_a_new_secret_is_given_to_all() -> None:
    shop = FakeShop()
    await shop.adapter.ensure_webhooks(HERE)
    other = FakeShop(webhook_secret=Secret("new"))
    other.hooks = shop.hooks
    assert (await other.adapter.ensure_webhooks(HERE)).mended == 11
    assert {hook["secret"] for hook in shop.hooks.values()} == {"new"}


async def test_second_ones_and_those_of_other_topics_are_removed() -> None:
    shop = FakeShop()
    await shop.adapter.ensure_webhooks(HERE)
    first = next(iter(shop.hooks.values()))
    shop.hooks[90] = {**first, "id": 90, "status": "disabled"}
    shop.hooks[91] = {**first, "id": 91, "topic": "coupon.updated"}
    mended = await shop.adapter.ensure_webhooks(HERE)
    assert mended.mended == 2
    assert len(shop.hooks) == 11
    assert first["id"] in shop.hooks


async def test_an_empty_list_of_webhooks_counts_only_twice(autojump_clock: MockClock) -> None:
    shop = FakeShop()
    await shop.adapter.ensure_webhooks(HERE)
    shop.script.append(shop._page([], shop.asked[0].url.params))
    await shop.adapter.remove_webhooks(HERE)
    assert shop.hooks == {}


@pytest.mark.holds("A6")
@each(
    "answer",
    [
        httpx.Response(200, json={}),
        httpx.Response(200, json={"status": "ok"}),
        own(404, "woocommerce_rest_shop_webhook_invalid_id"),
    ],
)
async def test_a_deletion_that_is_only_said_to_be_done_is_tried_again(
    autojump_clock: MockClock, answer: httpx.Response
) -> None:
    """A proxy or a plugin may answer so in WooCommerce's place."""
    shop = FakeShop()
    await shop.adapter.ensure_webhooks(HERE)
    shop.broken[f"/webhooks/{min(shop.hooks)}"] = answer
    with pytest.raises(Retry, match="still listed"):
        await shop.adapter.remove_webhooks(HERE)
    shop.broken.clear()
    await shop.adapter.remove_webhooks(HERE)
    assert shop.hooks == {}


async def test_topics_that_are_refused_are_told() -> None:
    shop = FakeShop()
    rows: list[Any] = [{"id": place, "topic": topic} for place, topic in enumerate(TOPICS)]
    rows[3] = {"id": 0, "error": {"code": "woocommerce_rest_shop_webhook_invalid_topic", "message": "No such topic."}}
    shop.broken["/webhooks/batch"] = httpx.Response(200, json={"create": rows})
    made = await shop.adapter.ensure_webhooks(HERE)
    assert made.missing == {list(TOPICS)[3]: "No such topic."}
    assert (made.registered, made.failure) == (10, None)


async def test_a_read_only_key_is_told_and_blocks_nothing() -> None:
    shop = FakeShop()
    message = "The API key provided does not have write permissions."
    shop.broken["/webhooks/batch"] = own(401, "woocommerce_rest_authentication_error", message)
    made = await shop.adapter.ensure_webhooks(HERE)
    assert made.failure is None
    assert made.registered == 0
    assert all("Read/Write" in words for words in made.missing.values())


@each(
    ("status", "code", "failure"),
    [(500, "internal_server_error", Retry), (401, "woocommerce_rest_cannot_view", Blocked)],
)
async def test_a_failure_is_tried_again(status: int, code: str, failure: type[Exception]) -> None:
    shop = FakeShop()
    shop.broken["/webhooks/batch"] = own(status, code)
    made = await shop.adapter.ensure_webhooks(HERE)
    assert isinstance(made.failure, failure)
    # After an error of the server, the webhooks may have been made: what they missed until now must be caught up.
    assert made.kinds == (ALL_KINDS if status == 500 else frozenset())


async def test_an_incomplete_answer_is_no_success() -> None:
    shop = FakeShop()
    shop.broken["/webhooks/batch"] = own(200, "x")
    made = await shop.adapter.ensure_webhooks(HERE)
    assert made.failure is not None
    assert made.registered == 0


async def test_webhooks_need_a_secret() -> None:
    shop = FakeShop(webhook_secret=None)
    with pytest.raises(ConfigError, match="webhook_secret"):
        await shop.adapter.ensure_webhooks(HERE)
    await shop.adapter.remove_webhooks(HERE)
    assert shop.asked == []
