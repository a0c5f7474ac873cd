"""The BigCommerce stand-in as a whole: token, rate limit, and the routes below `/stores/{hash}`.

Extra controls for a separate process:

    GET  /_sandbox/state      {"products", "variants", "customers", "orders", "hooks", "outstanding"}
    POST /_sandbox/token      {"access_token": "..."}: another token is valid from now on; revokes the old one
    POST /_sandbox/authorize  {"scope": "..."} -> {"code", "context", "scope"}: a merchant installs the app
    POST /_sandbox/payload    {} -> {"signed_payload_jwt": "..."}: a merchant opens or removes it
    POST /_sandbox/block      {"domain": "..."}: no webhook is sent there for three minutes, scaled

The rate limit is a number of requests per fixed window, told in four headers (bigcommerce.md section 10). Without a
quota nothing is refused, yet the headers are there, as on an Enterprise plan. A switch leaves the headers out of the
refusal, which is how the real platform answers under load.
"""

from collections.abc import Sequence
from typing import Any

import trio
from attrs import define, frozen

from daemon.sandbox.bigcommerce.answers import v2, v3
from daemon.sandbox.bigcommerce.customers import Customers
from daemon.sandbox.bigcommerce.login import LOGIN_PATH, SCOPE, Login
from daemon.sandbox.bigcommerce.metafields import Metafields
from daemon.sandbox.bigcommerce.orders import Orders
from daemon.sandbox.bigcommerce.products import Inventory, Products
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.bigcommerce.webhooks import RETRIES, STORE_ID, Blocklist, Hooks, Webhooks
from daemon.sandbox.control import ShopStandIn
from daemon.sandbox.message import Match, Request, Response, json, route, text


class Information:
    """Facts that a store publishes about itself."""

    def __init__(self, store: Store, store_hash: str) -> None:
        self._store = store
        self._hash = store_hash

    @route("GET", "/v2/store")
    def store(self, _request: Request) -> Response:
        """Answer the store's settings."""
        domain = f"store-{self._hash}.example"
        return json(
            {
                "id": self._hash,
                "account_uuid": "00000000-0000-4000-8000-000000000000",
                "store_id": int(STORE_ID),
                "domain": domain,
                "secure_url": f"https://{domain}",
                "control_panel_base_url": f"https://{domain}",
                "status": "live",
                "name": self._store.name,
                "timezone": {"name": "UTC", "raw_offset": 0, "dst_offset": 0},
                "language": "en",
                "currency": self._store.currency,
                "currency_symbol": "$",
                "decimal_places": 2,
                "weight_units": self._store.weight_unit,
                "dimension_units": "Inches",
                "plan_name": "Sandbox",
                "plan_level": "pro",
                "is_price_entered_with_tax": self._store.tax_inclusive,
                "default_channel_id": 1,
                "features": {"stencil_enabled": True},
            }
        )

    @route("GET", "/v2/time")
    def _time(self, _request: Request) -> Response:
        """Answer the time, the cheapest call that needs the token."""
        return json({"time": int(self._store.clock())})


UNLIMITED = 7_000_000
"""Value of the headers when there is no quota."""


@define
class Quota:
    """`limit` requests per `window` seconds; the window begins with the first request in it."""

    limit: int | None
    window: float = 30.0
    headers_on_refusal: bool = True
    refused: int = 0
    _since: float = float("-inf")
    _used: int = 0

    def take(self) -> bool:
        """Count a request; False when it is one too many."""
        now = trio.current_time()
        if now - self._since >= self.window:
            self._since, self._used = now, 0
        self._used += 1
        allowed = self.limit is None or self._used <= self.limit
        self.refused += not allowed
        return allowed

    def headers(self) -> dict[str, str]:
        """Return what every answer tells of the limit."""
        left = self._since + self.window - trio.current_time()
        quota = UNLIMITED if self.limit is None else self.limit
        return {
            "x-rate-limit-time-window-ms": str(int(self.window * 1000)),
            "x-rate-limit-time-reset-ms": str(max(0, int(left * 1000))),
            "x-rate-limit-requests-quota": str(quota),
            "x-rate-limit-requests-left": str(max(0, quota - self._used)),
        }

    def refusal_headers(self) -> dict[str, str]:
        """Return what a 429 tells; seconds are rounded up."""
        if not self.headers_on_refusal:
            return {}
        left = self._since + self.window - trio.current_time()
        return self.headers() | {"x-retry-after": str(int(left) + 1)}


