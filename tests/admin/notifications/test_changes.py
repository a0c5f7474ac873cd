"""The decision what to tell: a receiver that answers in the end knows what holds, and never hears a thing twice."""

from itertools import pairwise

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from daemon.admin.notifications.changes import NEXT, TOLD, digest_times, taken_by, to_store, to_tell
from daemon.admin.notifications.conditions import Condition, Event
from daemon.config.settings import NotificationSettings
from daemon.model import ConnectionId
from daemon.storage.notifications import Notification
from daemon.storage.states import NotificationState

PACE = NotificationSettings(after_seconds=60.0, digest_seconds=900.0)
KNOWN = Notification(
    connection_id=ConnectionId(1),
    receiver="webhook",
    event="parked",
    standing=NotificationState.OPEN,
    message_id="msg_0",
)


def condition(*, holds: bool | None, cause: str | None = None) -> Condition:
    return Condition(event=Event.PARKED, holds=holds, cause=cause)


def test_the_table_has_every_state_from_which_something_is_told() -> None:
    silent = {(None, False), (NotificationState.RESOLVED, False), (NotificationState.OPEN, True)}
    assert NEXT.keys() | silent == {
        (standing, holds) for standing in (None, *NotificationState) for holds in (True, False)
    }
    assert NEXT.keys() & silent == set()
    assert set(NEXT.values()) == set(TOLD)


Steps = st.lists(
    st.tuples(st.sampled_from([True, False, None]), st.sampled_from([0.0, 59.0, 60.0]), st.booleans(), st.booleans())
)


@given(Steps, st.booleans())
def test_a_receiver_that_answers_in_the_end_knows_what_holds(
    steps: list[tuple[bool | None, float, bool, bool]],
    last: bool,  # noqa: FBT001  hypothesis passes it by place
) -> None:
    """Each step: what holds, how long it has lasted, and of an attempt, if it arrives and if its answer does."""
    known: Notification | None = None
    arrived: list[tuple[str, NotificationState]] = []
    every = [*steps, (last, 60.0, True, True), (last, 60.0, True, True)]
    for number, (holds, seconds, arrives, answered) in enumerate(every):
        standing = to_tell(condition(holds=holds), known, seconds, seconds, PACE)
        if standing is None:
            continue
        known = to_store(evolve(KNOWN, standing=standing, message_id=f"msg_{number}"), known)
        if arrives:
            arrived.append((known.message_id, standing))
        if arrives and answered:
            known = taken_by(known, 0.0)
    distinct = [standing for _, standing in dict.fromkeys(arrived)]
    believes = bool(distinct) and distinct[-1] is NotificationState.OPENING
    assert believes is last
    taken = [first for first, second in pairwise(distinct) if first is second]
    # Two messages of one kind in a row have an attempt between them that may have arrived, and did not.
    assert len(taken) <= sum(not arrives for _, _, arrives, _ in steps)


@given(st.sampled_from([None, *NotificationState]), st.sampled_from([0.0, 59.9]))
def test_nothing_new_is_told_before_it_has_lasted(standing: NotificationState | None, seconds: float) -> None:
    known = evolve(KNOWN, standing=standing) if standing else None
    for holds in (True, False, None):
        told = to_tell(condition(holds=holds), known, seconds, seconds, PACE)
        under_way = standing if standing in TOLD and holds is (standing is NotificationState.OPENING) else None
        assert told is under_way, "only what was under way is sent again, and that at once"


def test_another_cause_is_told_once_it_has_lasted_and_with_another_id() -> None:
    known = evolve(KNOWN, cause="platform: credentials")
    other = condition(holds=True, cause="sparklayer: credentials")
    assert to_tell(other, known, 900.0, 59.9, PACE) is None
    assert to_tell(other, known, 900.0, 60.0, PACE) is NotificationState.OPENING
    assert to_tell(condition(holds=True, cause=known.cause), known, 900.0, 900.0, PACE) is None
    assert to_tell(other, evolve(known, cause=None), 900.0, 900.0, PACE) is None, "stored by an older release"
    fresh = evolve(KNOWN, standing=NotificationState.OPENING, message_id="msg_1", cause=other.cause)
    # Of the first message, which may have arrived, only the same words are sent again under its id.
    for standing in (NotificationState.OPENING, NotificationState.OPEN):
        assert to_store(fresh, evolve(known, standing=standing)).message_id == "msg_1"
    assert taken_by(fresh, 1.0).cause == other.cause
    unknown = evolve(known, standing=NotificationState.OPENING, cause=None)
    assert to_store(fresh, unknown) == evolve(unknown, cause=other.cause), "under its id, now with the cause"


def test_a_digest_waits_for_its_pause_and_not_for_a_clock_that_was_ahead() -> None:
    known = evolve(KNOWN, told_at=1000.0, told_until=940.0)
    assert list(digest_times(known, 1899.0, PACE)) == []
    assert list(digest_times(known, 1900.0, PACE)) == [(940.0, 1840.0)]
    ahead = evolve(KNOWN, told_at=9e9, told_until=9e9)
    assert list(digest_times(ahead, 2000.0, PACE)) == [(1940.0, 1940.0)]


def test_a_repeated_digest_has_the_times_and_the_id_of_the_first_attempt() -> None:
    under_way = evolve(KNOWN, standing=NotificationState.OPENING, told_at=0.0, told_until=10.0, telling_until=500.0)
    first, *later = digest_times(under_way, 2000.0, PACE)
    assert first == (10.0, 500.0)
    fresh = evolve(KNOWN, standing=NotificationState.OPENING, message_id="msg_1")
    assert to_store(fresh, under_way, 500.0) == under_way
    [(_, until)] = later
    following = to_store(fresh, under_way, until)
    assert (following.message_id, following.told_until, following.telling_until) == ("msg_1", 10.0, until)
    assert taken_by(following, 2000.0).told_until == until
