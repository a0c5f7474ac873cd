"""/openapi.json has every route, and real answers of each are as it says: status, content type and body.

Every route succeeds at least once; `UNSUCCESSFUL` has the exceptions.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from attrs import define, field
from jsonschema import Draft202012Validator

from daemon.listener.openapi import SECURITY
from daemon.listener.page import cookies
from daemon.sandbox import Store
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import ADMIN_TOKEN, SITE
from tests.listener.page.browser import Browser, following

TOKEN = "e2e-ignite-token"
AS_IGNITE = {"Authorization": f"Bearer {TOKEN}"}


@define
class Interface:
    """A document, and the routes of it that were asked."""

    document: Any
    asked: set[tuple[str, str]] = field(factory=set)
    succeeded: set[tuple[str, str]] = field(factory=set)

    def described(self) -> set[tuple[str, str]]:
        return {(method.upper(), path) for path, methods in self.document["paths"].items() for method in methods}

    def check(self, method: str, answer: httpx.Response, *, counts: bool = True) -> None:
        """Fail unless an answer is described. `counts` is False if even a redirect is a refusal: to the login."""
        path = answer.request.url.path
        pattern = max(
            (place for found, place in self.described() if found == method and _matches(place, path)),
            key=lambda place: -place.count("{"),
        )
        self.asked.add((method, pattern))
        if counts and answer.status_code < httpx.codes.BAD_REQUEST:
            self.succeeded.add((method, pattern))
        responses = self.document["paths"][pattern][method.lower()]["responses"]
        where = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        assert str(answer.status_code) in responses, where
        content = responses[str(answer.status_code)].get("content", {})
        if not answer.content:
            assert not [kind for kind in content if "json" in kind], where
            return
        given = answer.headers["content-type"]
        assert given in content or "*/*" in content, where
        schema = content.get(given, {}).get("schema")
        if schema is not None:
            components = {"components": _closed(self.document["components"])}
            Draft202012Validator({**schema, **components}).validate(answer.json())


def _matches(pattern: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) is not None


def _closed(schema: Any) -> Any:
    """Return a schema that allows no field that it does not name."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    return (
        {"additionalProperties": False, **closed}
        if schema.get("type") == "object" and "properties" in schema
        else closed
    )


@pytest.fixture
def shop() -> Store:
    store = Store()
    store.add_product("Shirt", variants=[{"sku": "SHIRT", "stock": 1}])
    store.add_product("Nameless", variants=[{"sku": "", "stock": 1}])
    return store


def reads() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield requests that change nothing."""
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        yield "GET", path, {}
    for path in ("status", "issues", "parked", "removals", "audit"):
        yield "GET", f"/admin/{path}", {}
        yield "GET", f"/admin/{path}?site=test/other", {}
        yield "GET", f"/admin/{path}", {"headers": {"Authorization": "Bearer wrong"}}
    for asked in ({"id": "1"}, {"text": "SHIRT"}, {"text": "no such"}, {"id": ""}):
        yield "POST", "/admin/explain", {"json": {"site": SITE, "kind": "products", **asked}}
    yield "GET", f"/admin/history?site={SITE}", {}
    yield "GET", f"/admin/history?site={SITE}&kind=products&id=1", {}
    yield "GET", "/events", {}
    yield "GET", "/shared/issues/none", {}
    for path, more in (("", {"kind": "products"}), ("/cancel", {}), ("", {"kind": "products"})):
        yield "POST", f"/admin/verify{path}", {"json": {"site": SITE, **more}}
    yield "GET", f"/admin/verify?site={SITE}", {}
    for site in ("test/none", SITE):
        yield "POST", "/admin/verify/cancel", {"json": {"site": site}}
    yield "GET", f"/admin/verify?site={SITE}", {}
    for data_type in ("products", "customers", "purchases", "stock", "unknown"):
        yield "GET", f"/v1/{SITE}/sync/{data_type}", {"headers": AS_IGNITE}
    for path in ("products/1", "products/77", "stock/SHIRT"):
        yield "POST", f"/v1/{SITE}/sync/{path}", {"headers": AS_IGNITE}
    yield "GET", f"/v1/{SITE}/sync/products", {"headers": {"Authorization": "Bearer wrong"}}
    for path in ("/connect/bigcommerce", f"/connect/bigcommerce?site={SITE}", "/connect/woocommerce?site=test/none"):
        yield "GET", path, {}
    for path in ("bigcommerce/auth", "bigcommerce/load", "bigcommerce/uninstall", "woocommerce/return"):
        yield "GET", f"/{path}", {}
    yield "POST", "/woocommerce/callback", {"json": {}}


def acts() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield requests that act, those that take the connection away at the end."""
    yield "POST", f"/webhooks/{SITE}", {"content": b"{}"}
    yield "POST", "/webhooks/test/none", {"content": b"{}"}
    for body in ({"site": SITE, "kind": "products"}, {"site": "test/none", "kind": "products"}, {"site": SITE}):
        for path in (
            "sync/cancel",
            "sync",
            "parked",
            "removals",
            "connect",
            "pause",
            "resume",
            "issues/link",
            "disconnect",
        ):
            if path != "disconnect" or body["site"] != SITE:
                yield "POST", f"/admin/{path}", {"json": body}
    yield "POST", "/admin/parked", {"json": {"site": SITE, "action": "retry"}}
    yield "POST", "/admin/removals", {"json": {"site": SITE, "kind": "products", "ids": ["1"]}}
    yield "POST", "/admin/sync", {"content": b"text"}
    yield "POST", "/admin/backup", {"json": {}}
    yield "POST", f"/v1/{SITE}/status/merchant", {"headers": AS_IGNITE}
    yield "POST", f"/v1/{SITE}", {"headers": AS_IGNITE, "json": {}}
    yield "DELETE", "/v1/test/none", {"headers": AS_IGNITE}
    yield "POST", "/admin/disconnect", {"json": {"site": "live/none"}}


