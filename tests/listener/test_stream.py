"""A client's socket: what arrives, what does not fit, and a client that is gone."""

import socket
import struct
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from daemon.listener.http.stream import SocketStream

MUCH = bytes(range(256)) * 40_000
"""More than the buffers of both sockets take."""


@pytest.fixture
async def pair() -> AsyncIterator[tuple[SocketStream, trio.SocketStream]]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    theirs = await trio.open_tcp_stream(*listeners[0].socket.getsockname())
    async with listeners[0], await listeners[0].accept() as ours, theirs:
        yield SocketStream(ours), theirs


async def test_it_waits_for_what_arrives_and_sees_the_end(pair: tuple[SocketStream, trio.SocketStream]) -> None:
    ours, theirs = pair
    with trio.move_on_after(0):
        await ours.receive_some(10)
        pytest.fail("nothing was sent")
    await theirs.send_all(b"hello world")
    assert await ours.receive_some(5) == b"hello"
    assert await ours.receive_some(5) == b" worl"
    assert await ours.receive_some() == b"d"
    await theirs.send_eof()
    assert await ours.receive_some(5) == b""


async def test_what_does_not_fit_is_sent_as_the_other_side_reads(pair: tuple[SocketStream, trio.SocketStream]) -> None:
    ours, theirs = pair
    received = bytearray()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def send() -> None:
            await ours.send_all(MUCH)
            await ours.send_all(b"the end")  # after a full buffer, and in its place
            await ours.send_eof()

        async for piece in theirs:
            received += piece
    assert received == MUCH + b"the end"


async def test_sending_into_a_full_buffer_waits(pair: tuple[SocketStream, trio.SocketStream]) -> None:
    ours, _ = pair
    with trio.move_on_after(0.01):
        await ours.send_all(MUCH)
        pytest.fail("nobody reads")
    with trio.move_on_after(0.01):
        await ours.wait_send_all_might_not_block()
        pytest.fail("nobody reads")


async def test_a_client_that_is_gone_is_a_broken_resource(pair: tuple[SocketStream, trio.SocketStream]) -> None:
    ours, theirs = pair
    theirs.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await theirs.aclose()  # a reset
    with pytest.raises(trio.BrokenResourceError):
        await ours.receive_some(5)
    with pytest.raises(trio.BrokenResourceError):
        await ours.send_all(b"anybody?")


async def test_closing_wakes_who_reads(pair: tuple[SocketStream, trio.SocketStream]) -> None:
    ours, _ = pair
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await ours.receive_some(5)

        await trio.testing.wait_all_tasks_blocked()
        await ours.aclose()
