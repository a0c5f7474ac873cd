"""/openapi.json has every route, and real answers of each are as it says: status, content type and body."""

import re
from collections.abc import Iterator
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

TOKEN = "e2e-ignite-token"
APP = """
[bigcommerce_app]
client_id = "app"
client_secret = "e2e-app-secret"
"""
AS_IGNITE = {"Authorization": f"Bearer {TOKEN}"}


@define
class Interface:
    """A document, and the routes of it that were asked."""

    document: Any
    asked: dict[tuple[str, str], set[int]] = field(factory=dict)

    def described(self) -> set[tuple[str, str]]:
        return {(method.upper(), path) for path, methods in self.document["paths"].items() for method in methods}

    def check(self, method: str, answer: httpx.Response) -> None:
        """Fail unless an answer is described."""
        path = answer.request.url.path
        pattern = max(
            (place for found, place in self.described() if found == method and _matches(place, path)),
            key=lambda place: -place.count("{"),
        )
        self.asked.setdefault((method, pattern), set()).add(answer.status_code)
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
    for path in ("", "/cancel", ""):
        yield "POST", f"/admin/verify{path}", {"json": {"site": SITE, "kind": "products"}}
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
    yield "DELETE", f"/v1/{SITE}", {"headers": AS_IGNITE}
    yield "DELETE", "/v1/test/none", {"headers": AS_IGNITE}
    yield "POST", "/admin/disconnect", {"json": {"site": "live/none"}}


async def page(h: ProcessHarness, interface: Interface) -> None:
    """Ask for every page, without a login and with one."""
    pages = [(method, path) for method, path in interface.described() if _is_of_the_page(path)]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{h.process.port}", trust_env=False) as browser:
        link = (await h.process.request("POST", "/admin/issues/link", json={"site": SITE})).json()["path"]
        interface.check("GET", await browser.get(link))
        for logged_in in (False, True):
            if logged_in:
                form = (await browser.get("/login")).text
                csrf = re.findall(r'name="csrf" value="([^"]+)"', form)[0]
                answer = await browser.post("/login", data={"csrf": csrf, "token": ADMIN_TOKEN})
                assert answer.status_code == httpx.codes.SEE_OTHER, answer.text
                interface.check("POST", answer)
            for method, pattern in sorted(pages, key=lambda place: place[1] == "/logout"):
                path = (
                    pattern.replace("{env}/{site_id}", SITE).replace("{name}", "style.css").replace("{action}", "sync")
                )
                sent = {} if method == "GET" else {"data": {"csrf": "wrong"}}
                interface.check(method, await browser.request(method, path, **sent))  # type: ignore[arg-type]


def _is_of_the_page(path: str) -> bool:
    return path in {"/", "/login", "/logout", "/search", "/audit"} or path.startswith(("/sites/", "/static/"))


async def test_real_answers_of_every_route_are_as_the_document_says(harness: OpenHarness, shop: Store) -> None:
    async with harness(shop, start=False) as h:
        text = h.process.config.read_text("utf-8")
        text = text.replace("[listener]", f'[listener]\nignite_token = "{TOKEN}"').replace(
            "[database]", f"{APP}[database]"
        )
        h.process.config.write_text(text, "utf-8")
        await h.process.start()
        await h.first_sync()
        interface = Interface((await h.process.request("GET", "/openapi.json")).json())
        await page(h, interface)
        for method, path, options in (*reads(), *acts()):
            interface.check(method, await h.process.request(method, path, **options))
        assert (await h.process.request("GET", "/openapi.json", headers={"Authorization": ""})).status_code == 401
    unasked = interface.described() - interface.asked.keys()
    assert not unasked
    unread = {place for place, statuses in interface.asked.items() if place[0] == "GET" and 200 not in statuses}
    assert {path for _, path in unread} <= {
        "/connect/bigcommerce", "/connect/woocommerce",
        "/bigcommerce/auth", "/bigcommerce/load", "/bigcommerce/uninstall",
        "/events",  # it does not end; tests/listener/page reads it
    }  # fmt: skip


def test_the_cookie_of_a_session_has_its_name() -> None:
    assert SECURITY["session"]["name"] == cookies.SESSION
