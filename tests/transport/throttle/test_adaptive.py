import math
import random
from collections import deque
from collections.abc import Callable

import pytest
import trio
import trio.testing

from daemon.errors import Side
from daemon.model import Lane
from daemon.transport.throttle import AdaptivePolicy, Limiter
from daemon.transport.throttle.adaptive import HOLD_REQUESTS, HOLD_SECONDS
from tests.each import each

LATENCY = 0.005


Allows = Callable[[float], bool]


def token_bucket(rate: float, burst: float) -> Allows:
    """Refill `rate` tokens a second, up to `burst`."""
    tokens, last = burst, 0.0

    def allows(now: float) -> bool:
        nonlocal tokens, last
        tokens, last = min(burst, tokens + (now - last) * rate), now
        if tokens < 1 - 1e-9:
            return False
        tokens -= 1
        return True

    return allows


def fixed_window(limit: int, seconds: float) -> Allows:
    """Allow `limit` requests between multiples of `seconds`."""
    counts: dict[int, int] = {}

    def allows(now: float) -> bool:
        window = math.floor(now / seconds)
        if counts.get(window, 0) >= limit:
            return False
        counts[window] = counts.get(window, 0) + 1
        return True

    return allows


def sliding_window(limit: int, seconds: float) -> Allows:
    """Never allow more than `limit` in any `seconds`."""
    allowed: deque[float] = deque()

    def allows(now: float) -> bool:
        while allowed and allowed[0] <= now - seconds:
            allowed.popleft()
        if len(allowed) >= limit:
            return False
        allowed.append(now)
        return True

    return allows


async def push(allows: Allows, requests: int, after: str | None = "1") -> tuple[float, int]:
    """Send each request until the API accepts it; return the seconds taken and the number of 429s."""
    limiter = Limiter(api="test", side=Side.SPARKLAYER, policy=AdaptivePolicy(jitter=random.Random(1).random))
    waiting, began = requests, trio.current_time()
    chance = random.Random(2)

    async def once() -> bool:
        async with limiter.turn(Lane.BACKFILL) as turn:
            await trio.sleep(LATENCY * chance.uniform(0.5, 1.5))
            accepted = allows(trio.current_time() - began)
            refusal = {} if after is None else {"retry-after": after}
            turn.observe(*(200, {}) if accepted else (429, refusal))
            return accepted

    async def worker() -> None:
        nonlocal waiting
        while waiting > 0:
            waiting -= 1
            while not await once():
                pass

    async with trio.open_nursery() as nursery:
        for _ in range(32):
            nursery.start_soon(worker)
    return trio.current_time() - began, limiter.statistics().refused


async def test_an_api_without_a_limit_is_not_held_back(autojump_clock: trio.testing.MockClock) -> None:
    seconds, refused = await push(lambda _now: True, 10_000)
    bound = 10_000 * LATENCY / 6
    assert refused == 0
    assert seconds < bound + 1.0


@pytest.mark.parametrize(
    ("api", "most", "after"),
    [
        (lambda: token_bucket(20, 20), 1.1, "1"),
        (lambda: token_bucket(20, 20), 1.1, None),
        (lambda: token_bucket(20, 20), 1.1, "0"),
        (lambda: fixed_window(20, 1), 1.15, None),
        (lambda: sliding_window(20, 1), 1.25, "0"),
    ],
    ids=["token bucket", "token bucket that names no wait", "token bucket that names none", "fixed", "sliding"],
)
async def test_a_hidden_limit_is_found_and_used(
    autojump_clock: trio.testing.MockClock, api: Callable[[], Allows], most: float, after: str | None
) -> None:
    requests = 3000
    seconds, refused = await push(api(), requests, after)
    assert seconds < most * requests / 20
    assert refused < 0.01 * requests


@each(("burst", "share"), [(5, 0.01), (20, 0.01), (60, 0.02)])
async def test_a_burst_that_was_saved_up_is_not_taken_for_the_pace(
    autojump_clock: trio.testing.MockClock, burst: int, share: float
) -> None:
    seconds, refused = await push(token_bucket(8, burst), 4000)
    assert seconds < 1.1 * 4000 / 8
    assert refused < share * 4000


