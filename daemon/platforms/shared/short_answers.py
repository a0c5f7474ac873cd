"""Lists with fewer rows than the platform counts, and empty ones: doubted at first.

A list that is short or empty for a moment must not remove the omitted rows from SparkLayer. So its owner becomes
`Unreadable` and is tried again, later each time. But the meaning of a count is not documented, and a count may be
permanently wrong. So a list that is the same `BELIEVED` times in a row (about a minute for an entity that is retried)
is believed, until it changes.

The memory is bounded. If it is full, a new list does not replace one that is still asked for: with one list too many,
each would lose its place before its next turn. The new list stays doubted until a place is free.

A list without a count that is unexpectedly empty is asked for twice, because a replica that lags behind answers so too:
the second answer decides. For irreversible steps see `daemon.transport.second_answer`.
"""

from collections.abc import Awaitable, Callable, Sequence, Sized
from typing import Generic, TypeVar

import trio
from attrs import define, field

from daemon.errors import Retry
from daemon.platforms.shared.rows import MISCOUNTED, Unreadable
from daemon.transport.second_answer import SECOND_AFTER

BELIEVED = 8
MOST = 10_000
"""Most lists whose answers are being counted. Further ones wait until others are believed or complete."""

MOST_BELIEVED = 100_000
"""Most short lists remembered as believed. Further ones are doubted again at each reading."""

STALE = 100
"""A list loses its place if it was not read during `STALE` writes for each place."""

K = TypeVar("K")
V = TypeVar("V")
S = TypeVar("S", bound=Sized)
T = TypeVar("T")


@define
class _Places(Generic[K, V]):
    """A bounded memory, the latest entry at the end."""

    most: int
    _entries: dict[K, tuple[V, int]] = field(factory=dict)
    _puts: int = 0

    def take(self, key: K) -> V | None:
        """Remove the value of a key and return it."""
        found = self._entries.pop(key, None)
        return None if found is None else found[0]

    def put(self, key: K, value: V) -> None:
        """Remember a value if there is a place for it."""
        self._puts += 1
        if len(self._entries) >= self.most:
            oldest = next(iter(self._entries))
            if self._puts - self._entries[oldest][1] <= STALE * self.most:
                return
            del self._entries[oldest]
        self._entries[key] = value, self._puts


@define
class ShortAnswers:
    """Short lists, and the number of times that each was the same."""

    _told: _Places[tuple[str, int], tuple[int, int, int]] = field(factory=lambda: _Places(MOST))
    """By list and owner: the number of rows counted, the number listed, and the times that was answered."""
    _believed: _Places[int, int] = field(factory=lambda: _Places(MOST_BELIEVED))
    """Hashes of list and owner, with the hash of the numbers; only hashes, because a store may have many."""

    def about(self, owner: int, what: str, counted: int, listed: int) -> Unreadable | None:
        """Return `Unreadable` for `owner` if its list of `what` is doubted; None if it is believed."""
        key, numbers = (what, owner), hash((counted, listed))
        seen, believed = self._told.take(key), self._believed.take(hash(key))
        if listed >= counted:
            return None
        times = seen[2] + 1 if seen is not None and seen[:2] == (counted, listed) else 1
        if believed == numbers or times >= BELIEVED:
            self._believed.put(hash(key), numbers)
            return None
        self._told.put(key, (counted, listed, times))
        return Unreadable(owner, f"{listed} of its {counted} {what} are listed", reason=MISCOUNTED)


async def listed_or_empty(ask: Callable[[], Awaitable[S]]) -> S:
    """Return the list of `ask`; an empty one only if it is empty twice."""
    rows = await ask()
    if len(rows):
        return rows
    await trio.sleep(SECOND_AFTER)
    return await ask()


async def delete_listed(ask: Callable[[], Awaitable[Sequence[T]]], delete: Callable[[T], Awaitable[object]]) -> None:
    """Delete everything in the list of `ask`. Raises Retry if the list still has any of it afterwards.

    The answer to a deletion proves nothing: a proxy may answer in the place of the API, with any status.
    """
    rows = await listed_or_empty(ask)
    for row in rows:
        await delete(row)
    if rows and await ask():
        raise Retry("What was deleted is still listed", reason="not_deleted")