async def page(h: ProcessHarness, interface: Interface) -> None:
    """Ask for every page without a login, then with one; send wrong forms, then right ones."""
    pages = sorted((method, path) for method, path in interface.described() if _is_of_the_page(path))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{h.process.port}", trust_env=False) as browser:
        link = (await h.process.request("POST", "/admin/issues/link", json={"site": SITE})).json()["path"]
        interface.check("GET", await browser.get(link))
        for logged_in in (False, True):
            if logged_in:
                form = {"csrf": _csrf((await browser.get("/login")).text), "token": ADMIN_TOKEN}
                interface.check("POST", await browser.post("/login", data=form))
            for method, pattern in pages:
                path = (
                    pattern.replace("{env}/{site_id}", SITE).replace("{name}", "style.css").replace("{action}", "sync")
                )
                sent = {} if method == "GET" else {"data": {"csrf": "wrong"}}
                interface.check(method, await browser.request(method, path, **sent), counts=logged_in)  # type: ignore[arg-type]
        csrf = _csrf((await browser.get("/")).text)
        interface.check("GET", await first_event(browser))
        for path, fields in (
            ("/search", {"site": SITE, "text": "SHIRT"}),
            (f"/sites/{SITE}/verify", {"kind": "products"}),
            (f"/sites/{SITE}/sync", {"kind": "customers"}),
            ("/logout", {}),
        ):
            interface.check("POST", await browser.post(path, data={"csrf": csrf, **fields}))


def _csrf(text: str) -> str:
    found: str = re.findall(r'name="csrf" value="([^"]+)"', text)[0]
    return found


async def first_event(browser: httpx.AsyncClient) -> httpx.Response:
    """Return the answer of /events with its first event; it has no end."""
    cookies, request = dict(browser.cookies), browser.build_request("GET", "/events")
    async with following(Browser(str(browser.base_url).rstrip("/"), cookies=cookies), "/events") as events:
        event = await events.event()
        assert SITE in event["spots"]
        [content_type] = re.findall("content-type: ([^\r\n]+)", events.head)
    return httpx.Response(200, headers={"content-type": content_type}, json=event, request=request)


async def cancelled(h: ProcessHarness, interface: Interface) -> None:
    """Send a webhook with the registered secret, and cancel a full sync while the store keeps it waiting."""
    hook = next(iter(h.shop.hooks.registered.values()))
    told = {"scope": hook.scope, "data": {"type": "product", "id": h.store.ids[0]}}
    interface.check("POST", await h.process.request("POST", f"/webhooks/{SITE}", json=told, headers=hook.headers))
    await h.process.idle()
    async with h.shop.faults.hold("GET */catalog/products*"):
        for path in ("sync", "sync/cancel"):
            order = {"site": SITE, "kind": "products"}
            interface.check("POST", await h.process.request("POST", f"/admin/{path}", json=order))


