"""What a sweep finds first: things of which a metafield has changed, in pages before the walk by date.

They have no date of their own that would show them. They are found once, and handed out page by page in the order of
their ids; that they need not be found again is noted when the page after the last one is asked for, since all before it
were taken then. After a restart they are found again, and handed out from the first one: what was found before is no
longer known, and one that was handed out may have changed since. The walk by date has a cursor of its own to begin
with: a page of the walk that fails is asked for again, and then nothing is found, noted and left out.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from attrs import define

from daemon.model import ExternalId

CURSOR = "touched:"
WALK = "walk:"
"""The cursor of the walk's first page, when there was something to hand out before."""


@define
class ChangedParents:
    """Hands out what `find` finds, at most `size` at a time; `done` is called after the last of it."""

    _size: int
    _find: Callable[[], Awaitable[Iterable[object]]]
    _done: Callable[[], Awaitable[None]]
    _found: Sequence[ExternalId] | None = None

    async def page(self, cursor: str | None) -> tuple[Sequence[ExternalId], str] | None:
        """Return the page that `cursor` begins, and the cursor of the next one; None when the walk's turn is come."""
        if cursor is not None and not cursor.startswith(CURSOR):
            return None
        after = cursor.removeprefix(CURSOR) if cursor and self._found is not None else ""
        if cursor is None or self._found is None:
            self._found = sorted((ExternalId(str(one)) for one in await self._find()), key=_order)
        part = [one for one in self._found if _order(one) > _order(after)][: self._size]
        if part:
            return part, f"{CURSOR}{part[-1]}"
        await self._done()
        self._found = None
        return None if cursor is None else ([], WALK)


def walk_begins(cursor: str | None) -> bool:
    """Whether the walk is at its beginning when `Touched.page` has returned None."""
    return cursor is None or cursor == WALK


def _order(text: str) -> tuple[int, str]:
    """Return what puts ids in order: those of one sort by their numbers, whose texts have no zeros before them."""
    return len(text), text
