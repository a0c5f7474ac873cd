"""Limits of time and of number, on MockClock: slow senders, idle connections, too many of them, and the end."""

from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, lockstep_stream_pair, wait_all_tasks_blocked

from daemon.listener.http.limits import Limits
from daemon.listener.http.server import TICK

GET = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"
SLOW = GET.replace(b"hello", b"slow")
SMALL = Limits(connections=3)


@pytest.mark.parametrize("begun", [b"G", GET[:-2], b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nabc"])
async def test_a_request_that_does_not_arrive_in_time_is_408(
    autojump_clock: MockClock, client: Any, begun: bytes
) -> None:
    began = trio.current_time()
    answer = await client.ask(begun)
    assert answer.status == 408
    assert answer.headers["connection"] == "close"
    assert 10 <= trio.current_time() - began <= 10 + 2 * TICK
    assert await client.closed()


async def test_trickling_does_not_buy_time(autojump_clock: MockClock, client: Any) -> None:
    began = trio.current_time()
    with trio.move_on_after(60) as patience:
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def trickle() -> None:
                for byte in b"GET /hello HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 100:
                    await client.send(bytes([byte]))
                    await trio.sleep(1)

            assert (await client.read()).status == 408
            nursery.cancel_scope.cancel()
    assert not patience.cancelled_caught
    assert 10 <= trio.current_time() - began <= 10 + 2 * TICK


async def test_the_time_of_a_request_begins_with_its_first_byte(autojump_clock: MockClock, client: Any) -> None:
    await trio.sleep(60)
    assert (await client.ask(GET)).status == 200
    await trio.sleep(60)
    await client.send(GET[:5])
    await trio.sleep(9)
    assert (await client.ask(GET[5:])).status == 200


@pytest.mark.parametrize("first", [b"", GET, b"\r\n"], ids=["silent", "kept alive", "blank"])
async def test_an_idle_connection_is_closed_silently(autojump_clock: MockClock, client: Any, first: bytes) -> None:
    if first == GET:
        await client.ask(GET)
    else:
        await client.send(first)
    began = trio.current_time()
    assert await client.closed()
    assert 75 <= trio.current_time() - began <= 75 + 2 * TICK


async def test_blank_lines_do_not_keep_a_connection(autojump_clock: MockClock, client: Any) -> None:
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def blank() -> None:
            while True:
                await client.send(b"\r\n")
                await trio.sleep(5)

        assert await client.closed()
        nursery.cancel_scope.cancel()
    assert trio.current_time() <= 80


async def test_a_handler_may_take_longer_than_every_limit(autojump_clock: MockClock, client: Any, harness: Any) -> None:
    await client.send(SLOW)
    await trio.sleep(1000)
    harness.hold.set()
    assert (await client.read()).status == 200


async def test_an_answer_that_is_not_taken_is_cut_off(autojump_clock: MockClock, open_harness: Any) -> None:
    async with open_harness() as harness:
        ours, theirs = lockstep_stream_pair()
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(harness.server.handle, theirs)
                await ours.send_all(GET)
        assert trio.current_time() >= harness.limits.send_seconds


async def test_a_client_that_never_stops_sending_is_cut_off_after_its_answer(
    autojump_clock: MockClock, client: Any
) -> None:
    assert (await client.ask(b"rubbish\r\n\r\n")).status == 400
    began = trio.current_time()

    async def chatter() -> None:
        while True:
            await client.send(b"more")
            await trio.sleep(0.5)

    with pytest.raises(trio.BrokenResourceError):
        await chatter()
    assert trio.current_time() - began <= 6


async def test_at_the_limit_the_longest_idle_connection_makes_room(
    autojump_clock: MockClock, open_harness: Any
) -> None:
    async with open_harness(SMALL) as harness:
        clients = []
        for _ in range(3):
            clients.append(harness.connect())
            await trio.sleep(1)
        await clients[0].ask(GET)  # now the second is the longest idle
        newcomer = harness.connect()
        assert (await newcomer.ask(GET)).status == 200
        assert await clients[1].closed()
        for client in (clients[0], clients[2]):
            assert (await client.ask(GET)).status == 200


async def test_at_the_limit_with_all_busy_the_newcomer_is_503(autojump_clock: MockClock, open_harness: Any) -> None:
    async with open_harness(evolve(SMALL, connections=10)) as harness:
        busy = [harness.connect() for _ in range(10)]
        for client in busy:
            await client.send(SLOW)
        await wait_all_tasks_blocked()
        newcomer = harness.connect()
        answer = await newcomer.read()
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert await newcomer.closed()
        harness.hold.set()
        for client in busy:
            assert (await client.read()).status == 200
        assert (await harness.connect().ask(GET)).status == 200


async def test_a_flood_beyond_the_limit_is_dropped_without_an_answer(
    autojump_clock: MockClock, open_harness: Any
) -> None:
    async with open_harness(evolve(SMALL, connections=10)) as harness:
        for client in [harness.connect() for _ in range(10)]:
            await client.send(SLOW)
        await wait_all_tasks_blocked()
        told, dropped = harness.connect(), harness.connect()
        answers = [await told.read(), await dropped.read()]
        assert sorted(answer is None for answer in answers) == [False, True]


async def test_stopping_closes_the_idle_and_finishes_what_is_in_flight(autojump_clock: MockClock, harness: Any) -> None:
    idle, begun, busy = harness.connect(), harness.connect(), harness.connect()
    await idle.ask(GET)
    await begun.send(GET[:10])
    await busy.send(SLOW + GET)
    await harness.held.wait()
    harness.server.stop()
    assert await idle.closed()
    assert (await begun.ask(GET[10:])).headers["connection"] == "close"
    harness.hold.set()
    assert (await busy.read()).headers["connection"] == "close"
    assert await busy.closed()
    assert await begun.closed()
