"""One client, from its first byte to the last of its answers.

A connection is in one phase at a time:

    IDLE ──first byte──> READING ──last byte──> WORKING ──> WRITING ──> IDLE, or LINGERING and gone

`due` is when the phase has lasted too long. Nothing here waits for it: the server looks at all connections a few
times a second and calls `expire`, since a cancel scope with a fresh deadline for every request costs as much as
parsing it. IDLE and LINGERING may be cut off at any time; READING is answered 408; WORKING, the only phase in
which a handler runs, is never cancelled; WRITING is cut off.

Before we close after an answer, we half-close and read on for a while: a socket closed with unread bytes in it
resets the connection, and the client could lose the answer it was sent.
"""

import enum
from collections.abc import Awaitable, Callable
from math import inf

import trio
from attrs import define, field

from daemon.listener.limits import Limits
from daemon.listener.messages import Fault, Request, Response, encode
from daemon.listener.parser import Parser

READ_SIZE = 16 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Phase(enum.Enum):
    """What a connection is doing."""

    IDLE = enum.auto()
    READING = enum.auto()
    WORKING = enum.auto()
    WRITING = enum.auto()
    LINGERING = enum.auto()


@define(eq=False)
class Connection:
    """Serves requests on one stream. `answer` and `refuse` never raise, as those of `Routes`."""

    _stream: trio.abc.HalfCloseableStream
    _limits: Limits
    _answer: Callable[[Request], Awaitable[Response]]
    _refuse: Callable[[Fault], Response]
    _parser: Parser
    due: float
    phase: Phase = field(init=False, default=Phase.IDLE)
    _scope: trio.CancelScope = field(init=False, factory=trio.CancelScope)
    _closing: bool = field(init=False, default=False)

    @property
    def expendable(self) -> bool:
        """No request is lost when this connection is cut off."""
        return self.phase in (Phase.IDLE, Phase.LINGERING)

    def expire(self) -> None:
        """End the present phase."""
        self._scope.cancel()

    def stop(self) -> None:
        """Let the request in flight be the last."""
        self._closing = True
        if self.expendable:
            self.expire()

    async def run(self) -> None:
        """Serve requests until either side has had enough. Raises trio.BrokenResourceError when cut off."""
        answered = False
        with self._scope:
            answered = await self._converse()
        fault = self._parser.fault
        if self._scope.cancel_called and self.phase is Phase.READING:
            fault = Fault(408, f"A request may take {self._limits.request_seconds:g} seconds to arrive.")
        if answered or fault:
            await self._part(None if answered else fault)

    async def turn_away(self, fault: Fault) -> None:
        """Serve nothing: say why, and part."""
        await self._part(fault)

    async def _converse(self) -> bool:
        """Answer requests; true when the last answer announced that it is the last."""
        parser = self._parser
        while data := await self._stream.receive_some(READ_SIZE):
            if self._scope.cancel_called:
                return False
            parser.feed(data)
            for request in parser.requests:
                if not await self._serve(request):
                    return True
            parser.requests.clear()
            if parser.fault:
                return False
            if parser.wants_continue:
                parser.wants_continue = False
                await self._stream.send_all(CONTINUE)
            self._await_more()
        return False

    def _await_more(self) -> None:
        """Go on waiting, or begin to: bytes that trickle in do not move the end of a phase."""
        reading = self._parser.mid_request
        phase = Phase.READING if reading else Phase.IDLE
        if phase is not self.phase:
            self.phase = phase
            limits = self._limits
            self.due = trio.current_time() + (limits.request_seconds if reading else limits.idle_seconds)

    async def _serve(self, request: Request) -> bool:
        """Answer one request; false when the connection ends with it."""
        self.phase, self.due = Phase.WORKING, inf
        response = await self._answer(request)
        keep = request.keep_alive and not self._closing
        self.phase, self.due = Phase.WRITING, trio.current_time() + self._limits.send_seconds
        await self._stream.send_all(encode(response, close=not keep, head_only=request.method == "HEAD"))
        return keep

    async def _part(self, fault: Fault | None) -> None:
        """Say what is wrong, if anything is, and wait a little until the other side has read it."""
        self.phase, self.due = Phase.LINGERING, inf
        with trio.move_on_after(self._limits.linger_seconds) as self._scope:
            if fault:
                await self._stream.send_all(encode(self._refuse(fault), close=True, head_only=False))
            await self._stream.send_eof()
            while await self._stream.receive_some(READ_SIZE):
                pass
