"""Waits of one request, and of a whole API, that an answer asks for."""

import math
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.errors import Retry, Side
from daemon.model import Lane
from daemon.transport.retry_after import LONGEST_WAIT
from daemon.transport.throttle import AdaptivePolicy, Limiter, Policy, WindowPolicy
from daemon.transport.throttle.latency import LatencyPolicy
from tests.each import each

POLICIES = (AdaptivePolicy, LatencyPolicy, WindowPolicy)

LATER = {"retry-after": "Mon, 23 Nov 2994 12:00:00 GMT", "date": "Mon, 23 Nov 2026 12:00:00 GMT"}
TIMESTAMP = {"x-rate-limit-time-reset-ms": "1795914471000"}
USED_UP = {"x-rate-limit-requests-left": "0", "x-rate-limit-requests-quota": "150"}

ABSURD = {
    "milliseconds for seconds": {"retry-after": "60000"},
    "centuries": {"retry-after": "9999999999"},
    "a date": LATER,
    "BigCommerce's own": {"x-retry-after": "60000"},
    "a time for a duration": TIMESTAMP,
    "a time for a duration, and nothing left": TIMESTAMP | USED_UP,
    "a day": {"x-rate-limit-time-reset-ms": "86400000000"} | USED_UP,
    "a window of days": {"x-rate-limit-time-window-ms": "864000000"} | USED_UP,
    "no quota": {"x-rate-limit-requests-left": "0", "x-rate-limit-requests-quota": "0"},
    "less than nothing": {"x-rate-limit-requests-left": "-5", "x-rate-limit-requests-quota": "0"},
    "more than all": {"x-rate-limit-requests-left": "5", "x-rate-limit-requests-quota": "1"} | TIMESTAMP,
}


def limiter_with(policy: type[Policy]) -> Limiter:
    return Limiter(api="test", side=Side.PLATFORM, policy=policy())


async def ask(limiter: Limiter, key: str | None, status: int = 200, headers: dict[str, str] | None = None) -> None:
    async with limiter.turn(Lane.LIVE, key) as turn:
        turn.observe(status, headers or {})


@pytest.mark.holds("D3", "E01")
@each("policy", [*POLICIES])
@each("status", [200, 429])
@each("headers", ABSURD)
async def test_no_answer_silences_an_api_for_more_than_a_quarter_of_an_hour(
    autojump_clock: MockClock, policy: type[Policy], status: int, headers: dict[str, str]
) -> None:
    limiter = limiter_with(policy)
    for key in "ab":
        with trio.fail_after(LONGEST_WAIT + 1):
            await ask(limiter, key, status, headers)
    began = trio.current_time()
    for key in "cd":
        with trio.fail_after(LONGEST_WAIT + 1):
            await ask(limiter, key)
    assert trio.current_time() - began <= LONGEST_WAIT + 31, "and a window, where a quota is told"
    await trio.sleep_until(began + LONGEST_WAIT + 1)
    await ask(limiter, "a")


@pytest.mark.holds("E01")
async def test_after_an_absurd_wait_one_request_tries_alone(autojump_clock: MockClock) -> None:
    limiter, answered = limiter_with(WindowPolicy), trio.Event()
    await ask(limiter, "a", 200, TIMESTAMP | USED_UP)
    began = trio.current_time()

    async def probe() -> None:
        async with limiter.turn(Lane.LIVE, "b") as turn:
            await answered.wait()
            turn.observe(200, {"x-rate-limit-requests-left": "100", "x-rate-limit-requests-quota": "150"})

    async with trio.open_nursery() as nursery:
        nursery.start_soon(probe)
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, limiter, "c")
        assert limiter.statistics().numbers.pause == LONGEST_WAIT
        await trio.sleep(LONGEST_WAIT + 10)
        assert (limiter.statistics().in_flight, limiter.statistics().granted) == (1, 2)
        answered.set()
    assert trio.current_time() - began == pytest.approx(LONGEST_WAIT + 10)
    assert limiter.statistics().numbers.pause is None


