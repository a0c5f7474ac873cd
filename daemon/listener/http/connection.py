"""One client, from its first byte to the last of its answers.

A connection is in one phase at a time:

    IDLE ──first byte──> READING ──last byte──> WORKING ──> WRITING ──> IDLE, or LINGERING and gone

`due` is when the phase has lasted too long. Nothing here waits for it: the server looks at all connections a few
times a second and calls `expire`, since a cancel scope with a fresh deadline for every request costs as much as
parsing it. IDLE and LINGERING may be cut off at any time; READING is answered 408; WORKING, the only phase in
which a handler runs, is never cancelled; WRITING is cut off.

Where connections or memory run short, one has to `give_way`: one that has been idle for a while, else the one whose
phase has lasted longest, so that slow clients, however many, never keep quick ones out. Nothing acknowledged is lost:
what was cut off in READING was not recorded, what was cut off in WRITING is sent again.

Before we close after an answer, we half-close and read on for a while: a socket closed with unread bytes in it
resets the connection, and the client could lose the answer it was sent.
"""

import enum
from collections.abc import Awaitable, Callable
from math import inf
from typing import BinaryIO

import trio
from attrs import define, field

from daemon.listener.http.limits import Limits
from daemon.listener.http.messages import Fault, Request, Response, encode
from daemon.listener.http.parser import Parser

READ_SIZE = 16 * 1024
SETTLED = 1.0
"""Seconds after which a silent connection is taken for idle; before, its request may be on the way."""
PIECE = 256 * 1024
"""Of a file that is sent; each has the time that another answer has as a whole."""
IN_A_ROW = 16
"""So many requests that came in one piece are answered before the other connections have a turn."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
FULL = Fault(503, "Too busy; come back in a few seconds.")


class Phase(enum.Enum):
    """What a connection is doing."""

    IDLE = enum.auto()
    READING = enum.auto()
    WORKING = enum.auto()
    WRITING = enum.auto()
    LINGERING = enum.auto()


@define(eq=False)
class Connection:
    """Serves requests on one stream. `answer` and `refuse` never raise, as those of `Routes`.

    `weigh` is told how many bytes of unanswered requests are held here, unless they came in one piece and so are few;
    false: they are too many.
    """

    _stream: trio.abc.HalfCloseableStream
    _limits: Limits
    _answer: Callable[[Request], Awaitable[Response]]
    _refuse: Callable[[Fault], Response]
    _weigh: "Callable[[Connection, int], bool]"
    _parser: Parser
    since: float
    """When the present phase began; that of WORKING does not matter."""
    due: float = field(init=False)
    held: int = field(init=False, default=0)
    phase: Phase = field(init=False, default=Phase.IDLE)
    _scope: trio.CancelScope = field(init=False, factory=trio.CancelScope)
    _closing: bool = field(init=False, default=False)
    _gives_way: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self.due = self.since + self._limits.idle_seconds

    @property
    def expendable(self) -> bool:
        """No request is lost when this connection is cut off."""
        return self.phase in (Phase.IDLE, Phase.LINGERING)

    @property
    def dispensable(self) -> bool:
        """It may have to give way: nobody works for it."""
        return self.phase is not Phase.WORKING

    def eviction_key(self, now: float) -> tuple[bool, float]:
        """Return what orders connections: the one with the least gives way first."""
        return not (self.expendable and now - self.since >= SETTLED), self.since

    def expire(self) -> None:
        """End the present phase."""
        self._scope.cancel()

    def give_way(self) -> None:
        """End at once; the client of a request that is under way may learn why. Not in WORKING."""
        self._gives_way = True
        self.expire()

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
        if self._gives_way:
            if self.phase is Phase.READING:
                await self._part(FULL, linger=0)
            return
        if self._scope.cancel_called and self.phase is Phase.READING:
            fault = Fault(408, f"A request may take {self._limits.request_seconds:g} seconds to arrive.")
        if answered or fault:
            await self._part(None if answered else fault, linger=self._limits.linger_seconds)

    async def turn_away(self, fault: Fault) -> None:
        """Serve nothing: say why, and part."""
        await self._part(fault, linger=self._limits.linger_seconds)

    async def _converse(self) -> bool:
        """Answer requests; true when the last answer announced that it is the last."""
        parser = self._parser
        while data := await self._stream.receive_some(READ_SIZE):
            if self._scope.cancel_called:
                return False
            parser.feed(data)
            if (parser.mid_request or self.held) and not self._weigh(self, parser.held):
                parser.fault = FULL
                return False
            for number, request in enumerate(parser.requests, 1):
                if not await self._serve(request):
                    return True
                if number % IN_A_ROW == 0:
                    await trio.lowlevel.checkpoint()
            parser.requests.clear()
            if self.held:
                self._weigh(self, parser.held)
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
            limits = self._limits
            self._enter(phase, limits.request_seconds if reading else limits.idle_seconds)

    def _enter(self, phase: Phase, seconds: float) -> None:
        self.phase, self.since = phase, trio.current_time()
        self.due = self.since + seconds

    async def _serve(self, request: Request) -> bool:
        """Answer one request; false when the connection ends with it."""
        self.phase, self.due = Phase.WORKING, inf
        response = await self._answer(request)
        keep = request.keep_alive and not self._closing
        self._enter(Phase.WRITING, self._limits.send_seconds)
        await self._stream.send_all(encode(response, close=not keep, head_only=request.method == "HEAD"))
        if response.file is not None:
            with response.file as file:
                await self._send_file(file, head_only=request.method == "HEAD")
        return keep

    async def _send_file(self, file: BinaryIO, *, head_only: bool) -> None:
        if not head_only:
            while piece := await trio.to_thread.run_sync(file.read, PIECE):
                self._enter(Phase.WRITING, self._limits.send_seconds)
                await self._stream.send_all(piece)

    async def _part(self, fault: Fault | None, *, linger: float) -> None:
        """Say what is wrong, if anything is, and wait a little until the other side has read it."""
        self._enter(Phase.LINGERING, inf)
        with trio.move_on_after(linger) as self._scope:
            if fault:
                await self._stream.send_all(encode(self._refuse(fault), close=True, head_only=False))
            await self._stream.send_eof()
            while await self._stream.receive_some(READ_SIZE):
                pass
