"""Keys of a WooCommerce shop: typed in SparkLayer's Dashboard, or made by the shop when its owner agrees."""

import html
import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from daemon.listener.http.messages import Response
from daemon.model import Kind
from daemon.platforms.woocommerce.app import LARGEST_CALLBACK
from daemon.sandbox import Shop, answer, open_woocommerce
from daemon.sandbox.woocommerce import failures
from daemon.storage.full_syncs import newest
from tests.connections.shop_harness import PUBLIC, SITE, open_shop, query_of

PASSWORD = {"woocommerce_basic_user": "staging", "woocommerce_basic_pass": "the-password-of-the-site"}


def word(response: Response) -> str:
    return response.body.decode()


async def test_typed_keys_that_work_connect_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    async with open_shop() as h:
        typed = h.typed()
        assert (await h.connect({**typed, "another": [1], "magento_x": None})).status == 204
        store, secret = await h.store(), typed["woocommerce_api_secret"]
        assert (store.store_url, store.consumer_secret.reveal()) == (h.shop.url, secret)
        assert store.webhook_secret is not None
        stored = await h.daemon.lifecycle.registry.active(SITE)
        assert stored is not None
        for kind in Kind:
            run = await h.database.read(newest, stored.id, kind)
            assert run is not None, "a first full sync of each kind has begun"
        calls = "".join(h.shop.statistics.calls)
        printed = capsys.readouterr()
        for text in typed.values():
            assert text not in await h.plain() + calls + printed.out + printed.err
        assert (await h.connect(typed)).status == 204
        assert await h.states() == ["active"], "a repetition changes nothing"


@pytest.mark.usefixtures("both_engines")
async def test_other_keys_take_the_place_of_the_present_ones() -> None:
    async with open_shop() as h:
        first, second = h.typed(), h.typed()
        await h.connect(first)
        webhook_secret = (await h.store()).webhook_secret
        assert (await h.connect(second)).status == 204
        assert await h.key() == second["woocommerce_api_key"]
        assert (await h.store()).webhook_secret == webhook_secret
        assert await h.states() == ["active"]
        assert (await h.connect(None)).status == 204
        assert await h.key() == second["woocommerce_api_key"], "a connect without keys keeps them"


UNUSABLE: list[tuple[dict[str, Any], str]] = [
    ({"woocommerce_api_secret": ""}, "woocommerce_api_secret: is missing"),
    ({"woocommerce_api_key": None}, "woocommerce_api_key: is missing"),
    ({"woocommerce_api_secret": 7}, "woocommerce_api_secret: must be a text"),
    ({"woocommerce_api_secret": "cs 1"}, "woocommerce_api_secret: must be 1 to 512 printable"),
    ({"woocommerce_api_key": "ck:1"}, "woocommerce_api_key: must be the key alone"),
    ({"woocommerce_api_key": "ck_1\nx"}, "woocommerce_api_key: must be 1 to 512"),
    *(
        ({name: odd}, f"extra_config.{name}: must be a text")
        for name in ("woocommerce_api_key", "woocommerce_api_secret", *PASSWORD)
        for odd in (0, 7, False, True, [], ["x"], {}, {"a": "b"})
    ),
    (dict.fromkeys(("woocommerce_api_key", "woocommerce_api_secret"), False), "api_key: must be a text"),
    ({"woocommerce_api_key": None, "woocommerce_api_secret": None, **PASSWORD}, "woocommerce_api_key: is missing"),
]


async def test_typed_keys_that_cannot_be_used_are_named_and_not_quoted() -> None:
    async with open_shop() as h:
        for changes, words in UNUSABLE:
            detail = await h.refused({**h.typed(), **changes})
            assert words in detail, changes
            assert "ck:1" not in detail
        assert h.shop.statistics.total == 0


async def test_a_password_of_pages_alone_is_not_needed() -> None:
    """It does not cover the REST API, so the keys work without it."""
    async with open_shop() as h:
        assert (await h.connect({**h.typed(), **PASSWORD})).status == 204
        assert PASSWORD["woocommerce_basic_pass"] not in await h.plain()


