"""The real process tells real receivers, signed; a hanging receiver does not hold up its end, and is told after it."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import trio
from standardwebhooks import Webhook

from daemon.sandbox.control import StandIn
from daemon.sandbox.message import Request, Response
from daemon.sandbox.server import listening, serve
from tests.e2e.harness import OpenHarness
from tests.e2e.process import SITE, TIMEOUT

SIGNING = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"


class Receivers(StandIn):
    """An API that takes everything."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Request] = []
        self._lot = trio.lowlevel.ParkingLot()

    def unknown(self, request: Request) -> Response:
        self.taken.append(request)
        self._lot.unpark_all()
        return Response(status=204)

    async def told(self, kind: str, **wanted: str) -> dict[str, Any]:
        """Wait for a webhook of a type with some data; verify it with the specification's library; return its data."""
        with trio.fail_after(TIMEOUT):
            while True:
                for request in self.taken:
                    if request.path == "/hook" and json.loads(request.body)["type"] == kind:
                        Webhook(SIGNING).verify(request.body, dict(request.headers))
                        data: dict[str, Any] = json.loads(request.body)["data"]
                        if wanted.items() <= data.items():
                            return {**data, "id": request.headers["webhook-id"]}
                await self._lot.park()

    async def told_slack(self, text: str) -> None:
        """Wait for Slack's copy of a text."""
        with trio.fail_after(TIMEOUT):
            while not any(r.path == "/slack" and text in json.loads(r.body)["text"] for r in self.taken):
                await self._lot.park()


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[tuple[Receivers, str]]:
    """Serve receivers on loopback; yield them with the daemon's settings."""
    receivers = Receivers()
    async with listening("127.0.0.1", 0) as (listeners, url), trio.open_nursery() as nursery:
        nursery.start_soon(serve, receivers, listeners)
        urls = f'webhook_url = "{url}/hook?key=1"\nwebhook_secret = "{SIGNING}"\nslack_url = "{url}/slack"'
        yield receivers, f"[notifications]\n{urls}\nafter_seconds = 0.5\n"
        nursery.cancel_scope.cancel()


async def test_receivers_are_told_of_trouble_and_of_its_end_also_over_a_stop(harness: OpenHarness) -> None:
    async with receiving() as (receivers, settings), harness(more=settings) as h:
        await h.first_sync()
        product = h.store.add_product("Secret jumper", price=1, variants=[{"sku": "", "stock": 1}])
        await h.process.webhook(product)
        opened = await receivers.told("issues.opened")
        assert (opened["site"], opened["new"]) == (SITE, {"products": 1})
        await receivers.told_slack(opened["text"])
        h.store.delete_product(product)
        await h.process.webhook(product)
        await receivers.told_slack((await receivers.told("issues.resolved"))["text"])
        types = [json.loads(request.body)["type"] for request in receivers.taken if request.path == "/hook"]
        assert (types.count("issues.opened"), types.count("issues.resolved")) == (1, 1)
        assert not [request for request in receivers.taken if b"jumper" in request.body]

        async with receivers.faults.hold("*") as held:
            h.shop.access_token = "renewed"
            h.store.set_title(1, "Blocked")
            await h.process.webhook(1)
            await held.arrived(2)
            assert await h.process.terminate() == 0
        receivers.taken.clear()
        await h.process.start()
        blocked = await receivers.told("blocked.opened")
        assert blocked["cause"] == "platform: credentials"
        await receivers.told_slack(blocked["text"])

        h.site.tokens.key_revoked = True
        h.shop.access_token = "sandbox-access-token"
        await receivers.told("blocked.opened", cause="sparklayer: credentials")
        h.site.tokens.key_revoked = False
        await receivers.told_slack((await receivers.told("blocked.resolved"))["text"])
        output = h.process.output
        assert SIGNING not in output
        assert "/slack" not in output
        assert "key=1" not in output
