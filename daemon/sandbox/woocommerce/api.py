"""The WooCommerce stand-in as a whole: keys, the routes below `/wp-json/wc/v3`, and the queue of webhooks.

Extra controls for a separate process:

    GET  /_sandbox/state      {"products", "variations", "customers", "orders", "hooks", "outstanding"}
    POST /_sandbox/switch     {"hpos", "zone", "cron_delay", "dropping", "role_lost", ...}: see `_switch`
    POST /_sandbox/key        {"permissions": "read"} -> {"consumer_key", "consumer_secret"}: another key
    POST /_sandbox/revoke     {"consumer_key": "..."}: a key is deleted
"""

from collections.abc import Mapping
from typing import Any

import trio
from attrs import frozen

from daemon.sandbox.control import ShopStandIn
from daemon.sandbox.message import Match, Refused, Request, Response, route
from daemon.sandbox.woocommerce.answers import ITEM, NAMESPACE, cannot_view, no_route, page
from daemon.sandbox.woocommerce.customers import Customers
from daemon.sandbox.woocommerce.failures import ACTS
from daemon.sandbox.woocommerce.keys import PAGE_PATH, Authorization, Key, Keys
from daemon.sandbox.woocommerce.orders import Orders
from daemon.sandbox.woocommerce.products import Products, Variations
from daemon.sandbox.woocommerce.resource import LONGEST_LINE, Resource
from daemon.sandbox.woocommerce.settings import Settings
from daemon.sandbox.woocommerce.shop import Shop
from daemon.sandbox.woocommerce.webhooks import Webhooks

_ALWAYS = {
    "server": "nginx/1.22.1",
    "x-robots-tag": "noindex",
    "x-content-type-options": "nosniff",
    "access-control-expose-headers": "X-WP-Total, X-WP-TotalPages, Link",
    "access-control-allow-headers": "Authorization, X-WP-Nonce, Content-Disposition, Content-MD5, Content-Type",
}
_AUTHENTICATED = {
    "expires": "Wed, 11 Jan 1984 05:00:00 GMT",
    "cache-control": "no-cache, must-revalidate, max-age=0, no-store, private",
}
UNAUTHORIZED = 401
WITHOUT_ALLOW = ("woocommerce_rest_product_variation_invalid_id", "wc_user_invalid_id", "rest_no_route")


@frozen(kw_only=True)
class WooCommerceOptions:
    """Behaviour of the shop's server. The keys open nothing but this sandbox."""

    port: int = 0
    consumer_key: str = "ck_sandbox"
    consumer_secret: str = "cs_sandbox"  # noqa: S105  opens nothing but this sandbox
    cron_delay: float | None = 0.0
    """Seconds from an edit to its delivery (measured 10 to 36 and more); None: WP-Cron is off."""
    needs_visits: bool = False
    """True: the queue runs only when a request comes after the delay, as on a quiet shop."""
    latency: float = 0.0
    """Seconds that every request takes longer."""
    https: bool = True
    """True: requests count as https, as behind a proxy that the site trusts. False: Basic is refused."""
    permalinks: bool = True
    """False: the site has plain permalinks, so `/wp-json` is not found."""
    safe_urls_only: bool = False
    """True: webhooks go to public addresses and usual ports only, as without a plugin that allows others."""
    plain_callbacks: bool = True
    """False: the authorization page refuses a callback by http, as a real shop does."""


