"""The throttle of a server that says nothing: one to four requests at once, one slot kept for live."""

import random
from collections.abc import Callable, Mapping
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from daemon.errors import Side
from daemon.model import Lane
from daemon.transport.throttle import LatencyPolicy, Limiter
from daemon.transport.throttle.latency import FIRST_HOLD, MOST_AT_ONCE, MOST_BACKFILL
from tests.each import each

Latency = Callable[[int], float]

FAST: Mapping[int, float] = {1: 0.1, 2: 0.11, 3: 0.12, 4: 0.13}
"""Seconds of a call to a well-equipped shop."""

IDLE: Mapping[int, float] = {1: 0.65, 2: 1.1, 3: 1.2, 4: 1.35}
BUSY: Mapping[int, float] = {1: 1.05, 2: 2.7, 3: 4.0, 4: 5.3}
"""Seconds for a page of 100 at 1 to 4 requests at once, as measured (woocommerce-more.md, Speed; 3 is between)."""


class Server:
    """A server whose latency depends on the number of requests at once."""

    def __init__(self, latency: Latency, refuses: Callable[[int], bool] = lambda _: False) -> None:
        """Answer 429 whenever `refuses` says so of the number of requests at once."""
        self.policy = LatencyPolicy(jitter=lambda: 0.0)
        self.limiter = Limiter(api="shop", side=Side.PLATFORM, policy=self.policy, concurrency=MOST_AT_ONCE, reserved=1)
        self.latency = latency
        self.refuses = refuses
        self.refused = 0
        self.at_once = 0
        self.most = 0
        self.answered = 0

    async def ask(self, lane: Lane = Lane.BACKFILL) -> float:
        """Send one request, again if it is refused; return its seconds, with the waits for its turns."""
        asked, key = trio.current_time(), object()
        while await self._is_refused(lane, key):
            self.refused += 1
        self.answered += 1
        return trio.current_time() - asked

    async def _is_refused(self, lane: Lane, key: object) -> bool:
        async with self.limiter.turn(lane, key) as turn:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            refused = self.refuses(self.at_once)
            await trio.sleep(self.latency(self.at_once))
            self.at_once -= 1
            turn.observe(*((429, {"retry-after": "1"}) if refused else (200, {})))
        return refused

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


async def test_a_lost_request_leaves_one_slot(autojump_clock: MockClock) -> None:
    server = Server(IDLE.__getitem__)
    await server.pages(200)
    async with server.limiter.turn(Lane.LIVE) as turn:
        await trio.sleep(30)
        turn.lost()
    assert server.policy.at_once == 2
    await trio.sleep(FIRST_HOLD * 40)
    await server.pages(200)
    assert server.policy.at_once == MOST_AT_ONCE


def _by_chance(chance: random.Random, share: float, _at_once: int) -> bool:
    return chance.random() < share


@pytest.mark.parametrize("latency", [FAST, IDLE, BUSY], ids=["fast", "idle", "busy"])
@pytest.mark.parametrize("share", [0.01, 0.02])
async def test_a_share_that_is_refused_at_any_pace_costs_at_most_twice_the_time(
    autojump_clock: MockClock, in_order: None, share: float, latency: Mapping[int, float]
) -> None:
    seconds = []
    for refused in (0.0, share):
        began = trio.current_time()
        server = Server(latency.__getitem__, partial(_by_chance, random.Random(1), refused))
        await server.pages(1000)
        seconds.append(trio.current_time() - began)
    assert seconds[1] <= 2 * seconds[0]


@each("most", [1, 2, 3])
async def test_a_server_that_takes_few_requests_at_once_seldom_refuses(autojump_clock: MockClock, most: int) -> None:
    server, began = Server(FAST.__getitem__, lambda at_once: at_once > most), trio.current_time()
    await server.pages(1000)
    assert server.refused <= 0.02 * 1000
    assert trio.current_time() - began <= 1.1 * 1000 * FAST[most] / most


async def test_a_cancelled_request_is_no_sign_of_overload(autojump_clock: MockClock) -> None:
    server = Server(IDLE.__getitem__)
    await server.pages(200)
    with trio.move_on_after(0.1):
        await server.ask(Lane.LIVE)
    assert server.policy.at_once == MOST_AT_ONCE