async def test_keys_of_a_shop_behind_a_password_are_refused_and_the_remedy_is_told() -> None:
    """One header cannot carry both, and keys in a URL would be logged."""
    async with open_shop() as h:
        h.shop.faults.add("*", answer(401, "<h1>401</h1>", {"www-authenticate": 'Basic realm="staging"'}))
        detail = await h.refused({**h.typed(), **PASSWORD})
        assert "exempt /wp-json from the password" in detail
        assert PASSWORD["woocommerce_basic_pass"] not in detail


NO_ADDRESSES = [
    *("https://a..example", f"https://{'a' * 64}.example", "https://-a.example", "https://999.1.1.1"),
    *("https://xn--zzzzzzzzzzzzzz9999.example", "https://exa<mple.com", "https:/shop.example"),
]


async def test_an_address_that_cannot_be_called_is_refused() -> None:
    async with open_shop() as h:
        for address, extra in itertools.product(NO_ADDRESSES, (None, h.typed())):
            response = await h.connect(extra, store_id=address)
            assert (response.status, json.loads(response.body)["detail"][:8]) == (400, "store_id"), address


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("unknown", "does not know the consumer key"),
        ("wrong secret", "the consumer secret is wrong"),
        ("read-only", "set the key's permissions to Read/Write"),
        ("role lost", "give the user the role Administrator or Shop manager"),
        ("another shop's", "does not know the consumer key"),
        ("moved", "the shop redirects to https://www.shop.example"),
    ],
)
async def test_typed_keys_that_do_not_work_are_refused_in_the_words_of_the_failure(why: str, words: str) -> None:
    async with open_shop() as h, open_woocommerce(shop=Shop()) as other:
        typed = h.typed("read" if why == "read-only" else "read_write")
        if why == "unknown":
            typed["woocommerce_api_key"] = "ck_guessed"
        elif why == "wrong secret":
            typed["woocommerce_api_secret"] = "cs_guessed"
        elif why == "role lost":
            h.shop.keys.role_lost = True
        elif why == "another shop's":
            key = other.keys.add("read_write")
            typed = {"woocommerce_api_key": key.consumer_key, "woocommerce_api_secret": key.consumer_secret}
        elif why == "moved":
            h.shop.faults.add("*", failures.moved("https://www.shop.example/wp-json/wc/v3/data"))
        detail = await h.refused(typed)
        assert "extra_config: these keys do not work" in detail
        assert words in detail
        assert not any(text in detail for text in typed.values())


async def test_refused_keys_leave_the_present_ones() -> None:
    async with open_shop() as h:
        await h.connect(h.typed())
        before = await h.store()
        assert (await h.connect(h.typed("read"))).status == 400
        assert (await h.store(), await h.states()) == (before, ["active"])


@pytest.mark.parametrize("act", [answer(503), failures.challenge(), answer(401, "<html>a proxy</html>")])
async def test_without_an_answer_of_the_shop_itself_keys_are_stored(act: Any) -> None:
    async with open_shop() as h:
        h.shop.faults.add("*", act)
        first, second = h.typed(), h.typed()
        assert (await h.connect(first)).status == 204
        assert await h.key() == first["woocommerce_api_key"], "there are no others"
        assert (await h.connect(second)).status == 204
        assert await h.key() == first["woocommerce_api_key"]
        stored = await h.daemon.lifecycle.registry.active(SITE)
        assert stored is not None
        offered = h.daemon.lifecycle.registry.offered(stored).store
        assert offered.consumer_key.reveal() == second["woocommerce_api_key"], "they wait beside those in use"
        h.shop.faults.clear()
        assert (await h.connect(second)).status == 204
        assert await h.key() == second["woocommerce_api_key"]


