"""However the bytes are cut, the answers are the same; whatever the bytes are, there is an end and no crash."""

import random
import re

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, memory_stream_pair

from daemon.listener.http.limits import Limits
from daemon.listener.http.messages import Request, Response
from daemon.listener.http.parser import Parser
from daemon.listener.http.server import Server
from daemon.listener.routes import Route, Routes
from daemon.observability.metrics import Metrics

LIMITS = Limits(body=200, head=400)

TOKEN = st.text("abcXYZ-09", min_size=1, max_size=12)
VALUE = st.text("abc XYZ09!\"'", max_size=20).map(str.strip)


async def echo(request: Request) -> Response:
    head = f"{request.method} {request.path} {request.query} {sorted(request.headers.items())} "
    return Response(200, head.encode() + request.body, b"text/plain")


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    headers = {f"x-{name}": value for name, value in draw(st.dictionaries(TOKEN, VALUE, max_size=3)).items()}
    # The body is echoed: it must not look like an answer, and hypothesis likes to take constants from this file.
    body = draw(st.binary(max_size=220).filter(lambda drawn: b"HTTP" not in drawn))
    framing, sent = draw(st.sampled_from([with_length, with_chunks]))(body, draw(st.integers(1, 60)))
    query = draw(st.sampled_from(["", "?a=b", "?%20&x"]))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /echo{query} HTTP/1.1\r\nhost: a\r\n{lines}{framing}\r\n\r\n".encode() + sent


def with_length(body: bytes, _size: int) -> tuple[str, bytes]:
    return f"content-length: {len(body)}", body


def with_chunks(body: bytes, size: int) -> tuple[str, bytes]:
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    sent = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in chunks)
    return "transfer-encoding: chunked", sent + b"0\r\n\r\n"


def cut(data: bytes, seed: int) -> list[bytes]:
    dice = random.Random(seed)
    places = sorted(dice.sample(range(len(data) + 1), min(len(data), dice.choice([0, 1, 5, 50, 100_000]))))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


async def converse(chunks: list[bytes]) -> bytes:
    """Send the pieces, half-close, and return everything that was answered, without dates and ids of requests."""
    routes = Routes.of([Route("POST", "/echo", echo)], Metrics())
    server = Server(routes.answer, routes.refuse, LIMITS)
    ours, theirs = memory_stream_pair()
    answered = b""

    async def send() -> None:
        try:
            for piece in chunks:
                await ours.send_all(piece)
                await trio.testing.wait_all_tasks_blocked()
            await ours.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    with trio.fail_after(200):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.handle, theirs)
            nursery.start_soon(send)
            async for data in ours:
                answered += data
    lines = answered.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith((b"date: ", b"x-request-id: ")))


def exchange(chunks: list[bytes]) -> bytes:
    return trio.run(converse, chunks, clock=MockClock(autojump_threshold=0))


@settings(deadline=None, max_examples=100)
@given(st.lists(requests(), min_size=1, max_size=5), st.integers(0, 2**32))
def test_the_cuts_between_pieces_change_nothing(sent: list[bytes], seed: int) -> None:
    data = b"".join(sent)
    whole = exchange([data])
    assert exchange(cut(data, seed)) == whole
    assert whole.count(b"HTTP/1.1 200 OK") + whole.count(b"HTTP/1.1 413 ") + whole.count(b"HTTP/1.1 431 ") >= 1
    if b" 413 " not in whole and b" 431 " not in whole:
        assert whole.count(b"HTTP/1.1 200 OK") == len(sent)


@settings(deadline=None, max_examples=100)
@given(st.lists(requests(), min_size=1, max_size=3), st.data(), st.integers(0, 2**32))
def test_bytes_changed_at_random_neither_crash_nor_hang(sent: list[bytes], data: st.DataObject, seed: int) -> None:
    spoilt = bytearray(b"".join(sent))
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(spoilt) - 1))
        spoilt[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    answers = exchange(cut(bytes(spoilt), seed))
    echoed = re.findall(rb"HTTP/1\.1 (\d{3}) ", spoilt)
    for status in set(re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)).difference(echoed):
        assert status in {b"200", b"400", b"404", b"405", b"413", b"417", b"431", b"501", b"505"}


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_the_parser_never_raises_and_holds_no_more_than_its_limits(chunks: list[bytes]) -> None:
    parser = Parser(LIMITS)
    for piece in chunks:
        if parser.fault or (parser.requests and not parser.requests[-1].keep_alive):
            break
        parser.feed(piece)
        assert all(len(request.body) <= LIMITS.body for request in parser.requests)