class WooCommerce(ShopStandIn):
    """One shop's server. `url` is the site's address, which `/wp-json/wc/v3/...` is appended to."""

    def __init__(self, shop: Shop, options: WooCommerceOptions, url: str, nursery: trio.Nursery) -> None:
        super().__init__(url, {"": shop, "customers.": shop.customers, "orders.": shop.orders})
        self.faults.latency = options.latency
        self.acts = ACTS
        shop.home = url
        self.shop = shop
        self.keys = Keys(https=options.https)
        self.key: Key = self.keys.add("read_write", options.consumer_key, options.consumer_secret)
        self.permalinks = options.permalinks
        shown: dict[str, Resource[Any]] = {
            "product": Products(shop),
            "order": Orders(shop),
            "customer": Customers(shop),
        }
        self.webhooks = Webhooks(
            shop,
            self.keys,
            shown,
            cron_delay=options.cron_delay,
            needs_visits=options.needs_visits,
            safe_urls_only=options.safe_urls_only,
            nursery=nursery,
        )
        self.authorization = Authorization(shop, self.keys, plain_callbacks=options.plain_callbacks)
        self.routes.include(self.authorization)
        for part in (
            Products(shop),
            Variations(shop),
            Customers(shop),
            Orders(shop),
            Settings(shop),
            self.webhooks.hooks,
        ):
            self.routes.include(part, NAMESPACE)

    async def aclose(self) -> None:
        """Close the connections to receivers and callbacks."""
        await self.webhooks.aclose()
        await self.authorization.aclose()

    def find(self, request: Request) -> Match | None:
        """Find the route below the namespace, with or without a slash at the end, or of the authorization page."""
        return self.routes.find(request.method, request.path.rstrip("/"))

    def answer(self, request: Request, match: Match | None) -> Response:
        """Check address, key and permission, then carry the request out."""
        self.webhooks.visited()
        if len(request.path) + len(request.query) + len(request.method) + 10 > LONGEST_LINE:
            return page("414 Request-URI Too Large", "<center><h1>414 Request-URI Too Large</h1></center>", 414)
        response = super().answer(request, match)
        response.headers = self._headers(request, response) | response.headers
        if request.method == "HEAD":
            response.body = b""
        return response

    def admit(self, request: Request, match: Match | None) -> None:
        """Check address, key and permission. Raises Refused."""
        if request.path == PAGE_PATH:
            return
        if "rest_route=" in request.query and not request.path.startswith("/wp-json"):
            # Basic does not count there (woocommerce-more.md, Keys).
            raise cannot_view(UNAUTHORIZED)
        if not self.permalinks or not request.path.startswith(f"{NAMESPACE}/"):
            raise Refused(page("Page not found", "<h1>Page not found</h1>", 404))
        if match is None:
            raise no_route()
        self.keys.check(request, listed="{" not in match.name, now=self.shop.clock())

    def _headers(self, request: Request, response: Response) -> dict[str, str]:
        """Return the recorded headers of an answer in JSON; pages and gateways have their own."""
        if not response.headers.get("content-type", "").startswith("application/json"):
            return {}
        link = {"link": f'<{self.url}/wp-json/>; rel="https://api.w.org/"'}
        if response.status == UNAUTHORIZED:
            return _ALWAYS | link | {"vary": "Origin"}
        known = self.routes.allowed(request.path.rstrip("/"))
        methods = [method for method in known if method not in {"HEAD", "OPTIONS"}]
        unnamed = any(code.encode() in response.body for code in WITHOUT_ALLOW) and response.status >= 400  # noqa: PLR2004
        allow = {} if unnamed or not methods else {"allow": ", ".join(sorted(methods, key=ITEM.index))}
        return _ALWAYS | link | _AUTHENTICATED | allow

    @route("GET", "/_sandbox/state")
    def _state(self) -> Any:
        rows = self.shop.products.values()
        return {
            "products": sum(not row.parent_id for row in rows),
            "variations": sum(bool(row.parent_id) for row in rows),
            "customers": len(self.shop.customers.people),
            "orders": len(self.shop.orders.orders),
            "hooks": {hook.id: hook.status for hook in self.webhooks.hooks.registered.values()},
            "outstanding": self.webhooks.outstanding,
        }

    @route("POST", "/_sandbox/switch")
    def _switch(self, **switches: Any) -> None:
        """Set switches by name: of the shop, its keys, its webhooks, `latency` or `permalinks`."""
        owners: Mapping[str, object] = {
            "hpos": self.shop,
            "https": self.keys,
            "header_stripped": self.keys,
            "role_lost": self.keys,
            "cron_delay": self.webhooks,
            "needs_visits": self.webhooks,
            "dropping": self.webhooks,
            "safe_urls_only": self.webhooks,
            "latency": self.faults,
            "permalinks": self,
        }
        for name, value in switches.items():
            if name == "zone":
                self.shop.set_zone(value)
            else:
                setattr(owners[name], name, value)

    @route("POST", "/_sandbox/key")
    def _new_key(self, permissions: str = "read_write") -> Any:
        made = self.keys.add(permissions)
        return {"consumer_key": made.consumer_key, "consumer_secret": made.consumer_secret}

    @route("POST", "/_sandbox/revoke")
    def _revoke(self, consumer_key: str) -> None:
        self.keys.revoke(consumer_key)
