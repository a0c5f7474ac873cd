"""Registration of webhooks: missing ones are added, and those of others are not touched."""

from typing import Any

import httpx
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from daemon.errors import Blocked, ConfigError, Failure, Retry
from daemon.model import Kind, Secret
from daemon.platforms.bigcommerce.adapter import BigCommerce
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.bigcommerce.webhooks import REGISTERED

HERE = "https://sync.example.com/webhooks/live/jones"


def hook(id_: int, scope: str, destination: str = HERE, carries: str | None = "our-secret", **more: Any) -> Any:
    headers = None if carries is None else {"X-Ignite-Sync-Secret": carries}
    return {"id": id_, "scope": scope, "destination": destination, "is_active": True, "headers": headers, **more}


def leads_here(store: Any) -> dict[str, int]:
    right = [
        h["scope"]
        for h in store.hooks.values()
        if h["destination"] == HERE and h["is_active"] and h["headers"] == {"X-Ignite-Sync-Secret": "our-secret"}
    ]
    return {scope: right.count(scope) for scope in right}


EACH_ONCE = dict.fromkeys(REGISTERED, 1)


async def test_a_list_without_headers_does_not_make_every_hook_a_wrong_one(store: Any, shop: BigCommerce) -> None:
    store.shows_headers = False
    assert (await shop.ensure_webhooks(HERE)).mended == len(REGISTERED)
    assert leads_here(store) == EACH_ONCE
    assert (await shop.ensure_webhooks(HERE)).mended == 0
    assert leads_here(store) == EACH_ONCE


@pytest.mark.parametrize(
    "changes",
    [
        {"is_active": False},
        {"headers": {}},
        {"headers": {"X-Ignite-Sync-Secret": "an-older-secret"}},
        {"destination": "https://old.example.com/webhooks/live/jones"},
        {"destination": "https://sync.example.com/ignite/webhooks/live/jones"},
        {"destination": "http://sync.example.com:8443/a/b/webhooks/live/jones"},
    ],
)
async def test_a_hook_of_ours_that_is_wrong_is_mended_in_place(
    store: Any, shop: BigCommerce, changes: dict[str, Any]
) -> None:
    await shop.ensure_webhooks(HERE)
    store.hooks[3] |= changes
    assert (await shop.ensure_webhooks(HERE)).mended == 1
    assert leads_here(store) == EACH_ONCE


async def test_a_second_hook_of_ours_is_deleted(store: Any, shop: BigCommerce) -> None:
    store.hooks[1] = hook(1, "store/product/updated", "https://old.example.com/webhooks/live/jones")
    store.hooks[2] = hook(2, "store/product/updated")
    assert (await shop.ensure_webhooks(HERE)).mended == len(REGISTERED)
    assert 1 not in store.hooks
    assert leads_here(store) == EACH_ONCE


STRANGERS = [
    hook(501, "store/product/updated", "https://other.example.com/hooks", None),
    hook(502, "store/product/updated", "https://sync.example.com/webhooks/test/jones", "our-secret"),
    hook(503, "store/product/updated", "https://staging.example.com/webhooks/live/jones", "another-secret"),
    hook(504, "store/order/created", "https://other.example.com/hooks", None, is_active=False),
    hook(505, "store/product/updated", "https://sync.example.com:8443/webhooks/live/jones", "another-secret"),
    hook(506, "store/product/updated", "https://sync.example.com/ignite/webhooks/live/jones", None),
    hook(507, "store/product/updated", "https://sync.example.com/webhooks/live/smith-jones", "our-secret"),
    hook(508, "store/cart/created", "https://other.example.com/jones", "our-secret"),
]


EARLIER = [
    "https://old.example.com/webhooks/live/jones",
    "https://sync.example.com/ignite/webhooks/live/jones",
    "http://sync.example.com:8080/webhooks/live/jones",
]


@pytest.mark.holds("E02")
@pytest.mark.parametrize("scope", ["store/product/updated", "store/cart/created"])
@pytest.mark.parametrize(
    ("earlier", "carries"),
    [*((one, "our-secret") for one in EARLIER), (EARLIER[1], "the secret of a database that was lost")],
)
async def test_nothing_of_ours_is_left_at_an_earlier_address(
    store: Any, shop: BigCommerce, earlier: str, carries: str, scope: str
) -> None:
    """Hooks of present and of earlier versions are removed; hooks of others stay."""
    store.hooks[1] = hook(1, scope, earlier, carries)
    store.hooks.update({unmanaged["id"]: unmanaged for unmanaged in STRANGERS})
    await shop.ensure_webhooks(HERE)
    assert [one for one in store.hooks.values() if one["destination"] != HERE] == STRANGERS
    assert leads_here(store) == EACH_ONCE


