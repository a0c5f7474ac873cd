"""Answers of anything but WooCommerce are named, for the person who must act; nothing foreign is believed."""

import json
from base64 import b64encode

import httpx
import pytest
from trio.testing import MockClock

from daemon.errors import Blocked, Failure, Missing, Rejected, Retry
from daemon.model import ExternalId, Kind, Lane, Secret
from daemon.platforms.shared.client import SCOPE_MISSING
from daemon.platforms.woocommerce.app import attempt
from daemon.platforms.woocommerce.refusal import refusal
from daemon.transport.http import Answer
from tests.each import each
from tests.platforms.woocommerce.recorded import KEY, SECRET, SIGNING, settings
from tests.platforms.woocommerce.shop import FakeShop, own

ROWS = b'[{"id":1}]'
LOGIN = b'<html><title>Log In &lsaquo; Shop</title><form id="loginform" action="wp-login.php"></form></html>'
CHALLENGE = b"<!DOCTYPE html><title>Just a moment...</title><script src='/cdn-cgi/challenge-platform/x'></script>"
WARNING = b"<br />\n<b>Warning</b>:  Undefined array key 1 in <b>/var/www/x.php</b> on line <b>3</b><br />\n"


def answer(status: int, body: bytes = b"", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, content=body, headers=named)


async def failure_of(response: httpx.Response) -> Failure:
    """Return the failure of a list of products."""
    shop = FakeShop()
    shop.broken["/products"] = response
    with pytest.raises(Failure) as caught:
        await shop.adapter.page(Kind.PRODUCTS, None)
    return caught.value


@each(
    ("response", "kind", "reason", "words"),
    [
        (answer(200, LOGIN, content_type="text/html"), Retry, "login_page", "login page"),
        (answer(200, ROWS, content_type="text/html"), Retry, "foreign_json", "labelled as a web page"),
        (answer(200, CHALLENGE), Retry, "challenge_page", "firewall"),
        (answer(403, CHALLENGE), Retry, "challenge_page", "firewall"),
        (answer(403, b"<html></html>", cf_mitigated="challenge"), Retry, "challenge_page", "firewall"),
        (answer(200, WARNING + ROWS, content_type="application/json"), Retry, "php_warning", "WP_DEBUG_DISPLAY"),
        (answer(200, b"Deprecated: x in y\n" + ROWS), Retry, "php_warning", "PHP prints a warning"),
        (answer(200, ROWS[:-4], content_type="application/json"), Retry, "cut_json", "ends too early"),
        (answer(200, b""), Retry, "empty", "empty answer"),
        (answer(200, b"OK"), Retry, "not_json", "a text"),
        (answer(200, b"{}"), Retry, "unexpected_shape", ""),
        (answer(200, b"null"), Retry, "unexpected_shape", ""),
        (answer(200, b'{"code":"x","message":"y","data":{"status":200}}'), Retry, "unexpected_shape", ""),
        (answer(301, location="https://www.shop.example.com/wp-json/wc/v3/products?x=1"), Retry, "redirect", ""),
        (
            answer(302, location="https://shop.example.com/wp-login.php?redirect_to=x"),
            Retry,
            "login_page",
            "login page",
        ),
        (answer(308), Retry, "redirect", "unknown address"),
        (answer(404, b"<html><title>Page not found</title>"), Retry, "no_rest_api", "permalinks other than Plain"),
        (answer(404, b'{"error":"no"}'), Retry, "foreign_json", ""),
        (answer(404), Retry, "empty", ""),
        (
            answer(401, b"<h1>401</h1>", www_authenticate='Basic realm="x"'),
            Blocked,
            "basic_wall",
            "behind a password",
        ),
        (answer(401), Blocked, "foreign_401", "empty"),
        (own(401, "rest_not_logged_in"), Blocked, "api_restricted", "restricts the REST API"),
        (answer(400, b"<html>400 Request Header Or Cookie Too Large"), Retry, "web_page", ""),
        (answer(413, b"<html>"), Retry, "http_413", ""),
        (answer(414, b"<html>"), Retry, "http_414", ""),
        (answer(431, b""), Retry, "http_431", ""),
        (answer(429, b"slow down", retry_after="7"), Retry, "http_429", ""),
        (answer(502, b"Bad gateway"), Retry, "http_502", ""),
        (own(503, "wp_die"), Retry, "maintenance", ""),
        # WordPress repeats the status in the body, so this one is a gateway's.
        (
            httpx.Response(404, json={"code": "a_b", "message": "no", "data": {"status": 500}}),
            Retry,
            "foreign_json",
            "",
        ),
        (httpx.Response(403, json={"code": "a_b", "message": "no"}), Retry, "foreign_json", ""),
    ],
)
async def test_foreign_answers(
    response: httpx.Response, kind: type[Failure], reason: str, words: str, autojump_clock: MockClock
) -> None:
    failure = await failure_of(response)
    assert (type(failure), failure.reason) == (kind, reason)
    assert words in str(failure)


OWN_404 = [
    *("woocommerce_rest_product_invalid_id", "woocommerce_rest_product_variation_invalid_id", "wc_user_invalid_id"),
    *(
        "woocommerce_rest_shop_order_invalid_id",
        "woocommerce_rest_shop_webhook_invalid_id",
        "woocommerce_rest_invalid_id",
    ),
    *("woocommerce_rest_invalid_product_id", "rest_setting_setting_invalid", "rest_setting_setting_group_invalid"),
]
PLUGINS_404 = ["rest_disabled", "rest_not_found", "rest_forbidden", "rest_cannot_access", "not_found", "http_404", ""]


