"""The single-click app: merchants install it in their control panel, which gives us the credentials of their store.

    auth        BigCommerce sends the merchant here with a code, which is exchanged for the store's token
    load        a merchant opens the app
    uninstall   a merchant has removed the app

A code is valid for one exchange, so the exchange is not retried: the merchant installs the app again. The contract
describes the exchange (section 1); names and values of the call, and the page that installs an app, are inferred.

The other calls carry a `signed_payload_jwt`, the proof that BigCommerce has just sent a merchant to our app. Only a JWT
signed with HS256 and the app's client secret is accepted: the algorithm in the token is compared, never followed. The
names of its claims are inferred (contract section 1 has no page of them).
"""

import hmac
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import Attribute, field, frozen, validators

from daemon.errors import Retry
from daemon.model import Secret
from daemon.model.identifiers import trimmed, without_slash
from daemon.platforms.apps import AppPage, AppRefused, AppType, Installed, Loaded, Uninstalled, Visit
from daemon.platforms.bigcommerce.settings import BigCommerceSettings, fits_a_header
from daemon.transport.http import Api, Transport

NAME = "bigcommerce"
TOKEN_PATH = "/oauth2/token"  # noqa: S105  an address
INSTALL_PATH = "/app/{}/install"
"""Path, on the login server, of the page that installs an app (inferred)."""

AGAIN = "Open the app in your BigCommerce control panel and install it again."

_SERVER_ERROR = 500

ALGORITHM = "HS256"
ISSUER = "bc"
LEEWAY = 60.0
"""Tolerance for differing clocks, in seconds."""
LONGEST = 8192

_PART = re.compile(r"[A-Za-z0-9_-]+")
_CONTEXT = re.compile(r"stores/([A-Za-z0-9_-]{1,64})")


def _is_address(_: object, attribute: "Attribute[Any]", value: str) -> None:
    if not re.fullmatch(r"https?://[!-~]+", value):
        raise ValueError(f"{attribute.name}: must be the address of a page, such as https://example.com/install")


@frozen(kw_only=True)
class BigCommerceAppSettings:
    """The section `[bigcommerce_app]`. `api_url` is the base URL of the API of stores that have the app."""

    client_id: str = field(converter=trimmed, validator=fits_a_header)
    client_secret: Secret = field(validator=fits_a_header)
    login_url: str = field(default="https://login.bigcommerce.com", converter=without_slash, metadata={"url": True})
    api_url: str = field(default="https://api.bigcommerce.com", converter=without_slash, metadata={"url": True})
    install_url: str | None = field(default=None, validator=validators.optional(_is_address))


class _Granted(msgspec.Struct):
    access_token: str
    context: str

    def __repr__(self) -> str:
        return f"_Granted(***, context={self.context!r})"


