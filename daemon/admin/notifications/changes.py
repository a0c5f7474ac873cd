"""Decides what a receiver has to be told, from what it knows and what holds. Pure.

    known        holds                           does not hold
    nothing      OPENING, once it has lasted     -
    OPENING      OPENING, with its present cause RESOLVING, once that has lasted
    OPEN         OPENING for new issues, or      RESOLVING, once that has lasted
                 once another cause has lasted
    RESOLVING    OPENING, once it has lasted     RESOLVING again
    RESOLVED     OPENING, once it has lasted     -

OPENING and RESOLVING may have reached the receiver or not. So they are sent again until it has answered, and they are
taken back by the opposite, never in silence.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from attrs import evolve

from daemon.admin.notifications.conditions import Condition
from daemon.config.settings import NotificationSettings
from daemon.storage.age import age
from daemon.storage.notifications import Notification
from daemon.storage.states import NotificationState

NEXT: Mapping[tuple[NotificationState | None, bool], NotificationState] = MappingProxyType(
    {
        (None, True): NotificationState.OPENING,
        (NotificationState.OPENING, True): NotificationState.OPENING,
        (NotificationState.RESOLVING, True): NotificationState.OPENING,
        (NotificationState.RESOLVED, True): NotificationState.OPENING,
        (NotificationState.OPENING, False): NotificationState.RESOLVING,
        (NotificationState.OPEN, False): NotificationState.RESOLVING,
        (NotificationState.RESOLVING, False): NotificationState.RESOLVING,
    }
)
"""The message to send, by the receiver's knowledge and whether the condition holds."""

TOLD: Mapping[NotificationState, NotificationState] = MappingProxyType(
    {NotificationState.OPENING: NotificationState.OPEN, NotificationState.RESOLVING: NotificationState.RESOLVED}
)
"""The receiver's knowledge once it has taken a message."""


def to_tell(
    condition: Condition, known: Notification | None, lasted: float, cause_lasted: float, pace: NotificationSettings
) -> NotificationState | None:
    """Return what the receiver has to be told of a condition.

    It has held, or not, for `lasted` seconds, and `cause_lasted` of them with its present cause. `pace` has the seconds
    that it, or its end, lasts before it is told, and those between two digests of issues.
    """
    if condition.holds is None:
        return None
    if known and known.standing is NotificationState.OPEN and condition.holds:
        # A row of an older release has no cause.
        is_other = known.cause not in {None, condition.cause} and cause_lasted >= pace.after_seconds
        return NotificationState.OPENING if is_other else None
    standing = known.standing if known else None
    following = NEXT.get((standing, condition.holds))
    return following if following is standing or lasted >= pace.after_seconds else None


def digest_times(known: Notification | None, now: float, pace: NotificationSettings) -> Iterator[tuple[float, float]]:
    """Yield the opening times (after, until) of issues that may be new to the receiver; none before a digest is due.

    First those of a digest that may have been sent already. The next ones are for when all of its issues are gone.
    """
    until = now - pace.after_seconds
    if known is None:
        yield 0.0, until
        return
    if known.standing is NotificationState.OPENING:
        yield known.told_until, known.telling_until
    if known.told_at is None or age(known.told_at, now) >= pace.digest_seconds:
        yield min(known.told_until, until), until


def to_store(fresh: Notification, before: Notification | None, until: float = 0.0) -> Notification:
    """Return what is stored before a message is sent: `before` if that very message may have been sent already.

    `until` is the end of a digest's opening times, and 0 for everything else.
    """
    if before is None:
        return evolve(fresh, telling_until=until)
    # A row of an older release has no cause.
    same = before.standing is fresh.standing and before.cause in {None, fresh.cause}
    if same and until in {0.0, before.telling_until}:
        return evolve(before, cause=fresh.cause)
    return evolve(fresh, told_at=before.told_at, told_until=before.told_until, telling_until=until or before.told_until)


def taken_by(sent: Notification, now: float) -> Notification:
    """Return what is stored once the receiver has taken a message."""
    # The pause between digests counts from the last digest, not from a recovery after it.
    opening = sent.standing is NotificationState.OPENING
    told_at = now if opening else sent.told_at
    return evolve(sent, standing=TOLD[sent.standing], told_at=told_at, told_until=sent.telling_until)
