"""A second request for a list that is unexpectedly empty: a replica that lags behind answers so too.

The second answer decides. For irreversible steps see `daemon.transport.second_answer`.
"""

from collections.abc import Awaitable, Callable, Sized
from typing import TypeVar

import trio

from daemon.transport.second_answer import SECOND_AFTER

S = TypeVar("S", bound=Sized)


async def listed_or_empty(ask: Callable[[], Awaitable[S]]) -> S:
    """Return the list of `ask`; an empty one only if it is empty twice."""
    rows = await ask()
    if len(rows):
        return rows
    await trio.sleep(SECOND_AFTER)
    return await ask()
