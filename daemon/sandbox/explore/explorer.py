"""The page's HTTP interface, served on loopback for as long as a block lasts.

    GET  /                          the page itself, and its two files
    GET  /choices                   {"page", "products": [{"id", "title"}], "customers": [{"id", "name"}]}
    GET  /view?product=ID           {"product": {"units", "rows"}, "orders": [{"rows"}], "down_seconds"}
    POST /edit/title                {"product", "title"}
    POST /edit/price                {"product", "unit", "price"}
    POST /edit/stock                {"product", "unit", "stock"}
    POST /order                     {"product", "unit", "customer", "quantity"}
    POST /break                     {"seconds"}: SparkLayer does not answer for that long; 0 ends it

An edit is answered 204, or 400 {"field", "message"}. Any page in the same browser can send requests to loopback, so
what names another host or another origin is refused, and an edit must be JSON, which no foreign form can send.

Each refusal of a field is a 400 that names it and says what it must be. One product, or one order, is compared by rows
{"what", "store", "sparklayer", "same"}; a side that has no such thing is an empty text.
"""

import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Container, Iterator, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import trio

from daemon.sandbox.control import StandIn
from daemon.sandbox.expectation.orders import held_purchase
from daemon.sandbox.expectation.products import Picture, held
from daemon.sandbox.explore.stores import ExploredStore
from daemon.sandbox.message import Match, Refused, Request, Response, json, route, text
from daemon.sandbox.server import listening, serving
from daemon.sandbox.sparklayer import SparkLayer

MOST = 1_000_000
"""Greatest price, stock level and quantity."""


def refusal(field: str, must: str) -> Refused:
    """Return the refusal of a field."""
    return Refused(json({"field": field, "message": f"{field}: {must}"}, 400))


class Fields:
    """The fields of one request, and no others: of its JSON object, or of its query.

    Numbers may be texts, as a browser's form has them. Every method raises Refused.
    """

    def __init__(self, request: Request, *names: str) -> None:
        self._given: dict[str, Any] = dict(parse_qsl(request.query, keep_blank_values=True))
        if request.method == "POST":
            try:
                self._given = msgspec.json.decode(request.body, type=dict[str, Any])
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise refusal("body", "must be a JSON object") from None
        for name in set(names) ^ self._given.keys():
            raise refusal(name, "is missing" if name in names else "is not a field of this request")

    def text(self, name: str, most: int) -> str:
        """Take a text of 1 to `most` characters, without spaces around it."""
        value = self._given[name]
        if not isinstance(value, str) or not 1 <= len(value.strip()) <= most or not value.isprintable():
            raise refusal(name, f"must be a text of 1 to {most} characters on one line")
        return value.strip()

    def whole(self, name: str, least: int, most: int = MOST) -> int:
        """Take a whole number from `least` to `most`."""
        number = self._number(name)
        if number is None or number % 1 or not least <= number <= most:
            raise refusal(name, f"must be a whole number from {least} to {most}")
        return int(number)

    def price(self, name: str) -> Decimal:
        """Take a price from 0 to `MOST`, with at most two decimals."""
        number = self._number(name)
        if number is None or not 0 <= number <= MOST or number * 100 % 1:
            raise refusal(name, f"must be a price from 0 to {MOST} with at most two decimals, such as 12.50")
        return number

    def known(self, name: str, ids: Container[int], what: str) -> int:
        """Take one of the ids."""
        number = self._number(name)
        if number is None or number not in ids:
            raise refusal(name, f"must be the id of {what}")
        return int(number)

    def _number(self, name: str) -> Decimal | None:
        """Take a number; None if it is none."""
        # Not every number that Decimal reads: 1e999999999 is one with which it cannot calculate.
        text = str(self._given[name]).strip()
        return Decimal(text) if re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", text) else None


STATIC = Path(__file__).parent / "static"
FILES: Mapping[str, str] = {
    "/": "text/html; charset=utf-8",
    "/explore.js": "text/javascript; charset=utf-8",
    "/explore.css": "text/css; charset=utf-8",
}
"""The files of the page, with their types."""

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
}

