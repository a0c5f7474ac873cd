"""The throttle of a server that says nothing: one to four requests at once, one slot kept for live."""

from collections.abc import Callable, Mapping

import pytest
import trio
from trio.testing import MockClock

from daemon.errors import Side
from daemon.model import Lane
from daemon.transport.throttle import LatencyPolicy, Limiter
from daemon.transport.throttle.latency import FIRST_HOLD, MOST_AT_ONCE, MOST_BACKFILL

Latency = Callable[[int], float]

IDLE: Mapping[int, float] = {1: 0.65, 2: 1.1, 3: 1.2, 4: 1.35}
BUSY: Mapping[int, float] = {1: 1.05, 2: 2.7, 3: 4.0, 4: 5.3}
"""Seconds for a page of 100 at 1 to 4 requests at once, as measured (woocommerce-more.md, Speed; 3 is between)."""


class Server:
    """A server whose latency depends on the number of requests at once."""

    def __init__(self, latency: Latency) -> None:
        self.policy = LatencyPolicy(jitter=lambda: 0.0)
        self.limiter = Limiter(api="shop", side=Side.PLATFORM, policy=self.policy, concurrency=MOST_AT_ONCE, reserved=1)
        self.latency = latency
        self.at_once = 0
        self.most = 0
        self.answered = 0

    async def ask(self, lane: Lane = Lane.BACKFILL, status: int = 200) -> float:
        """Send one request; return its seconds, with the wait for its turn."""
        asked = trio.current_time()
        async with self.limiter.turn(lane) as turn:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            await trio.sleep(self.latency(self.at_once))
            self.at_once -= 1
            turn.observe(status, {})
        self.answered += 1
        return trio.current_time() - asked

    async def pages(self, count: int) -> None:
        """Read `count` pages with as many tasks as there could be turns."""
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                await self.ask()

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(work)


async def test_an_idle_server_gets_all_slots(autojump_clock: MockClock) -> None:
    server = Server(IDLE.__getitem__)
    await server.pages(200)
    assert (server.policy.at_once, server.most) == (MOST_AT_ONCE, MOST_BACKFILL)


async def test_a_busy_server_gets_one_page_at_a_time(autojump_clock: MockClock) -> None:
    server = Server(BUSY.__getitem__)
    await server.pages(200)
    began = trio.current_time()
    await server.pages(100)
    # Trials of a second slot become rare, so 100 pages cost hardly more than one after the other.
    assert trio.current_time() - began < 100 * BUSY[1] * 1.15


async def test_a_slow_server_never_has_more_than_four_calls_at_once(autojump_clock: MockClock) -> None:
    server = Server(lambda _: 2.0)
    waits: list[float] = []

    async def live() -> None:
        for _ in range(50):
            await trio.sleep(1.3)
            waits.append(await server.ask(Lane.LIVE))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.pages, 200)
        nursery.start_soon(live)
        nursery.start_soon(live)
    assert server.most <= MOST_AT_ONCE
    assert max(waits) <= 4.0  # at most one other live call is before it


async def test_a_live_request_never_waits_for_backfill(autojump_clock: MockClock) -> None:
    server = Server(BUSY.__getitem__)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.pages, 60)
        for _ in range(20):
            await trio.sleep(2.2)
            with trio.fail_after(max(BUSY.values())):
                await server.ask(Lane.LIVE)


async def test_slots_are_given_back_when_the_server_becomes_slow(autojump_clock: MockClock) -> None:
    server = Server(IDLE.__getitem__)
    await server.pages(200)
    server.latency = BUSY.__getitem__
    await server.pages(200)
    began = trio.current_time()
    await server.pages(100)
    assert trio.current_time() - began < 100 * BUSY[1] * 1.15


async def test_a_slot_is_tried_again_when_the_server_has_recovered(autojump_clock: MockClock) -> None:
    server = Server(BUSY.__getitem__)
    await server.pages(100)
    server.latency = IDLE.__getitem__
    await server.pages(600)
    assert server.policy.at_once == MOST_AT_ONCE


@pytest.mark.parametrize("refused", [True, False])
async def test_a_refusal_and_a_lost_request_leave_one_slot(autojump_clock: MockClock, *, refused: bool) -> None:
    server = Server(IDLE.__getitem__)
    await server.pages(200)
    if refused:
        await server.ask(status=429)
    else:
        async with server.limiter.turn(Lane.LIVE) as turn:
            await trio.sleep(30)
            turn.lost()
    assert server.policy.at_once == 2
    numbers = server.limiter.statistics().numbers
    assert (numbers.pause is not None) == refused
    await trio.sleep(FIRST_HOLD * 40)
    await server.pages(200)
    assert server.policy.at_once == MOST_AT_ONCE


async def test_a_cancelled_request_is_no_sign_of_overload(autojump_clock: MockClock) -> None:
    server = Server(IDLE.__getitem__)
    await server.pages(200)
    with trio.move_on_after(0.1):
        await server.ask(Lane.LIVE)
    assert server.policy.at_once == MOST_AT_ONCE
