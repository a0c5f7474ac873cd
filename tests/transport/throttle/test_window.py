import math

import pytest

from daemon.model import Lane
from daemon.transport.throttle import WindowPolicy


def headers(left: int, *, quota: int = 150, reset: float = 30.0, window: float = 30.0) -> dict[str, str]:
    return {
        "x-rate-limit-requests-left": str(left),
        "x-rate-limit-requests-quota": str(quota),
        "x-rate-limit-time-reset-ms": str(round(reset * 1000)),
        "x-rate-limit-time-window-ms": str(round(window * 1000)),
    }


@pytest.fixture
def policy() -> WindowPolicy:
    return WindowPolicy(jitter=lambda: 1.0)


def test_while_nothing_is_known_all_may_go(policy: WindowPolicy) -> None:
    assert policy.wait(0.0, Lane.BACKFILL, 7) == 0
    policy.accepted(0.0, 0.0, {})
    assert policy.wait(0.0, Lane.BACKFILL, 7) == 0


@pytest.mark.parametrize(
    ("left", "in_flight", "lane", "wait"),
    [
        (100, 0, Lane.BACKFILL, 0),
        (11, 0, Lane.BACKFILL, 0),
        (10, 0, Lane.BACKFILL, 2),  # A tenth of the quota is reserved for live while the window lasts.
        (11, 1, Lane.BACKFILL, 2),  # Requests in flight may not be counted yet.
        (1, 0, Lane.BACKFILL, 20),
        (15, 0, Lane.LIVE, 0),
        (1, 0, Lane.LIVE, 0),
        (1, 1, Lane.LIVE, 20),
        (0, 0, Lane.LIVE, 20),
    ],
)
def test_backfill_leaves_a_tenth_of_what_is_still_to_come_to_live(
    policy: WindowPolicy, left: int, in_flight: int, lane: Lane, wait: float
) -> None:
    policy.accepted(10.0, 9.0, headers(left, reset=20))
    assert policy.wait(10.0, lane, in_flight) == wait


def test_at_the_end_of_a_window_nothing_is_kept(policy: WindowPolicy) -> None:
    policy.accepted(0.0, 0.0, headers(15, reset=30))
    gone = []
    now = 0.0
    for left in range(15, 0, -1):
        now += policy.wait(now, Lane.BACKFILL, 0)
        gone.append(now)
        policy.granted(now)
        policy.accepted(now, now, headers(left - 1, reset=30 - now))
    assert gone == pytest.approx([2.0 * number for number in range(1, 16)])


def test_what_others_take_meanwhile_is_left_alone(policy: WindowPolicy) -> None:
    policy.accepted(0.0, 0.0, headers(59, reset=30))
    for second in range(1, 11):  # Others use four per second, and a request travels for half a second.
        assert policy.wait(second - 0.5, Lane.LIVE, 0) == 0
        policy.granted(second - 0.5)
        policy.accepted(float(second), second - 0.5, headers(59 - 5 * second, reset=30 - second))
    assert policy.wait(10.0, Lane.LIVE, 0) == 0
    assert policy.wait(10.0, Lane.LIVE, 1) == math.inf, "at the bottom one goes alone"
    policy.granted(10.0)
    policy.accepted(10.5, 10.0, headers(5, reset=19.5))
    assert policy.wait(10.5, Lane.LIVE, 0) == 19.5, "others will have had it"


def test_what_others_took_since_the_last_answer_is_reckoned_with(policy: WindowPolicy) -> None:
    policy.accepted(0.0, 0.0, headers(150, reset=30))
    policy.granted(9.5)
    policy.accepted(10.0, 9.5, headers(12, reset=20))
    assert policy.wait(10.0, Lane.LIVE, 0) == 20
    policy.accepted(10.1, 9.9, headers(40, reset=19.9))
    assert policy.numbers(10.1).remaining == 12


def test_a_window_without_others_is_used_to_the_last(policy: WindowPolicy) -> None:
    policy.accepted(0.0, 0.0, headers(150, reset=30))
    for number in range(1, 150):
        assert policy.wait(0.1 * number, Lane.LIVE, 0) == 0
        policy.granted(0.1 * number)
        policy.accepted(0.1 * number + 0.05, 0.1 * number, headers(150 - number, reset=30 - 0.1 * number - 0.05))
    assert policy.wait(15.0, Lane.LIVE, 0) == 0
    assert policy.wait(15.0, Lane.LIVE, 1) > 0


@pytest.mark.parametrize(("left", "remaining"), [(30, 0), (100, 98)])
def test_a_429_that_tells_nothing_means_used_up_where_little_was_left(
    policy: WindowPolicy, left: int, remaining: int
) -> None:
    policy.accepted(0.0, 0.0, headers(left))
    policy.refused(1.0, 0.5, {}, None)
    assert policy.numbers(1.0).remaining == left - 1, "one alone concerns its own request"
    policy.refused(1.0, 0.5, {}, None)
    assert policy.numbers(1.0).remaining == remaining


def test_where_nothing_is_ever_told_a_429_tells_the_quota(policy: WindowPolicy) -> None:
    for number in range(40):
        policy.granted(0.1 * number)
        policy.accepted(0.1 * number + 0.05, 0.1 * number, {})
    policy.refused(4.1, 4.0, {}, None)
    policy.refused(4.1, 4.0, {}, None)
    assert policy.numbers(4.1).quota == 40
    assert policy.wait(5.0, Lane.LIVE, 0) == pytest.approx(25.05), "its window began with the first answer"
    now = 30.05
    assert policy.wait(now, Lane.LIVE, 0) == 0
    for _ in range(40):
        policy.granted(now)
        policy.accepted(now, now, {})
    assert policy.wait(now, Lane.LIVE, 0) > 0
    assert policy.wait(now + 30, Lane.LIVE, 0) == 0
    assert policy.numbers(now + 30).quota == 41, "it was not refused, so there may be more"


