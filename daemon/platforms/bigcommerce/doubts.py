"""Lists that have fewer rows than BigCommerce itself counts: not believed at first.

A list that answers short, or nothing at all, for a moment must not take away in SparkLayer what it leaves out. Its
owner is then no entity that could be mapped, and is tried again by whoever asked, later each time. What a count means
is nowhere promised, and one may be wrong for good: so a list that has said the same `BELIEVED` times in a row, about a
minute for an entity that is tried again, is believed, until it says something else.
"""

from attrs import define, field

from daemon.platforms.bigcommerce.wire import MISCOUNTED, Unreadable

BELIEVED = 8
MOST = 10_000
"""So many lists are remembered; then the oldest one starts anew."""


@define
class Doubts:
    """What was told of lists that are too short, and how often."""

    _told: dict[tuple[str, int], tuple[int, int, int]] = field(factory=dict)
    """By what is listed and whose it is: how many are counted, how many listed, and how often that was told."""

    def about(self, owner: int, what: str, counted: int, listed: int) -> Unreadable | None:
        """Return what stands for `owner` when its list of `what` is not believed; None when it is."""
        seen = self._told.pop((what, owner), None)
        if listed >= counted:
            return None
        times = seen[2] + 1 if seen is not None and seen[:2] == (counted, listed) else 1
        if len(self._told) >= MOST:
            del self._told[next(iter(self._told))]
        self._told[what, owner] = counted, listed, min(times, BELIEVED)
        if times >= BELIEVED:
            return None
        return Unreadable(owner, f"of its {what} there are {counted}, and {listed} are listed", reason=MISCOUNTED)
