"""The same promises over real sockets on loopback, where buffers and resets exist."""

import errno
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from daemon.listener.http.limits import Limits, raise_file_limit

GET = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"
HEAD = b"POST /echo HTTP/1.1\r\nhost: a\r\n"
TWO_MIB = 2 * 1024 * 1024


@asynccontextmanager
async def serving(harness: Any) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(harness.server.serve, "127.0.0.1", 0)
        with trio.fail_after(60):
            yield addresses[0][1]
        nursery.cancel_scope.cancel()


def exchange(port: int, data: bytes) -> bytes:
    """Send everything, then read everything: what a simple blocking client does."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(data)
        received = b""
        while piece := client.recv(65536):
            received += piece
    return received


@pytest.mark.parametrize(
    "request_",
    [
        HEAD + b"content-length: %d\r\n\r\n" % TWO_MIB + b"x" * TWO_MIB,
        HEAD + b"transfer-encoding: chunked\r\n\r\n" + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 2048 + b"0\r\n\r\n",
    ],
    ids=["length", "chunked"],
)
async def test_a_client_that_sends_two_mebibytes_can_read_its_413(harness: Any, request_: bytes) -> None:
    async with serving(harness) as port:
        for _ in range(5):
            answer = await trio.to_thread.run_sync(exchange, port, request_)
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert answer.endswith(b"}")


async def test_a_closing_answer_is_read_to_its_end(harness: Any) -> None:
    async with serving(harness) as port:
        close = GET.replace(b"host: a", b"host: a\r\nconnection: close")
        answer = await trio.to_thread.run_sync(exchange, port, close + GET * 1000)
        assert answer.endswith(b"\r\n\r\nhello")
        assert answer.count(b"HTTP/1.1") == 1


async def test_a_port_that_is_taken_is_an_os_error_at_once(harness: Any) -> None:
    async with serving(harness) as port:
        with pytest.raises(OSError, match="in use") as caught:
            await harness.server.serve("127.0.0.1", port)
        assert caught.value.errno == errno.EADDRINUSE


async def test_connections_beyond_the_limit_take_the_place_of_idle_ones(open_harness: Any) -> None:
    async with open_harness(Limits(connections=20)) as harness, serving(harness) as port:
        streams = []
        for _ in range(60):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(GET)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
            streams.append(stream)
        for stream in streams[:40]:
            assert await stream.receive_some() == b""
        for stream in streams[40:]:
            await stream.send_all(GET)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
        for stream in streams:
            await stream.aclose()


async def test_serve_returns_after_stop_when_the_last_request_is_answered(harness: Any) -> None:
    done = trio.Event()

    async def serve(task_status: trio.TaskStatus[Any]) -> None:
        await harness.server.serve("127.0.0.1", 0, task_status=task_status)
        done.set()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            ((_, port),) = await nursery.start(serve)
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
            await harness.held.wait()
            harness.server.stop()
            await trio.testing.wait_all_tasks_blocked()
            assert not done.is_set()
            with pytest.raises(OSError, match="all attempts to connect"):
                await trio.open_tcp_stream("127.0.0.1", port)
            harness.hold.set()
            assert b"connection: close" in await stream.receive_some()
            assert await stream.receive_some() == b""
            await stream.aclose()
            await done.wait()


def test_the_soft_limit_of_files_is_raised() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        raise_file_limit()
        raised, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert raised > 1024 or hard == 1024
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