@each("code", [*OWN_404, *PLUGINS_404])
def test_a_404_in_the_words_of_a_plugin_says_nothing_about_an_entity(code: str) -> None:
    failure = refusal(Answer(404, {}, own(404, code).content), ())
    assert type(failure) is (Missing if code in OWN_404 else Retry)


async def test_json_of_another_program_neither_ends_a_pause_nor_accepts_a_key() -> None:
    shop = FakeShop()
    shop.broken["/data/currencies/current"] = httpx.Response(200, json={"status": "ok"})
    with pytest.raises(Retry):
        await shop.adapter.probe()
    with pytest.raises(Retry):
        await attempt(settings(), httpx.MockTransport(shop.answer))


async def test_a_redirect_says_to_which_address(autojump_clock: MockClock) -> None:
    location = f"https://www.shop.example.com/wp-json/wc/v3/products?consumer_key={KEY}"
    failure = await failure_of(answer(301, location=location))
    assert "use the address https://www.shop.example.com" in str(failure)
    assert KEY not in str(failure)


async def test_the_wait_that_a_header_asks_for_is_kept(autojump_clock: MockClock) -> None:
    failure = await failure_of(answer(503, b"<title>Maintenance</title>", retry_after="600"))
    assert isinstance(failure, Retry)
    assert failure.after == 600


async def test_a_role_that_was_lost_is_missing_for_the_kind_after_three_entities(autojump_clock: MockClock) -> None:
    shop = FakeShop()
    for id_ in range(1, 5):
        shop.broken[f"/products/{id_}"] = own(403, "woocommerce_rest_cannot_view")
    failures = []
    for id_ in range(1, 5):
        with pytest.raises(Blocked) as caught:
            await shop.adapter.read_one(Kind.PRODUCTS, ExternalId(str(id_)), Lane.LIVE)
        failures.append(caught.value)
    assert failures[-1].reason == SCOPE_MISSING
    assert type(failures[-1]) is Blocked
    assert "Shop manager" in str(failures[-1])


@each("writes", [False, True])
def test_a_translated_refusal_is_told_by_what_was_tried(*, writes: bool) -> None:
    """Messages are in the shop's language, so none decides."""
    body = own(401, "woocommerce_rest_authentication_error", "Der API-Schlüssel hat keine Schreibrechte.")
    failure = refusal(Answer(401, {}, body.content), settings().secrets, writes=writes)
    assert failure.reason == (SCOPE_MISSING if writes else "credentials")


def test_no_secret_is_quoted() -> None:
    pair = b64encode(f"{KEY}:{SECRET}".encode()).decode()
    said = f"Not {KEY}, not {SECRET}, not {SIGNING}, not {pair}, <b>bold</b> &amp; long {'x' * 1000}"
    failure = refusal(Answer(400, {}, own(400, "x_y", said).content), settings().secrets)
    assert isinstance(failure, Rejected)
    assert not any(secret in str(failure) for secret in (KEY, SECRET, SIGNING, pair))
    assert "bold & long" in str(failure)
    assert len(str(failure)) < 400


@each("secret", ["web hook", "my secret"])
@each("space", [" ", "\n", "\r\n\t", "  ", "&nbsp;", "\u2003"])
def test_a_secret_with_a_space_is_not_quoted_whatever_the_space(secret: str, space: str) -> None:
    said = own(400, "x_y", f"Not {secret.replace(' ', space)}.")
    failure = refusal(Answer(400, {}, said.content), settings(webhook_secret=Secret(secret)).secrets)
    assert str(failure) == "WooCommerce answered 400: Not ***."


def test_a_secret_with_two_spaces_is_not_quoted() -> None:
    said = own(400, "x_y", "Not web  hook.")
    failure = refusal(Answer(400, {}, said.content), settings(webhook_secret=Secret("web  hook")).secrets)
    assert str(failure) == "WooCommerce answered 400: Not ***."


def test_refused_parameters_are_told() -> None:
    named = own(400, "rest_invalid_param", params={"role": "x"})
    assert refusal(Answer(400, {}, named.content), ()).properties == {"role"}  # type: ignore[attr-defined]
    listed = own(400, "rest_missing_callback_param", params=["topic"])
    assert refusal(Answer(400, {}, listed.content), ()).properties == {"topic"}  # type: ignore[attr-defined]


async def test_a_full_page_that_overloads_the_shop_becomes_smaller(autojump_clock: MockClock) -> None:
    shop = FakeShop()
    shop.add(*range(1, 101))
    shop.script.extend([answer(502, b"<html>"), answer(500, b"<html>")])
    page = await shop.adapter.page(Kind.PRODUCTS, None)
    assert len(page.entities) == 100
    assert [query["per_page"] for query in shop.queries("/products")][:3] == ["100", "50", "25"]


def test_a_nested_answer_is_foreign() -> None:
    body = json.dumps({"code": "a", "message": "b", "data": {"status": 404}}).encode()
    assert refusal(Answer(404, {"content-type": "text/html"}, body), ()).reason == "no_rest_api"
    assert refusal(Answer(404, {}, b"[" * 10_000), ()).reason == "foreign_json"
