"""The post: brings the store's webhooks to the daemon, late, twice, in any order, or not at all.

Stands in for the poster of the sandbox's sender, which signs them and sends again what was not accepted.
"""

import random
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import trio
from attrs import define, field

from daemon.listener.http.messages import Request
from daemon.sandbox.post import Poster, Unanswered
from tests.prove.simulation.life import Life
from tests.prove.simulation.trace import Trace

TRAVEL_SECONDS = 0.3
LATE_SECONDS = 40.0
REFUSED = 503


@define(eq=False, kw_only=True)
class WebhookDelivery(Poster):
    """See the module. `accepted` is told of each webhook that was answered 2xx, and when it was handed in."""

    life: Callable[[], Life | None]
    chance: random.Random
    trace: Trace
    accepted: Callable[[Mapping[bytes, bytes], bytes, int], None]
    moment: Callable[[], int]
    nursery: trio.Nursery
    losing: float = 0.0
    """The share of webhooks that get lost though the sender believes that they were taken."""
    late: float = 0.1
    twice: float = 0.1
    lost: int = field(default=0)
    under_way: int = field(default=0)
    """Number of webhooks that will still come, though the sender has done with them or sends them again."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Bring one webhook; return the daemon's answer. Raises Unanswered."""
        if self.chance.random() < self.losing:
            self.lost += 1
            self.trace.add("webhook lost")
            return 200
        if self.chance.random() < self.twice:
            self._begin_again(url, headers, body)
        late = self.chance.random() < self.late
        if late:
            self._begin_again(url, headers, body)
            raise Unanswered("the answer got lost, the webhook did not")
        await trio.sleep(TRAVEL_SECONDS * self.chance.random())
        return await self._hand_in(url, headers, body)

    def _begin_again(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        self.under_way += 1
        self.nursery.start_soon(self._again, url, dict(headers), body)

    async def _again(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        await trio.sleep(LATE_SECONDS * self.chance.random() ** 3)
        try:
            await self._hand_in(url, headers, body)
        except Unanswered:
            return
        finally:
            self.under_way -= 1

    async def _hand_in(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        life, moment = self.life(), self.moment()
        if life is None:
            raise Unanswered("nobody listens")
        every = {"content-type": "application/json", **headers}
        request = Request(
            method="POST",
            path=urlsplit(url).path,
            raw_query="",
            headers={name.lower().encode(): value.encode() for name, value in every.items()},
            body=body,
            keep_alive=True,
        )
        response = await life.ask(request)
        if response is None:
            raise Unanswered("the daemon died")
        self.trace.add("webhook", response.status)
        if response.status < 300:
            self.accepted(request.headers, body, moment)
        return response.status

    async def aclose(self) -> None:
        """There is nothing to close."""
