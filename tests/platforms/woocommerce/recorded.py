"""A shop that answers with recordings of a real one (WooCommerce 11.0.1), behind a transport without network.

`recordings/rest.json` has trimmed answers by name: method, path with query, status, headers, and `body` (JSON) or
`text`. `recordings/webhooks.json` has the deliveries of each edit, `recordings/semantics.json` what was measured.
"""

import json
from collections import deque
from pathlib import Path
from typing import Any

import httpx

from daemon.entities import StoreFacts
from daemon.model import Secret
from daemon.platforms.woocommerce.adapter import WooCommerce
from daemon.platforms.woocommerce.settings import WooCommerceSettings

RECORDINGS = Path(__file__).parent / "recordings"
BASE = "/wp-json/wc/v3"
KEY, SECRET, SIGNING = "ck_known", "cs_secret", 'our secret & " < é'

FACTS = StoreFacts(currency="GBP", weight_unit="kg", url="https://shop.example.com/wp-admin")


def _file(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text("utf-8"))
    return content


REST, WEBHOOKS, SEMANTICS = _file("rest"), _file("webhooks"), _file("semantics")


def settings(**changes: Any) -> WooCommerceSettings:
    """Return the settings of a shop."""
    fields = {
        "store_url": "https://shop.example.com",
        "consumer_key": Secret(KEY),
        "consumer_secret": Secret(SECRET),
        "webhook_secret": Secret(SIGNING),
    }
    return WooCommerceSettings(**{**fields, **changes})


def content_of(name: str) -> Any:
    """Return the JSON of a recorded answer; None if it is not JSON."""
    answer = REST[name]
    if "body" in answer:
        return answer["body"]
    try:
        return json.loads(answer["text"])
    except ValueError:
        return None


def response(name: str, content: Any = None) -> httpx.Response:
    """Return a recorded answer, with other `content` if that is given."""
    answer = REST[name]
    text = answer["text"] if "text" in answer else json.dumps(answer["body"])
    body = text if content is None else json.dumps(content)
    return httpx.Response(answer["status"], headers=answer["headers"], content=body.encode())


def _every(*names: str) -> list[dict[str, Any]]:
    rows = [row for name in names for row in _rows(content_of(name))]
    return list({row["id"]: row for row in rows}.values())


def _rows(content: Any) -> list[dict[str, Any]]:
    return content if isinstance(content, list) else [content]


VARIATIONS = _every(
    *("variations_all_products", "product_variations", "variation_manage_stock_parent"),
    *("variation_inherits_parent_sku", "variations_modified_after"),
)
REFUNDS = _every("refunds_all") + [{**row, "parent_id": 699} for row in _every("order_refunds")]


class RecordedShop:
    """Answers the adapter's next call with `script`, and secondary calls from the recordings."""

    def __init__(self, *script: httpx.Response, **changes: Any) -> None:
        self.script = deque(script)
        self.asked: list[httpx.Request] = []
        self.adapter = WooCommerce(settings(**changes), httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a call."""
        self.asked.append(request)
        path, query = request.url.path.removeprefix(BASE), request.url.params
        if request.method == "OPTIONS":
            return httpx.Response(
                200, json={"endpoints": content_of("index")["routes"]["/wc/v3/customers"]["endpoints"]}
            )
        if path == "/variations":
            return _included(VARIATIONS, query)
        if path.endswith("/refunds"):
            order = int(path.split("/")[2])
            return _listed([row for row in REFUNDS if row["parent_id"] == order])
        if path == "/customers" and "include" in query and query["role"] != "all":
            every = _every("customers_role_all", "customers_default", "customer_single")
            return _included([row for row in every if row["role"] == query["role"]], query)
        return self.script.popleft() if len(self.script) > 1 else self.script[0]


def _included(rows: list[dict[str, Any]], query: httpx.QueryParams) -> httpx.Response:
    wanted = query["include"].split(",")
    return _listed([row for row in rows if str(row["id"]) in wanted])


def _listed(rows: list[dict[str, Any]]) -> httpx.Response:
    return httpx.Response(200, json=rows, headers={"x-wp-total": str(len(rows))})
