"""Reads entities by a list of ids, in parts that the shop's server accepts.

A long list may be more than a web server takes in one address, and a hundred whole entities more than a small shop
answers in time. So a part that fails is asked for again, smaller.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from msgspec import Raw

from daemon.errors import Retry
from daemon.model import ExternalId
from daemon.platforms.shared.page_size import PageSize
from daemon.transport.http import shortly

Ask = Callable[[Sequence[ExternalId]], Awaitable[list[Raw]]]


async def read_included(ask: Ask, ids: Sequence[ExternalId], size: PageSize) -> list[Raw]:
    """Return the rows that `ask` returns for parts of `ids`. Raises as `ask` does, after smaller parts have failed."""
    rows: list[Raw] = []
    start = 0
    while start < len(ids):
        count, some = await shortly(partial(_part, ask, ids[start:], size))
        rows += some
        start += count
    return rows


async def read_readable(ask: Ask, ids: Sequence[ExternalId], size: PageSize) -> list[Raw]:
    """Return the rows that `ask` returns for parts of `ids`, without those of one part that fails at any size.

    A plugin that crashes on one row fails its whole list. The caller reads what is left out one by one. Raises as `ask`
    does if a second part fails, or all: then the trouble is the shop's.
    """
    rows: list[Raw] = []
    failure: Retry | None = None
    start = 0
    while start < len(ids):
        try:
            count, some = await shortly(partial(_part, ask, ids[start:], size))
        except Retry as trouble:
            if failure is not None or not size.blames_a_row(trouble):
                raise
            failure, count, some = trouble, size.value, []
        rows += some
        start += count
    if failure is not None and not rows and len(ids) > size.value:
        raise failure
    return rows


async def _part(ask: Ask, ids: Sequence[ExternalId], size: PageSize) -> tuple[int, list[Raw]]:
    """Ask for as many ids as the server is believed to take; return their number, and the rows."""
    asked = ids[: size.value]
    try:
        rows = await ask(asked)
    except Retry as trouble:
        size.failed(len(asked), trouble)
        raise
    size.succeeded(len(asked))
    return len(asked), rows
