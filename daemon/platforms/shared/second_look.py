"""A second request for a list that is unexpectedly empty: a replica that lags behind answers so too.

The second answer decides. For irreversible steps see `daemon.transport.second_answer`.
"""

from collections.abc import Awaitable, Callable, Sequence, Sized
from typing import TypeVar

import trio

from daemon.errors import Retry
from daemon.transport.second_answer import SECOND_AFTER

S = TypeVar("S", bound=Sized)
T = TypeVar("T")


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
