"""The sandbox's page: what it refuses, and how it compares both sides. No daemon runs here."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
import pytest
import trio
from attrs import frozen

from daemon.sandbox import SparkLayer, SparkLayerOptions, samples
from daemon.sandbox.bigcommerce.founding import found as found_store
from daemon.sandbox.explore import BigCommerceStore, ExploredStore, Explorer, WooCommerceStore, open_explorer
from daemon.sandbox.explore.explorer import FILES, HEADERS
from daemon.sandbox.message import Request, Response
from daemon.sandbox.server import answered
from daemon.sandbox.woocommerce.founding import found as found_shop

URL = "http://127.0.0.1:8099"
OWN: Mapping[str, str] = {"host": "127.0.0.1:8099", "content-type": "application/json"}
STORES: Mapping[str, Callable[[], ExploredStore[Any]]] = {
    "bigcommerce": lambda: BigCommerceStore(found_store(samples.excerpt())),
    "woocommerce": lambda: WooCommerceStore(found_shop(samples.excerpt())),
}


@frozen
class Page:
    """The page without sockets."""

    explorer: Explorer
    store: ExploredStore[Any]
    site: SparkLayer

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        request = Request(method=method, path=path, query=query, headers={**OWN, **headers}, body=content)
        return await answered(self.explorer, request)

    async def edit(self, path: str, **fields: Any) -> Any:
        answer = await self.ask("POST", path, fields)
        return (answer.status, json.loads(answer.body) if answer.body else None)

    async def view(self, product: int) -> Any:
        return json.loads((await self.ask("GET", f"/view?product={product}")).body)

    async def first(self) -> dict[str, Any]:
        """Return fields of an edit that is right: a product, a unit of it, and a customer."""
        choices = json.loads((await self.ask("GET", "/choices")).body)
        product = choices["products"][0]["id"]
        unit = (await self.view(product))["product"]["units"][0]["id"]
        return {"product": product, "unit": unit, "customer": choices["customers"][0]["id"]}


@pytest.fixture(params=STORES)
async def page(request: pytest.FixtureRequest, nursery: trio.Nursery) -> Page:
    store, site = STORES[request.param](), SparkLayer(SparkLayerOptions(), "http://127.0.0.1:1")
    return Page(Explorer(store, site, "http://127.0.0.1:8080", URL, nursery), store, site)


EDITS: Mapping[str, Mapping[str, Any]] = {
    "/edit/title": {"product": ..., "title": "New"},
    "/edit/price": {"product": ..., "unit": ..., "price": "12.50"},
    "/edit/stock": {"product": ..., "unit": ..., "stock": 7},
    "/order": {"product": ..., "unit": ..., "customer": ..., "quantity": 2},
    "/break": {"seconds": 30},
}
"""Every edit with fields that are right; `...` is an id of `Page.first`."""

NUMBERS: tuple[Any, ...] = (
    "",
    "x",
    "-1",
    "1e999999999",
    "1e-999999999",
    "9" * 9000,
    "nan",
    None,
    True,
    [1],
    {},
    10**30,
    1.5e300,
)
WRONG: Mapping[str, tuple[Any, ...]] = {
    "title": ("", "  ", "x" * 251, "two\nlines", 7, None),
    "price": (*NUMBERS, "1.005", "1000000.01"),
    "stock": (*NUMBERS, "1.5", 1_000_001),
    "quantity": (*NUMBERS, 0, "0.5"),
    "seconds": (*NUMBERS, 601),
    **dict.fromkeys(("product", "unit", "customer"), (*NUMBERS, 0, 999_999, "1.5")),
}


@pytest.mark.parametrize("path", EDITS)
async def test_a_wrong_or_missing_field_is_named(page: Page, path: str) -> None:
    first = await page.first()
    right = {name: first[name] if value is ... else value for name, value in EDITS[path].items()}
    before = (repr(page.store.products()), repr(page.store.orders()))
    for field in right:
        others = {name: value for name, value in right.items() if name != field}
        for given in (others, *({**right, field: value} for value in WRONG[field])):
            status, said = await page.edit(path, **given)
            assert (status, said["field"]) == (400, field), given
            assert said["message"].startswith(f"{field}: "), said
    assert (await page.edit(path, **right, more=1))[1]["field"] == "more"
    for body in (b"", b"[]", b"{", b'"x"', b"\xff\xfe", b'{"a": 1e400}'):
        answer = await page.ask("POST", path, body)
        assert answer.status == 400
    assert (repr(page.store.products()), repr(page.store.orders())) == before
    assert not page.site.faults.down
    assert await page.edit(path, **right) == (204, None)


@pytest.mark.parametrize("query", ["", "product=", "product=0", "product=x", f"product={'9' * 9000}", "product=1&x=2"])
async def test_a_wrong_view_is_refused(page: Page, query: str) -> None:
    assert (await page.ask("GET", f"/view?{query}")).status == 400


FOREIGN: tuple[tuple[dict[str, str], int], ...] = (
    ({"host": "shop.example"}, 403),  # its name leads to loopback
    ({"host": "127.0.0.1:8098"}, 403),
    ({"host": ""}, 403),
    ({"origin": "https://shop.example"}, 403),
    ({"origin": "null"}, 403),
    ({"origin": "http://127.0.0.1:8080"}, 403),  # another program of this machine
    ({"content-type": "text/plain"}, 415),  # a form of any page can send these
    ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ({"content-type": ""}, 415),
)


@pytest.mark.parametrize(("headers", "status"), FOREIGN)
async def test_what_another_site_sends_is_refused(page: Page, headers: dict[str, str], status: int) -> None:
    first = await page.first()
    before = repr(page.store.products())
    for path, fields in EDITS.items():
        right = {name: first[name] if value is ... else value for name, value in fields.items()}
        assert (await page.ask("POST", path, right, **headers)).status == status, path
    for path in (*FILES, "/choices", f"/view?product={first['product']}"):
        read = await page.ask("GET", path, **headers)
        assert read.status == (403 if status == 403 else 200)
        assert HEADERS.items() <= read.headers.items()
    assert repr(page.store.products()) == before
    assert not page.site.faults.down


async def test_its_own_requests_are_not(page: Page) -> None:
    for host in ("127.0.0.1:8099", "localhost:8099"):
        answer = await page.ask("POST", "/break", {"seconds": 0}, host=host, origin=f"http://{host}")
        assert answer.status == 204


async def test_stock_that_the_store_does_not_count_cannot_be_set(nursery: trio.Nursery) -> None:
    store = found_store(samples.excerpt())
    site = SparkLayer(SparkLayerOptions(), "http://127.0.0.1:1")
    page = Page(Explorer(BigCommerceStore(store), site, "", URL, nursery), BigCommerceStore(store), site)
    first = await page.first()
    store.set_tracking(first["product"], "none")
    assert not (await page.view(first["product"]))["product"]["units"][0]["tracked"]
    status, said = await page.edit("/edit/stock", product=first["product"], unit=first["unit"], stock=1)
    assert (status, said["field"]) == (400, "unit")


async def test_both_sides_stand_side_by_side(page: Page) -> None:
    first = await page.first()
    await page.edit("/edit/title", product=first["product"], title="<b>New</b>")
    await page.edit("/order", **first, quantity=3)
    view = await page.view(first["product"])
    assert view["product"]["rows"][0] == {"what": "Title", "store": "<b>New</b>", "sparklayer": "", "same": False}
    state, number, pieces, _ = view["orders"][0]["rows"]
    sku = view["product"]["units"][0]["sku"]
    assert (state["store"], state["sparklayer"], state["same"]) == ("order", "order_unconfirmed", False)
    assert (bool(number["store"]), number["sparklayer"]) == (True, "")
    assert pieces == {"what": "Pieces", "store": f"open 3 x {sku}", "sparklayer": f"open 3 x {sku}", "same": True}


async def test_an_outage_ends_at_its_time_and_a_later_one_counts(page: Page, autojump_clock: object) -> None:
    seen = []
    for seconds, later in ((30, 20), (30, 20), (30, 31), (30, 0), (0, 0)):
        await page.edit("/break", seconds=seconds)
        await trio.sleep(later)
        seen.append(page.site.faults.down)
    assert seen == [True, True, False, True, False]


@contextlib.asynccontextmanager
async def client(store: ExploredStore[Any]) -> AsyncIterator[httpx.AsyncClient]:
    site = SparkLayer(SparkLayerOptions(), "http://127.0.0.1:1")
    async with (
        open_explorer(store, site, page="http://127.0.0.1:8080") as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as opened,
    ):
        yield opened


async def test_it_is_served_on_loopback() -> None:
    async with client(STORES["bigcommerce"]()) as browser:
        for path, content_type in FILES.items():
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
        assert (await browser.get("/choices")).json()["page"] == "http://127.0.0.1:8080"
        assert [(await browser.get(path)).status_code for path in ("/nothing", "/break")] == [404, 405]
        assert (await browser.get("/", headers={"host": "shop.example"})).status_code == 403