class BigCommerceApp:
    """Fulfils `daemon.platforms.base.App`; `public_url` is the base of its own pages."""

    def __init__(self, settings: BigCommerceAppSettings, public_url: str, transport: Transport | None = None) -> None:
        self._settings = settings
        self._callback = f"{public_url}/{NAME}/auth"
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        self._login = Api(settings.login_url, headers=headers, connections=2, transport=transport)

    def install_url(self, _store_id: str, _state: str) -> str:
        """Return the page that installs the app, the same for every store: BigCommerce names the store afterwards."""
        settings = self._settings
        return settings.install_url or settings.login_url + INSTALL_PATH.format(settings.client_id)

    async def visit(self, page: str, query: Mapping[str, str], _body: bytes = b"") -> Visit:
        """Verify a call of `auth`, `load` or `uninstall`."""
        if page == "auth":
            return await self._install(query)
        try:
            store = read_signed_payload(
                query.get("signed_payload_jwt", ""), self._settings.client_id, self._settings.client_secret, time.time()
            )
        except ValueError as error:
            words = f"The request from BigCommerce could not be verified: {error}."
            raise AppRefused(f"{words} Open the app again from your control panel.", 401) from None
        return Loaded(store) if page == "load" else Uninstalled(store)

    async def aclose(self) -> None:
        """Close the connections to the login server."""
        await self._login.aclose()

    async def _install(self, query: Mapping[str, str]) -> Installed:
        store = store_of(query.get("context", ""))
        if store is None or not query.get("code") or not query.get("scope"):
            raise AppRefused(f"BigCommerce calls this page while it installs the app. {AGAIN}")
        token = await self._exchange(query)
        if store_of(token.context) != store:
            raise AppRefused(f"BigCommerce answered for a different store. {AGAIN}")
        try:
            settings = BigCommerceSettings(
                api_url=self._settings.api_url,
                store_hash=store,
                access_token=Secret(token.access_token),
                client_secret=self._settings.client_secret,
            )
        except ValueError:
            raise AppRefused(f"BigCommerce sent an invalid token for your store. {AGAIN}", 502) from None
        return Installed(store_id=store, store=settings)

    async def _exchange(self, query: Mapping[str, str]) -> _Granted:
        body = {
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret.reveal(),
            "code": query["code"],
            "scope": query["scope"],
            "grant_type": "authorization_code",
            "redirect_uri": self._callback,
            "context": query["context"],
        }
        try:
            answer = await self._login.send("POST", TOKEN_PATH, body=msgspec.json.encode(body))
        except Retry:
            raise AppRefused(f"BigCommerce's login server cannot be reached at the moment. {AGAIN}", 502) from None
        if answer.status >= _SERVER_ERROR:
            raise AppRefused(f"BigCommerce's login server has a problem at the moment. {AGAIN}", 502)
        if not answer.ok:
            raise AppRefused(f"BigCommerce's code is invalid or has expired. {AGAIN}")
        try:
            return msgspec.json.decode(answer.body, type=_Granted)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise AppRefused(f"BigCommerce's login server did not answer with a token. {AGAIN}", 502) from None


class _Head(msgspec.Struct):
    alg: str


class _Claims(msgspec.Struct):
    aud: str
    iss: str
    sub: str
    exp: float
    nbf: float = 0.0


def store_of(context: str) -> str | None:
    """Return the store's hash from a context such as `stores/abc123`; None if it is not a context."""
    found = _CONTEXT.fullmatch(context)
    return found[1] if found else None


def read_signed_payload(token: str, client_id: str, client_secret: Secret, now: float) -> str:
    """Return the hash of the token's store. Raises ValueError with a short reason if the token is invalid.

    `now` is in seconds since the epoch.
    """
    parts = token.split(".")
    if len(token) > LONGEST or len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):  # noqa: PLR2004
        raise ValueError("it is not signed")
    signed, _, signature = token.rpartition(".")
    right = hmac.digest(client_secret.reveal().encode(), signed.encode(), "sha256")
    if not hmac.compare_digest(_decoded(signature), right):
        raise ValueError("its signature is not BigCommerce's for this app")
    try:
        head = msgspec.json.decode(_decoded(parts[0]), type=_Head)
        claims = msgspec.json.decode(_decoded(parts[1]), type=_Claims)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("it has an unexpected shape") from None
    if head.alg != ALGORITHM:
        raise ValueError("it is signed with another algorithm")
    if claims.iss != ISSUER or claims.aud != client_id:
        raise ValueError("it is for another app")
    if now > claims.exp + LEEWAY:
        raise ValueError("it has expired")
    if now < claims.nbf - LEEWAY:
        raise ValueError("it is not valid yet")
    store = store_of(claims.sub)
    if store is None:
        raise ValueError("it names no store")
    return store


def _decoded(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise ValueError("it is not signed") from None


APP = AppType(
    settings=BigCommerceAppSettings,
    pages=(AppPage("auth"), AppPage("load"), AppPage("uninstall")),
    connect=BigCommerceApp,
)