LEFT = {name: {"x-rate-limit-requests-left": name, "x-rate-limit-requests-quota": "150"} for name in ("0", "1", "6")}
LONG = {
    "a time for a reset": TIMESTAMP,
    "days for a reset": {"x-rate-limit-time-reset-ms": "864000000"},
    "ten minutes for a reset": {"x-rate-limit-time-reset-ms": "600000"},
    "a time for a window": {"x-rate-limit-time-window-ms": "1795914471000"},
    "a time for both": TIMESTAMP | {"x-rate-limit-time-window-ms": "1795914471000"},
}


@pytest.mark.holds("E01")
@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("asked", LONG.values(), ids=LONG)
@pytest.mark.parametrize("refused", [False, True], ids=["200", "429"])
def test_a_long_wait_for_a_window_shows_and_ends_with_one_request_alone(
    asked: dict[str, str], left: str, lane: Lane, *, refused: bool
) -> None:
    """Also if little is left, of which live uses the rest."""
    policy, headers, now = WindowPolicy(jitter=lambda: 0.5), asked | LEFT[left], 0.0
    for number in range(int(left) + 1):
        headers["x-rate-limit-requests-left"] = str(int(left) - number)
        now += 1.0
        policy.granted(now)
        if refused:
            policy.refused(now, now, headers, None)
        else:
            policy.accepted(now, now, headers)
    shown, over = policy.numbers(now).pause, now
    while seconds := policy.wait(over, lane, 0):  # after a 429 the pause comes first
        over += seconds
    assert LONGEST_WAIT * 0.6 < over - now <= LONGEST_WAIT
    assert shown == pytest.approx(over - now, abs=1)
    _one_goes_alone(policy, over, lane, headers)


@pytest.mark.holds("E01")
@each("policy", [*POLICIES])
def test_a_long_retry_after_shows_and_ends_with_one_request_alone(policy: Callable[[], Policy]) -> None:
    asked, now = policy(), 0.0
    while not asked.numbers(now).pause:
        asked.granted(now)
        asked.refused(now, now, {}, LONGEST_WAIT)
    wait = asked.wait(now, Lane.LIVE, 0)
    assert (wait, asked.numbers(now).pause) == (LONGEST_WAIT, LONGEST_WAIT)
    _one_goes_alone(asked, now + wait, Lane.LIVE, {})


def _one_goes_alone(policy: Policy, now: float, lane: Lane, headers: dict[str, str]) -> None:
    assert policy.wait(now, lane, 0) == 0
    policy.granted(now)
    for other in Lane:
        assert policy.wait(now, other, 1) == math.inf
    policy.accepted(now + 1, now, headers | {"x-rate-limit-requests-left": "140", "x-rate-limit-time-reset-ms": "9000"})
    assert not policy.numbers(now + 1).pause


@pytest.mark.holds("E01")
def test_backfill_that_leaves_the_rest_to_live_for_long_shows() -> None:
    policy = WindowPolicy(jitter=lambda: 0.5)
    policy.accepted(1.0, 0.0, TIMESTAMP | LEFT["6"])
    assert policy.wait(1.0, Lane.LIVE, 0) == 0
    assert policy.numbers(1.0).pause == policy.wait(1.0, Lane.BACKFILL, 0) > LONGEST_WAIT * 0.9


@pytest.mark.holds("D3")
@each("policy", [*POLICIES])
async def test_a_429_holds_back_its_own_request_only(autojump_clock: MockClock, policy: type[Policy]) -> None:
    limiter = limiter_with(policy)
    await ask(limiter, "a", 429, {"retry-after": "600"})
    began = trio.current_time()
    for number in range(19):
        await ask(limiter, f"other {number}")
    assert trio.current_time() - began < 5
    with pytest.raises(Retry) as held:
        await ask(limiter, "a")
    assert held.value.reason == "http_429"
    assert held.value.after == pytest.approx(600, abs=5)
    now = limiter.statistics()
    assert (now.held_back, now.granted) == (1, 20)
    assert now.held_seconds == pytest.approx(600, abs=5)
    await trio.sleep(600)
    await ask(limiter, "a")
    assert limiter.statistics().held_back == 0


