"""The first pages of a sweep: parents with a changed metafield, before the walk by date.

A changed metafield does not change its parent's date, so the walk by date would miss the parent. The parents are found
once and returned page by page in the order of their ids. `done` is called when the page after the last one is asked
for, because by then the caller has taken all of them. After a restart, the parents are found again and returned from
the first one: an earlier one may have changed since. The walk by date starts with a cursor of its own, so that asking
again for its first page does not find parents again and drop them.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from attrs import define

from daemon.model import ExternalId

CURSOR = "touched:"
WALK = "walk:"
"""Cursor of the walk's first page, if changed parents came before it."""


@define
class ChangedParents:
    """Returns the parents that `find` finds, at most `size` at a time; calls `done` after the last of them."""

    _size: int
    _find: Callable[[], Awaitable[Iterable[object]]]
    _done: Callable[[], Awaitable[None]]
    _found: Sequence[ExternalId] | None = None

    async def page(self, cursor: str | None) -> tuple[Sequence[ExternalId], str] | None:
        """Return the page that `cursor` starts, and the cursor of the next one; None when the walk follows."""
        if cursor is not None and not cursor.startswith(CURSOR):
            return None
        after = cursor.removeprefix(CURSOR) if cursor and self._found is not None else ""
        if cursor is None or self._found is None:
            self._found = sorted((ExternalId(str(parent)) for parent in await self._find()), key=_order)
        part = [parent for parent in self._found if _order(parent) > _order(after)][: self._size]
        if part:
            return part, f"{CURSOR}{part[-1]}"
        await self._done()
        self._found = None
        return None if cursor is None else ([], WALK)


def walk_begins(cursor: str | None) -> bool:
    """Return True if the walk starts at its first page, after `ChangedParents.page` has returned None."""
    return cursor is None or cursor == WALK


def _order(text: str) -> tuple[int, str]:
    """Return the sort key of an id: the order of numbers, because ids have no leading zeros."""
    return len(text), text
