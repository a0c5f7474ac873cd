"""Lists that have fewer rows than BigCommerce itself counts: not believed at first.

A list that answers short, or nothing at all, for a moment must not take away in SparkLayer what it leaves out. Its
owner is then no entity that could be mapped, and is tried again by whoever asked, later each time. What a count means
is nowhere promised, and one may be wrong for good: so a list that has said the same `BELIEVED` times in a row, about a
minute for an entity that is tried again, is believed, until it says something else.

The memory is bounded. When it is full, no list takes the place of another one that is still asked for: with one list
too many, each would lose its place before its next turn. It waits, or is doubted again, until there is a place.
"""

from typing import Generic, TypeVar

from attrs import define, field

from daemon.platforms.bigcommerce.schema import MISCOUNTED, Unreadable

BELIEVED = 8
MOST = 10_000
"""The number of lists whose answers are being counted. More of them wait until others are believed or whole."""

MOST_BELIEVED = 100_000
"""The number of short lists that are remembered as believed. More of them are doubted again at each reading."""

STALE = 100
"""A list that was not told of while `STALE` times as many others came as there are places gives its place away."""

K = TypeVar("K")
V = TypeVar("V")


@define
class _Places(Generic[K, V]):
    """A bounded memory; the entry that was put last is at the end."""

    most: int
    _entries: dict[K, tuple[V, int]] = field(factory=dict)
    _puts: int = 0

    def take(self, key: K) -> V | None:
        """Return what is remembered of a key, and forget it."""
        found = self._entries.pop(key, None)
        return None if found is None else found[0]

    def put(self, key: K, value: V) -> None:
        """Remember a value, if there is a place for it."""
        self._puts += 1
        if len(self._entries) >= self.most:
            oldest = next(iter(self._entries))
            if self._puts - self._entries[oldest][1] <= STALE * self.most:
                return
            del self._entries[oldest]
        self._entries[key] = value, self._puts


@define
class ShortAnswers:
    """What was told of lists that are too short, and how often."""

    _told: _Places[tuple[str, int], tuple[int, int, int]] = field(factory=lambda: _Places(MOST))
    """By what is listed and whose it is: how many are counted, how many listed, and how often that was told."""
    _believed: _Places[int, int] = field(factory=lambda: _Places(MOST_BELIEVED))
    """Hashes only, of what is listed and whose it is, with that of the numbers: a store may have many of them."""

    def about(self, owner: int, what: str, counted: int, listed: int) -> Unreadable | None:
        """Return what stands for `owner` when its list of `what` is not believed; None when it is."""
        key, numbers = (what, owner), hash((counted, listed))
        seen, believed = self._told.take(key), self._believed.take(hash(key))
        if listed >= counted:
            return None
        times = seen[2] + 1 if seen is not None and seen[:2] == (counted, listed) else 1
        if believed == numbers or times >= BELIEVED:
            self._believed.put(hash(key), numbers)
            return None
        self._told.put(key, (counted, listed, times))
        return Unreadable(owner, f"of its {what} there are {counted}, and {listed} are listed", reason=MISCOUNTED)