@pytest.mark.parametrize("extra", [None, {}, {"woocommerce_api_key": "", "woocommerce_api_secret": None}, "", []])
async def test_without_keys_the_merchant_is_sent_to_the_shop(extra: Any) -> None:
    async with open_shop() as h:
        response = await h.connect(extra, store_id=f" {h.shop.url.replace('http', 'HTTP')}/wp-admin/ ")
        asked = query_of(json.loads(response.body)["redirect_url"], h.shop.url)
        assert (response.status, await h.states()) == (201, [])
        state = asked.pop("user_id")
        assert asked == {
            "app_name": "Ignite Sync",
            "scope": "read_write",
            "return_url": f"{PUBLIC}/woocommerce/return",
            "callback_url": f"{PUBLIC}/woocommerce/callback",
        }
        assert state not in await h.plain()


@pytest.mark.usefixtures("both_engines")
async def test_a_callback_connects_and_is_answered_200_exactly() -> None:
    async with open_shop() as h:
        posted = h.posted((await h.consent())["user_id"])
        response = await h.call_back(posted)
        assert response.status == 200
        assert await h.key() == posted["consumer_key"]
        assert await h.states() == ["active"]
        stored = await h.daemon.lifecycle.registry.active(SITE)
        assert stored is not None
        assert all([await h.database.read(newest, stored.id, kind) for kind in Kind])
        assert posted["consumer_secret"] not in await h.plain() + word(response)
        assert (await h.connect()).status == 204, "the shop is known now"


@pytest.mark.parametrize("query", ["success=1&user_id=state", "success=0", "", "success=<b>"])
async def test_the_browser_comes_back_to_a_page(query: str) -> None:
    async with open_shop() as h:
        response = await h.ask("GET", f"/woocommerce/return?{query}")
        assert response.status == 200
        assert ("has given Ignite Sync its keys" in word(response)) == query.startswith("success=1")
        assert "<b>" not in word(response)


@pytest.mark.parametrize("why", ["unknown", "used", "expired", "disconnected", "another store since"])
async def test_a_callback_with_a_state_that_stands_for_nothing_is_refused(why: str) -> None:
    async with open_shop() as h, open_woocommerce(shop=Shop()) as other:
        posted = h.posted((await h.consent())["user_id"])
        if why == "unknown":
            posted["user_id"] = posted["user_id"].swapcase()
        elif why == "expired":
            h.later += 3601
        elif why == "another store since":
            assert (await h.connect(store_id=other.url)).status == 201
        else:
            assert why == "disconnected" or (await h.call_back(posted)).status == 200
            await h.ask("DELETE", f"/v1/{SITE}")
        states, calls = await h.states(), h.shop.statistics.total
        response = await h.call_back(posted)
        assert (response.status, await h.states()) == (401, states)
        assert "Connect your store again in SparkLayer" in html.unescape(word(response))
        assert h.shop.statistics.total == calls, "without a state no shop is asked"


@pytest.mark.parametrize(
    ("why", "status", "reason"),
    [
        ("another shop's", 400, "credentials"),
        ("wrong secret", 400, "credentials"),
        ("read-only", 400, "scope_missing"),
        ("role lost", 400, "scope_missing"),
        ("for no header", 400, None),
        ("in maintenance", 503, "maintenance"),
        ("a proxy's page", 503, "challenge_page"),
    ],
)
async def test_a_callback_with_a_key_that_does_not_work_on_the_shop_is_refused(
    why: str, status: int, reason: str | None
) -> None:
    async with open_shop() as h, open_woocommerce(shop=Shop()) as other:
        state = (await h.consent())["user_id"]
        posted = h.posted(state, "read" if why == "read-only" else "read_write")
        if why == "another shop's":
            key = other.keys.add("read_write")
            posted |= {"consumer_key": key.consumer_key, "consumer_secret": key.consumer_secret}
        elif why == "wrong secret":
            posted["consumer_secret"] = "cs_guessed"
        elif why == "for no header":
            posted["consumer_key"] = "ck:1"
        h.shop.keys.role_lost = why == "role lost"
        if status == 503:
            h.shop.faults.add("*", failures.maintenance() if why == "in maintenance" else failures.challenge())
        with capture_logs() as logs:
            response = await h.call_back(posted)
        refusal = {"event": "keys of a store refused", "site": str(SITE), "status": status, "reason": reason}
        assert refusal | {"log_level": "warning"} in logs, "the shop's owner is told no reason, so the log has it"
        assert (response.status, await h.states()) == (status, [])
        assert "Connect your store again in SparkLayer" in html.unescape(word(response))
        assert not any(posted[name] in word(response) for name in ("consumer_key", "consumer_secret", "user_id"))
        h.shop.faults.clear()
        h.shop.keys.role_lost = False
        assert (await h.call_back(h.posted(state))).status == 401, "each state is good for one trial"


