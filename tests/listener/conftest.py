"""A listener in memory: the real server, parser and routes over a pair of trio's memory streams.

The handlers here are the smallest that show what reached them. Time is MockClock's wherever a test has a limit of
time in it.
"""

import email.parser
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, field, frozen
from trio.testing import memory_stream_pair

from daemon.errors import Conflict, StorageTrouble
from daemon.listener.http.limits import Limits
from daemon.listener.http.messages import Request, Response, json_response
from daemon.listener.http.server import Server
from daemon.listener.routes import Route, Routes
from daemon.observability.metrics import Metrics


@frozen
class Answer:
    """One answer as a client reads it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def detail(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        told: dict[str, Any] = json.loads(self.body)
        assert set(told) == {"title", "status", "detail"}
        assert told["status"] == self.status
        return str(told["detail"])


@define
class Client:
    """Speaks raw bytes, and reads answers by their content-length."""

    stream: trio.abc.HalfCloseableStream
    _buffer: bytes = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read(self, *, head_only: bool = False) -> Answer | None:
        """Return the next answer, or None when the server has closed."""
        while b"\r\n\r\n" not in self._buffer:
            if not await self._more():
                assert self._buffer == b""
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, _, fields = head.decode().partition("\r\n")
        headers = {name.lower(): value for name, value in email.parser.Parser().parsestr(fields).items()}
        size = 0 if head_only else int(headers.get("content-length", 0))
        while len(self._buffer) < size:
            assert await self._more(), "closed in the middle of an answer"
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return Answer(int(line.split()[1]), headers, body)

    async def ask(self, data: bytes) -> Answer:
        await self.send(data)
        answer = await self.read()
        assert answer is not None
        return answer

    async def closed(self) -> bool:
        return await self.read() is None

    async def _more(self) -> bool:
        data = await self.stream.receive_some(65536)
        self._buffer += data
        return bool(data)


@define
class ListenerHarness:
    """The server under test, and what its handlers saw."""

    limits: Limits = field(factory=Limits)
    metrics: Metrics = field(factory=Metrics)
    seen: list[Request] = field(factory=list)
    overruns: list[int] = field(factory=list)
    hold: trio.Event = field(factory=trio.Event)
    held: trio.Event = field(factory=trio.Event)
    nursery: trio.Nursery = field(init=False)
    server: Server = field(init=False)

    def __attrs_post_init__(self) -> None:
        routes = Routes.of(
            [
                Route("GET", "/hello", self.hello),
                Route("POST", "/echo", self.echo),
                Route("GET", "/words/{one}/{two}", self.words),
                Route("GET", "/slow", self.slow),
                Route("GET", "/bug", self.bug),
                Route("GET", "/disk-full", self.disk_full),
                Route("GET", "/refused", self.refused),
                Route("GET", "/nothing", self.nothing),
            ],
            self.metrics,
        )
        self.server = Server(routes.answer, routes.refuse, self.limits, overrun=lambda: self.overruns.append(1))

    def connect(self) -> Client:
        """Open a connection."""
        ours, theirs = memory_stream_pair()
        self.nursery.start_soon(self.server.handle, theirs)
        return Client(ours)

    async def hello(self, request: Request) -> Response:
        self.seen.append(request)
        return Response(200, b"hello", b"text/plain")

    async def echo(self, request: Request) -> Response:
        self.seen.append(request)
        return Response(200, request.body, b"application/octet-stream")

    async def words(self, request: Request, one: str, two: str) -> Response:
        return json_response([one, two, request.query])

    async def slow(self, _request: Request) -> Response:
        self.held.set()
        await self.hold.wait()
        return Response()

    async def bug(self, _request: Request) -> Response:
        raise KeyError("hunter2")

    async def disk_full(self, _request: Request) -> Response:
        raise StorageTrouble("database or disk is full", reason="disk_full")

    async def refused(self, _request: Request) -> Response:
        raise Conflict("One runs already.")

    async def nothing(self, _request: Request) -> Response:
        return Response(204)


@asynccontextmanager
async def _open(limits: Limits | None = None) -> AsyncIterator[ListenerHarness]:
    harness = ListenerHarness(limits or Limits())
    async with trio.open_nursery() as nursery:
        harness.nursery = nursery
        nursery.start_soon(harness.server.keep_time)
        yield harness
        nursery.cancel_scope.cancel()


@pytest.fixture
def open_harness() -> Callable[..., AbstractAsyncContextManager[ListenerHarness]]:
    """Open a harness with its own limits, as an async context manager."""
    return _open


@pytest.fixture
async def harness() -> AsyncIterator[ListenerHarness]:
    async with _open() as opened:
        yield opened


@pytest.fixture
def client(harness: ListenerHarness) -> Client:
    return harness.connect()
