"""A failed call is repeated shortly, a few times and within a limit."""

import pytest
import trio
import trio.testing

from daemon.errors import Rejected, Retry
from daemon.transport.http import answered_within, shortly
from daemon.transport.throttle.aside import noticing
from tests.each import each


async def test_shortly_tries_again_after_a_moment(autojump_clock: trio.testing.MockClock) -> None:
    times: list[float] = []

    async def attempt() -> str:
        times.append(trio.current_time())
        if len(times) < 3:
            raise Retry("not yet", reason="http_503", after=2.0)
        return "done"

    assert await shortly(attempt) == "done"
    assert times[1] - times[0] >= 2.0
    assert times[2] - times[0] <= 10.0


async def test_shortly_stands_aside_before_it_tries_again(autojump_clock: trio.testing.MockClock) -> None:
    seen: list[object] = []

    async def attempt() -> None:
        seen.append("tried")
        if len(seen) == 1:
            raise Retry("not yet", reason="http_503")

    with noticing(seen.append):
        await shortly(attempt)
    assert seen == ["tried", True, False, "tried"]


@each(
    ("failure", "attempts"),
    [
        (Retry("x", reason="reset"), 4),
        (Retry("x", reason="http_429", after=5.0), 4),
        (Retry("x", reason="http_429", after=6.0), 1),
        (Rejected("x", reason="http_400"), 1),
        (ValueError("our bug"), 1),
    ],
)
async def test_shortly_gives_up(autojump_clock: trio.testing.MockClock, failure: Exception, attempts: int) -> None:
    made = 0

    async def attempt() -> None:
        nonlocal made
        made += 1
        raise failure

    with pytest.raises(type(failure)) as raised:
        await shortly(attempt, attempts=4)
    assert raised.value is failure
    assert made == attempts


async def test_shortly_ends_in_time(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(Retry) as failure:
        await shortly(trio.sleep_forever, within=7)
    assert (failure.value.reason, trio.current_time() > 0) == ("timeout", True)


@each(
    ("failure", "attempts"),
    [
        (Retry("x", reason="timeout", effect_unknown=True), 1),
        (Retry("x", reason="http_503", after=4.0, effect_unknown=True), 1),
        (Retry("x", reason="reset", effect_unknown=True), 2),
        (Retry("x", reason="http_500", effect_unknown=True), 2),
        (Retry("x", reason="conflict"), 4),
        (Retry("x", reason="http_429", after=5.0), 4),
    ],
)
async def test_shortly_tries_less_often_within_a_limit(
    autojump_clock: trio.testing.MockClock, failure: Exception, attempts: int
) -> None:
    tried = 0

    async def attempt() -> None:
        nonlocal tried
        tried += 1
        raise failure

    with answered_within(2.0), pytest.raises(Retry):
        await shortly(attempt, attempts=4)
    assert tried == attempts