def test_a_silence_before_a_search_does_not_dilute_its_pace() -> None:
    """The first requests of a start may wait for a second answer before the others follow."""
    rates = []
    for silence in (0.0, 2.5):
        policy = AdaptivePolicy(jitter=lambda: 0.5)
        for number in range(5):
            policy.accepted(100 + number / 100, 100.0, {})
        began = 100.1 + silence
        for number in range(30):
            now = began + number / 100
            if number < 20:
                policy.accepted(now, began, {})
            else:
                policy.refused(now, began, {}, None)
        rates.append(rate_of(policy))
    assert rates[1] > 0.75 * rates[0]


async def test_a_limit_that_falls_and_is_lifted_again_is_followed(autojump_clock: trio.testing.MockClock) -> None:
    fast, slow = token_bucket(200, 20), token_bucket(20, 20)
    seconds, _refused = await push(lambda now: slow(now) if 30 < now < 60 else fast(now), 20_000)
    assert seconds < 30 + 30 + 14_000 / 200 + 120


def test_one_event_costs_once_and_its_ceiling_is_held_for_thirty_seconds() -> None:
    policy, event = found()
    ceiling = rate_of(policy)
    assert ceiling * HOLD_SECONDS > HOLD_REQUESTS
    settle(policy, event + 0.01, until=event + HOLD_SECONDS - 0.1)
    assert rate_of(policy) == ceiling
    settle(policy, event + HOLD_SECONDS, until=event + HOLD_SECONDS + 2)
    assert rate_of(policy) > ceiling


def test_one_refusal_alone_lowers_no_rate() -> None:
    policy, event = found()
    ceiling = rate_of(policy)
    settle(policy, event + 0.01, until=event + 10)
    policy.refused(event + 10, event + 10, {}, 600.0)
    assert rate_of(policy) == ceiling
    assert policy.wait(event + 11, Lane.BACKFILL, 0) == 0


def test_a_slow_ceiling_is_held_for_so_many_requests_that_a_probe_costs_few_of_them() -> None:
    policy, event = found(every=0.2)
    seconds = HOLD_REQUESTS / rate_of(policy)
    assert seconds > 2 * HOLD_SECONDS
    ceiling = rate_of(policy)
    settle(policy, event + 1.0, until=event + seconds - 1.0)
    assert rate_of(policy) == ceiling
    settle(policy, event + seconds, until=event + seconds + 2)
    assert rate_of(policy) > ceiling


def found(every: float = 0.0) -> tuple[AdaptivePolicy, float]:
    """Return a policy after a fall from doubling and a fall from a probe, and the time of the second fall.

    Its requests are at least `every` seconds apart.
    """
    policy = AdaptivePolicy(jitter=lambda: 0.0)
    rough = settle(policy, 0.0, until=0.5 + 5 * every, every=every)
    refuse(policy, rough)
    ceiling, event = rate_of(policy), rough
    while rate_of(policy) <= 1.3 * ceiling:
        event = settle(policy, event + 0.01, until=event + 0.5, every=every)
    refuse(policy, event)
    return policy, event


def refuse(policy: AdaptivePolicy, now: float) -> None:
    for _ in range(8):
        policy.refused(now, now, {}, 0.0)


def rate_of(policy: AdaptivePolicy) -> float:
    rate = policy.numbers(0.0).rate
    assert rate is not None
    return rate


def settle(policy: AdaptivePolicy, now: float, until: float, every: float = 0.0) -> float:
    """Send accepted requests as fast as the policy allows, but at least `every` seconds apart."""
    while now < until:
        wait = policy.wait(now, Lane.BACKFILL, 0)
        if wait:
            now += wait
            continue
        policy.granted(now)
        policy.accepted(now, now, {})
        now += every
    return now


def test_a_rate_that_nobody_uses_does_not_grow() -> None:
    policy = AdaptivePolicy()
    for second in range(100):
        assert policy.wait(float(second), Lane.LIVE, 0) == 0
        policy.granted(float(second))
        policy.accepted(float(second), float(second), {})
    assert policy.numbers(100.0).rate == 10.0


def test_being_refused_before_anything_was_accepted_says_nothing_of_a_ceiling() -> None:
    policy = AdaptivePolicy(jitter=lambda: 0.0)
    for _ in range(8):
        policy.granted(5.0)
        policy.refused(5.0, 5.0, {}, 3.0)
    assert policy.numbers(5.0).ceiling is None
    assert policy.wait(5.0, Lane.LIVE, 0) == 3.0
