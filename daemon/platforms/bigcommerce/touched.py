"""What a sweep finds first: things of which a metafield has changed, in pages before the walk by date.

They have no date of their own that would show them. They are found once, and handed out page by page; that they need
not be found again is noted when the page after the last one is asked for, since all before it were taken then.
"""

from collections.abc import Awaitable, Callable, Sequence

from attrs import define, field

from daemon.model import ExternalId

CURSOR = "touched:"


@define
class Touched:
    """Hands out what `find` finds, at most `size` at a time; `done` is called after the last of it."""

    _size: int
    _find: Callable[[], Awaitable[Sequence[ExternalId]]]
    _done: Callable[[], Awaitable[None]]
    _found: Sequence[ExternalId] = field(factory=list)

    async def page(self, cursor: str | None) -> tuple[Sequence[ExternalId], str] | None:
        """Return the page that `cursor` begins, and the cursor of the next one; None when the walk's turn is come."""
        if cursor is None:
            place, self._found = 0, await self._find()
        elif cursor.startswith(CURSOR):
            place = int(cursor.removeprefix(CURSOR))
        else:
            return None
        part = self._found[place : place + self._size]
        if part:
            return part, f"{CURSOR}{place + self._size}"
        await self._done()
        return None


def walk_begins(cursor: str | None) -> bool:
    """Whether the walk is at its beginning when `Touched.page` has returned None."""
    return cursor is None or cursor.startswith(CURSOR)
