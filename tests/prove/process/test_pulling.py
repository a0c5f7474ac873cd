"""SparkLayer pulls page after page of what it was pushed: the same entities, in the same words, each once."""

from collections.abc import Iterator
from typing import Any

import httpx

from daemon.sandbox import SparkLayerOptions, Store
from daemon.sandbox.company import WHOLESALE
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import SITE
from tests.e2e.trade import FIRST, HOME, SHOP, cart, trade_store, writes

TOKEN = "e2e-ignite-token"
MANY = 255
"""More of each kind than the store puts on a page."""
TYPES = ("products", "customers", "purchases", "stock")


def _full_store() -> Store:
    """Return a store with several pages of each kind, and a SKU that a product of the last page has too."""
    store = trade_store()
    for number in range(MANY):
        store.add_product(f"Product {number}", price=number + 0.5, variants=[{"sku": f"SKU-{number}", "stock": number}])
        store.customers.add(f"buyer-{number}@example.com", group_id=WHOLESALE, addresses=[HOME])
    store.add_product("Twin", variants=[{"sku": "MUG", "stock": 1}, {"sku": "TWIN", "options": {"Size": "S"}}])
    for number in range(1, MANY):
        store.orders.place(SHOP, [{"sku": f"SKU-{number}"}], cart_id=cart(FIRST + number))
    return store


async def _pull(h: ProcessHarness, data_type: str, page: str | None = None) -> httpx.Response:
    query = {} if page is None else {"page": page}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return await h.process.request("GET", f"/v1/{SITE}/sync/{data_type}", params=query, headers=headers)


async def _all(h: ProcessHarness, data_type: str) -> tuple[list[Any], list[str]]:
    """Pull all pages; return their entities, and the names of all pages but the first."""
    found: list[Any] = []
    pages: list[str] = []
    while True:
        answer = (await _pull(h, data_type, pages[-1] if pages else None)).raise_for_status().json()
        assert set(answer) == {"entities", "next_page"}
        found += answer["entities"]
        if not answer["next_page"]:
            return found, pages
        pages.append(answer["next_page"])


def _pushed(h: ProcessHarness) -> dict[str, dict[str, Any]]:
    """Return what SparkLayer was told last of each entity, by its id, and what it holds of each SKU's stock."""
    state = h.state
    levels = {sku: level for sku, at in state.comparable()["stock"].items() for level in at.values()}
    return {
        "products": {key: bodies[-1] for key, bodies in state.products.journal.items()},
        "customers": {key: bodies[-1] for key, bodies in state.customers.journal.items()},
        "purchases": {key: bodies[-1] for key, bodies in state.purchases.journal.items()},
        "stock": levels,
    }


def _by_id(data_type: str, entities: list[Any]) -> Iterator[tuple[str, Any]]:
    for one in entities:
        if data_type == "stock":
            yield one["sku"], one["stock_level"]
        elif data_type == "purchases":
            yield one["purchase_identifiers"]["sparklayer"], one
        else:
            yield one["external_id"], one


def _let_in(h: ProcessHarness) -> None:
    text = h.process.config.read_text("utf-8").replace("[listener]", f'[listener]\nignite_token = "{TOKEN}"')
    h.process.config.write_text(text, "utf-8")


async def test_every_page_of_every_type_is_what_was_pushed(harness: OpenHarness) -> None:
    async with harness(_full_store(), sparklayer=SparkLayerOptions(journal=True), start=False) as h:
        _let_in(h)
        await h.process.start()
        await h.first_sync()
        told, pushed = writes(h), _pushed(h)
        forged: list[tuple[str, str]] = [(data_type, "2") for data_type in TYPES]
        for data_type in TYPES:
            entities, pages = await _all(h, data_type)
            found = list(_by_id(data_type, entities))
            assert pages, f"{data_type}: all on one page shows nothing of the others"
            assert len(found) == len(dict(found)), f"{data_type}: one came twice"
            assert dict(found) == pushed[data_type]
            changed = ("A" if pages[0][0] != "A" else "B") + pages[0][1:]
            forged += [(data_type, changed), *((other, pages[0]) for other in TYPES if other != data_type)]
        for data_type, page in forged:
            refused = await _pull(h, data_type, page)
            assert (refused.status_code, "page: " in refused.text) == (400, True), (data_type, page)
        assert writes(h) == told, "pulling writes nothing"