TITLE = 250
"""Most characters of a title in BigCommerce."""
LONGEST_BREAK = 600
SHOWN_ORDERS = 5


class Explorer(StandIn):
    """Lets a person edit `store`, and see what `site` holds. `page` is the address of the operators' page."""

    def __init__(self, store: ExploredStore[Any], site: SparkLayer, page: str, url: str, nursery: trio.Nursery) -> None:
        super().__init__(url)
        self._store, self._site, self._page = store, site, page
        self._nursery = nursery
        port = url.rpartition(":")[2]
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._carts: list[str] = []
        self._back_at = 0.0
        self.routes.include(self)

    def answer(self, request: Request, match: Match | None) -> Response:
        """Answer a request of this page; refuse one of another."""
        response = super().answer(request, match)
        response.headers = response.headers | HEADERS
        return response

    def admit(self, request: Request, _match: Match | None) -> None:
        """Refuse a request that another site made. Raises Refused."""
        # A name of another site may lead to loopback too, so the host counts as well.
        host = request.headers.get("host", "")
        if host not in self._hosts or request.headers.get("origin", f"http://{host}") != f"http://{host}":
            raise Refused(text("only this page may ask here", 403))
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method == "POST" and content_type != "application/json":
            raise Refused(text("an edit must be application/json", 415))

    @route("GET", "/")
    @route("GET", "/explore.js")
    @route("GET", "/explore.css")
    def _file(self, request: Request) -> Response:
        name = "index.html" if request.path == "/" else request.path.removeprefix("/")
        headers = {"content-type": FILES[request.path]}
        return Response(status=200, headers=headers, body=(STATIC / name).read_bytes())

    @route("GET", "/choices")
    def _choices(self, _request: Request) -> Response:
        wanted = self._store.products()["products"]
        products = [
            {"id": product_id, "title": title}
            for product_id, title in self._store.titles().items()
            if str(product_id) in wanted
        ]
        buyers = [{"id": customer_id, "name": name} for customer_id, name in self._store.buyers().items()]
        return json({"page": self._page, "products": products, "customers": buyers})

    @route("GET", "/view")
    def _view(self, request: Request) -> Response:
        fields = Fields(request, "product")
        product_id = self._product(fields)
        wanted, found = self._store.products(), held(self._site.state, self._store.price_list)
        units = [
            {"id": unit, "sku": sku, "tracked": self._store.tracked(unit)}
            for unit, sku in units_of(product_id, wanted).items()
        ]
        rows = product_rows(product_id, wanted, found)
        down = max(0.0, self._back_at - trio.current_time())
        return json({"product": {"units": units, "rows": rows}, "orders": self._orders(), "down_seconds": down})

    def _orders(self) -> list[Any]:
        """Return the last orders that were placed here, the newest first."""
        wanted, purchases = self._store.orders(), self._site.state.purchases
        listed = []
        for cart in self._carts[: -SHOWN_ORDERS - 1 : -1]:
            purchase = purchases.find("sparklayer", cart)
            listed.append({"rows": order_rows(wanted.get(cart, {}), held_purchase(purchase) if purchase else {})})
        return listed

    @route("POST", "/edit/title")
    def _set_title(self, request: Request) -> Response:
        fields = Fields(request, "product", "title")
        product_id, title = self._product(fields), fields.text("title", TITLE)
        self._store.store.set_title(product_id, title)
        return Response(status=204)

    @route("POST", "/edit/price")
    def _set_price(self, request: Request) -> Response:
        fields = Fields(request, "product", "unit", "price")
        (unit, _), price = self._unit(fields), fields.price("price")
        self._store.set_price(unit, price)
        return Response(status=204)

    @route("POST", "/edit/stock")
    def _set_stock(self, request: Request) -> Response:
        fields = Fields(request, "product", "unit", "stock")
        (unit, _), level = self._unit(fields), fields.whole("stock", 0)
        if not self._store.tracked(unit):
            raise refusal("unit", "must be one whose stock the store counts; choose another product")
        self._store.store.set_stock(unit, level)
        return Response(status=204)

    @route("POST", "/order")
    def _place_order(self, request: Request) -> Response:
        fields = Fields(request, "product", "unit", "customer", "quantity")
        _, sku = self._unit(fields)
        customer = fields.known("customer", self._store.buyers(), "a trade customer")
        quantity = fields.whole("quantity", 1)
        cart, price = str(uuid.uuid4()), self._store.products()["prices"][sku] or 0
        self._site.state.purchases.place(cart, lines=[{"sku": sku, "quantity": quantity, "price": str(price)}])
        self._store.place(customer, sku, quantity, cart)
        self._carts.append(cart)
        return Response(status=204)

    @route("POST", "/break")
    def _break(self, request: Request) -> Response:
        fields = Fields(request, "seconds")
        seconds = fields.whole("seconds", 0, LONGEST_BREAK)
        self._back_at = trio.current_time() + seconds
        self._site.faults.down = seconds > 0
        self._nursery.start_soon(self._mend, self._back_at)
        return Response(status=204)

    async def _mend(self, back_at: float) -> None:
        """End an outage at its time, unless another one was ordered meanwhile."""
        await trio.sleep_until(back_at)
        if back_at == self._back_at:
            self._site.faults.down = False

    def _product(self, fields: Fields) -> int:
        return fields.known("product", self._store.titles(), "a product")

    def _unit(self, fields: Fields) -> tuple[int, str]:
        """Return the id and SKU of the unit that an edit names. Raises Refused."""
        units = units_of(self._product(fields), self._store.products())
        unit = fields.known("unit", units, "a SKU of this product")
        return unit, units[unit]


