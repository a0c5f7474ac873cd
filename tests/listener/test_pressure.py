"""Slow clients are evicted before quick ones if connections or memory run short, and never during work."""

from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, lockstep_stream_pair, wait_all_tasks_blocked

from daemon.listener.http.limits import Limits

GET = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"
SLOW = GET.replace(b"hello", b"slow")
HEAD = b"POST /echo HTTP/1.1\r\nhost: a\r\n"
SMALL = Limits(connections=3)
KIB = 1024


def half_sent(size: int) -> bytes:
    """Return a request of which half of the body is still to come."""
    return HEAD + b"content-length: %d\r\n\r\n" % (2 * size) + b"x" * size


async def arrive(harness: Any, begun: bytes) -> Any:
    """Connect a client that begins a request, a second before the next."""
    client = harness.connect()
    await client.send(begun)
    await trio.sleep(1)
    return client


@pytest.mark.parametrize("begun", [GET[:9], half_sent(5)], ids=["head", "body"])
async def test_slow_requests_give_way_the_oldest_first(
    autojump_clock: MockClock, open_harness: Any, begun: bytes
) -> None:
    async with open_harness(SMALL) as harness:
        slow = [await arrive(harness, begun) for _ in range(3)]
        for number in range(2):
            newcomer = harness.connect()
            assert (await newcomer.ask(GET)).status == 200
            assert await slow[number].closed()
            await newcomer.stream.aclose()
            await wait_all_tasks_blocked()
            await arrive(harness, begun)
        assert (await slow[2].ask(GET[9:] if begun == GET[:9] else b"x" * 5)).status == 200


async def test_idle_connections_give_way_before_slow_requests(autojump_clock: MockClock, open_harness: Any) -> None:
    async with open_harness(SMALL) as harness:
        slow = await arrive(harness, GET[:9])
        idle = [await arrive(harness, GET) for _ in range(2)]
        assert (await harness.connect().ask(GET)).status == 200
        assert [(await client.read()).status for client in idle] == [200, 200]
        assert await idle[0].closed()
        assert (await idle[1].ask(GET)).status == 200
        assert (await slow.ask(GET[9:])).status == 200


async def test_who_has_just_come_is_waited_for_a_moment(autojump_clock: MockClock, open_harness: Any) -> None:
    async with open_harness(SMALL) as harness:
        slow = [await arrive(harness, GET[:9]) for _ in range(2)]
        silent = harness.connect()
        assert (await harness.connect().ask(GET)).status == 200
        assert await slow[0].closed()
        assert (await silent.ask(GET)).status == 200, "its request was on the way"


async def test_a_connection_that_came_to_rest_meanwhile_goes_before_slow_requests(
    autojump_clock: MockClock, open_harness: Any
) -> None:
    async with open_harness(SMALL) as harness:
        slow = [await arrive(harness, GET[:9]) for _ in range(2)]
        silent = harness.connect()
        await trio.sleep(0.1)
        assert (await harness.connect().ask(GET)).status == 200
        await trio.sleep(2)
        assert (await harness.connect().ask(GET)).status == 200
        assert await silent.closed()
        assert (await slow[1].ask(GET[9:])).status == 200


async def test_who_asked_for_something_meanwhile_is_not_the_next_to_go(
    autojump_clock: MockClock, open_harness: Any
) -> None:
    async with open_harness(SMALL) as harness:
        first, second, third = [await arrive(harness, b"") for _ in range(3)]
        assert (await harness.connect().ask(GET)).status == 200
        assert await first.closed()
        assert (await second.ask(GET)).status == 200
        assert (await harness.connect().ask(GET)).status == 200
        assert await third.closed()
        assert (await second.ask(GET)).status == 200


async def test_clients_that_do_not_take_their_answers_give_way(autojump_clock: MockClock, open_harness: Any) -> None:
    async with open_harness(SMALL) as harness:
        for _ in range(3):
            ours, theirs = lockstep_stream_pair()
            harness.nursery.start_soon(harness.server.handle, theirs)
            await ours.send_all(GET)
        began = trio.current_time()
        assert (await harness.connect().ask(GET)).status == 200
        assert trio.current_time() == began


