"""REST API keys, presented by Basic or in the query, and each recorded refusal.

OAuth 1.0a is not spoken, as SparkLayer requires https: its signatures are never right here, and each of its recorded
refusals is given.

The page `/wc-auth/v1/authorize` gives an application keys: the merchant's approval makes a key and posts it to the
callback, unsigned; only an answer of 200 lets it live (woocommerce-more.md, Keys).
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from attrs import define, field

from daemon.sandbox.message import Request, Response, route
from daemon.sandbox.post import Poster, Unanswered
from daemon.sandbox.record import Record, record
from daemon.sandbox.woocommerce.answers import cannot_view, page, php_json, unauthenticated
from daemon.sandbox.woocommerce.shop import Shop

READS = ("GET", "HEAD")
OAUTH_WINDOW = 15 * 60
"""Seconds that an OAuth timestamp may be off."""
_PERMISSIONS = {"read": ("read", "read_write"), "write": ("write", "read_write")}


@record("consumer_key consumer_secret permissions")
class Key(Record):
    """A REST API key; `permissions` is read, write or read_write."""


@define
class Keys:
    """The keys of one shop, and how its server treats them."""

    known: dict[str, Key] = field(factory=dict)
    https: bool = True
    """False: requests are plain http unless `X-Forwarded-Proto` says otherwise, and Basic counts as no key."""
    header_stripped: bool = False
    """True: the web server keeps the Authorization header from PHP."""
    role_lost: bool = False
    """True: the user of the keys, who made the webhooks too, may no longer see anything."""
    _nonces: set[str] = field(factory=set, repr=False)

    def add(self, permissions: str = "read_write", consumer_key: str = "", consumer_secret: str = "") -> Key:
        """Make a key."""
        made = Key(
            consumer_key=consumer_key or f"ck_{secrets.token_hex(20)}",
            consumer_secret=consumer_secret or f"cs_{secrets.token_hex(20)}",
            permissions=permissions,
        )
        self.known[made.consumer_key] = made
        return made

    def revoke(self, consumer_key: str) -> None:
        """Delete a key."""
        del self.known[consumer_key]

    def _refuse_oauth(self, query: Mapping[str, list[str]], now: float) -> None:
        """Refuse a request signed by OAuth as recorded: by timestamp, by nonce, by signature."""
        given = {name: query.get(f"oauth_{name}", [""])[0] for name in ("consumer_key", "timestamp", "nonce")}
        if given["consumer_key"] not in self.known:
            return
        stamp = given["timestamp"]
        if not stamp.isdecimal() or abs(int(stamp) - now) > OAUTH_WINDOW:
            raise unauthenticated("Invalid timestamp.")
        if given["nonce"] in self._nonces:
            raise unauthenticated("Invalid nonce - nonce has already been used.")
        self._nonces.add(given["nonce"])
        raise unauthenticated("Invalid signature - provided signature does not match.")

    def check(self, request: Request, *, listed: bool, now: float) -> None:
        """Raise Refused unless the request has a key that permits it; `listed` words the refusal."""
        self._refuse_oauth(parse_qs(request.query), now)
        name, secret = self._presented(request)
        key = self.known.get(name)
        if key is None:
            raise cannot_view(401, listed=listed)
        if not hmac.compare_digest(key.consumer_secret.encode(), secret.encode()):
            raise unauthenticated("Consumer secret is invalid.")
        needed = "read" if request.method in READS else "write"
        if request.method != "OPTIONS" and key.permissions not in _PERMISSIONS[needed]:
            raise unauthenticated(f"The API key provided does not have {needed} permissions.")
        if self.role_lost:
            raise cannot_view(403, listed=listed)

    def _presented(self, request: Request) -> tuple[str, str]:
        if not self.https and request.headers.get("x-forwarded-proto") != "https":
            return "", ""
        basic = "" if self.header_stripped else request.headers.get("authorization", "")
        query = parse_qs(request.query)
        return _basic(basic) or (query.get("consumer_key", [""])[0], query.get("consumer_secret", [""])[0])


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, secret


PAGE_PATH = "/wc-auth/v1/authorize"
NEEDED = ("app_name", "scope", "user_id", "return_url", "callback_url")
SCOPES = ("read", "write", "read_write")
DELIVERED = 200


class Authorization:
    """The authorization page of one shop."""

    def __init__(self, shop: Shop, keys: Keys, *, plain_callbacks: bool) -> None:
        self._shop, self._keys = shop, keys
        self._plain = plain_callbacks
        """True: a callback by http is accepted, which a real shop refuses; loopback receivers have no https."""
        self.poster = Poster()

    @route("GET", PAGE_PATH)
    def _page(self, request: Request) -> Response:
        try:
            asked = self._asked(request.query)
        except ValueError as error:
            return page("Error", str(error), 401)
        return page(f"{asked['app_name']} would like to connect", "Approve or deny", 200)

    async def approve(self, url: str) -> str:
        """Approve the request of the page at `url`, as the merchant; return the browser's next address.

        Raises ValueError for a page that a shop refuses, and PermissionError where the merchant sees "Access denied":
        the callback was not answered 200, and the key is gone.
        """
        asked = self._asked(urlsplit(url).query)
        key = self._keys.add(asked["scope"])
        body = {
            "key_id": len(self._keys.known),
            "user_id": asked["user_id"],
            "consumer_key": key.consumer_key,
            "consumer_secret": key.consumer_secret,
            "key_permissions": key.permissions,
        }
        headers = {"user-agent": f"WordPress/7.1; {self._shop.home}", "connection": "close"}
        try:
            status = await self.poster.post(asked["callback_url"], headers, php_json(body))
        except Unanswered:
            status = 0
        if status != DELIVERED:
            self._keys.revoke(key.consumer_key)
            raise PermissionError("Access denied")
        joint = "&" if urlsplit(asked["return_url"]).query else "?"
        return f"{asked['return_url']}{joint}{urlencode({'success': 1, 'user_id': asked['user_id']})}"

    async def aclose(self) -> None:
        """Close the connections to callbacks."""
        await self.poster.aclose()

    def _asked(self, query: str) -> dict[str, Any]:
        given = {name: values[0] for name, values in parse_qs(query).items()}
        if missing := [name for name in NEEDED if not given.get(name)]:
            raise ValueError(f"Missing parameter {missing[0]}")
        if given["scope"] not in SCOPES:
            raise ValueError(f"Invalid scope {given['scope']}")
        if not self._plain and not given["callback_url"].startswith("https://"):
            raise ValueError("The callback_url needs to be over SSL")
        return given
