import math
import random
from collections import deque

import pytest
import trio
import trio.testing

from daemon.errors import Blocked, Retry, Side
from daemon.model import Lane
from daemon.transport.throttle import AdaptivePolicy, Breaker, Limiter, Policy, WindowPolicy
from daemon.transport.throttle.adaptive import SLOWEST_RATE
from daemon.transport.throttle.limiter import TOO_LATE
from tests.each import each


def limiter_with(policy: Policy | None = None, **settings: object) -> Limiter:
    return Limiter(api="test", side=Side.PLATFORM, policy=policy or WindowPolicy(), **settings)  # type: ignore[arg-type]


async def hold(limiter: Limiter, lane: Lane, release: trio.Event, log: list[Lane] | None = None) -> None:
    async with limiter.turn(lane) as turn:
        if log is not None:
            log.append(lane)
        await release.wait()
        turn.observe(200, {})


async def test_never_more_turns_than_allowed_and_backfill_leaves_some_to_live() -> None:
    limiter, release = limiter_with(concurrency=8), trio.Event()
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(hold, limiter, Lane.BACKFILL, release)
        await trio.testing.wait_all_tasks_blocked()
        assert limiter.statistics().in_flight == 6
        for _ in range(5):
            nursery.start_soon(hold, limiter, Lane.LIVE, release)
        await trio.testing.wait_all_tasks_blocked()
        statistics = limiter.statistics()
        assert statistics.in_flight == 8
        assert statistics.waiting == {Lane.LIVE: 3, Lane.BACKFILL: 14}
        release.set()
    assert limiter.statistics().granted == 25
    assert limiter.statistics().in_flight == 0


async def test_how_long_the_first_in_line_has_waited_is_seen(autojump_clock: trio.testing.MockClock) -> None:
    limiter, release = limiter_with(concurrency=1), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, limiter, Lane.LIVE, release)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(2):
            nursery.start_soon(hold, limiter, Lane.BACKFILL, release)
            await trio.sleep(5)
        assert limiter.statistics().oldest == {Lane.LIVE: 0.0, Lane.BACKFILL: pytest.approx(10)}
        release.set()
    assert set(limiter.statistics().oldest.values()) == {0.0}


async def test_live_goes_first_and_backfill_gets_one_turn_in_nine() -> None:
    limiter, release = limiter_with(concurrency=1), trio.Event()
    log: list[Lane] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, limiter, Lane.LIVE, release)
        await trio.testing.wait_all_tasks_blocked()
        for lane in [Lane.BACKFILL] * 4 + [Lane.LIVE] * 24:
            nursery.start_soon(hold, limiter, lane, release, log)
        await trio.testing.wait_all_tasks_blocked()
        release.set()
    assert log == ([Lane.LIVE] * 8 + [Lane.BACKFILL]) * 3 + [Lane.BACKFILL]


@each("lane", Lane)
async def test_requests_with_an_end_go_first_in_their_order(lane: Lane) -> None:
    limiter, release = limiter_with(concurrency=1), trio.Event()
    log: list[str] = []

    async def request(name: str, lane: Lane, before: float = math.inf) -> None:
        async with limiter.turn(lane, before=before) as turn:
            log.append(name)
            turn.observe(200, {})

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, limiter, Lane.LIVE, release)
        await trio.testing.wait_all_tasks_blocked()
        for other in Lane:
            nursery.start_soon(request, other.name, other, math.inf)
        await trio.testing.wait_all_tasks_blocked()
        for name in ("first", "second"):
            nursery.start_soon(request, name, lane, trio.current_time() + 2)
            await trio.testing.wait_all_tasks_blocked()
        release.set()
    assert log == ["first", "second", Lane.LIVE.name, Lane.BACKFILL.name]


async def test_a_request_that_gets_no_turn_in_time_is_not_sent(autojump_clock: trio.testing.MockClock) -> None:
    limiter, release = limiter_with(concurrency=1), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, limiter, Lane.LIVE, release)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Retry) as late:
            async with limiter.turn(Lane.LIVE, before=2.0):
                raise AssertionError("it is too late")
        assert (late.value.reason, trio.current_time()) == (TOO_LATE, 2.0)
        assert limiter.statistics().waiting[Lane.LIVE] == 0
        release.set()
    with pytest.raises(Retry):
        async with limiter.turn(Lane.LIVE, before=trio.current_time()):
            raise AssertionError("it is too late")
    assert limiter.statistics().in_flight == 0


