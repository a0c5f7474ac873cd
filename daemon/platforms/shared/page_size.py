"""The number of entities to ask for in one call.

A product may have hundreds of variants, and platforms do not limit the size of an answer. So a full page can overload a
store, which then answers 5xx or nothing; a long list of ids can be more than its server accepts. A failure halves the
size and each success increases it a little, for full syncs and live reads alike. So it settles just below the store's
capacity.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from msgspec import Raw

from daemon.errors import Retry
from daemon.model import ExternalId
from daemon.transport.http import shortly

Ask = Callable[[Sequence[ExternalId]], Awaitable[list[Raw]]]
Decode = Callable[[list[Raw]], Awaitable[list[Any]]]
"""Makes entities of the rows of a part; it may ask for what belongs to them."""

SMALLEST = 10
STEP = 25

OF_ROWS = frozenset({"php_error", "php_warning", "not_json", "truncated", "timeout"})
"""Reasons of failures, besides HTTP statuses from 500, that one row may cause in each list that has it."""


class PageSize:
    """The present page size of one store and kind; starts with the largest."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self.value = largest

    def succeeded(self, count: int) -> None:
        """Grow after an answer with `count` entities, unless it was smaller than the present size."""
        if count >= self.value:
            self.value = min(self._largest, self.value + STEP)

    def blames_a_row(self, trouble: Retry) -> bool:
        """Return True for a failure that may be due to one row, and that no smaller page avoids."""
        return self.value <= SMALLEST and (trouble.reason.startswith("http_5") or trouble.reason in OF_ROWS)

    @contextmanager
    def shrinking(self, count: int) -> Iterator[None]:
        """Shrink to half of `count` if the call in the block fails, so that concurrent failures shrink it only once.

        A 429 does not count, because smaller pages would mean more calls. Neither does a failure of very few
        entities, because their number is not the cause.
        """
        try:
            yield
        except Retry as trouble:
            if count > SMALLEST and trouble.reason != "http_429":
                self.value = min(self.value, max(SMALLEST, count // 2))
            raise


async def _as_they_are(rows: list[Raw]) -> list[Any]:
    return rows


async def read_in_parts(
    ask: Ask,
    ids: Sequence[ExternalId],
    size: PageSize,
    decode: Decode = _as_they_are,
    *,
    passes_over_a_part: bool = False,
) -> list[Any]:
    """Return what `ask` returns for parts of `ids`, decoded. Raises as both do, after smaller parts have failed.

    Each part is decoded by itself, so that a store which cannot give large answers is not asked for them there either.

    A row that crashes the store fails its whole list. So one part that fails at any size may be passed over: the caller
    reads what is left out one by one. If a second part fails too, or all, the trouble is the store's, and is raised.
    """
    rows: list[Any] = []
    failure: Retry | None = None
    rest = ids
    while rest:
        try:
            asked, some = await shortly(partial(_read_part, ask, rest, size, decode))
        except Retry as trouble:
            if not passes_over_a_part or failure is not None or not size.blames_a_row(trouble):
                raise
            failure, asked, some = trouble, size.value, []
        rows += some
        rest = rest[asked:]
    if failure is not None and not rows and len(ids) > size.value:
        raise failure
    return rows


async def _read_part(ask: Ask, ids: Sequence[ExternalId], size: PageSize, decode: Decode) -> tuple[int, list[Any]]:
    """Ask for as many ids as the store is believed to take; return their number, and what the rows are decoded to."""
    asked = ids[: size.value]
    with size.shrinking(len(asked)):
        rows = await ask(asked)
    size.succeeded(len(asked))
    return len(asked), await decode(rows)