SHAPES: Mapping[str, Any] = {
    **{f"no {name}": {name: None} for name in ("user_id", "consumer_key", "consumer_secret", "key_permissions")},
    "a number as a key": {"consumer_key": 7},
    "an empty key": {"consumer_key": ""},
    "a long state": {"user_id": "x" * 301},
    "a key that may only read": {"key_permissions": "read"},
    "a list": b"[]",
    "no body": b"",
    "a form": b"user_id=1&consumer_key=ck",
    "cut": b'{"user_id": "a"',
    "not UTF-8": b'{"user_id": "\xff"}',
    "deep": b"[" * 5000,
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_callback_of_another_shape_uses_nothing_up(shape: str) -> None:
    async with open_shop() as h:
        state, change = (await h.consent())["user_id"], SHAPES[shape]
        posted = h.posted(state)
        body = change if isinstance(change, bytes) else {k: v for k, v in {**posted, **change}.items() if v is not None}
        response = await h.call_back(body)
        assert (response.status, await h.states()) == (400, [])
        assert state not in word(response)
        assert (await h.call_back(posted)).status == 200, "the state is good still"


@pytest.mark.parametrize(("size", "status"), [(LARGEST_CALLBACK, 200), (LARGEST_CALLBACK + 1, 413)])
async def test_an_oversized_callback_is_refused_unread(size: int, status: int) -> None:
    async with open_shop() as h:
        body = json.dumps(h.posted((await h.consent())["user_id"])).encode()
        assert (await h.call_back(body.ljust(size))).status == status


async def test_a_callback_that_outlives_its_site_connects_nothing() -> None:
    async with open_shop() as h:
        posted = h.posted((await h.consent())["user_id"])
        async with h.shop.faults.hold("GET *") as held, trio.open_nursery() as nursery:
            answers: list[Response] = []

            async def call_back() -> None:
                answers.append(await h.call_back(posted))

            nursery.start_soon(call_back)
            await held.arrived()
            await h.ask("DELETE", f"/v1/{SITE}")
            held.release()
        assert (answers[0].status, await h.states()) == (409, [])


async def test_a_shop_that_cannot_reach_us_is_not_asked() -> None:
    async with open_shop(public_url="http://127.0.0.1:8080") as h:
        response = await h.connect(store_id="https://shop.example.com")
        detail = json.loads(response.body)["detail"]
        assert (response.status, detail.startswith("listener.public_url: WooCommerce posts keys to https")) == (
            400,
            True,
        )
        assert "type the REST keys" in detail


async def test_without_a_public_url_only_typed_keys_connect() -> None:
    async with open_shop(public_url=None) as h:
        response = await h.connect()
        words = "type its keys in SparkLayer's dashboard, or set listener.public_url"
        assert (response.status, words in json.loads(response.body)["detail"]) == (400, True)
        assert (await h.connect(h.typed())).status == 204
        assert (await h.ask("GET", f"/connect/woocommerce?site={SITE}")).status == 404


async def test_void_keys_send_the_merchant_to_the_shop_again() -> None:
    async with open_shop() as h:
        typed = h.typed()
        await h.connect(typed)
        h.shop.faults.down = True
        assert (await h.connect()).status == 204, "without an answer they stay"
        h.shop.faults.clear()
        h.shop.keys.revoke(typed["woocommerce_api_key"])
        posted = h.posted((await h.consent())["user_id"])
        assert (await h.call_back(posted)).status == 200
        assert (await h.key(), await h.states()) == (posted["consumer_key"], ["active"])
