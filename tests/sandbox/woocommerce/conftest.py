"""Fixtures of the WooCommerce shop's tests: a small shop in process, its client, and an inbox for its webhooks.

`recordings/` holds trimmed copies of answers and deliveries that were recorded on a shop with WooCommerce 11.0.1:
`answers.json` (requests and what came), `shapes.json` (each path of each sort of object with its types; `?` marks what
is not always there), `deliveries.json` (which webhooks each edit sent), and what was measured about dates.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from attrs import define, field

from daemon.sandbox.post import Poster, Unanswered
from daemon.sandbox.transport import InProcess
from daemon.sandbox.woocommerce import Shop, WooCommerce, WooCommerceOptions
from tests.sandbox.woocommerce.small import small_shop

RECORDINGS = Path(__file__).parent / "recordings"
API = "/wp-json/wc/v3"


def recorded(name: str) -> Any:
    """Return a file of recordings."""
    return json.loads((RECORDINGS / f"{name}.json").read_text("utf-8"))


@pytest.fixture
def recordings() -> Callable[[str], Any]:
    return recorded


@define
class Inbox(Poster):
    """Takes webhooks instead of a network. Answers with the statuses of `script`, the last for ever; None is none."""

    script: list[int | None] = field(factory=lambda: [200])
    received: list[tuple[str, Mapping[str, str], bytes]] = field(factory=list)
    seconds: float = 0.0
    """Time that an answer takes."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        await trio.sleep(self.seconds)
        self.received.append((url, headers, body))
        status = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if status is None:
            raise Unanswered("no answer")
        return status

    async def aclose(self) -> None:
        return None

    @property
    def topics(self) -> list[tuple[str, Any]]:
        """Topic and id of what was received, pings aside."""
        told = [(headers, json.loads(body)) for _, headers, body in self.received if "x-wc-webhook-topic" in headers]
        return [(headers["x-wc-webhook-topic"], body.get("id")) for headers, body in told]


@define
class Running:
    """A shop, its client and its inbox. Refusals are returned, not raised."""

    woocommerce: WooCommerce
    client: httpx.AsyncClient
    inbox: Inbox

    @property
    def shop(self) -> Shop:
        return self.woocommerce.shop

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        if body is not None:
            options["json"] = body
        return await self.client.request(method, f"{API}{path}", **options)

    async def get(self, path: str) -> Any:
        answer = await self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def register(self, *topics: str) -> list[int]:
        """Register a webhook for each topic, and forget the pings."""
        create = [{"topic": topic, "delivery_url": "http://daemon/hook", "secret": "s"} for topic in topics]
        answer = await self.ask("POST", "/webhooks/batch", {"create": create})
        await self.woocommerce.webhooks.settled()
        self.inbox.received.clear()
        return [hook["id"] for hook in answer.json()["create"]]

    async def settled(self) -> list[tuple[str, Any]]:
        """Wait for the queue; return what came since, and forget it."""
        await self.woocommerce.webhooks.settled()
        topics = self.inbox.topics
        self.inbox.received.clear()
        return topics


@pytest.fixture
def running(nursery: trio.Nursery) -> Callable[..., AbstractAsyncContextManager[Running]]:
    """Open a shop in process; further options are those of the stand-in."""

    @contextlib.asynccontextmanager
    async def opened(shop: Shop | None = None, **options: Any) -> AsyncIterator[Running]:
        woocommerce = WooCommerce(shop or small_shop(), WooCommerceOptions(**options), "http://shop.example", nursery)
        inbox = Inbox()
        woocommerce.webhooks.poster = inbox
        auth = (woocommerce.key.consumer_key, woocommerce.key.consumer_secret)
        transport = InProcess(woocommerce)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example", auth=auth) as client:
            yield Running(woocommerce, client, inbox)

    return opened
