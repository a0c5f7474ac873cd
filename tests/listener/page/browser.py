"""A browser without a screen, and the page of a daemon on a real port.

    async with open_page() as site:
        browser = site.browser()
        await browser.log_in("anna-token")
        page = await browser.get("/")
        await browser.send(page, "/sites/test/a/sync", kind="products")     # the form with that action, filled in
        async with following(browser, "/events") as events:
            await events.event()

A browser keeps cookies and sends Origin with forms. It believes every Set-Cookie, so tests look at the flags.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

import httpx
import trio
from attrs import define, field, frozen

from daemon.listener.http.server import Server
from daemon.listener.page.page import Operation, OperatorsPage
from daemon.listener.routes import Route, Routes
from daemon.model import Secret
from daemon.model.operators import NamedToken, Operator, Role
from daemon.observability.metrics import Metrics
from tests.connections.harness import KEY, LifecycleHarness, link, open_harness

PATIENCE = 60.0
"""Seconds of a stream after which a test fails."""

ANNA = NamedToken(name="anna", token=Secret("anna-token"), role=Role.ACT)
BEN = NamedToken(name="ben", token=Secret("ben-token"))


class Reader(HTMLParser):
    """The forms, links, scripts and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, list[str]]]] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.scripts: list[str | None] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.attributes |= values.keys()
        if tag == "script":
            self.scripts.append(values.get("src"))
        if tag == "form":
            self.forms.append((values["action"], {}))
        if tag == "input" and self.forms and values.get("type") == "hidden":
            self.forms[-1][1].setdefault(values["name"], []).append(values["value"])
        if tag == "a":
            self.links.append(values["href"])

    def handle_data(self, data: str) -> None:
        self.text += data

    def shown(self) -> str:
        """Return the text with single spaces."""
        return " ".join(self.text.split())


@define
class Browser:
    """A browser at an address."""

    address: str
    origin: str = field(default="")
    cookies: dict[str, str] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.origin = self.origin or self.address

    async def ask(self, method: str, path: str, form: Any = None, **headers: str) -> httpx.Response:
        """Send one request; redirects are answers."""
        sent = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **headers}
        if method == "POST":
            sent.setdefault("origin", self.origin)
        body = {"content": form} if isinstance(form, bytes) else {"data": form}
        # Certificates are not loaded for plain HTTP: that takes longer than a test.
        async with httpx.AsyncClient(base_url=self.address, trust_env=False, timeout=60, verify=False) as client:  # noqa: S501
            answer = await client.request(method, path, headers={k: v for k, v in sent.items() if v}, **body)
        for header in answer.headers.get_list("set-cookie"):
            name, _, rest = header.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer

    async def get(self, path: str) -> httpx.Response:
        return await self.ask("GET", path)

    async def send(self, page: httpx.Response, action: str, **fields: Any) -> httpx.Response:
        """Send the first form of a page with that action, with its hidden fields and these."""
        hidden = next(hidden for place, hidden in Reader(page.text).forms if place == action)
        return await self.ask("POST", action, {**hidden, **fields})

    async def log_in(self, token: str) -> httpx.Response:
        return await self.send(await self.get("/login"), "/login", token=token)


@define
class Stream:
    """The events of an answer; `head` is its status line and headers."""

    socket: trio.SocketStream
    head: str = ""
    _read: bytes = b""

    async def block(self) -> str | None:
        """Return the next lines up to an empty one; None at the end."""
        mark = b"\n\n" if self.head else b"\r\n\r\n"
        while mark not in self._read:
            piece = await self.socket.receive_some()
            if not piece:
                return None
            self._read += piece
        block, _, self._read = self._read.partition(mark)
        return block.decode()

    async def event(self) -> Any:
        """Return the next event; None at the end."""
        while (block := await self.block()) is not None:
            if block.startswith("data: "):
                return json.loads(block.removeprefix("data: "))
        return None


@contextlib.asynccontextmanager
async def following(browser: Browser, path: str, seconds: float = PATIENCE) -> AsyncIterator[Stream]:
    """Open a stream of events, with the browser's session, for at most `seconds`."""
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    host, _, port = browser.address.removeprefix("http://").partition(":")
    with trio.fail_after(seconds):
        async with await trio.open_tcp_stream(host, int(port)) as socket:
            await socket.send_all(f"GET {path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n".encode())
            stream = Stream(socket)
            stream.head = (await stream.block() or "").lower()
            assert stream.head.startswith("http/1.1 200")
            for header in ("content-type: text/event-stream", "content-security-policy: ", "connection: close"):
                assert f"\r\n{header}" in stream.head
            yield stream


@frozen(kw_only=True)
class ServedPage:
    """A page and the daemon behind it."""

    harness: LifecycleHarness
    address: str
    server: Server
    reload: Callable[[Sequence[NamedToken]], None]
    """Serves the page for other tokens from now on."""

    def browser(self) -> Browser:
        return Browser(self.address)

    async def operator(self, holder: NamedToken = ANNA) -> Browser:
        """Return a browser that has logged in."""
        browser = self.browser()
        answer = await browser.log_in(holder.token.reveal())
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        return browser


@contextlib.asynccontextmanager
async def open_page(
    *,
    tokens: Sequence[NamedToken] = (ANNA, BEN),
    instead: Mapping[tuple[str, str], Operation] | None = None,
    entered: Callable[[Operator, str], Awaitable[None]] | None = None,
) -> AsyncIterator[ServedPage]:
    """Serve the page of a daemon with the site test/a; `instead` replaces operations."""
    async with open_harness(link("a", "store-1")) as harness, trio.open_nursery() as nursery:

        def routes_for(tokens: Sequence[NamedToken]) -> list[Route]:
            page = OperatorsPage(
                tokens=tokens,
                secret_keys=(KEY,),
                operations={**harness.admin.operations, **(instead or {})},
                entered=entered or harness.admin.audit.note,
                shared=harness.admin.shared_issues,
                now=harness.lifecycle.now,
            )
            return page.routes()

        routes = Routes.of(routes_for(tokens), Metrics())
        server = Server(routes.answer, routes.refuse)
        [(host, port)] = await nursery.start(server.serve, "127.0.0.1", 0)

        def reload(tokens: Sequence[NamedToken]) -> None:
            routes.replace(routes_for(tokens))

        yield ServedPage(harness=harness, address=f"http://{host}:{port}", server=server, reload=reload)
        nursery.cancel_scope.cancel()
