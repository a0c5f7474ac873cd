"""The way to a stand-in without sockets: a transport for the daemon's HTTP clients, shared by all tests.

    InProcess(sandbox.sparklayer)                    # every request passes statistics and faults, as in the server
    InProcess(api, seen=lambda request, response: ...)
    Exchange(network.exchange)                       # anything else that answers a request

A reset connection and an answer cut off in the middle become the errors that httpx has for them.
"""

from collections.abc import Awaitable, Callable

import httpx
import trio

from daemon.sandbox.control import StandIn
from daemon.sandbox.faults import HangUp
from daemon.sandbox.message import Request, Response
from daemon.sandbox.server import answered

Seen = Callable[[Request, Response], object]


class Exchange(httpx.AsyncBaseTransport):
    """Has requests answered by a coroutine function."""

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request. Raises httpx.TransportError."""
        try:
            response = await self._answer(read(request))
        except HangUp as error:
            raise httpx.ReadError("reset", request=request) from error
        if response.cut:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        return httpx.Response(response.status, headers=response.headers, content=response.body)


class InProcess(Exchange):
    """Hands requests to a stand-in; `seen` is told each with its answer."""

    def __init__(self, api: StandIn, seen: Seen = lambda _request, _response: None) -> None:
        super().__init__(self._ask)
        self._api, self._seen = api, seen

    async def _ask(self, request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        response = await answered(self._api, request)
        self._seen(request, response)
        return response


def read(request: httpx.Request) -> Request:
    """Return a client's request as the stand-ins get it."""
    path, _, query = request.url.raw_path.decode().partition("?")
    headers = {name.lower().decode(): value.decode("latin-1") for name, value in request.headers.raw}
    return Request(method=request.method, path=path, query=query, headers=headers, body=request.content)
