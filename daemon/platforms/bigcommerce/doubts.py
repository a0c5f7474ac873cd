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
"""The number of lists whose answers are being counted. More of them wait until others are believed or whole."""

STALE = 100 * MOST
"""A list that was not told of during this number of doubts gives its place to another."""

MOST_BELIEVED = 100_000
"""The number of short lists that are believed; then the oldest one is doubted again."""


@define
class Doubts:
    """What was told of lists that are too short, and how often."""

    _told: dict[tuple[str, int], tuple[int, int, int, int]] = field(factory=dict)
    """By what is listed and whose it is: how many are counted, how many listed, how often that was told, and when."""
    _believed: dict[int, int] = field(factory=dict)
    """Hashes only, of what is listed and whose it is, with that of the numbers: a store may have many of them."""
    _doubted: int = 0

    def about(self, owner: int, what: str, counted: int, listed: int) -> Unreadable | None:
        """Return what stands for `owner` when its list of `what` is not believed; None when it is."""
        key, numbers = (what, owner), hash((counted, listed))
        seen, believed = self._told.pop(key, None), self._believed.pop(hash(key), None)
        if listed >= counted:
            return None
        if believed == numbers:
            self._believe(key, numbers)
            return None
        times = seen[2] + 1 if seen is not None and seen[:2] == (counted, listed) else 1
        if times >= BELIEVED:
            self._believe(key, numbers)
            return None
        self._doubted += 1
        if self._has_place():
            self._told[key] = counted, listed, times, self._doubted
        return Unreadable(owner, f"of its {what} there are {counted}, and {listed} are listed", reason=MISCOUNTED)

    def _believe(self, key: tuple[str, int], numbers: int) -> None:
        if len(self._believed) >= MOST_BELIEVED:
            del self._believed[next(iter(self._believed))]
        self._believed[hash(key)] = numbers

    def _has_place(self) -> bool:
        """Whether one more list can be counted. To drop the oldest for it would starve all when there are too many."""
        if len(self._told) < MOST:
            return True
        oldest = next(iter(self._told))
        if self._doubted - self._told[oldest][3] <= STALE:
            return False
        del self._told[oldest]
        return True