@contextlib.asynccontextmanager
async def open_explorer(store: ExploredStore[Any], site: SparkLayer, *, page: str, port: int = 0) -> AsyncIterator[str]:
    """Serve the page and yield its address; `page` is the operators' page. Raises OSError when the port is taken."""
    async with (
        listening("127.0.0.1", port) as at,
        serving(partial(Explorer, store, site, page), at) as explorer,
    ):
        yield explorer.url


Row = dict[str, Any]

ORDER = {"type": "State", "platform": "Order number", "pieces": "Pieces", "net": "Net total"}
"""The fields of a purchase that are shown, with their names."""


def units_of(product_id: int, products: Picture) -> dict[int, str]:
    """Return the SKUs of a product, by the unit's id; `products` is one side's picture."""
    variants = products["products"].get(str(product_id), {}).get("variants", {})
    return {int(unit): variant["sku"] for unit, variant in variants.items()}


def product_rows(product_id: int, wanted: Picture, held: Picture) -> list[Row]:
    """Return the rows of a product: its title, and each SKU's state, price and stock."""
    sides = [dict(_facts(product_id, side)) for side in (wanted, held)]
    return [_row(what, *(side.get(what, "") for side in sides)) for what in dict.fromkeys([*sides[0], *sides[1]])]


def order_rows(wanted: Picture, held: Picture) -> list[Row]:
    """Return the rows of an order; a side without it is an empty picture."""
    return [
        _row(name, *(_text(side[field]) if side.get(field) is not None else "" for side in (wanted, held)))
        for field, name in ORDER.items()
    ]


def _facts(product_id: int, side: Picture) -> Iterator[tuple[str, str]]:
    product = side["products"].get(str(product_id))
    if product is None:
        return
    yield "Title", product["title"]
    for variant in product["variants"].values():
        sku = variant["sku"]
        yield f"{sku}: state", variant["status"]
        for part, name in (("prices", "price"), ("stock", "stock")):
            if side[part].get(sku) is not None:
                yield f"{sku}: {name}", _text(side[part][sku])


def _row(what: str, store: str, sparklayer: str) -> Row:
    return {"what": what, "store": store, "sparklayer": sparklayer, "same": store == sparklayer}


def _text(value: Any) -> str:
    """Return a value so that equal amounts are equal texts."""
    if isinstance(value, dict):
        pieces = {
            fate: ", ".join(f"{quantity} x {sku}" for sku, quantity in parts.items()) for fate, parts in value.items()
        }
        return "; ".join(f"{fate} {parts}" for fate, parts in pieces.items())
    return f"{value:.2f}" if isinstance(value, Decimal) else str(value)
