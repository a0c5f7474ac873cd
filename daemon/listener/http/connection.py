"""One client, from its first byte to the last of its answers.

A connection is in one phase at a time:

    IDLE ──first byte──> READING ──last byte──> WORKING ──> WRITING ──> IDLE, or LINGERING and gone
                                                                   └──> STREAMING, which ends with the connection

`due` is the deadline of the phase. Nothing here waits for it: the server checks all connections a few times a second
and calls `expire`, because a cancel scope with a new deadline for every request costs as much as parsing it. IDLE,
STREAMING and LINGERING may be cut off at any time; READING is answered 408; WORKING, the phase in which a handler runs,
is never cancelled; WRITING is cut off.

If connections or memory run short, the server calls `give_way` on one: a connection that has been idle for a while,
else the one whose phase has lasted longest. So slow clients never keep quick ones out. Nothing acknowledged is lost: a
request cut off in READING was not recorded, and the client of an answer cut off in WRITING sends its request again.

Before closing after an answer, the connection half-closes and keeps reading for a while: closing a socket with unread
bytes resets the TCP connection, and the client could lose the answer.
"""

import contextlib
import enum
from collections.abc import AsyncGenerator, Awaitable, Callable
from math import inf

import trio
from attrs import define, evolve, field

from daemon.listener.http.limits import Limits
from daemon.listener.http.messages import Fault, Request, Response, encode
from daemon.listener.http.parser import Parser
from daemon.observability import request_ids

READ_SIZE = 16 * 1024
SETTLED = 1.0
"""Seconds after which a silent connection counts as idle; before that, its request may be on the way."""
PIECE = 256 * 1024
"""Bytes of a file sent at once; each piece has the time limit of a whole answer."""
IN_A_ROW = 16
"""Requests that arrived together and are answered before other connections get a turn."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
FULL = Fault(503, "Too busy; come back in a few seconds.")


class Phase(enum.Enum):
    """Phase of a connection; see the module."""

    IDLE = enum.auto()
    READING = enum.auto()
    WORKING = enum.auto()
    WRITING = enum.auto()
    STREAMING = enum.auto()
    LINGERING = enum.auto()


@define(eq=False)
class HttpConnection:
    """Serves requests on one stream. `answer` and `refuse` are those of `Routes` and never raise.

    `weigh` receives the number of bytes of unanswered requests held here, unless they arrived in one piece and so are
    few. It returns False if they are too many.
    """

    _stream: trio.abc.HalfCloseableStream
    _limits: Limits
    _answer: Callable[[Request], Awaitable[Response]]
    _refuse: Callable[[Fault], Response]
    _weigh: "Callable[[HttpConnection, int], bool]"
    _parser: Parser
    since: float
    """Start of the present phase; not updated for WORKING."""
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
        """True if no request is lost when this connection is cut off."""
        return self.phase in (Phase.IDLE, Phase.STREAMING, Phase.LINGERING)

    @property
    def dispensable(self) -> bool:
        """True if the connection may be evicted: no handler runs for it."""
        return self.phase is not Phase.WORKING

    def eviction_key(self, now: float) -> tuple[bool, float]:
        """Return the eviction key; the connection with the smallest is evicted first."""
        return not (self.expendable and now - self.since >= SETTLED), self.since

    def expire(self) -> None:
        """End the present phase."""
        self._scope.cancel()

    def give_way(self) -> None:
        """End at once; a client in the middle of a request is told the reason if possible. Not in WORKING."""
        self._gives_way = True
        self.expire()

    def stop(self) -> None:
        """Let the request in flight be the last."""
        self._closing = True
        if self.expendable:
            self.expire()

    async def run(self) -> None:
        """Serve requests until either side ends the connection. Raises trio.BrokenResourceError if cut off."""
        answered = False
        with self._scope:
            answered = await self._converse()
        fault = self._parser.fault
        if self._gives_way:
            if self.phase is Phase.READING:
                await self.part(evolve(FULL, path=self._parser.path), linger=0)
            return
        if self._scope.cancel_called and self.phase is Phase.READING:
            words = f"A request may take {self._limits.request_seconds:g} seconds to arrive."
            fault = Fault(408, words, self._parser.path)
        if answered or fault:
            await self.part(None if answered else fault, linger=self._limits.linger_seconds)

    async def _converse(self) -> bool:
        """Answer requests; return True if the last answer announced the end of the connection."""
        parser = self._parser
        while data := await self._stream.receive_some(READ_SIZE):
            if self._scope.cancel_called:
                return False
            parser.feed(data)
            if (parser.mid_request or self.held) and not self._weigh(self, parser.held):
                parser.fault = evolve(FULL, path=parser.path)
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
        """Wait for more bytes. Bytes that trickle in do not extend a phase."""
        reading = self._parser.mid_request
        phase = Phase.READING if reading else Phase.IDLE
        if phase is not self.phase:
            limits = self._limits
            self._enter(phase, limits.request_seconds if reading else limits.idle_seconds)

    def _enter(self, phase: Phase, seconds: float) -> None:
        self.phase, self.since = phase, trio.current_time()
        self.due = self.since + seconds

    async def _serve(self, request: Request) -> bool:
        """Answer one request; return False if the connection ends with it."""
        self.phase, self.due = Phase.WORKING, inf
        request_id = request_ids.begin(request.headers.get(request_ids.HEADER))
        response = await self._answer(request)
        request_id.over = True
        keep = request.keep_alive and not self._closing and response.stream is None
        self._enter(Phase.WRITING, self._limits.send_seconds)
        head_only = request.method == "HEAD"
        await self._stream.send_all(encode(response, close=not keep, head_only=head_only, request_id=request_id.text))
        if response.file is not None:
            with response.file as file:
                while not head_only and (piece := await trio.to_thread.run_sync(file.read, PIECE)):
                    self._enter(Phase.WRITING, self._limits.send_seconds)
                    await self._stream.send_all(piece)
        if response.stream is not None and not head_only and not self._closing:
            await self._send_stream(response.stream)
        return keep

    async def _send_stream(self, stream: AsyncGenerator[bytes, None]) -> None:
        """Send pieces as they come, until the client is gone; one that does not take a piece in time is cut off."""
        self._enter(Phase.STREAMING, inf)
        # A group of errors would hide that the client is gone.
        gone = contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError)
        async with contextlib.aclosing(stream), trio.open_nursery() as nursery:
            nursery.start_soon(self._notice_end, gone, nursery.cancel_scope)
            with gone:
                async for piece in stream:
                    self.due = trio.current_time() + self._limits.send_seconds
                    await self._stream.send_all(piece)
                    self.due = inf
            nursery.cancel_scope.cancel()

    async def _notice_end(self, gone: contextlib.AbstractContextManager[None], scope: trio.CancelScope) -> None:
        """Cancel once the client has closed its side; what it sends is read and dropped."""
        with gone:
            while await self._stream.receive_some(READ_SIZE):
                pass
        scope.cancel()

    async def part(self, fault: Fault | None, *, linger: float) -> None:
        """Send `fault`, if any, and wait until the client has read it, or for `linger` seconds."""
        self._enter(Phase.LINGERING, inf)
        with trio.move_on_after(linger) as self._scope:
            if fault:
                request_id = request_ids.begin(None)
                answer = encode(self._refuse(fault), close=True, head_only=False, request_id=request_id.text)
                await self._stream.send_all(answer)
            await self._stream.send_eof()
            while await self._stream.receive_some(READ_SIZE):
                pass
