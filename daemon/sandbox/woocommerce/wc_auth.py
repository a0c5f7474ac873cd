"""The page that gives an application keys: `/wc-auth/v1/authorize` (woocommerce-more.md, Keys).

The merchant's approval makes a key and posts it to the callback, unsigned; only an answer of 200 lets it live.
"""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from daemon.sandbox.message import Request, Response
from daemon.sandbox.post import Poster, Unanswered
from daemon.sandbox.router import route
from daemon.sandbox.woocommerce.keys import Keys
from daemon.sandbox.woocommerce.problems import page, php_json
from daemon.sandbox.woocommerce.shop import Shop

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

    @route("GET", "/wc-auth/v1/authorize")
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
