import itertools
import random

import pytest

from daemon.transport.throttle.breaker import MOST_SUSPECTS, TRANSITIONS, Breaker, BreakerEvent, BreakerState
from tests.each import each


def state(breaker: Breaker) -> BreakerState:
    return breaker.state  # A call, since mypy assumes that an attribute keeps its narrowed value.


def fail(breaker: Breaker, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        breaker.failed(breaker.begin(), now)


def test_opens_after_so_many_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker(failures=3, pause=5)
    fail(breaker, 2)
    breaker.succeeded(breaker.begin())
    fail(breaker, 2)
    assert state(breaker) is BreakerState.CLOSED
    fail(breaker, 1, now=10.0)
    assert state(breaker) is BreakerState.OPEN
    assert breaker.wait(10.0) == 5.0
    assert breaker.wait(15.0) == 0.0
    assert breaker.opened == 1


def test_after_the_pause_one_goes_and_the_others_wait_for_its_outcome() -> None:
    breaker = Breaker(failures=1, pause=5)
    fail(breaker, 1)
    ticket = breaker.begin()
    assert state(breaker) is BreakerState.HALF_OPEN
    assert breaker.wait(6.0) > 0
    breaker.succeeded(ticket)
    assert breaker.wait(6.0) == 0.0


def test_each_failed_probe_doubles_the_pause_up_to_the_longest_and_success_forgets() -> None:
    breaker = Breaker(failures=1, pause=5, longest=18)
    fail(breaker, 1, now=0.0)
    now, pauses = 0.0, []
    for _ in range(4):
        pauses.append(breaker.wait(now))
        now += pauses[-1]
        fail(breaker, 1, now)
    assert pauses == [5, 10, 18, 18]
    now += breaker.wait(now)
    breaker.succeeded(breaker.begin())
    fail(breaker, 1, now)
    assert breaker.wait(now) == 5


def test_a_probe_that_gives_up_lets_the_next_one_try_at_once() -> None:
    breaker = Breaker(failures=1, pause=5)
    fail(breaker, 1)
    breaker.gave_up(breaker.begin())
    assert state(breaker) is BreakerState.OPEN
    assert breaker.wait(5.0) == 0.0


def test_stragglers_of_an_earlier_state_change_nothing() -> None:
    breaker = Breaker(failures=1, pause=5)
    early = [breaker.begin() for _ in range(3)]
    breaker.failed(early[0], 0.0)
    breaker.succeeded(early[1])
    assert state(breaker) is BreakerState.OPEN
    probe = breaker.begin()
    breaker.succeeded(early[2])
    breaker.failed(early[2], 5.0)
    assert state(breaker) is BreakerState.HALF_OPEN
    breaker.succeeded(probe)
    assert state(breaker) is BreakerState.CLOSED


def fail_as(breaker: Breaker, key: str, now: float = 0.0) -> None:
    breaker.failed(breaker.begin(), now, key)


@pytest.mark.holds("C8", "E09")
def test_two_requests_that_fail_again_and_again_open_nothing() -> None:
    breaker = Breaker(failures=10, pause=5)
    for _ in range(20):
        fail_as(breaker, "one")
        fail_as(breaker, "two")
    assert state(breaker) is BreakerState.CLOSED
    fail_as(breaker, "three")
    assert state(breaker) is BreakerState.OPEN


@pytest.mark.holds("C8", "E09")
def test_what_failed_while_others_succeeded_counts_no_more_until_it_succeeds() -> None:
    breaker, poisoned = Breaker(failures=3, pause=5), ("one", "two", "three", "four")
    for key in poisoned[:2]:
        fail_as(breaker, key)
    breaker.succeeded(breaker.begin(), "well")
    for key in poisoned[2:]:
        fail_as(breaker, key)
    breaker.succeeded(breaker.begin(), "well")
    for key in poisoned * 5:
        fail_as(breaker, key)
    assert state(breaker) is BreakerState.CLOSED
    for key in poisoned:
        breaker.succeeded(breaker.begin(), key)
    for key in poisoned[:3]:
        fail_as(breaker, key)
    assert state(breaker) is BreakerState.OPEN


def test_a_probe_that_failed_before_beside_others_says_nothing() -> None:
    breaker = Breaker(failures=2, pause=5)
    fail_as(breaker, "poisoned")
    breaker.succeeded(breaker.begin(), "well")
    fail_as(breaker, "a")
    fail_as(breaker, "b", now=1.0)
    assert breaker.wait(1.0) == 5.0
    fail_as(breaker, "poisoned", now=6.0)
    assert breaker.wait(6.0) == 0.0, "the next one probes at once"
    fail_as(breaker, "a", now=6.0)
    assert breaker.wait(6.0) == 10.0


def test_only_so_many_suspects_are_remembered() -> None:
    breaker = Breaker(failures=2 * MOST_SUSPECTS)
    for number in range(MOST_SUSPECTS + 1):
        fail_as(breaker, str(number))
    breaker.succeeded(breaker.begin(), "well")
    assert len(breaker._suspects) == MOST_SUSPECTS


def test_the_table_leaves_out_only_what_cannot_happen() -> None:
    impossible = set(itertools.product(BreakerState, BreakerEvent)) - set(TRANSITIONS)
    assert impossible == {
        (BreakerState.OPEN, BreakerEvent.SUCCEEDED),
        (BreakerState.OPEN, BreakerEvent.FAILED),
        (BreakerState.OPEN, BreakerEvent.FAILED_TOO_OFTEN),
        (BreakerState.OPEN, BreakerEvent.GAVE_UP),
        (BreakerState.HALF_OPEN, BreakerEvent.BEGAN),
        (BreakerState.HALF_OPEN, BreakerEvent.FAILED),
    }


@each("seed", range(20))
def test_any_history_keeps_to_the_table_and_can_always_heal(seed: int) -> None:
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    breaker, now, out = Breaker(failures=3, pause=5, longest=60), 0.0, []
    for _ in range(500):
        now += chance.random() * 3
        if breaker.wait(now) == 0.0:
            out.append(breaker.begin())
        if out and chance.random() < 0.7:
            ticket = out.pop(chance.randrange(len(out)))
            outcome = chance.randrange(3)
            if outcome == 0:
                breaker.succeeded(ticket)
            elif outcome == 1:
                breaker.failed(ticket, now)
            else:
                breaker.gave_up(ticket)
    for ticket in out:
        breaker.gave_up(ticket)
    now += breaker.wait(now)
    breaker.succeeded(breaker.begin())
    assert state(breaker) is BreakerState.CLOSED