@frozen(kw_only=True)
class BigCommerceOptions:
    """Behaviour of the store's API. The credentials open nothing but this sandbox."""

    port: int = 0
    store_hash: str = "sandbox"
    access_token: str = "sandbox-access-token"  # noqa: S105  opens nothing but this sandbox
    client_id: str = "sandbox-client-id"
    client_secret: str = "sandbox-client-secret"  # noqa: S105  the same
    quota: int | None = None
    """Requests per window; None is unlimited."""
    headers_on_refusal: bool = True
    """False: a 429 comes without rate-limit headers, as under platform load."""
    time_scale: float = 0.001
    """Factor for the waits between webhook attempts; 1.0 is BigCommerce's own pace."""
    retries: Sequence[float] = RETRIES
    """Those waits, in seconds before they are multiplied."""


class BigCommerce(ShopStandIn):
    """One store's API. `url` is the base that `/stores/{hash}/v3/...` is appended to."""

    def __init__(self, store: Store, options: BigCommerceOptions, url: str, nursery: trio.Nursery) -> None:
        parts = {"": store, "customers.": store.customers, "metafields.": store.metafields, "orders.": store.orders}
        super().__init__(url, parts)
        self.store = store
        self.store_hash = options.store_hash
        self.access_token = options.access_token
        self.client_secret = options.client_secret
        self.quota = Quota(options.quota, headers_on_refusal=options.headers_on_refusal)
        self.blocklist = Blocklist(options.time_scale)
        self.hooks = Hooks(store, options.store_hash, self.blocklist)
        self.login = Login(options.client_id, options.client_secret, lambda: self.access_token)
        self.webhooks = Webhooks(
            store,
            self.hooks,
            self.blocklist,
            store_hash=options.store_hash,
            client_secret=options.client_secret,
            time_scale=options.time_scale,
            retries=options.retries,
            nursery=nursery,
        )
        self._prefix = f"/stores/{options.store_hash}"
        self.routes.include(self.login)
        for part in (Products, Inventory, Metafields, Customers, Orders):
            self.routes.include(part(store), self._prefix)
        self.routes.include(Information(store, options.store_hash), self._prefix)
        self.routes.include(self.hooks, self._prefix)

    async def aclose(self) -> None:
        """Close the connections to the receivers."""
        await self.webhooks.aclose()

    def answer(self, request: Request, match: Match | None) -> Response:
        """Check token and quota, then do what was asked; the login server has neither."""
        if request.path == LOGIN_PATH:
            return super().answer(request, match)
        if request.headers.get("x-auth-token") != self.access_token:
            return text("Unauthorized", 401)
        if not self.quota.take():
            refusal = v3(429)
            return Response(status=429, headers=refusal.headers | self.quota.refusal_headers(), body=refusal.body)
        response = super().answer(request, match)
        response.headers.update(self.quota.headers())
        return response

    def unknown(self, request: Request) -> Response:
        """Answer a request without a route."""
        problem = v2 if request.path.startswith(f"{self._prefix}/v2/") else v3
        return problem(405 if self.routes.allowed(request.path) else 404)

    @route("GET", "/_sandbox/state")
    def _state(self) -> Any:
        return {
            "products": len(self.store.ids),
            "variants": sum(1 for _ in self.store.variants()),
            "customers": len(self.store.customers.people),
            "orders": len(self.store.orders.orders),
            "hooks": len(self.hooks.registered),
            "outstanding": self.webhooks.outstanding,
        }

    @route("POST", "/_sandbox/token")
    def _token(self, access_token: str) -> None:
        self.access_token = access_token

    @route("POST", "/_sandbox/authorize")
    def _authorize(self, scope: str = SCOPE) -> Any:
        code = self.login.authorize(self.store_hash, scope)
        return {"code": code, "context": f"stores/{self.store_hash}", "scope": scope}

    @route("POST", "/_sandbox/payload")
    def _payload(self) -> Any:
        return {"signed_payload_jwt": self.login.signed_payload(self.store_hash)}

    @route("POST", "/_sandbox/block")
    def _block(self, domain: str) -> None:
        self.blocklist.block(domain)
