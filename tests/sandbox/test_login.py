"""A merchant can install, open and remove a single-click app at the stand-in's login server."""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from daemon.sandbox import BigCommerceOptions

ASKED = {
    "client_id": "app",
    "client_secret": "secret",
    "grant_type": "authorization_code",
    "redirect_uri": "https://sync.example.com/bigcommerce/auth",
    "context": "stores/sandbox",
    "scope": "store_v2_orders",
}
APP = BigCommerceOptions(client_id="app", client_secret="secret")


async def exchange(running: Any, asked: dict[str, str], *, form: bool = False) -> Any:
    url = f"{running.sandbox.bigcommerce.url}/oauth2/token"
    if form:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await running.shop("POST", url, content=urlencode(asked).encode(), headers=headers)
    return await running.shop("POST", url, asked)


@pytest.mark.parametrize("form", [True, False])
async def test_a_code_is_exchanged_once(harness: Any, *, form: bool) -> None:
    async with harness(bigcommerce=APP) as running:
        shop = running.sandbox.bigcommerce
        asked = ASKED | {"code": shop.login.authorize(shop.store_hash, "store_v2_orders")}
        first = await exchange(running, asked, form=form)
        second = await exchange(running, asked, form=form)
    answer = first.json()
    assert (answer["access_token"], answer["context"]) == (shop.access_token, "stores/sandbox")
    assert answer["scope"] == "store_v2_orders"
    assert answer["user"].keys() == {"id", "username", "email"}
    assert len(answer["account_uuid"]) == 36
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "wrong"}, "invalid_client"),
        ({"code": "wrong"}, "invalid_grant"),
        ({"context": "stores/another"}, "invalid_grant"),
        ({"scope": "store_v2_products"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"redirect_uri": ""}, "invalid_request"),
    ],
)
async def test_what_does_not_fit_is_refused(harness: Any, change: dict[str, str], error: str) -> None:
    async with harness(bigcommerce=APP) as running:
        shop = running.sandbox.bigcommerce
        code = shop.login.authorize(shop.store_hash, "store_v2_orders")
        answer = await exchange(running, ASKED | {"code": code} | change)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_neither_token_nor_method_matters_elsewhere(harness: Any) -> None:
    async with harness(bigcommerce=APP) as running:
        url = running.sandbox.bigcommerce.url
        nobody = await running.shop("POST", f"{url}/oauth2/token", {}, headers={"X-Auth-Token": ""})
        got = await running.shop("GET", f"{url}/oauth2/token")
        garbage = await running.shop(
            "POST", f"{url}/oauth2/token", content=b"[", headers={"Content-Type": "application/json"}
        )
    assert (nobody.status_code, got.status_code, garbage.status_code) == (400, 405, 400)


async def test_a_signed_payload_can_be_verified(harness: Any) -> None:
    async with harness(bigcommerce=APP) as running:
        login = running.sandbox.bigcommerce.login
        head, claims = verified(login.signed_payload("sandbox"), "secret")
        _, old = verified(login.signed_payload("sandbox", issued=1_000_000, aud="another"), "secret")
        with pytest.raises(AssertionError):
            verified(login.signed_payload("sandbox", key="forged"), "secret")
    assert head == {"alg": "HS256", "typ": "JWT"}
    assert (claims["aud"], claims["iss"], claims["sub"], claims["url"]) == ("app", "bc", "stores/sandbox", "/")
    assert claims["nbf"] <= claims["iat"] < claims["exp"]
    assert {"jti", "user", "owner"} <= claims.keys()
    assert (old["iat"], old["aud"]) == (1_000_000, "another")


async def test_another_process_can_consent_and_open_the_app(harness: Any) -> None:
    async with harness(bigcommerce=APP) as running:
        control = f"{running.sandbox.bigcommerce.url}/_sandbox"
        consent = (await running.shop("POST", f"{control}/authorize", {"scope": "store_v2_orders"})).json()
        answer = await exchange(running, ASKED | consent)
        payload = (await running.shop("POST", f"{control}/payload")).json()["signed_payload_jwt"]
    assert answer.status_code == 200
    assert verified(payload, "secret")[1]["sub"] == "stores/sandbox"


def verified(token: str, secret: str) -> tuple[Any, Any]:
    signed, _, signature = token.rpartition(".")
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == signature
    head, body = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in signed.split("."))
    return head, body
