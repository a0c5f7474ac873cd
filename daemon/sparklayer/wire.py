"""One request through the throttle, and the fact that it was made.

Every request to SparkLayer goes this way, the token's too. Knows nothing of tokens and of what answers mean.
"""

from collections.abc import Callable

import trio

from daemon.errors import Retry
from daemon.http import Answer, Api, ApiCall
from daemon.model import Lane
from daemon.throttle import Limiter

API = "sparklayer"


def ignore(call: ApiCall) -> None:
    """Observe nothing."""


class Wire:
    """The API of one site behind its limiter. `observe` is told of each request, answered or not."""

    def __init__(self, api: Api, limiter: Limiter, observe: Callable[[ApiCall], None] = ignore) -> None:
        self._api = api
        self.limiter = limiter
        self._observe = observe

    async def send(
        self,
        operation: str,
        method: str,
        path: str,
        lane: Lane,
        *,
        body: bytes | None = None,
        token: str | None = None,
    ) -> Answer:
        """Send one request in its turn. Raises Retry (network) and Blocked (the breaker is open)."""
        headers = {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.limiter.turn(lane) as turn:
            began = trio.current_time()
            try:
                answer = await self._api.send(method, path, body=body, headers=headers)
            except Retry as lost:
                turn.lost()
                self._tell(operation, method, None, began, lost.reason)
                raise
            turn.observe(answer.status, answer.headers)
            self._tell(operation, method, answer.status, began, "")
            return answer

    def _tell(self, operation: str, method: str, status: int | None, began: float, reason: str) -> None:
        seconds = trio.current_time() - began
        self._observe(
            ApiCall(api=API, method=method, operation=operation, status=status, seconds=seconds, reason=reason)
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()
