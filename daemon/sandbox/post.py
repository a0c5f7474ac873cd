"""A minimal HTTP client that posts over h11 and trio; what the webhooks are delivered with.

Connections are kept and used again. A kept one that turns out to be dead costs one attempt on a fresh connection.
"""

import contextlib
from collections.abc import Mapping
from urllib.parse import urlsplit

import h11
import trio

_Target = tuple[str, int]
_FAILURES = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError)


REMEMBERED = 1000
"""Number of deliveries that a sender keeps for inspection."""


class Unanswered(Exception):
    """No complete answer came: refused, reset, or not HTTP."""


class Poster:
    """Posts to any http URL. `aclose` when done."""

    def __init__(self) -> None:
        self._idle: dict[_Target, list[tuple[trio.SocketStream, h11.Connection]]] = {}

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Post and return the status. Raises Unanswered."""
        parts = urlsplit(url)
        target = (parts.hostname or "", parts.port or 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        own = {"host": parts.netloc, "content-length": str(len(body)), "content-type": "application/json"}
        request = h11.Request(method="POST", target=path, headers=list((own | dict(headers)).items()))
        idle = self._idle.setdefault(target, [])
        while idle:
            try:
                return await self._exchange(idle, *idle.pop(), request, body)
            except Unanswered:
                continue
        try:
            stream = await trio.open_tcp_stream(*target)
        except OSError as error:
            raise Unanswered(str(error)) from error
        return await self._exchange(idle, stream, h11.Connection(h11.CLIENT), request, body)

    async def _exchange(
        self,
        idle: list[tuple[trio.SocketStream, h11.Connection]],
        stream: trio.SocketStream,
        connection: h11.Connection,
        request: h11.Request,
        body: bytes,
    ) -> int:
        kept, status = False, 0
        try:
            sent = [connection.send(part) or b"" for part in (request, h11.Data(data=body), h11.EndOfMessage())]
            await stream.send_all(b"".join(sent))
            while not isinstance(event := connection.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some(65_536))
                elif isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.ConnectionClosed):
                    raise Unanswered("closed without an answer")
            if connection.our_state is h11.DONE and connection.their_state is h11.DONE:
                connection.start_next_cycle()
                idle.append((stream, connection))
                kept = True
        except _FAILURES as error:
            raise Unanswered(str(error)) from error
        finally:
            if not kept:
                await trio.aclose_forcefully(stream)
        return status

    async def aclose(self) -> None:
        """Close the kept connections."""
        for idle in self._idle.values():
            for stream, _ in idle:
                await trio.aclose_forcefully(stream)
            idle.clear()


class Sender:
    """The base of a shop's sender of webhooks. `outstanding` counts deliveries not yet settled."""

    outstanding: int

    def __init__(self) -> None:
        self.poster = Poster()
        """The way that deliveries take; a test may have its own."""
        self._settled = trio.lowlevel.ParkingLot()

    async def settled(self) -> None:
        """Wait until every delivery was taken or given up."""
        while self.outstanding:
            await self._settled.park()

    async def aclose(self) -> None:
        """Close the connections to the receivers."""
        await self.poster.aclose()

    def _wake(self) -> None:
        if not self.outstanding:
            self._settled.unpark_all()

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> int | None:
        """Return the status of an answer, None if none comes in time."""
        with trio.move_on_after(seconds), contextlib.suppress(Unanswered):
            return await self.poster.post(url, headers, body)
        return None
