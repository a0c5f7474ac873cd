"""An HTTP/1.1 server on h11 and trio, thin enough to tear a connection at any byte.

Every request passes the same stations: the control interface (`/_sandbox/...`, which faults never touch), the
statistics, faults before the effect, the API, faults after the effect. A bug of a handler is not caught: it
ends the sandbox, and so the test, at once.
"""

import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import h11
import trio

from daemon.sandbox.control import StandIn
from daemon.sandbox.faults import HangUp
from daemon.sandbox.message import Request, Response

CONTROL = "/_sandbox/"
_RECEIVE = 65_536


S = TypeVar("S", bound=StandIn)


@contextlib.asynccontextmanager
async def listening(host: str, port: int) -> AsyncIterator[tuple[list[trio.SocketListener], str]]:
    """Keep listeners open for the block, and say their base URL. Port 0 picks a free one. Raises OSError."""
    async with contextlib.AsyncExitStack() as stack:
        listeners = await trio.open_tcp_listeners(port, host=host)
        for listener in listeners:
            stack.push_async_callback(listener.aclose)
        yield listeners, f"http://{host}:{listeners[0].socket.getsockname()[1]}"


async def answered(api: StandIn, request: Request) -> Response:
    """Take a request past all stations and return its answer. Raises HangUp."""
    if request.path.startswith(CONTROL):
        return api.control(request)
    match = api.find(request)
    route = match.name if match else "unknown"
    with api.statistics.call(route):
        response = await api.faults.before(request)
        if response is None:
            response = await api.faults.after(request, api.answer(request, match))
        api.statistics.answers[f"{route} {response.status}"] += 1
        return response


@contextlib.asynccontextmanager
async def serving(
    open_api: Callable[[str, trio.Nursery], S], at: tuple[list[trio.SocketListener], str]
) -> AsyncIterator[S]:
    """Serve the stand-in that `open_api` makes of a URL and a nursery, for as long as the block lasts."""
    listeners, url = at
    async with trio.open_nursery() as nursery:
        api = open_api(url, nursery)
        nursery.start_soon(serve, api, listeners)
        try:
            yield api
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await api.aclose()


async def serve(api: StandIn, listeners: list[trio.SocketListener]) -> None:
    """Serve until cancelled."""

    async def connection(stream: trio.SocketStream) -> None:
        await _Connection(api, stream).run()

    await trio.serve_listeners(connection, listeners)


class _Connection:
    def __init__(self, api: StandIn, stream: trio.SocketStream) -> None:
        self._api = api
        self._stream = stream
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=_RECEIVE)

    async def run(self) -> None:
        """Answer requests until either side has had enough."""
        try:
            while (request := await self._receive()) is not None:
                await self._send(await answered(self._api, request))
                if self._h11.our_state is not h11.DONE:
                    return
                self._h11.start_next_cycle()
        except HangUp:
            # This makes the close a reset.
            self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except h11.RemoteProtocolError as error:
            if self._h11.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                with contextlib.suppress(trio.BrokenResourceError):
                    await self._send(Response(status=error.error_status_hint, headers={"connection": "close"}))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _receive(self) -> Request | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = await self._event()
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                path, _, query = head.target.decode("ascii").partition("?")
                headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
                method = head.method.decode("ascii")
                return Request(method=method, path=path, query=query, headers=headers, body=bytes(body))
            else:
                return None

    async def _event(self) -> Any:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            if self._h11.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await self._stream.send_all(self._h11.send(go_on))
            self._h11.receive_data(await self._stream.receive_some(_RECEIVE))
        return event

    async def _send(self, response: Response) -> None:
        headers = [*response.headers.items(), ("content-length", str(len(response.body)))]
        if response.status == 204:  # noqa: PLR2004  must not carry a length (RFC 9110, 8.6)
            headers.pop()
        sent = self._h11.send(h11.Response(status_code=response.status, headers=headers)) or b""
        if response.cut:
            await self._stream.send_all(sent + response.body[: len(response.body) // 2])
            return
        sent += self._h11.send(h11.Data(data=response.body)) or b""
        await self._stream.send_all(sent + (self._h11.send(h11.EndOfMessage()) or b""))
