"""The single-click app: a code becomes a store's credentials, and only BigCommerce's own word opens or removes it."""

import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from attrs import evolve

from daemon.model import Secret
from daemon.platforms.apps import AppRefused, Installed, Loaded, Uninstalled
from daemon.platforms.bigcommerce.app import LEEWAY, BigCommerceApp, BigCommerceAppSettings, read_signed_payload
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.sandbox.bigcommerce.login import LIFE_SECONDS, Login
from daemon.sandbox.bigcommerce.login import _part as part
from daemon.sandbox.bigcommerce.login import _text as text
from tests.each import each

SECRET = "hunter2"
SETTINGS = BigCommerceAppSettings(client_id="app", client_secret=Secret(SECRET), login_url="https://login.test/")
LOGIN = Login("app", SECRET, lambda: "token")
CALL = {"code": "c0de", "scope": "store_v2_products", "context": "stores/abc123", "account_uuid": "x"}
GRANT = {"access_token": "t0ken", "scope": "store_v2_products", "context": "stores/abc123", "user": {"id": 1}}
NOW = 1_800_000_000.0

Answer = Callable[[httpx.Request], httpx.Response]


def app(answer: Answer | None = None, settings: BigCommerceAppSettings = SETTINGS) -> BigCommerceApp:
    return BigCommerceApp(settings, "https://sync.test", httpx.MockTransport(answer or _grant))


def _grant(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=GRANT)


async def test_a_code_is_exchanged_for_the_stores_credentials() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return _grant(request)

    visit = await app(answer).visit("auth", CALL)
    assert isinstance(visit, Installed)
    assert (visit.store_id, visit.store) == (
        "abc123",
        BigCommerceSettings(store_hash="abc123", access_token=Secret("t0ken"), client_secret=Secret(SECRET)),
    )
    [request] = asked
    assert (request.method, str(request.url)) == ("POST", "https://login.test/oauth2/token")
    assert json.loads(request.content) == {
        "client_id": "app",
        "client_secret": SECRET,
        "code": "c0de",
        "scope": "store_v2_products",
        "grant_type": "authorization_code",
        "redirect_uri": "https://sync.test/bigcommerce/auth",
        "context": "stores/abc123",
    }


@each("change", [{"code": ""}, {"scope": ""}, {"context": "stores/"}, {"context": "store/a/b"}])
async def test_a_call_that_is_none_of_bigcommerces_asks_nobody(change: dict[str, str]) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise AssertionError

    with pytest.raises(AppRefused, match="install it again"):
        await app(answer).visit("auth", CALL | change)
    with pytest.raises(AppRefused, match="BigCommerce calls this page"):
        await app(answer).visit("auth", {})


@each(
    ("answer", "words", "status"),
    [
        (httpx.Response(400, json={"error": "invalid_grant"}), "code is invalid", 400),
        (httpx.Response(401, text="no"), "code is invalid", 400),
        (httpx.Response(500), "has a problem", 502),
        (httpx.Response(200, text="<html>"), "did not answer with a token", 502),
        (httpx.Response(200, json={"access_token": "x"}), "did not answer with a token", 502),
        (httpx.Response(200, content=b'{"user": ' + b"[" * 100_000), "did not answer with a token", 502),
        (httpx.Response(200, json=GRANT | {"context": "stores/another"}), "a different store", 400),
        (httpx.Response(200, json=GRANT | {"access_token": "two words"}), "an invalid token", 502),
        (httpx.ConnectError("refused"), "cannot be reached", 502),
    ],
)
async def test_what_goes_wrong_is_told_without_secrets(
    answer: httpx.Response | httpx.ConnectError, words: str, status: int
) -> None:
    def reply(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, httpx.Response):
            return answer
        raise answer

    with pytest.raises(AppRefused, match=words) as refused:
        await app(reply).visit("auth", CALL)
    assert refused.value.status == status
    assert SECRET not in str(refused.value)
    assert "c0de" not in str(refused.value)


async def test_the_app_is_opened_and_removed() -> None:
    token = {"signed_payload_jwt": LOGIN.signed_payload("abc123")}
    assert await app().visit("load", token) == Loaded("abc123")
    assert await app().visit("uninstall", token) == Uninstalled("abc123")


@each("page", ["load", "uninstall"])
async def test_an_old_or_forged_payload_is_refused_in_words(page: str) -> None:
    old = LOGIN.signed_payload("abc123", issued=time.time() - 2 * LIFE_SECONDS)
    for token, words in ((old, "expired"), (LOGIN.signed_payload("abc123", key="x"), "signature"), ("", "not signed")):
        with pytest.raises(AppRefused, match=words) as refused:
            await app().visit(page, {"signed_payload_jwt": token})
        assert refused.value.status == 401


def _read(token: str, now: float = NOW) -> str:
    return read_signed_payload(token, "app", Secret(SECRET), now)


def test_a_payload_holds_for_its_time_give_or_take_a_minute() -> None:
    token = LOGIN.signed_payload("abc123", issued=NOW)
    assert _read(token) == _read(token, NOW - 5 - LEEWAY) == _read(token, NOW + LIFE_SECONDS + LEEWAY) == "abc123"
    with pytest.raises(ValueError, match="expired"):
        _read(token, NOW + LIFE_SECONDS + LEEWAY + 1)
    with pytest.raises(ValueError, match="not valid yet"):
        _read(token, NOW - 5 - LEEWAY - 1)


@each(
    ("claims", "words"),
    [
        ({"aud": "another"}, "another app"),
        ({"aud": ["app"]}, "unexpected shape"),
        ({"iss": "somebody"}, "another app"),
        ({"sub": "stores/a/b"}, "names no store"),
        ({"sub": "abc123"}, "names no store"),
        ({"exp": None}, "unexpected shape"),
        ({"exp": "never"}, "unexpected shape"),
    ],
)
def test_every_claim_must_fit(claims: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _read(LOGIN.signed_payload("abc123", issued=NOW, **claims))


@each("alg", ["none", "HS512", "hs256", "RS256"])
def test_the_token_does_not_choose_how_it_is_verified(alg: str) -> None:
    _, claims, _ = LOGIN.signed_payload("abc123", issued=NOW).split(".")
    signed = f"{part({'alg': alg})}.{claims}"
    for signature in ("", text(hmac.digest(SECRET.encode(), signed.encode(), "sha256"))):
        with pytest.raises(ValueError, match="signed"):
            _read(f"{signed}.{signature}")


@each("token", ["", ".", "..", "a.b", "a.b.c.d", "a.b.ü", "a.b.c=", "x" * 9000, "a.b." + "c" * 9000])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="not signed"):
        _read(token)


def test_where_the_app_is_installed() -> None:
    assert app().install_url("abc123", "state") == "https://login.test/app/app/install"
    elsewhere = BigCommerceAppSettings(client_id="app", client_secret=Secret("x"), install_url="https://market.test/1")
    assert app(settings=elsewhere).install_url("abc123", "state") == "https://market.test/1"


@each("bad", [{"client_id": ""}, {"client_id": "a b"}, {"client_secret": Secret("a\nb")}])
def test_what_cannot_be_sent_is_refused_and_not_repeated(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(bad))}: must be") as refused:
        evolve(SETTINGS, **bad)
    assert "a\nb" not in str(refused.value)