@each(("policy", "few"), [(AdaptivePolicy, 4), (LatencyPolicy, 1), (WindowPolicy, 1)])
async def test_crowded_429s_have_the_whole_api_wait(autojump_clock: MockClock, policy: type[Policy], few: int) -> None:
    limiter = limiter_with(policy)
    for refusals in range(few):
        await ask(limiter, f"refused {refusals}", 429, {"retry-after": "60"})
    began = trio.current_time()
    await ask(limiter, "other")
    assert trio.current_time() - began < 5
    for refusals in range(2):
        await ask(limiter, f"refused again {refusals}", 429, {"retry-after": "60"})
    began = trio.current_time()
    await ask(limiter, "another")
    assert trio.current_time() - began >= 60


@each("policy", [*POLICIES])
@each(("status", "headers"), [(200, {}), (502, {}), (429, {}), (429, {"retry-after": "1"})])
async def test_a_late_answer_to_the_same_request_does_not_end_its_wait(
    autojump_clock: MockClock, policy: type[Policy], status: int, headers: dict[str, str]
) -> None:
    limiter, late = limiter_with(policy), trio.Event()

    async def sent_before() -> None:
        async with limiter.turn(Lane.LIVE, "a") as turn:
            await late.wait()
            turn.observe(status, headers)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sent_before)
        await wait_all_tasks_blocked()
        await ask(limiter, "a", 429, {"retry-after": "600"})
        late.set()
    with pytest.raises(Retry) as held:
        await ask(limiter, "a")
    assert held.value.after == pytest.approx(600, abs=5)


@each(("asked", "outcome"), [("3", ("sent", 3)), ("600", ("refused", 0))])
async def test_the_same_request_in_the_queue_waits_too(
    autojump_clock: MockClock, asked: str, outcome: tuple[str, float]
) -> None:
    limiter, answered = Limiter(api="test", side=Side.SPARKLAYER, policy=AdaptivePolicy(), concurrency=1), trio.Event()
    ended: list[tuple[str, float]] = []

    async def first() -> None:
        async with limiter.turn(Lane.LIVE, "a") as turn:
            await answered.wait()
            turn.observe(429, {"retry-after": asked})

    async def second() -> None:
        try:
            await ask(limiter, "a")
        except Retry:
            ended.append(("refused", trio.current_time()))
        else:
            ended.append(("sent", trio.current_time()))

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first)
        await wait_all_tasks_blocked()
        nursery.start_soon(second)
        await wait_all_tasks_blocked()
        answered.set()
    what, seconds = outcome
    assert [said for said, _ in ended] == [what]
    assert ended[0][1] == pytest.approx(began + seconds, abs=0.1)


async def test_a_request_that_was_refused_waits_here_for_a_moment(autojump_clock: MockClock) -> None:
    limiter = limiter_with(AdaptivePolicy)
    await ask(limiter, "a", 429, {"retry-after": "3"})
    began = trio.current_time()
    await ask(limiter, "a")
    assert trio.current_time() - began == pytest.approx(3)


@pytest.mark.holds("E01")
@each("wait", ["3", "60", "9999999999"])
@each("policy", [*POLICIES])
async def test_whoever_waits_is_told_at_once_that_the_process_stops(
    autojump_clock: MockClock, policy: type[Policy], wait: str
) -> None:
    limiter, told = limiter_with(policy), []

    async def one(key: str) -> None:
        with pytest.raises(Retry) as stopped:
            await ask(limiter, key)
        told.append(stopped.value.after)

    for key in "efgab" if policy is AdaptivePolicy else "ab":
        await ask(limiter, key, 429, {"retry-after": wait})
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for key in "abc":
            nursery.start_soon(one, key)
        await wait_all_tasks_blocked()
        limiter.finish()
    await one("d")
    assert trio.current_time() == began
    assert told == [pytest.approx(min(float(wait), LONGEST_WAIT), abs=0.2)] * 4


async def test_the_usual_pace_is_waited_for_also_while_the_process_stops(autojump_clock: MockClock) -> None:
    limiter = limiter_with(AdaptivePolicy)
    limiter.finish()
    for number in range(10):
        await ask(limiter, str(number))
