"""Fixtures of the sandbox's tests: HTTP clients of both APIs, and a receiver of webhooks."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
import trio

from daemon.sandbox import Sandbox, Store, open_sandbox
from daemon.sandbox.control import StandIn
from daemon.sandbox.message import Request, Response
from daemon.sandbox.server import listening, serve


class Sides:
    """A running sandbox with a client of each API. Refusals are returned, not raised."""

    def __init__(self, sandbox: Sandbox, shop: httpx.AsyncClient, site: httpx.AsyncClient) -> None:
        self.sandbox, self._shop, self._site = sandbox, shop, site
        self.store = sandbox.store

    async def shop(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self._call(self._shop, method, path, body, options)

    async def site(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self._call(self._site, method, path, body, options)

    async def log_in(self) -> httpx.Response:
        site = self.sandbox.sparklayer
        key = {"grant_type": "client_credentials", "client_id": site.client_id, "client_secret": site.client_secret}
        answer = await self.site("POST", "/api/auth/token", key)
        self._site.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer

    @staticmethod
    async def _call(
        client: httpx.AsyncClient, method: str, path: str, body: Any, options: dict[str, Any]
    ) -> httpx.Response:
        if body is not None:
            options["json"] = body
        return await client.request(method, path, **options)


@pytest.fixture
def harness() -> Callable[..., AbstractAsyncContextManager[Sides]]:
    @contextlib.asynccontextmanager
    async def opened(store: Store | None = None, **options: Any) -> AsyncIterator[Sides]:
        async with open_sandbox(store=store or small_store(), **options) as sandbox:
            shop = httpx.AsyncClient(
                base_url=f"{sandbox.bigcommerce.url}/stores/{sandbox.bigcommerce.store_hash}",
                headers={"X-Auth-Token": sandbox.bigcommerce.access_token},
                trust_env=False,
            )
            site = httpx.AsyncClient(
                base_url=sandbox.sparklayer.url, headers={"Site-Id": sandbox.sparklayer.site_id}, trust_env=False
            )
            async with shop, site:
                running = Sides(sandbox, shop, site)
                await running.log_in()
                sandbox.sparklayer.statistics.reset()
                yield running

    return opened


def small_store() -> Store:
    """Return a store with a jumper in two sizes (product 1) and a simple mug."""
    store = Store()
    sizes: list[dict[str, Any]] = [
        {"sku": "J-S", "options": {"Size": "S"}, "stock": 3},
        {"sku": "J-M", "options": {"Size": "M"}},
    ]
    store.add_product("Jumper", price=40, weight=1.5, variants=sizes)
    store.add_product("Mug", price=7.5, variants=[{"sku": "MUG", "stock": 9}])
    return store


class Receiver(StandIn):
    """Receives webhooks. Answers with the statuses of `script`, the last one for ever."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.script = [200]
        self.received: list[Request] = []

    def unknown(self, request: Request) -> Response:
        self.received.append(request)
        return Response(status=self.script.pop(0) if len(self.script) > 1 else self.script[0])


@pytest.fixture
async def receiver(nursery: trio.Nursery) -> AsyncIterator[Receiver]:
    async with listening("127.0.0.1", 0) as (listeners, url):
        running = Receiver(f"{url}/webhooks")
        nursery.start_soon(serve, running, listeners)
        yield running
