"""A small WooCommerce shop behind a transport: real requests, lists that change, no network."""

import json
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from daemon.platforms.woocommerce.adapter import WooCommerce
from tests.platforms.woocommerce.recorded import BASE, settings

Row = dict[str, Any]
ROLE, SECOND_ROLE = "sparklayer_b2b_base", "sparklayer_b2b_gold"

PRODUCT: Row = {
    "parent_id": 0,
    "type": "simple",
    "status": "publish",
    "regular_price": "5.00",
    "purchasable": True,
    "manage_stock": True,
    "stock_quantity": 7,
    "weight": "",
    "images": [],
    "variations": [],
}
VARIATION: Row = {
    "type": "variation",
    "status": "publish",
    "regular_price": "6.50",
    "purchasable": True,
    "manage_stock": False,
    "stock_quantity": None,
    "weight": "",
    "image": None,
    "attributes": [],
    "menu_order": 0,
}
ADDRESS: Row = {
    "first_name": "Ada",
    "last_name": "Byron",
    "company": "Engines Ltd",
    "address_1": "1 Mill Road",
    "address_2": "",
    "city": "Leeds",
    "state": "",
    "postcode": "LS1",
    "country": "GB",
    "phone": "1",
}
ORDER: Row = {
    "status": "processing",
    "currency": "EUR",
    "date_created_gmt": "2026-11-01T06:00:00",
    "date_modified_gmt": "2026-11-01T07:00:00",
    "date_paid_gmt": None,
    "customer_id": 4,
    "total": "30.000000",
    "total_tax": "5.000000",
    "billing": ADDRESS,
    "shipping": ADDRESS,
    "shipping_lines": [],
    "fee_lines": [],
    "refunds": [],
    "meta_data": [],
}
DATE = "2026-11-01T05:00:00"
CART = "5ec8af4d-93c6-5982-b472-1f7016db6274"
IN_LISTS = "publish,draft,pending,private,future"


