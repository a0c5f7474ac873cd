"""The SparkLayer stand-in as a whole: rate limit, token, routes, and a picture of what the site holds.

Another part of the API is a class whose methods are marked with `route`, and a line in `State`. Extra
controls for a separate process:

    GET  /_sandbox/state        the comparable state (`State.comparable`)
    GET  /_sandbox/counts       {"products", "variants", "stock", "prices", "customers", ..., writes of each, "tokens"}
    GET  /_sandbox/sync-log     every sync-log call in order
    GET  /_sandbox/journal      {"products", "customers", "purchases"}: bodies written, by id, when they are kept
    POST /_sandbox/purchase     {"cart": "<uuid>", "reference": "PO-1", "lines": [{"sku", "quantity", "price"}]}:
                                an order is placed in the storefront
    POST /_sandbox/revoke       {"key": false}: tokens stop working; true: the key too, until {"key": false} again
"""

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec
from attrs import fields, frozen

from daemon.sandbox.control import StandIn
from daemon.sandbox.message import Match, Request, Response, route
from daemon.sandbox.sparklayer.customers import Customers
from daemon.sandbox.sparklayer.gate import TOKEN_PATH, Bucket, RetryAfter, Tokens
from daemon.sandbox.sparklayer.prices import PriceLists, Prices, Settings
from daemon.sandbox.sparklayer.products import Mode, Products
from daemon.sandbox.sparklayer.purchases import Purchases
from daemon.sandbox.sparklayer.record import Record, problem
from daemon.sandbox.sparklayer.stock import Stock
from daemon.sandbox.sparklayer.sync_log import SyncLog


@frozen(kw_only=True)
class State:
    """The parts of a site."""

    products: Products
    stock: Stock
    price_lists: PriceLists
    prices: Prices
    settings: Settings
    customers: Customers
    purchases: Purchases
    sync_log: SyncLog

    @property
    def parts(self) -> Iterable[object]:
        """Everything that has routes."""
        return (getattr(self, attribute.name) for attribute in fields(type(self)))

    @property
    def writes(self) -> int:
        """Number of writes and deletions of every kind so far, without the sync-log."""
        return (
            self.products.writes
            + self.stock.writes
            + self.prices.writes
            + self.customers.writes
            + self.customers.removals
            + self.purchases.writes
            + self.purchases.removals
        )

    def comparable(self) -> dict[str, Any]:
        """Return the site as plain data without ids and times of its own: equal pictures, equal sites.

        {"products": {external id: {title, slug, variants: {external id: fields}}},
         "stock": {sku: {location: level}}, "prices": {slug: {sku: [[quantity, price]]}}, "currency": ...,
         "stock_terms": {sku: {location: {restock_date, min_stock_level}}} where a level has any of them,
         "price_lists": {slug: fields}, "purchases": {cart id: body},
         "customers": {external id: fields, with addresses by their external ids}}
        A location is named by its external id where it has one.
        """
        positions = {place.id: place.external_id or place.id for place in self.stock.locations}
        return {
            "products": self.products.comparable(),
            "stock": {
                sku: {str(positions[place]): level.stock_level for place, level in levels.items()}
                for sku, levels in self.stock.levels.items()
            },
            "prices": {
                slug: {sku: [[row["quantity"], row["price"]] for row in rows] for sku, rows in prices.items()}
                for slug, prices in self.prices.prices.items()
                if prices
            },
            "stock_terms": {
                sku: {str(positions[place]): terms for place, level in levels.items() if (terms := _terms(level))}
                for sku, levels in self.stock.levels.items()
                if any(_terms(level) for level in levels.values())
            },
            "price_lists": msgspec.to_builtins(self.price_lists.lists),
            "currency": self.settings.currency,
            "customers": self.customers.comparable(),
            "purchases": self.purchases.comparable(),
        }


def _terms(level: Record) -> dict[str, Any]:
    return level.without("stock_location_id", "stock_level")


WITH_PARAMETERS = ("GET /api/v2/price-lists", "GET /api/v1/purchases")
"""The only routes that take parameters."""


class Contract(Protocol):
    """The tests' comparison of answers with SparkLayer's documents."""

    def check_answer(self, request: Request, response: Response) -> None:
        """Hold an answer of the stand-in against the documents. Raises AssertionError."""
        ...


