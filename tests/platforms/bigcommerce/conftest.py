"""A small BigCommerce behind a transport: real requests, scripted answers, no network."""

import json
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest

from daemon.model import Secret
from daemon.platforms.bigcommerce.adapter import BigCommerce
from daemon.platforms.bigcommerce.settings import BigCommerceSettings

TOKEN = "very-secret-token"


class FakeStore:
    """Answers what the adapter asks; `script` goes first, and `bears` is the largest page it can answer."""

    def __init__(self) -> None:
        self.products: dict[int, dict[str, Any]] = {}
        self.items: list[dict[str, Any]] = []
        self.locations: list[dict[str, Any]] = [{"id": 1, "enabled": True}]
        self.hooks: dict[int, dict[str, Any]] = {}
        self.health = httpx.Response(200, json={"data": {"hooks_list": [], "blocked_domains": []}})
        self.info: dict[str, Any] = {"id": "abc", "currency": "GBP", "weight_units": "KGS"}
        self.script: deque[httpx.Response | Exception] = deque()
        self.asked: list[httpx.Request] = []
        self.bears = 250
        self.caps = 250
        self.shows_headers = True
        self.tells_total = True

    def add(self, *ids: int, **changes: Any) -> None:
        for id_ in ids:
            variants = [{"id": id_ * 10, "sku": f"SKU-{id_}", "price": None, "inventory_level": 1}]
            product = {"id": id_, "name": f"Product {id_}", "price": 5, "weight": 1, "variants": variants}
            self.products[id_] = {**product, "inventory_tracking": "variant", **changes}

    def queries(self, path: str) -> list[httpx.QueryParams]:
        return [request.url.params for request in self.asked if request.url.path.endswith(path)]

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/metafields"):
            return httpx.Response(200, json={"data": []})  # these have tests of their own
        self.asked.append(request)
        if self.script:
            scripted = self.script.popleft()
            if isinstance(scripted, Exception):
                raise scripted
            return scripted
        path = request.url.path.removeprefix("/stores/abc")
        if path.startswith("/v3/hooks"):
            return self._hooks(request, path)
        if path.startswith("/v3/catalog/products/"):
            return self._product(int(path.rsplit("/", 1)[1]))
        return self._read(path, request.url.params)

    def _read(self, path: str, query: httpx.QueryParams) -> httpx.Response:
        match path:
            case "/v3/catalog/products":
                return self._products(query)
            case "/v3/inventory/items":
                wanted = set(query["product_id:in"].split(","))
                return self._page([i for i in self.items if str(i["identity"]["product_id"]) in wanted], query)
            case "/v3/inventory/locations":
                return self._page(self.locations, query)
        return httpx.Response(200, json={"/v2/store": self.info, "/v2/time": {"time": 1}}[path])

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

    def _product(self, id_: int) -> httpx.Response:
        if id_ in self.products:
            return httpx.Response(200, json={"data": self.products[id_], "meta": {}})
        return httpx.Response(404, json={"status": 404, "title": "A product was not found with that id", "type": "x"})

    def _page(self, rows: Iterable[dict[str, Any]], query: httpx.QueryParams) -> httpx.Response:
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


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
async def shop(store: FakeStore) -> AsyncIterator[BigCommerce]:
    """Connect the adapter to `store`."""
    settings = BigCommerceSettings(store_hash="abc", access_token=Secret(TOKEN), webhook_secret=Secret("our-secret"))
    adapter = BigCommerce(settings, httpx.MockTransport(store.answer))
    yield adapter
    await adapter.aclose()
