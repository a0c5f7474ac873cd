"""The BigCommerce stand-in as a whole: token, rate limit, and the routes below `/stores/{hash}`.

Extra controls for a separate process:

    POST /_sandbox/edit       {"edit": "set_title", "arguments": {...}, "unstamped": false} -> {"result": ...}
    GET  /_sandbox/state      {"products", "variants", "customers", "orders", "hooks", "outstanding"}
    POST /_sandbox/token      {"access_token": "..."}: another token is valid from now on; revokes the old one
    POST /_sandbox/authorize  {"scope": "..."} -> {"code", "context", "scope"}: a merchant installs the app
    POST /_sandbox/payload    {} -> {"signed_payload_jwt": "..."}: a merchant opens or removes it
    POST /_sandbox/block      {"domain": "..."}: no webhook is sent there for three minutes, scaled
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import trio
from attrs import frozen

from daemon.sandbox.bigcommerce import problems
from daemon.sandbox.bigcommerce.blocklist import Blocklist
from daemon.sandbox.bigcommerce.customers import Customers
from daemon.sandbox.bigcommerce.delivery import RETRIES, Webhooks
from daemon.sandbox.bigcommerce.edits import edits
from daemon.sandbox.bigcommerce.hooks import Hooks
from daemon.sandbox.bigcommerce.information import Information
from daemon.sandbox.bigcommerce.inventory import Inventory
from daemon.sandbox.bigcommerce.login import SCOPE, Login
from daemon.sandbox.bigcommerce.metafields import Metafields
from daemon.sandbox.bigcommerce.orders import Orders
from daemon.sandbox.bigcommerce.products import Products
from daemon.sandbox.bigcommerce.quota import Quota
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.control import StandIn
from daemon.sandbox.message import Refused, Request, Response
from daemon.sandbox.router import Match, Router, route


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
    window_seconds: float = 30.0
    headers_on_refusal: bool = True
    """False: a 429 comes without rate-limit headers, as under platform load."""
    sign_webhooks: bool = True
    time_scale: float = 0.001
    """Factor for the waits between webhook attempts; 1.0 is BigCommerce's own pace."""
    retries: Sequence[float] = RETRIES
    """Those waits, in seconds before they are multiplied."""


class BigCommerce(StandIn):
    """One store's API. `url` is the base that `/stores/{hash}/v3/...` is appended to."""

    def __init__(self, store: Store, options: BigCommerceOptions, url: str, nursery: trio.Nursery) -> None:
        super().__init__()
        self.url = url
        self.store = store
        self.store_hash = options.store_hash
        self.access_token = options.access_token
        self.client_secret = options.client_secret
        self.quota = Quota(options.quota, options.window_seconds, options.headers_on_refusal)
        self.blocklist = Blocklist(options.time_scale)
        self.hooks = Hooks(store, options.store_hash, self.blocklist)
        self.login = Login(options.client_id, options.client_secret, lambda: self.access_token)
        self.webhooks = Webhooks(
            store,
            self.hooks,
            self.blocklist,
            store_hash=options.store_hash,
            client_secret=options.client_secret,
            signed=options.sign_webhooks,
            time_scale=options.time_scale,
            retries=options.retries,
            nursery=nursery,
        )
        self._prefix = f"/stores/{options.store_hash}"
        self._router, self._logins = Router(), Router()
        self._logins.include(self.login)
        for part in (Products, Inventory, Metafields, Customers, Orders):
            self._router.include(part(store))
        self._router.include(Information(store, options.store_hash))
        self._router.include(self.hooks)

    def find(self, request: Request) -> Match | None:
        """Find the route below the store's prefix, or of the login server."""
        if self._logins.allowed(request.path):
            return self._logins.find(request.method, request.path)
        if not request.path.startswith(self._prefix + "/"):
            return None
        return self._router.find(request.method, request.path[len(self._prefix) :])

    def answer(self, request: Request, match: Match | None) -> Response:
        """Check token and quota, then do what was asked; the login server has neither."""
        if self._logins.allowed(request.path):
            return self._do(request, match)
        if request.headers.get("x-auth-token") != self.access_token:
            return problems.unauthorized()
        if not self.quota.take():
            refusal = problems.v3(429)
            return Response(status=429, headers=refusal.headers | self.quota.refusal_headers(), body=refusal.body)
        response = self._do(request, match)
        response.headers.update(self.quota.headers())
        return response

    def _do(self, request: Request, match: Match | None) -> Response:
        if match is None:
            path = request.path.removeprefix(self._prefix)
            allowed = self._router.allowed(path) or self._logins.allowed(path)
            problem = problems.v2 if request.path.startswith(f"{self._prefix}/v2/") else problems.v3
            return problem(405 if allowed else 404)
        try:
            return match.handler(request, **match.parameters)
        except Refused as refused:
            return refused.response

    @route("POST", "/_sandbox/edit")
    def _edit(self, edit: str, arguments: Mapping[str, Any] | None = None, *, unstamped: bool = False) -> Any:
        known = edits(self.store)
        if edit not in known:
            raise ValueError(f"no such edit; there are {', '.join(sorted(known))}")
        with self.store.unstamped() if unstamped else nullcontext():
            return {"result": known[edit](**(arguments or {}))}

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