async def test_what_is_worked_for_does_not_give_way(autojump_clock: MockClock, open_harness: Any) -> None:
    async with open_harness(SMALL) as harness:
        busy = [await arrive(harness, SLOW) for _ in range(2)]
        slow = await arrive(harness, GET[:9])
        for _ in range(3):
            assert (await harness.connect().ask(GET)).status == 200
        assert await slow.closed()
        harness.hold.set()
        assert [(await client.read()).status for client in busy] == [200, 200]


async def test_connections_that_are_turned_away_unread_are_told_of_but_seldom(
    autojump_clock: MockClock, open_harness: Any
) -> None:
    """Each of them may have been a delivery."""
    async with open_harness(SMALL) as harness:
        for _ in range(3):
            await arrive(harness, SLOW)
        assert harness.overruns == []
        for _ in range(20):
            await harness.connect().read()  # a few get a 503, the rest of a flood nothing
        await trio.sleep(1)
        assert 1 <= len(harness.overruns) < 20
        told = len(harness.overruns)
        await trio.sleep(60)
        assert len(harness.overruns) == told
        harness.hold.set()
        await wait_all_tasks_blocked()


async def test_the_largest_unfinished_request_gives_way_when_memory_is_short(
    autojump_clock: MockClock, open_harness: Any
) -> None:
    async with open_harness(Limits(held=100 * KIB)) as harness:
        small, large = await arrive(harness, half_sent(40 * KIB)), await arrive(harness, half_sent(50 * KIB))
        late = await arrive(harness, half_sent(20 * KIB))
        assert await large.closed()
        for client, size in ((small, 40 * KIB), (late, 20 * KIB)):
            assert len((await client.ask(b"x" * size)).body) == 2 * size


async def test_who_alone_holds_too_much_is_told_so(autojump_clock: MockClock, open_harness: Any) -> None:
    async with open_harness(Limits(held=100 * KIB)) as harness:
        client = harness.connect()
        answer = await client.ask(half_sent(200 * KIB))
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert await client.closed()


async def test_memory_is_given_back_however_a_request_ends(autojump_clock: MockClock, open_harness: Any) -> None:
    async with open_harness(Limits(held=130 * KIB)) as harness:
        for _ in range(5):
            answered, gone, late = [await arrive(harness, half_sent(30 * KIB)) for _ in range(3)]
            assert harness.server._held >= 90 * KIB
            assert (await answered.ask(b"x" * 30 * KIB)).status == 200
            await gone.stream.aclose()
            assert (await late.read()).status == 408
            assert await late.closed()
            await late.stream.aclose()
            await answered.stream.aclose()
            await wait_all_tasks_blocked()
            assert harness.server._held == 0


async def test_a_body_counts_while_it_is_worked_with(autojump_clock: MockClock, open_harness: Any) -> None:
    async with open_harness(Limits(held=100 * KIB)) as harness:
        body = b"x" * 80 * KIB
        await arrive(harness, b"GET /slow HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        assert harness.held.is_set()
        newcomer = harness.connect()
        assert (await newcomer.ask(half_sent(40 * KIB))).status == 503
        await newcomer.stream.aclose()
        harness.hold.set()
        await wait_all_tasks_blocked()
        assert harness.server._held == 0


@pytest.mark.parametrize(
    ("start", "most"),
    [(GET[:-2], 99), (HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n", 100)],
    ids=["headers, the host is one of them", "trailers"],
)
async def test_headers_are_counted_since_each_costs_more_than_its_bytes(client: Any, start: bytes, most: int) -> None:
    assert (await client.ask(start + b"a: b\r\n" * most + b"\r\n")).status == 200
    answer = await client.ask(start + b"a: b\r\n" * (most + 1) + b"\r\n")
    assert answer.status == 431
    assert "100 headers" in answer.detail


async def test_where_few_files_may_be_open_fewer_connections_are_served(open_harness: Any) -> None:
    async with open_harness(evolve(SMALL, connections=50)) as harness:
        harness.server._fit_files(100)
        assert harness.server._limits.connections == 50
        harness.server._fit_files(24)
        assert harness.server._limits.connections == 12