async def ask(h: ProcessHarness, interface: Interface, *requests: tuple[str, str, dict[str, Any], int]) -> None:
    """Send requests: method, path, options, and the status of the success."""
    for method, path, options, status in requests:
        answer = await h.process.request(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        interface.check(method, answer)


async def connect(h: ProcessHarness, interface: Interface) -> None:
    """Connect the site as SparkLayer does, install the app as its merchant does, and connect it again."""
    scope = "store_v2_products_read_only"
    code = {"code": h.shop.login.authorize(h.shop.store_hash, scope), "scope": scope}
    order = {"headers": AS_IGNITE, "json": _order(h)}
    await ask(
        h,
        interface,
        ("POST", f"/v1/{SITE}", order, 201),
        ("GET", f"/connect/bigcommerce?site={SITE}", {}, 303),
        ("GET", "/bigcommerce/auth", {"params": {**code, "context": f"stores/{h.shop.store_hash}"}}, 200),
        ("POST", f"/v1/{SITE}", order, 204),
        ("GET", "/bigcommerce/load", {"params": _signed(h)}, 200),
    )


async def disconnect(h: ProcessHarness, interface: Interface) -> None:
    """Disconnect the site: by an operator, by SparkLayer, and by the app."""
    operator = {"site": SITE, **{name.removeprefix("spark_api_"): value for name, value in _order(h).items()}}
    await ask(
        h,
        interface,
        ("POST", "/admin/connect", {"json": operator}, 200),
        ("GET", "/bigcommerce/uninstall", {"params": _signed(h)}, 200),
        ("POST", "/admin/connect", {"json": operator}, 200),
        ("POST", "/admin/disconnect", {"json": {"site": SITE}}, 200),
        ("DELETE", f"/v1/{SITE}", {"headers": AS_IGNITE}, 204),
    )


def _order(h: ProcessHarness) -> dict[str, str]:
    key = {"spark_api_client_id": h.site.client_id, "spark_api_client_secret": h.site.client_secret}
    return {"store_id": h.shop.store_hash, **key}


def _signed(h: ProcessHarness) -> dict[str, str]:
    return {"signed_payload_jwt": h.shop.login.signed_payload(h.shop.store_hash)}


def _is_of_the_page(path: str) -> bool:
    return path in {"/", "/login", "/logout", "/search", "/audit"} or path.startswith(("/sites/", "/static/"))


UNSUCCESSFUL: Mapping[tuple[str, str], str] = {
    (
        "GET",
        "/connect/woocommerce",
    ): "no site here waits for a shop; one does in tests/e2e/test_connecting_woocommerce.py",
    ("POST", "/woocommerce/callback"): "no shop brings keys; one does there",
}
"""Routes that only refuse here, with the reason."""


def _configure(h: ProcessHarness) -> None:
    """Let SparkLayer in, and offer the stand-in's app instead of naming the store."""
    login = h.shop.login
    app = f"""
[bigcommerce_app]
client_id = "{login.client_id}"
client_secret = "{h.shop.client_secret}"
login_url = "{h.shop.url}"
api_url = "{h.shop.url}"
"""
    text = h.process.config.read_text("utf-8").replace("[listener]", f'[listener]\nignite_token = "{TOKEN}"')
    h.process.config.write_text(text.partition("[[connections]]")[0] + app, "utf-8")


async def test_real_answers_of_every_route_are_as_the_document_says(harness: OpenHarness, shop: Store) -> None:
    async with harness(shop, start=False) as h:
        _configure(h)
        await h.process.start()
        interface = Interface((await h.process.request("GET", "/openapi.json")).json())
        await connect(h, interface)
        await h.first_sync()
        await page(h, interface)
        await cancelled(h, interface)
        for method, path, options in (*reads(), *acts()):
            interface.check(method, await h.process.request(method, path, **options))
        await disconnect(h, interface)
        assert (await h.process.request("GET", "/openapi.json", headers={"Authorization": ""})).status_code == 401
    assert interface.described() == interface.asked
    assert interface.asked - interface.succeeded == UNSUCCESSFUL.keys()


def test_the_cookie_of_a_session_has_its_name() -> None:
    assert SECURITY["session"]["name"] == cookies.SESSION