@frozen(kw_only=True)
class SparkLayerOptions:
    """Behaviour of the site's API where SparkLayer documents none. The credentials open nothing but this sandbox."""

    port: int = 0
    site_id: str = "sandbox"
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-key"  # noqa: S105  opens nothing but this sandbox
    rate: float | None = None
    """Requests per second; None is unlimited."""
    burst: int = 20
    retry_after: RetryAfter = "seconds"
    problem_bodies: bool = True
    """False: refusals come without a body, as some do."""
    variants: Mode = "merge"
    """Effect of a product's PATCH on `variants`."""
    groups: tuple[str, ...] | None = None
    """The customer groups that exist besides `base`; None is anything."""
    duplicate_status: int = 409
    locations: tuple[tuple[str, str], ...] = (("main", "Main"),)
    """(external id, name) of the stock locations that exist from the start."""
    settings_writable: bool = False
    settings_refusal: int = 403
    """Status of a refusal to write global settings."""
    resolved_field: str = "synced_external_ids"
    data_types: tuple[str, ...] | None = None
    """Data types that the sync-log takes; None is any."""
    journal: bool = False
    """Keep the body of every write of a product, customer or purchase."""
    contract: Contract | None = None
    """Contract that answers must fit."""


class SparkLayer(StandIn):
    """One site's API. `url` is what `/api/...` is appended to."""

    def __init__(self, options: SparkLayerOptions, url: str) -> None:
        super().__init__(url)
        self.site_id = options.site_id
        self.client_id = options.client_id
        self.client_secret = options.client_secret
        self.tokens = Tokens(
            site_id=options.site_id,
            client_id=options.client_id,
            client_secret=options.client_secret,
        )
        self.bucket = Bucket(rate=options.rate, burst=options.burst, retry_after=options.retry_after)
        lists = PriceLists()
        self.state = State(
            products=Products(
                mode=options.variants,
                duplicate_status=options.duplicate_status,
                keep_journal=options.journal,
            ),
            stock=Stock(),
            price_lists=lists,
            prices=Prices(lists=lists),
            settings=Settings(options.settings_writable, options.settings_refusal),
            customers=Customers(groups=options.groups, keep_journal=options.journal),
            purchases=Purchases(keep_journal=options.journal),
            sync_log=SyncLog(options.resolved_field, options.data_types),
        )
        for external_id, name in options.locations:
            self.state.stock.add_location(external_id, name)
        self._bodies = options.problem_bodies
        self._contract = options.contract
        for part in (self.tokens, *self.state.parts):
            self.routes.include(part)

    def answer(self, request: Request, match: Match | None) -> Response:
        """Answer a request, and hold the answer against the contract."""
        response = super().answer(request, match)
        if self._contract is not None:
            self._contract.check_answer(request, response)
        if response.status >= 400 and not self._bodies:  # noqa: PLR2004  a refusal
            headers = {name: value for name, value in response.headers.items() if name != "content-type"}
            response = Response(status=response.status, headers=headers)
        return response

    def admit(self, request: Request, match: Match | None) -> None:
        """Let the request pass the gate. Raises Refused."""
        self.bucket.take()
        if request.path != TOKEN_PATH:
            self.tokens.check(request)
        if match and request.query and match.name not in WITH_PARAMETERS:
            raise problem(400, "This endpoint takes no parameters")

    def unknown(self, request: Request) -> Response:
        """Answer a request without a route."""
        status = 405 if self.routes.allowed(request.path) else 404
        return problem(status, f"There is no {request.method} {request.path}").response

    @route("GET", "/_sandbox/state")
    def _pictured(self) -> Any:
        return self.state.comparable()

    @route("GET", "/_sandbox/sync-log")
    def _logged(self) -> Any:
        return self.state.sync_log.calls

    @route("GET", "/_sandbox/counts")
    def _counts(self) -> Any:
        state = self.state
        return {
            "products": len(state.products.products),
            "variants": sum(len(product.variants) for product in state.products.products.values()),
            "stock": len(state.stock.levels),
            "prices": sum(len(prices) for prices in state.prices.prices.values()),
            "customers": len(state.customers.customers),
            "addresses": sum(len(customer.addresses) for customer in state.customers.customers.values()),
            "purchases": len(state.purchases.purchases),
            "product_writes": state.products.writes,
            "stock_writes": state.stock.writes,
            "price_writes": state.prices.writes,
            "customer_writes": state.customers.writes,
            "customer_removals": state.customers.removals,
            "purchase_writes": state.purchases.writes,
            "purchase_removals": state.purchases.removals,
            "sync_log_calls": len(state.sync_log.calls),
            "sync_log_wipes": state.sync_log.wipes,
            "tokens": self.tokens.issued,
        }

    @route("GET", "/_sandbox/journal")
    def _journal(self) -> Any:
        return {name: getattr(self.state, name).journal for name in ("products", "customers", "purchases")}

    @route("POST", "/_sandbox/purchase")
    def _place(self, **order: Any) -> None:
        self.state.purchases.place(**order)

    @route("POST", "/_sandbox/revoke")
    def _revoke(self, *, key: bool = False) -> None:
        self.tokens.revoke()
        self.tokens.key_revoked = key
