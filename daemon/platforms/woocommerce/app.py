"""Access to a shop: keys that a merchant types in SparkLayer, or a key that the shop makes if the merchant agrees.

    /wc-auth/v1/authorize    the shop's page that asks the merchant (woocommerce-more.md, Keys)
    callback                 the shop posts the new key here, unsigned; `user_id` is our one-time state
    return                   the merchant's browser comes back here

Only a status of 200 makes the shop keep the key. The post does not say which shop it comes from, so the key counts only
if it works on the shop that the pending connection names. The shop must answer that trial while it waits for us.
"""

import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal
from urllib.parse import urlencode, urlsplit

import msgspec
import trio
from attrs import frozen
from msgspec import Meta, Struct

from daemon.errors import Blocked, Failure, Rejected, Retry
from daemon.model import Lane, Secret
from daemon.platforms.apps import AppPage, AppRefused, AppType, Authorized, Installed, Returned, TypedKeys, Visit
from daemon.platforms.woocommerce.client import Client
from daemon.platforms.woocommerce.settings import WooCommerceSettings, delivery_fault, is_loopback, typed_store
from daemon.transport.client import Observe, ignore
from daemon.transport.http import Transport

NAME = "woocommerce"
APP_NAME = "Ignite Sync"
"""The name that the shop shows to the merchant, and gives to the key."""

AUTHORIZE_PATH = "/wc-auth/v1/authorize"
LARGEST_CALLBACK = 16 * 1024
"""Bytes. A real one has 250."""

TRIAL_SECONDS = 20.0
"""Longest trial of a posted key. The shop itself gives up after 60 seconds."""

NO_WEBHOOK = "/webhooks/0"
"""Path of a webhook that cannot exist. The shop checks a key's right to write before it looks for the webhook."""

AGAIN = "Connect your store again in SparkLayer's dashboard."

_FINAL = frozenset({"redirect"})
"""Reasons of `Retry` that no later attempt changes: the shop is at a different address."""

_FOREIGN = frozenset({"foreign_401"})
"""Reasons of `Blocked` whose answer may be a proxy's."""

_Text = Annotated[str, Meta(min_length=1, max_length=300)]


class _Callback(Struct, frozen=True):
    """The key that a shop posts."""

    user_id: _Text
    consumer_key: _Text
    consumer_secret: _Text
    key_permissions: Literal["read_write"]

    def __repr__(self) -> str:
        return "_Callback(***)"


_CALLBACK = msgspec.json.Decoder(_Callback)


async def attempt(settings: WooCommerceSettings, transport: Transport | None = None, observe: Observe = ignore) -> None:
    """Use keys on their shop, for reading and writing, as `TypedKeys.attempt` describes."""
    client = Client(settings, transport, observe)
    try:
        await client.probe()
        with contextlib.suppress(Rejected):  # the webhook is missing, so the key itself was accepted
            await client.write("PUT", NO_WEBHOOK, lane=Lane.LIVE, body={"status": "paused"})
    except Blocked as failure:
        if failure.reason in _FOREIGN:
            raise
        raise Rejected(str(failure), reason=failure.reason) from failure
    except Retry as failure:
        if failure.reason not in _FINAL:
            raise
        raise Rejected(str(failure), reason=failure.reason) from failure
    finally:
        await client.aclose()


@frozen
class WooCommerceApp:
    """Fulfils `daemon.platforms.apps.App`; `public_url` is the base of our own pages."""

    _settings: None
    _public_url: str
    _transport: Transport | None = None

    def install_url(self, store_id: str, state: str) -> str:
        """Return the shop's page that asks the merchant. Raises ValueError if the shop cannot post to our callback."""
        plain = not self._public_url.startswith("https://") and not is_loopback(urlsplit(store_id).hostname or "")
        fault = (
            "WooCommerce posts keys to https addresses only" if plain else delivery_fault(store_id, self._public_url)
        )
        if fault:
            raise ValueError(f"listener.public_url: {fault}; or type the REST keys in SparkLayer's dashboard")
        asked = {
            "app_name": APP_NAME,
            "scope": "read_write",
            "user_id": state,
            "return_url": f"{self._public_url}/{NAME}/return",
            "callback_url": f"{self._public_url}/{NAME}/callback",
        }
        return f"{store_id}{AUTHORIZE_PATH}?{urlencode(asked)}"

    async def visit(self, page: str, query: Mapping[str, str], body: bytes = b"") -> Visit:
        """Read a call of `callback` or `return`. Nothing of it is verified here, except its shape."""
        if page == "return":
            return Returned(query.get("success") == "1")
        if len(body) > LARGEST_CALLBACK:
            raise AppRefused("The request is larger than any with a shop's key.", 413)
        try:
            given = _CALLBACK.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            words = "A shop calls this page with a key that may read and write, when its owner has agreed."
            raise AppRefused(f"{words} {AGAIN}") from None
        return Authorized(state=given.user_id, install=partial(self._installed, given))

    async def aclose(self) -> None:
        """Nothing to close: each trial has a client of its own."""

    async def _installed(self, given: _Callback, store_id: str) -> Installed:
        """Try a posted key on a shop. Raises AppRefused."""
        try:
            store = WooCommerceSettings(
                store_url=store_id,
                consumer_key=Secret(given.consumer_key),
                consumer_secret=Secret(given.consumer_secret),
            )
        except ValueError:
            raise AppRefused(f"The shop sent a key that cannot be used. {AGAIN}") from None
        try:
            with trio.fail_after(TRIAL_SECONDS):
                await attempt(store, self._transport)
        except Rejected as failure:
            raise AppRefused(f"The key does not work on {store_id}: {failure}. {AGAIN}") from failure
        except Failure as failure:
            raise AppRefused(f"{store_id} cannot be read at the moment: {failure}. {AGAIN}", 503) from failure
        except trio.TooSlowError:
            raise AppRefused(f"{store_id} did not answer within {TRIAL_SECONDS:g} seconds. {AGAIN}", 503) from None
        return Installed(store_id=store_id, store=store)


APP = AppType(
    settings=None,
    pages=(AppPage("callback", "POST"), AppPage("return")),
    connect=WooCommerceApp,
)
TYPED_KEYS = TypedKeys(read=typed_store, attempt=attempt)
