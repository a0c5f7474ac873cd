"""Crowds over real sockets: whoever wants something honest is served, and the crowd gets no more than its share."""

import random
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
import trio

from daemon.listener.http.connection import IN_A_ROW
from daemon.listener.http.limits import Limits, raise_file_limit
from tests.listener.crowd import GET, HEAD, Crowd

MANY = 10_000
SOON = 10.0
"""Seconds within which an honest client is served, on a busy machine too."""


@asynccontextmanager
async def serving(harness: Any) -> AsyncIterator[int]:
    """Serve on loopback; fail when anything of it is logged."""
    with structlog.testing.capture_logs() as lines:
        async with trio.open_nursery() as nursery:
            addresses = await nursery.start(harness.server.serve, "127.0.0.1", 0)
            with trio.fail_after(60):
                yield addresses[0][1]
            nursery.cancel_scope.cancel()
    assert lines == []


async def honest(port: int, request: bytes = GET) -> None:
    """Be served on a new connection."""
    with trio.fail_after(60):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(request)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")


async def come(crowd: Crowd, count: int, first: bytes = b"") -> None:
    """Let a crowd come while the server lives on."""
    await trio.to_thread.run_sync(crowd.come, count, first)


async def test_ten_thousand_idle_connections_keep_nobody_out(harness: Any) -> None:
    """As many as the system lets one process open, if that is fewer: both ends of each are in this one."""
    count = min(MANY, raise_file_limit() - harness.limits.connections - 500)
    async with serving(harness) as port:
        with Crowd(port) as crowd:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(come, crowd, count)
                for _ in range(20):
                    await honest(port)
            for _ in range(20):
                await honest(port)
            still = await trio.to_thread.run_sync(crowd.open)
            assert len(still) == count
            assert not any(still[: count - harness.limits.connections]), "the longest idle are closed"
            assert all(still[count - harness.limits.connections + 100 :]), "the others are kept"
            assert len(harness.server._connections) <= harness.limits.connections


SLOWLY = {
    "head": GET[:-4],
    "body": HEAD + b"content-length: 1000\r\n\r\nx",
    "chunks": HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n",
}


@pytest.mark.parametrize("begun", SLOWLY.values(), ids=SLOWLY)
async def test_slow_senders_keep_nobody_out(open_harness: Any, begun: bytes) -> None:
    async with open_harness(Limits(connections=200)) as harness, serving(harness) as port:
        with Crowd(port) as crowd:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(come, crowd, 1000, begun)
                for _ in range(20):
                    await honest(port, HEAD + b"content-length: 3\r\n\r\nabc")
            for _ in range(20):
                await trio.to_thread.run_sync(crowd.drip, b"")
                await honest(port)
            assert sum(await trio.to_thread.run_sync(crowd.open)) <= 200


async def test_who_never_reads_keeps_nobody_out(open_harness: Any) -> None:
    async with open_harness(Limits(connections=50, linger_seconds=0.5)) as harness, serving(harness) as port:
        big = HEAD + b"content-length: %d\r\n\r\n" % 2**20
        with Crowd(port) as crowd:
            await come(crowd, 50, big)
            piece = b"x" * 2**16
            for _ in range(400):  # bodies, and answers that nobody takes, until no more goes in either direction
                crowd.drip(piece)
                await trio.lowlevel.checkpoint()
            for _ in range(20):
                await honest(port)


async def test_many_large_bodies_take_no_more_memory_than_they_may(open_harness: Any) -> None:
    limits = Limits(held=4 * 2**20)
    async with open_harness(limits) as harness, serving(harness) as port:
        most = 0
        with Crowd(port) as crowd:
            crowd.come(100, HEAD + b"content-length: %d\r\n\r\n" % 2**20)
            for _ in range(12):
                crowd.drip(b"x" * 2**16)
                await honest(port)
                held = sum(connection._parser.held for connection in harness.server._connections)
                most = max(most, held)
        # Who is about to give way still has what was read of it last.
        assert 2**20 < most <= limits.held + 2**16


async def test_pipelined_requests_do_not_hold_up_others(harness: Any) -> None:
    """A piece of them is answered in turns: here it would be some 500 of each other client before ours."""
    flood, mine = GET * (2**16 // len(GET)), GET.replace(b"host: a", b"host: me")
    async with serving(harness) as port:
        with Crowd(port) as crowd:
            crowd.come(8)
            with socket.create_connection(("127.0.0.1", port)) as one:
                while len(harness.server._connections) < 9:
                    await trio.lowlevel.checkpoint()
                for _ in range(3):
                    harness.seen.clear()
                    crowd.drip(flood)
                    one.sendall(mine)
                    while not any(seen.headers[b"host"] == b"me" for seen in harness.seen):
                        await trio.lowlevel.checkpoint()
                    before = [seen.headers[b"host"] for seen in harness.seen].index(b"me")
                    assert before <= 4 * IN_A_ROW * 8


RUBBISH = {
    "random": lambda dice: dice.randbytes(dice.randrange(1, 3000)),
    "a good start": lambda dice: GET[: dice.randrange(1, len(GET))] + dice.randbytes(300),
    "chunks": lambda dice: SLOWLY["chunks"] + dice.randbytes(300),
    "lengths": lambda dice: HEAD + b"content-length: %s\r\n\r\n" % dice.randbytes(5),
    "many": lambda dice: b"".join(dice.choices((GET, HEAD, b"\r\n", b"0\r\n\r\n", b"\x00", b"GET "), k=50)),
}


@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=RUBBISH)
async def test_rubbish_is_refused_and_harms_nobody(harness: Any, rubbish: Any) -> None:
    seed = time.time_ns()
    print("seed", seed)  # noqa: T201
    dice = random.Random(seed)
    async with serving(harness) as port:
        with Crowd(port) as crowd:
            for _ in range(200):
                await come(crowd, 1, rubbish(dice))
            for one in crowd.sockets:
                one.shutdown(socket.SHUT_WR)
            await honest(port)
            answers = await trio.to_thread.run_sync(lambda: list(crowd.answers(SOON)))
    statuses = {answer.split()[1] for answer in answers if answer.startswith(b"HTTP/1.1 ")}
    assert statuses
    assert statuses <= {b"200", b"400", b"404", b"413", b"417", b"431", b"501", b"505"}