def test_a_new_window_has_a_whole_quota_until_an_answer_says_otherwise(policy: WindowPolicy) -> None:
    policy.accepted(0.0, 0.0, headers(0, reset=20))
    assert policy.wait(19.0, Lane.LIVE, 0) == 1.0
    assert policy.wait(20.0, Lane.LIVE, 0) == 0.0
    assert policy.numbers(20.0).remaining == 150
    policy.accepted(21.0, 20.0, headers(40, reset=29))  # Others were quicker.
    assert policy.numbers(21.0).remaining == 40


def test_a_window_ends_when_the_answer_says_not_when_we_guessed(policy: WindowPolicy) -> None:
    policy.accepted(0.0, 0.0, headers(0, reset=20))
    assert policy.wait(20.0, Lane.LIVE, 0) == 0.0
    policy.accepted(22.0, 20.0, headers(0, reset=29.5))  # It travelled long; the platform's window began with it.
    assert policy.wait(51.0, Lane.LIVE, 0) == 0.5


def test_answers_that_overtake_each_other_never_raise_what_is_left(policy: WindowPolicy) -> None:
    policy.accepted(1.0, 0.0, headers(90, reset=29))
    policy.accepted(1.1, 0.0, headers(95, reset=28.9))
    assert policy.numbers(1.1).remaining == 90


def test_an_answer_of_the_window_before_says_nothing_of_this_one(policy: WindowPolicy) -> None:
    policy.accepted(0.0, 0.0, headers(5, reset=20))
    policy.wait(20.0, Lane.LIVE, 1)
    policy.accepted(20.1, 19.9, headers(3, reset=0.05))
    assert policy.numbers(20.1).remaining == 149  # It may still have cost one of this window's requests.


def test_a_window_that_began_before_we_noticed_is_believed(policy: WindowPolicy) -> None:
    policy.accepted(2.0, 0.0, headers(5, reset=20))  # Two seconds under way: the window ends at 20, not at 22.
    policy.accepted(20.6, 20.1, headers(148, reset=29.4))
    assert policy.numbers(20.6).remaining == 148
    assert policy.wait(20.6, Lane.BACKFILL, 0) == 0


def test_what_gets_no_numbers_is_taken_off(policy: WindowPolicy) -> None:
    policy.accepted(0.0, 0.0, headers(3))
    policy.lost(1.0, 0.5)
    policy.accepted(1.0, 0.5, {})
    assert policy.numbers(1.0).remaining == 1


@pytest.mark.parametrize(
    ("said", "after", "wait"),
    [
        ({"x-retry-after": "7"}, 7.0, 7.0),
        ({"x-rate-limit-time-reset-ms": "9000"}, 7.0, 9.0),
        ({"x-rate-limit-time-reset-ms": "9000", "x-retry-after": "12"}, 12.0, 12.0),
        (headers(0, reset=11), 4.0, 11.0),
    ],
)
def test_a_429_of_a_used_up_quota_closes_the_gate_for_the_longest_time_asked_for(
    policy: WindowPolicy, said: dict[str, str], after: float | None, wait: float
) -> None:
    policy.refused(100.0, 99.0, said, after)
    assert policy.wait(100.0, Lane.LIVE, 0) == pytest.approx(wait)
    assert policy.wait(100.0, Lane.BACKFILL, 0) == pytest.approx(wait)


@pytest.mark.parametrize("said", [{}, headers(100), {"date": "Mon, 23 Nov 2026 12:00:00 GMT"}])
def test_a_429_that_tells_nothing_of_the_quota_closes_the_gate_once_there_are_two(
    policy: WindowPolicy, said: dict[str, str]
) -> None:
    policy.refused(100.0, 99.0, said, 4.0)
    for _ in range(18):
        assert policy.wait(100.0, Lane.BACKFILL, 0) == 0
        policy.accepted(100.0, 100.0, {})
    policy.refused(100.0, 99.0, said, 4.0)
    assert policy.wait(100.0, Lane.BACKFILL, 0) == pytest.approx(4.0, abs=26.0)
    assert policy.wait(100.0, Lane.LIVE, 0) >= 4.0


def test_after_two_429s_one_request_goes_alone(policy: WindowPolicy) -> None:
    policy.refused(0.0, 0.0, {}, 5.0)
    policy.refused(0.0, 0.0, {}, 5.0)
    assert policy.wait(5.0, Lane.LIVE, 0) == 0
    assert policy.wait(5.0, Lane.LIVE, 1) == math.inf
    policy.accepted(6.0, 5.0, headers(100))
    assert policy.wait(6.0, Lane.LIVE, 1) == 0


def test_under_platform_load_the_pause_grows_once_per_wave_and_ends_with_success(policy: WindowPolicy) -> None:
    now, pauses = 0.0, []
    for _ in range(12):
        for _ in range(6):  # All requests in flight are refused together.
            policy.refused(now, now, {}, None)
        pauses.append(policy.wait(now, Lane.LIVE, 0))
        now += pauses[-1]
    assert pauses == sorted(pauses)
    assert pauses[0] == 0.5
    assert pauses[1] == 1.0
    assert pauses[-1] == 60.0
    policy.accepted(now, now, {})
    for _ in range(2):
        policy.refused(now, now, {}, None)
    assert policy.wait(now, Lane.LIVE, 0) == 0.5


def test_a_quota_of_one_still_lets_backfill_go(policy: WindowPolicy) -> None:
    policy.accepted(0.0, 0.0, headers(1, quota=1))
    assert policy.wait(0.0, Lane.BACKFILL, 0) == 0