async def test_hooks_on_later_pages_are_seen(store: Any, shop: BigCommerce) -> None:
    store.caps = 4
    await shop.ensure_webhooks(HERE)
    assert (await shop.ensure_webhooks(HERE)).mended == 0
    await shop.remove_webhooks(HERE)
    assert store.hooks == {}


async def test_without_a_secret_nothing_is_registered_and_nothing_removed(store: Any) -> None:
    shop = BigCommerce(BigCommerceSettings(store_hash="abc", access_token=Secret("t")))
    with pytest.raises(ConfigError, match="webhook_secret"):
        await shop.ensure_webhooks(HERE)
    await shop.remove_webhooks(HERE)
    assert store.asked == []
    await shop.aclose()


NONE_YET = httpx.Response(200, json={"data": []})
NO_RIGHT = httpx.Response(403, json={"status": 403, "title": "You do not have the required scope"})
UNKNOWN = httpx.Response(422, json={"status": 422, "title": "The scope is unknown"})


NOW, LATER = {"retry-after": "2"}, {"retry-after": "600"}


@pytest.mark.holds("E02")
@pytest.mark.parametrize("refusal", [NO_RIGHT, UNKNOWN])
async def test_a_refused_scope_keeps_no_other_from_its_hook_and_is_told(
    store: Any, shop: BigCommerce, refusal: httpx.Response
) -> None:
    store.script.extend([NONE_YET, refusal, refusal])
    found = await shop.ensure_webhooks(HERE)
    assert leads_here(store) == dict.fromkeys(REGISTERED[2:], 1)
    assert (found.registered, found.failure) == (len(REGISTERED) - 2, None)
    assert list(found.missing) == [*REGISTERED[:2]]
    assert all(refusal.json()["title"] in words for words in found.missing.values())
    assert (await shop.ensure_webhooks(HERE)).mended == 2


async def test_a_hook_that_cannot_be_mended_keeps_no_other_from_being_made(store: Any, shop: BigCommerce) -> None:
    store.hooks[1] = hook(1, REGISTERED[-1], is_active=False)
    store.script.extend([httpx.Response(200, json={"data": [store.hooks[1]]}), UNKNOWN])
    assert list((await shop.ensure_webhooks(HERE)).missing) == [REGISTERED[-1]]
    assert leads_here(store) == dict.fromkeys(REGISTERED[:-1], 1)


async def test_a_hook_that_cannot_be_mended_is_missing_though_another_one_of_its_scope_was_deleted(
    store: Any, shop: BigCommerce
) -> None:
    store.hooks[1] = hook(1, REGISTERED[-1], is_active=False)
    store.hooks[2] = hook(2, REGISTERED[-1], "https://old.example.com/webhooks/live/jones")
    store.script.extend([httpx.Response(200, json={"data": [*store.hooks.values()]}), httpx.Response(204), UNKNOWN])
    assert list((await shop.ensure_webhooks(HERE)).missing) == [REGISTERED[-1]]


async def test_a_short_wait_is_waited_and_the_scope_is_registered(
    autojump_clock: MockClock, store: Any, shop: BigCommerce
) -> None:
    store.script.extend([NONE_YET, httpx.Response(429, headers=NOW)])
    began = trio.current_time()
    found = await shop.ensure_webhooks(HERE)
    assert (found.failure, found.missing, found.mended) == (None, {}, len(REGISTERED))
    assert trio.current_time() - began >= 2


@pytest.mark.parametrize(
    ("answers", "kind", "asked"),
    [
        ([httpx.Response(401)], Blocked, 1),
        ([httpx.Response(429, headers=LATER)], Retry, 1),
        ([httpx.Response(503)] * 3, Retry, 3),
    ],
)
async def test_what_concerns_every_scope_ends_the_registration(
    store: Any, shop: BigCommerce, answers: list[httpx.Response], kind: type[Failure], asked: int
) -> None:
    store.script.extend([NONE_YET, UNKNOWN, *answers])
    found = await shop.ensure_webhooks(HERE)
    assert isinstance(found.failure, kind)
    assert (found.registered, len(found.missing), found.mended) == (0, len(REGISTERED), 0)
    assert len(store.asked) == 2 + asked