async def test_a_request_held_back_for_longer_than_its_time_is_given_back_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limiter = limiter_with(AdaptivePolicy())
    async with limiter.turn(Lane.LIVE, "it") as turn:
        turn.observe(429, {"retry-after": "3"})
    with pytest.raises(Retry) as back:
        async with limiter.turn(Lane.LIVE, "it", before=trio.current_time() + 2):
            raise AssertionError("it is held back")
    assert (back.value.reason, back.value.after, trio.current_time()) == ("http_429", 3.0, 0.0)


class SlowestPolicy(AdaptivePolicy):
    """Stays at the slowest rate."""

    def _grow(self, now: float) -> None:
        pass


async def test_at_the_slowest_pace_every_request_that_follows_another_leaves_in_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limiter = limiter_with(SlowestPolicy(rate=SLOWEST_RATE), concurrency=8)
    gaps: list[float] = []

    async def read_and_write(lane: Lane) -> None:
        async with limiter.turn(lane) as turn:
            await trio.sleep(3)
            turn.observe(200, {})
        read_at = trio.current_time()
        async with limiter.turn(lane, before=read_at + 2):
            gaps.append(trio.current_time() - read_at)
            await trio.sleep(3)

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            for lane in Lane:
                nursery.start_soon(read_and_write, lane)
    assert len(gaps) == 40
    assert trio.current_time() > 75, "two requests of 40 callers, one a second"


async def test_a_cancelled_waiter_leaves_no_trace_and_the_next_one_goes() -> None:
    limiter, release = limiter_with(concurrency=1), trio.Event()
    done: list[Lane] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, limiter, Lane.LIVE, release)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as waiters:
            for _ in range(3):
                waiters.start_soon(hold, limiter, Lane.LIVE, release)
            await trio.testing.wait_all_tasks_blocked()
            waiters.cancel_scope.cancel()
        assert limiter.statistics().waiting[Lane.LIVE] == 0
        nursery.start_soon(hold, limiter, Lane.LIVE, release, done)
        release.set()
    assert done == [Lane.LIVE]


async def test_a_waiter_cancelled_in_the_instant_it_is_granted_gives_its_turn_back() -> None:
    limiter, release = limiter_with(concurrency=1), trio.Event()
    log: list[Lane] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, limiter, Lane.LIVE, release)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as waiter:
            waiter.start_soon(hold, limiter, Lane.LIVE, release, log)
            await trio.testing.wait_all_tasks_blocked()
            waiter.cancel_scope.cancel()
            release.set()
    assert log == []
    assert limiter.statistics().in_flight == 0


async def test_a_turn_cut_short_is_given_back_and_teaches_nothing() -> None:
    limiter = limiter_with(breaker=Breaker(failures=1))
    with trio.CancelScope() as scope:
        async with limiter.turn(Lane.LIVE):
            scope.cancel()
            await trio.lowlevel.checkpoint()
    statistics = limiter.statistics()
    assert (statistics.in_flight, statistics.breaker) == (0, "closed")