class FakeShop:
    """Answers the adapter's calls; `script` goes first. `longest` is the most ids that its server accepts in a list."""

    def __init__(self, **changes: Any) -> None:
        self.products: dict[int, Row] = {}
        self.variations: dict[int, Row] = {}
        self.customers: dict[int, Row] = {}
        self.roles: dict[int, list[str]] = {}
        self.orders: dict[int, Row] = {}
        self.refunds: dict[int, list[Row]] = {}
        self.hooks: dict[int, Row] = {}
        self.known_roles = ["all", "administrator", "customer", ROLE, SECOND_ROLE]
        self.setup = {"weight_unit": "kg", "include_tax": "no"}
        self.script: deque[httpx.Response] = deque()
        self.asked: list[httpx.Request] = []
        self.longest = 1000
        self.broken: dict[str, httpx.Response] = {}
        """Answers by path, instead of the shop's own."""
        self.crashes_on: int | None = None
        """The id at which a plugin crashes, wherever more than an entity's id, role and meta data is asked for."""
        self.ignores_include = False
        """True: as a cache that leaves parameters out of its key."""
        self.adapter = WooCommerce(settings(**changes), httpx.MockTransport(self.answer))

    def add(self, *ids: int, variations: int = 0, **changes: Any) -> None:
        """Add products; their variations have the ids behind 100,000."""
        for id_ in ids:
            children = [100_000 + id_ * 100 + number for number in range(variations)]
            kind = {"type": "variable", "variations": children, "manage_stock": False} if variations else {}
            named = {
                "id": id_,
                "name": f"Product {id_}",
                "slug": f"product-{id_}",
                "sku": f"SKU-{id_}",
                "date_modified_gmt": DATE,
            }
            self.products[id_] = {**PRODUCT, "date_modified_gmt": DATE, **named, **kind, **changes}
            for child in children:
                choice = [{"name": "Size", "option": str(child)}]
                own = {"id": child, "parent_id": id_, "sku": f"SKU-{child}", "attributes": choice}
                self.variations[child] = {**VARIATION, **own}

    def add_customers(self, *ids: int, roles: tuple[str, ...] = (ROLE,), **changes: Any) -> None:
        """Add customers with roles; a record shows the first."""
        for id_ in ids:
            named = {"id": id_, "email": f"c{id_}@example.com", "first_name": "Ada", "last_name": "Byron"}
            places = {"billing": ADDRESS, "shipping": {**ADDRESS, "address_1": "2 Mill Road"}, "meta_data": []}
            self.customers[id_] = {**named, "role": roles[0], **places, **changes}
            self.roles[id_] = list(roles)

    def add_orders(self, *ids: int, cart: str = CART, **changes: Any) -> None:
        """Add orders with one line of three pieces for 25.00 and 5.00 tax."""
        for id_ in ids:
            items = [line(id_ * 10, 3, "25.000000", "5.000000")]
            meta = [{"key": "sparklayer_cart_id", "value": cart}] if cart else []
            self.orders[id_] = {
                **ORDER,
                "id": id_,
                "number": f"N{id_}",
                "line_items": items,
                "meta_data": meta,
                **changes,
            }

    def queries(self, path: str) -> list[httpx.QueryParams]:
        """Return the parameters of all calls of a path."""
        return [request.url.params for request in self.asked if request.url.path == f"{BASE}{path}"]

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a call."""
        self.asked.append(request)
        path, query = request.url.path.removeprefix(BASE), request.url.params
        if path in self.broken:
            return self.broken[path]
        if self.script:
            return self.script.popleft()
        if len(query.get("include", "").split(",")) > self.longest:
            return httpx.Response(414, text="<html><title>414 Request-URI Too Large</title></html>")
        if path.startswith("/webhooks"):
            return self._webhooks(request, path)
        if request.method == "OPTIONS":
            args = {"role": {"enum": self.known_roles}}
            return httpx.Response(200, json={"endpoints": [{"methods": ["GET"], "args": args}]})
        settings_of = {"weight_unit": "kg", "include_tax": "no", **self.setup}
        single: Mapping[str, Any] = {
            "/data/currencies/current": {"code": "GBP"},
            "/settings/products/woocommerce_weight_unit": {"value": settings_of["weight_unit"]},
            "/settings/tax/woocommerce_prices_include_tax": {"value": settings_of["include_tax"]},
        }
        return httpx.Response(200, json=single[path]) if path in single else self._rows(path, query)

    def _rows(self, path: str, query: httpx.QueryParams) -> httpx.Response:
        _, name, *rest = path.split("/")
        if rest[1:] == ["refunds"]:
            return httpx.Response(200, json=self.refunds.get(int(rest[0]), []))
        rows: dict[int, Row] = getattr(self, name)
        if rest:
            every = {**rows, **self.variations} if name == "products" else rows
            found = every.get(int(rest[0]))
            if int(rest[0]) == self.crashes_on:
                return crash()
            return missing() if found is None else httpx.Response(200, json=found)
        found_rows = [row for row in rows.values() if self._fits(name, row, query)]
        return self._page(found_rows, query)

    def _page(self, rows: list[Row], query: httpx.QueryParams) -> httpx.Response:
        rows = sorted(rows, key=lambda row: row["id"])
        offset, size = int(query.get("offset", "0")), int(query.get("per_page", "10"))
        page, names = rows[offset : offset + size], query.get("_fields", "").split(",")
        if {*names} <= {"id", "role", "meta_data"}:
            page = [{name: row[name] for name in names if name in row} for row in page]
        elif self.crashes_on in {row["id"] for row in page}:
            return crash()
        return httpx.Response(200, json=page, headers={"X-WP-Total": str(len(rows))})

    def _fits(self, name: str, row: Row, query: httpx.QueryParams) -> bool:
        if "include" in query and not self.ignores_include and str(row["id"]) not in query["include"].split(","):
            return False
        if name == "customers":
            role = query.get("role", "customer")
            return role == "all" or role in self.roles[row["id"]]
        asked = query.get("include_status", query.get("status", IN_LISTS if name == "products" else "any")).split(",")
        if not (row["status"] in asked or ("any" in asked and row["status"] != "trash")):
            return False
        since = query.get("modified_after")
        return since is None or datetime.fromisoformat(row["date_modified_gmt"]) > datetime.fromisoformat(since)

    def _webhooks(self, request: httpx.Request, path: str) -> httpx.Response:
        if request.method == "GET":
            return self._page(
                [{k: v for k, v in row.items() if k != "secret"} for row in self.hooks.values()], request.url.params
            )
        if request.method == "DELETE":
            found = self.hooks.pop(int(path.rpartition("/")[2]), None)
            return missing() if found is None else httpx.Response(200, json=found)
        body = json.loads(request.content)
        made = [
            {**row, "id": max(self.hooks, default=0) + place} for place, row in enumerate(body.get("create", []), 1)
        ]
        self.hooks |= {row["id"]: row for row in made}
        for row in body.get("update", []):
            self.hooks[row["id"]] |= row
        return httpx.Response(200, json={"create": made, "update": body.get("update", [])})


def line(id_: int, quantity: int, total: str, total_tax: str, **changes: Any) -> Row:
    """Return a line of an order."""
    row = {"id": id_, "name": f"Line {id_}", "quantity": quantity, "sku": f"SKU-{id_}", "meta_data": []}
    return {**row, "total": total, "total_tax": total_tax, **changes}


def refund(id_: int, *lines: tuple[int, int]) -> Row:
    """Return a refund of pieces of lines, given as (line, number)."""
    items = [
        {"quantity": -number, "meta_data": [{"key": "_refunded_item_id", "value": str(of)}]} for of, number in lines
    ]
    return {"id": id_, "line_items": items}


def own(status: int, code: str, message: str = "No.", **data: Any) -> httpx.Response:
    """Return a refusal of WordPress's own."""
    return httpx.Response(status, json={"code": code, "message": message, "data": {"status": status, **data}})


def crash() -> httpx.Response:
    """Return WordPress's page for a crash of PHP."""
    return httpx.Response(500, html="<p>There has been a critical error on this website.</p>")


def missing() -> httpx.Response:
    """Return the own answer about an entity that does not exist."""
    return own(404, "woocommerce_rest_product_invalid_id")
