"""Second looks at lists that are empty where something was or may be: a replica that lags behind answers so too.

What is listed is there, so the second answer decides. For what is irreversible see `daemon.transport.second_answer`.
"""

from collections.abc import Awaitable, Callable, Sized
from typing import TypeVar

import trio

from daemon.transport.second_answer import SECOND_AFTER

S = TypeVar("S", bound=Sized)


async def listed_or_empty(ask: Callable[[], Awaitable[S]]) -> S:
    """Return the list of `ask`; an empty one only when it is empty twice."""
    found = await ask()
    if len(found):
        return found
    await trio.sleep(SECOND_AFTER)
    return await ask()
