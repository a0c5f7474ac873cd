"""Sends one request through the throttle and reports it to an observer.

Every request to either API passes here. It knows neither tokens nor the meaning of answers.
"""

import math
from collections.abc import Callable, Mapping

import trio

from daemon.errors import Retry
from daemon.model import Lane
from daemon.transport.http import Answer, Api, ApiCall
from daemon.transport.throttle import Limiter

Observe = Callable[[ApiCall], None]


def ignore(call: ApiCall) -> None:
    """Observe nothing."""


class ThrottledApi:
    """An API behind its limiter. `observe` is called for each request that was sent, answered or not."""

    def __init__(self, name: str, api: Api, limiter: Limiter, observe: Observe = ignore) -> None:
        self._name = name
        self._api = api
        self.limiter = limiter
        self._observe = observe

    async def send(
        self,
        method: str,
        path: str,
        lane: Lane,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        before: float = math.inf,
    ) -> Answer:
        """Send one request in its turn; return the answer with any status.

        Raises Retry (no answer, held back, or not sent `before` a time of trio's clock: see `Limiter.turn`) and Blocked
        (the breaker is open).
        """
        if body is not None:
            headers = {**(headers or {}), "Content-Type": "application/json"}
        # The same request again: the limiter holds it back alone after a 429, and the breaker counts it once.
        key = hash((method, path, tuple((query or {}).items()), body))
        async with self.limiter.turn(lane, key, before) as turn:
            began = trio.current_time()
            try:
                answer = await self._api.send(method, path, query=query, body=body, headers=headers)
            except Retry:
                turn.lost()
                self._observe(ApiCall(self._name, None, trio.current_time() - began))
                raise
            turn.observe(answer.status, answer.headers)
            self._observe(ApiCall(self._name, answer.status, trio.current_time() - began))
            return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()