async def test_an_open_breaker_sends_everyone_away_also_those_who_wait(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limiter = limiter_with(concurrency=1, breaker=Breaker(failures=1, pause=5))
    sent_away: list[tuple[Side, str, float | None]] = []

    async def wait() -> None:
        try:
            async with limiter.turn(Lane.BACKFILL) as turn:
                turn.observe(200, {})
        except Blocked as blocked:
            sent_away.append((blocked.side, blocked.reason, blocked.after))

    async with trio.open_nursery() as nursery:
        async with limiter.turn(Lane.LIVE) as turn:
            for _ in range(3):
                nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            turn.lost()
        nursery.start_soon(wait)
    assert sent_away == [(Side.PLATFORM, "breaker_open", 5.0)] * 4
    assert limiter.statistics().breaker == "open"
    await trio.sleep(5)
    async with limiter.turn(Lane.LIVE) as turn:
        assert limiter.statistics().breaker == "half_open"
        await wait()
        turn.observe(200, {})
    assert len(sent_away) == 5
    await wait()
    assert len(sent_away) == 5
    assert limiter.statistics().opened == 1


@each(("status", "state"), [(500, "open"), (503, "open"), (404, "closed"), (429, "closed")])
async def test_only_5xx_and_lost_requests_open_the_breaker(status: int, state: str) -> None:
    limiter = limiter_with(breaker=Breaker(failures=1))
    async with limiter.turn(Lane.LIVE) as turn:
        turn.observe(status, {})
    assert limiter.statistics().breaker == state


async def test_a_date_in_retry_after_is_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    limiter = limiter_with(AdaptivePolicy())
    headers = {"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT", "date": "Mon, 23 Nov 2026 12:00:00 GMT"}
    for _ in range(5):
        async with limiter.turn(Lane.LIVE) as turn:
            turn.observe(429, headers)
    began = trio.current_time()
    async with limiter.turn(Lane.LIVE) as turn:
        turn.observe(200, {})
    assert trio.current_time() - began == pytest.approx(30)
    assert limiter.statistics().refused == 5
    assert limiter.statistics().waited == pytest.approx(30, abs=0.5)


class Store:
    """An API with a quota per window, shared with other apps; it records overruns."""

    def __init__(self, chance: random.Random, quota: int, window: float) -> None:
        self.chance, self.quota, self.window = chance, quota, window
        self.used: dict[int, int] = {}
        self.refused = 0

    def answer(self, *, others: bool) -> tuple[int, dict[str, str]]:
        now = trio.current_time()
        number = int(now // self.window)
        taken = self.chance.randrange(2) if others else 0
        used = self.used.get(number, 0) + 1 + taken
        self.used[number] = used
        reset = round(((number + 1) * self.window - now) * 1000)
        headers = {
            "x-rate-limit-requests-left": str(max(0, self.quota - used)),
            "x-rate-limit-requests-quota": str(self.quota),
            "x-rate-limit-time-reset-ms": str(reset),
            "x-rate-limit-time-window-ms": str(round(self.window * 1000)),
        }
        self.refused += used > self.quota
        return (429 if used > self.quota else 200), headers


@each("seed", range(12))
async def test_random_runs_lose_no_wake_up_and_keep_within_quota_and_concurrency(
    autojump_clock: trio.testing.MockClock, seed: int
) -> None:
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    others = seed % 2 == 1
    store = Store(chance, quota=chance.randrange(40, 200), window=10.0)
    limiter = limiter_with(WindowPolicy(jitter=chance.random), concurrency=chance.randrange(2, 9))
    most, in_flight, served = limiter._concurrency, 0, deque[Lane]()

    async def request(lane: Lane) -> None:
        nonlocal in_flight
        await trio.sleep(chance.random() * 60)
        with trio.move_on_after(chance.choice([0.01, 3, 1e6])):
            async with limiter.turn(lane) as turn:
                in_flight += 1
                assert in_flight <= most
                try:
                    await trio.sleep(chance.random() * 0.3)
                    turn.observe(*store.answer(others=others))
                    served.append(lane)
                finally:
                    in_flight -= 1

    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            for _ in range(600):
                nursery.start_soon(request, chance.choice(list(Lane)))
    statistics = limiter.statistics()
    assert statistics.in_flight == 0
    assert not any(statistics.waiting.values())
    assert {Lane.LIVE, Lane.BACKFILL} <= set(served)
    if not others:
        assert store.refused == 0


async def test_a_limiter_behind_another_takes_that_ones_turns_as_backfill() -> None:
    limiter, behind, release = limiter_with(concurrency=8), limiter_with(), trio.Event()
    behind.stay_behind(limiter)
    async with trio.open_nursery() as nursery:
        for _ in range(9):
            nursery.start_soon(hold, behind, Lane.LIVE, release)
        await trio.testing.wait_all_tasks_blocked()
        statistics = limiter.statistics()
        assert (statistics.in_flight, statistics.waiting) == (6, {Lane.LIVE: 0, Lane.BACKFILL: 3})
        assert behind.statistics().waiting == statistics.waiting
        nursery.start_soon(hold, limiter, Lane.LIVE, release)
        await trio.testing.wait_all_tasks_blocked()
        assert limiter.statistics().in_flight == 7, "live work does not wait for it"
        release.set()
    assert limiter.statistics().in_flight == 0
