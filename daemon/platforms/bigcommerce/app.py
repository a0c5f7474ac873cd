"""The single-click app: merchants install it in their control panel, which gives us the credentials of their store.

    auth        BigCommerce sends the merchant here with a code, which is exchanged for the store's token
    load        a merchant opens the app
    uninstall   a merchant has removed the app

A code is valid for one exchange, so the exchange is not retried: the merchant installs the app again. The contract
describes the exchange (section 1); names and values of the call, and the page that installs an app, are inferred.
"""

import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import Attribute, field, frozen, validators

from daemon.errors import Retry
from daemon.model import Secret
from daemon.model.identifiers import trimmed, without_slash
from daemon.platforms.apps import AppPage, AppRefused, AppType, Installed, Loaded, Uninstalled, Visit
from daemon.platforms.bigcommerce.settings import BigCommerceSettings, fits_a_header
from daemon.platforms.bigcommerce.signed_payload import read_signed_payload, store_of
from daemon.transport.http import Answer, Api, Transport

NAME = "bigcommerce"
TOKEN_PATH = "/oauth2/token"  # noqa: S105  an address
INSTALL_PATH = "/app/{}/install"
"""Path, on the login server, of the page that installs an app (inferred)."""

AGAIN = "Open the app in your BigCommerce control panel and install it again."

_SERVER_ERROR = 500


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
        return _granted(answer)


def _granted(answer: Answer) -> _Granted:
    if answer.status >= _SERVER_ERROR:
        raise AppRefused(f"BigCommerce's login server has a problem at the moment. {AGAIN}", 502)
    if not answer.ok:
        raise AppRefused(f"BigCommerce's code is invalid or has expired. {AGAIN}")
    try:
        return msgspec.json.decode(answer.body, type=_Granted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise AppRefused(f"BigCommerce's login server did not answer with a token. {AGAIN}", 502) from None


APP = AppType(
    settings=BigCommerceAppSettings,
    pages=(AppPage("auth"), AppPage("load"), AppPage("uninstall")),
    connect=BigCommerceApp,
)
