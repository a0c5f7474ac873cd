"""A small BigCommerce behind a transport: real requests, scripted answers, no network."""

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import httpx

Row = dict[str, Any]

COUNTS = {"addresses": "address_count", "attributes": "attribute_count"}
MISSING = {"status": 404, "title": "Not found", "type": "x"}
VARIANT: Row = {
    **dict.fromkeys(("price", "retail_price", "weight")),
    "inventory_level": 1,
    "purchasing_disabled": False,
    "option_values": [],
}
PRODUCT: Row = {
    "price": 5,
    "retail_price": 0,
    "weight": 1,
    "inventory_tracking": "variant",
    "inventory_level": 0,
    "custom_url": None,
    "is_visible": True,
    "availability": "available",
    "images": [],
}
"""Fields that every product and variant has in an answer."""


class FakeStore:
    """Answers the adapter's calls; `script` goes first, and `bears` is the largest page that it can answer."""

    def __init__(self) -> None:
        self.products: dict[int, Row] = {}
        self.customers: dict[int, Row] = {}
        self.orders: dict[int, Row] = {}
        self.shipments: dict[int, list[Row]] = {}
        self.lines: dict[int, list[Row]] = {}
        self.metafields: dict[str, list[Row]] = {"product": [], "variant": [], "order": []}
        self.groups: list[Row] = [{"id": 3, "name": "Trade"}, {"id": 4, "name": "Guests", "is_group_for_guests": True}]
        self.attributes: Mapping[int, str | None] = {}
        self.items: list[Row] = []
        self.locations: list[Row] = [{"id": 1, "enabled": True}]
        self.hooks: dict[int, Row] = {}
        self.health = httpx.Response(200, json={"data": {"hooks_list": [], "blocked_domains": []}})
        self.info: Row = {"id": "abc", "currency": "GBP", "weight_units": "KGS"}
        self.script: deque[httpx.Response | Exception] = deque()
        self.asked: list[httpx.Request] = []
        self.bears = 250
        self.caps = 250
        self.shows_headers = True
        self.tells_total = True

    def add(self, *ids: int, **changes: Any) -> None:
        for id_ in ids:
            variants = [{**VARIANT, "id": id_ * 10, "sku": f"SKU-{id_}"}]
            product = {**PRODUCT, "id": id_, "name": f"Product {id_}", "variants": variants}
            self.products[id_] = {**product, **changes}

    def add_customers(self, *ids: int, addresses: int = 0, values: Sequence[tuple[int, str]] = (), **more: Any) -> None:
        for id_ in ids:
            places = [{**ADDRESS, "id": id_ * 100 + n, "customer_id": id_} for n in range(addresses)]
            said = [{"attribute_id": a, "customer_id": id_, "attribute_value": text} for a, text in values]
            named = {"first_name": "Ada", "last_name": "Byron", "company": ""}
            customer = {"id": id_, "email": f"c{id_}@example.com", "customer_group_id": 3, "modified": id_, **named}
            self.customers[id_] = {**customer, **more, "all_addresses": places, "all_attributes": said}

    def queries(self, path: str) -> list[httpx.QueryParams]:
        return [request.url.params for request in self.asked if request.url.path.endswith(path)]

    @property
    def paths(self) -> list[str]:
        return [request.url.path.removeprefix("/stores/abc") for request in self.asked]

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/metafields"):
            return httpx.Response(200, json={"data": []})  # these have tests of their own
        self.asked.append(request)
        path = request.url.path.removeprefix("/stores/abc")
        if self.script and not path.endswith("/metafields"):
            scripted = self.script.popleft()
            if isinstance(scripted, Exception):
                raise scripted
            return scripted
        if path.startswith("/v3/hooks"):
            return self._hooks(request, path)
        return self._read(path, request.url.params)

    def _read(self, path: str, query: httpx.QueryParams) -> httpx.Response:
        routes: dict[str, Callable[..., httpx.Response]] = {
            "/v2/store": lambda _: httpx.Response(200, json=self.info),
            "/v2/time": lambda _: httpx.Response(200, json={"time": 1}),
            "/v2/customer_groups": lambda query: _bare(self.groups, query),
            "/v3/catalog/products": self._products,
            r"/v3/catalog/products/(\d+)": lambda _, id_: _one(self.products, int(id_)),
            "/v3/inventory/items": self._items,
            "/v3/inventory/locations": lambda query: self._page(self.locations, query),
            "/v3/customers": self._customers,
            "/v3/customers/attributes": lambda query: self._page(self._names, query),
            "/v3/customers/addresses": partial(self._owned, "addresses"),
            "/v3/customers/attribute-values": partial(self._owned, "attributes"),
        }
        for pattern, answer in routes.items():
            if found := re.fullmatch(pattern, path):
                return answer(query, *found.groups())
        raise AssertionError(path)

    @property
    def _names(self) -> list[Row]:
        return [{"id": id_, "name": name} for id_, name in self.attributes.items()]

    def _items(self, query: httpx.QueryParams) -> httpx.Response:
        wanted = set(query["product_id:in"].split(","))
        return self._page([item for item in self.items if str(item["identity"]["product_id"]) in wanted], query)

    def _products(self, query: httpx.QueryParams) -> httpx.Response:
        if "id:in" in query:
            wanted = [int(id_) for id_ in query["id:in"].split(",")]
            if len(wanted) > self.bears:
                return httpx.Response(503, html="<h1>Service Unavailable</h1>")
            return self._page([self.products[id_] for id_ in wanted if id_ in self.products], query)
        if int(query["limit"]) > self.bears:
            return httpx.Response(504, html="<h1>Gateway Timeout</h1>")
        after = [p for id_, p in sorted(self.products.items()) if id_ > int(query["id:greater"])]
        return self._page(after, query)

    def _customers(self, query: httpx.QueryParams) -> httpx.Response:
        if len(query.get("id:in", "").split(",")) > self.bears:
            return httpx.Response(503)
        kept = [one for one in self.customers.values() if _passes(one, query)]
        return self._walked(kept, query, lambda one: _shown(one, query.get("include", "")))

    def _owned(self, what: str, query: httpx.QueryParams) -> httpx.Response:
        owners = [self.customers[int(id_)] for id_ in query["customer_id:in"].split(",")]
        return self._page([row for owner in owners for row in owner[f"all_{what}"]], query)

    def _walked(self, kept: Sequence[Row], query: httpx.QueryParams, show: Callable[[Row], Row]) -> httpx.Response:
        """Answer a page by cursor; the cursor is the index of the last row."""
        limit, start = min(self.caps, int(query["limit"])), int(query.get("after", "0"))
        data = [show(row) for row in kept[start : start + limit]]
        more = start + limit < len(kept)
        cursors = {"count": len(data), "per_page": limit, "links": {"next": "?after=x"} if more else {}}
        meta: Row = {"cursor_pagination": {**cursors, **({"end_cursor": str(start + len(data))} if data else {})}}
        if "after" not in query:
            meta["pagination"] = {"total": len(kept), "total_pages": -(-len(kept) // limit)}
        return httpx.Response(200, json={"data": data, "meta": meta})

    def _page(self, rows: Iterable[Row], query: httpx.QueryParams) -> httpx.Response:
        found, limit, page = list(rows), min(self.caps, int(query["limit"])), int(query.get("page", "1"))
        data = found[(page - 1) * limit : page * limit]
        counts = {"total": len(found), "total_pages": -(-len(found) // limit), "current_page": page}
        return httpx.Response(200, json={"data": data, "meta": {"pagination": counts} if self.tells_total else {}})

    def _hooks(self, request: httpx.Request, path: str) -> httpx.Response:
        if path.endswith("/admin"):
            return self.health
        if request.method == "GET":
            shown = [h if self.shows_headers else {**h, "headers": None} for h in self.hooks.values()]
            return self._page(shown, request.url.params)
        id_ = max(self.hooks, default=0) + 1 if request.method == "POST" else int(path.rsplit("/", 1)[1])
        if request.method == "DELETE":
            if self.hooks.pop(id_, None) is None:
                return httpx.Response(404, json={"status": 404, "title": "Hook not found"})
            return httpx.Response(200, json={"data": {"id": id_}})
        self.hooks[id_] = {"id": id_, **json.loads(request.content)}
        return httpx.Response(200, json={"data": self.hooks[id_]})


ADDRESS: Row = {
    "id": 61,
    "customer_id": 7,
    "first_name": "Ada",
    "last_name": "Byron",
    "company": "Engines Ltd",
    "address1": "12 St James's Square",
    "address2": "",
    "city": "London",
    "state_or_province": "Greater London",
    "postal_code": "SW1Y 4JH",
    "country_code": "gb",
    "phone": "020",
}


def _one(rows: dict[int, Row], id_: int) -> httpx.Response:
    if id_ in rows:
        return httpx.Response(200, json={"data": rows[id_], "meta": {}})
    return httpx.Response(404, json=MISSING)


def _bare(rows: Sequence[Row], query: httpx.QueryParams) -> httpx.Response:
    limit, page = int(query["limit"]), int(query.get("page", "1"))
    part = list(rows)[(page - 1) * limit : page * limit]
    return httpx.Response(200, json=part) if part else httpx.Response(204)


def _passes(customer: Row, query: httpx.QueryParams) -> bool:
    filters = {"id:in": "id", "email:in": "email", "customer_group_id:in": "customer_group_id"}
    for name, field in filters.items():
        if name in query and str(customer[field]).lower() not in query[name].lower().split(","):
            return False
    return True


def _shown(customer: Row, include: str) -> Row:
    shown = {name: value for name, value in customer.items() if not name.startswith("all_")}
    for name in include.split(",") if include else ():
        rows = customer[f"all_{name}"]
        shown |= {name: rows[:10], COUNTS[name]: len(rows)}
    return shown
