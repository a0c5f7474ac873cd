"""BigCommerce's login server for single-click apps, as far as an app of one store needs it.

`authorize` is the merchant's consent: it makes the code that BigCommerce sends to the app's callback. The app
changes it, once, at `POST /oauth2/token` for the store's token; a form and JSON are both taken. `signed_payload` is
what opens or removes the app: a JWT signed with the app's client secret (HS256). The contract says only that a code
is exchanged (bigcommerce.md section 1): the fields, and how a refusal reads, are inferred.
"""

import base64
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from daemon.sandbox.message import Refused, Request, Response, encode, json, route

USER = {"id": 9128, "username": "merchant@example.com", "email": "merchant@example.com"}
ACCOUNT = "00000000-0000-4000-8000-000000000000"
SCOPE = "store_v2_products_read_only store_v2_customers_read_only store_v2_orders_read_only"
LOGIN_PATH = "/oauth2/token"
LIFE_SECONDS = 3600
"""Seconds for which a signed payload is valid."""


class Login:
    """The login server, with its route. `token` tells the access token that the store has now."""

    def __init__(self, client_id: str, client_secret: str, token: Callable[[], str]) -> None:
        self.client_id, self.client_secret = client_id, client_secret
        self._token = token
        self._consents: dict[str, tuple[str, str]] = {}
        """Context and scope by code."""

    def authorize(self, store_hash: str, scope: str = SCOPE) -> str:
        """Return a code that may be exchanged once."""
        code = secrets.token_hex(16)
        self._consents[code] = (f"stores/{store_hash}", scope)
        return code

    @route("POST", LOGIN_PATH)
    def _exchange(self, request: Request) -> Response:
        """Answer the access token for a code, or a refusal."""
        given = _fields(request)
        if given.get("grant_type") != "authorization_code":
            raise _refused("unsupported_grant_type", "The grant type must be authorization_code.")
        if (given.get("client_id"), given.get("client_secret")) != (self.client_id, self.client_secret):
            raise _refused("invalid_client", "The client credentials are invalid.")
        if not given.get("redirect_uri"):
            raise _refused("invalid_request", "redirect_uri is missing.")
        consent = self._consents.get(given.get("code", ""))
        if consent is None or consent != (given.get("context"), given.get("scope")):
            raise _refused("invalid_grant", "The code is invalid, used up, or for another store or scope.")
        del self._consents[given["code"]]
        known = {"context": consent[0], "scope": consent[1], "user": USER, "account_uuid": ACCOUNT}
        return json({"access_token": self._token(), **known})

    def signed_payload(
        self, store_hash: str, *, issued: float | None = None, key: str | None = None, **claims: Any
    ) -> str:
        """Return a `signed_payload_jwt` for load or uninstall.

        `issued` dates it, `key` signs it with another secret, `claims` replace its own: for what must be refused.
        """
        now = int(time.time() if issued is None else issued)
        own = {
            "aud": self.client_id,
            "iss": "bc",
            "iat": now,
            "nbf": now - 5,
            "exp": now + LIFE_SECONDS,
            "jti": secrets.token_hex(16),
            "sub": f"stores/{store_hash}",
            "user": {"id": USER["id"], "email": USER["email"], "locale": "en-US"},
            "owner": {"id": USER["id"], "email": USER["email"]},
            "url": "/",
            "channel_id": None,
        }
        signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(own | claims)}"
        secret = (self.client_secret if key is None else key).encode()
        return f"{signed}.{_text(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _fields(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            return msgspec.json.decode(request.body, type=dict[str, str])
        except msgspec.DecodeError as error:
            raise _refused("invalid_request", str(error)) from None
    return dict(parse_qsl(request.body.decode("utf-8", "replace")))


def _refused(error: str, description: str) -> Refused:
    return Refused(json({"error": error, "error_description": description}, 400))


def _part(content: Any) -> str:
    return _text(encode(content))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
