"""The suite's end of an adapter's wire: it sees every request, and can answer in the store's place.

An `Act` is asked before each request, with its number since the act was set, and may return an answer, raise an error
of httpx, or wait; None lets the request through. After the store's answer `bears` is asked: the most bytes that the
store can answer; a larger answer becomes a 504, as of a gateway that lost its patience.
"""

from collections.abc import Awaitable, Callable

import httpx
from attrs import define, field

Act = Callable[[int, httpx.Request], Awaitable[httpx.Response | None]]


@define(eq=False)
class RecordingTransport(httpx.AsyncBaseTransport):
    """A transport in front of a stand-in's."""

    _inner: httpx.AsyncBaseTransport
    requests: list[httpx.Request] = field(factory=list)
    act: Act | None = None
    bears: int | None = None
    largest: int = 0
    """Bytes of the largest answer so far."""
    _since: int = 0

    def meet(self, act: Act | None) -> None:
        """Let `act` meet the requests from now on; None lets them all through."""
        self.act, self._since = act, len(self.requests)

    @property
    def count(self) -> int:
        """Number of requests since `meet`."""
        return len(self.requests) - self._since

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Have a request answered."""
        number = self.count
        self.requests.append(request)
        answer = await self.act(number, request) if self.act else None
        if answer is None:
            answer = await self._inner.handle_async_request(request)
            self.largest = max(self.largest, len(await answer.aread()))
            if self.bears is not None and len(answer.content) > self.bears:
                return httpx.Response(504, html="<h1>Gateway Timeout</h1>")
        return answer

    async def aclose(self) -> None:
        """Close the stand-in's."""
        await self._inner.aclose()


def always(answer: httpx.Response | Exception, first: int = 0) -> Act:
    """Answer every request from the one with the number `first` on."""

    async def act(number: int, _request: httpx.Request) -> httpx.Response | None:
        if number < first:
            return None
        return _told(answer)

    return act


def once(answer: httpx.Response | Exception, at: int = 0) -> Act:
    """Answer the request with the number `at`."""

    async def act(number: int, _request: httpx.Request) -> httpx.Response | None:
        return _told(answer) if number == at else None

    return act


def _told(answer: httpx.Response | Exception) -> httpx.Response:
    if isinstance(answer, Exception):
        raise answer
    return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