async def test_an_answer_that_got_lost_may_have_made_the_hook(store: Any, shop: BigCommerce) -> None:
    store.script.extend([NONE_YET, httpx.Response(503)])
    store.hooks.update({n: hook(n, scope) for n, scope in enumerate(REGISTERED) if n})
    assert (await shop.ensure_webhooks(HERE)).kinds == frozenset(Kind)


async def test_refused_credentials_block(store: Any, shop: BigCommerce) -> None:
    store.script.append(httpx.Response(401, text="Unauthorized"))
    with pytest.raises(Blocked) as refused:
        await shop.ensure_webhooks(HERE)
    assert refused.value.reason == "credentials"


BLOCKED = [
    {"destination": "other.example.com", "time_left": 9, "reasons": []},
    {"destination": "sync.example.com", "time_left": 120, "reasons": []},
    {"destination": "https://sync.example.com/webhooks", "time_left": 170, "reasons": []},
]


async def test_a_blocked_domain_is_reported(store: Any, shop: BigCommerce) -> None:
    store.health = httpx.Response(200, json={"data": {"blocked_domains": BLOCKED}})
    with capture_logs() as logs:
        await shop.ensure_webhooks(HERE)
    assert [(line["log_level"], line["seconds_left"]) for line in logs] == [("warning", 170)]


@pytest.mark.parametrize(
    "answer",
    [
        NO_RIGHT,
        httpx.Response(404, json={"status": 404, "title": "Not found"}),
        httpx.Response(404, html="<h1>Not Found</h1>"),
        httpx.Response(503),
        httpx.Response(200, json={"data": {"blocked_domains": [{"destination": "other.example.com"}]}}),
        httpx.Response(200, json={"data": {}}),
    ],
)
async def test_where_no_health_is_shown_hooks_are_registered_all_the_same(
    store: Any, shop: BigCommerce, answer: httpx.Response
) -> None:
    store.health = answer
    with capture_logs() as logs:
        assert (await shop.ensure_webhooks(HERE)).mended == len(REGISTERED)
    assert leads_here(store) == EACH_ONCE
    assert logs == []


async def test_credentials_that_end_meanwhile_block(store: Any, shop: BigCommerce) -> None:
    store.health = httpx.Response(401)
    assert isinstance((await shop.ensure_webhooks(HERE)).failure, Blocked)


@pytest.mark.holds("A6")
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"data": {}}),
        httpx.Response(204),
        httpx.Response(404, json={"status": 404, "title": "Not found"}),
    ],
)
async def test_a_deletion_that_is_only_said_to_be_done_is_tried_again(
    autojump_clock: MockClock, store: Any, shop: BigCommerce, answer: httpx.Response
) -> None:
    """A proxy may answer so in BigCommerce's place."""
    await shop.ensure_webhooks(HERE)
    listed = httpx.Response(200, json={"data": list(store.hooks.values())})
    store.script.extend([listed, answer])
    with pytest.raises(Retry, match="still listed"):
        await shop.remove_webhooks(HERE)
    await shop.remove_webhooks(HERE)
    assert store.hooks == {}


async def test_json_of_another_program_ends_no_pause(store: Any, shop: BigCommerce) -> None:
    store.script.append(httpx.Response(200, json={"status": "ok"}))
    with pytest.raises(Retry):
        await shop.probe()


@pytest.mark.holds("A1")
async def test_a_web_page_is_no_list_even_if_its_content_looks_so(store: Any, shop: BigCommerce) -> None:
    await shop.ensure_webhooks(HERE)
    for kind in ("text/html", "Text/HTML; charset=utf-8"):
        store.script.extend([httpx.Response(200, json={"data": []}, headers={"content-type": kind})] * 3)
        with pytest.raises(Retry):
            await shop.ensure_webhooks(HERE)
        store.script.clear()
    assert leads_here(store) == EACH_ONCE


GONE = httpx.Response(404, json={"status": 404, "title": "Not found"})


@pytest.mark.parametrize("answer", [httpx.Response(429), GONE])
async def test_a_call_that_fails_keeps_no_other_scope_from_its_hook(
    autojump_clock: MockClock, store: Any, shop: BigCommerce, answer: httpx.Response
) -> None:
    store.hooks[1] = hook(1, REGISTERED[0], is_active=False)
    store.script.extend([httpx.Response(200, json={"data": [store.hooks[1]]}), answer])
    found = await shop.ensure_webhooks(HERE)
    assert isinstance(found.failure, Retry)
    assert list(found.missing) == [REGISTERED[0]]
    assert leads_here(store) == dict.fromkeys(REGISTERED[1:], 1)
