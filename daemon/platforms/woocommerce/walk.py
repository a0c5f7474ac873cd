"""Walks through a list by id, with an offset, and returns each row exactly once.

The API has no filter for the ids after one, and no cursor. So rows move to lower offsets when others before them are
trashed, and to higher ones when others are restored. Therefore each page begins one row before the end of the last one.
If its first row has a higher id than the last row seen, rows before it have gone, and the walk begins further back.
Rows with lower ids were seen already and are left out. So are rows that were restored behind the walk: they have
changed, so the next sweep brings them.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from itertools import pairwise

from attrs import frozen
from msgspec import Raw

from daemon.errors import Retry
from daemon.model import Lane
from daemon.platforms.shared.page_size import PageSize
from daemon.platforms.shared.rows import read_id, with_ids
from daemon.platforms.woocommerce.client import Client, Listed
from daemon.transport.http import shortly

ORDER = {"orderby": "id", "order": "asc"}

ONLY_IDS = {"_fields": "id"}

OVERLAP = 1
"""Rows of a page that the next one begins with."""

Ask = Callable[[dict[str, str]], Awaitable[Listed]]
"""Reads a page of the list; receives the parameters of its place."""


def asks_for(client: Client, path: str, query: Mapping[str, str], lane: Lane = Lane.BACKFILL) -> Ask:
    """Return the function that reads a page of a list."""

    async def ask(place: dict[str, str]) -> Listed:
        return await client.page(path, lane=lane, query={**query, **place})

    return ask


@frozen
class WalkStep:
    """The new rows of a page, and the cursor of the next one; None if the list has ended."""

    rows: list[Raw]
    cursor: str | None


async def step(ask: Ask, cursor: str | None, size: PageSize, least: Mapping[str, str] = ONLY_IDS) -> WalkStep:
    """Read the page at a cursor, None for the first. Raises Retry for a page that contradicts itself.

    `least` asks for no more fields than every row has; its rows stand for those of a page that cannot be read.
    """
    # A cursor is the offset of the page, and the last id seen before it.
    start, _, seen = (cursor or "").partition(".")
    seen_last = int(seen or 0)
    first = reading = await _read(ask, int(start or 0), size, least)
    back = 1
    while reading.offset and not _joins(reading, seen_last):
        # One row fewer than a page, so that the page still reaches the row at which it should have begun.
        reading = await _read(ask, max(0, reading.offset - back * (reading.asked - 1)), size, least)
        back *= 4
    reached = reading.end is None or reading.end >= first.offset
    hides = len(reading.ids) < reading.asked
    if reading is not first and first.ids and reached and hides and not reading.after(seen_last):
        # No row has gone: plugins hide rows that the server counts, here the one at which the page should have begun.
        # A page without hidden rows proves more: rows have gone, and others have come back since. It is gone on from.
        reading = first
    last = max([seen_last, *reading.ids])
    following = None if reading.end is None else f"{max(0, reading.end - OVERLAP)}.{last}"
    return WalkStep(reading.after(seen_last), following)


@frozen
class _Reading:
    """One page as it was read. `end` is the offset behind it; None if the list has ended."""

    offset: int
    asked: int
    ids: list[int]
    rows: list[Raw]
    end: int | None

    def after(self, last: int) -> list[Raw]:
        """Return the rows behind an id."""
        return [raw for id_, raw in zip(self.ids, self.rows, strict=True) if id_ > last]


def _joins(reading: _Reading, seen_last: int) -> bool:
    """Return True if a page begins with a row that was seen, so that no row before it was missed."""
    return bool(reading.ids) and reading.ids[0] <= seen_last


async def _read(ask: Ask, offset: int, size: PageSize, least: Mapping[str, str]) -> _Reading:
    """Read one page, several times at most, each time smaller."""
    try:
        listed, asked = await shortly(partial(_page, ask, offset, size, {}))
    except Retry as trouble:
        if not size.blames_a_row(trouble):
            raise
        # A plugin that crashes on one row fails its page. Rows without their fields are read again one by one.
        try:
            listed, asked = await _page(ask, offset, size, least)
        except Retry:
            raise trouble from None
    rows = with_ids(listed.rows)
    ids = [read_id(raw) for raw in rows]
    if any(second <= first for first, second in pairwise(ids)):
        raise Retry("WooCommerce's page is out of order", reason="page_out_of_order")
    if not ids and (listed.total or 0) > offset:
        raise Retry(f"WooCommerce's page is empty but counts {listed.total} rows", reason="page_empty")
    if listed.total is None:
        return _Reading(offset, asked, ids, rows, offset + len(ids) if len(ids) >= asked else None)
    # Plugins can hide rows that the server counts, so a page may be short without being the last.
    return _Reading(offset, asked, ids, rows, offset + asked if listed.total > offset + asked else None)


async def _page(ask: Ask, offset: int, size: PageSize, query: Mapping[str, str]) -> tuple[Listed, int]:
    """Read one page; return it and the number of rows asked for."""
    asked = size.value
    with size.shrinking(asked):
        listed = await ask({**ORDER, "offset": str(offset), "per_page": str(asked), **query})
    size.succeeded(len(listed.rows))
    return listed, asked
