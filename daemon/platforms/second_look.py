"""Second answers: what an adapter may believe of an answer that would take something away.

A single answer that says "there is none" may be a proxy's, or that of a replica which lags behind. So it takes another
one, at least `SECOND_LOOK` seconds later. Where that contradicts the first, a third decides, with the entity's next
attempt `THIRD_LOOK` seconds later.
"""

from collections.abc import Awaitable, Callable, Sized
from typing import TypeVar

import trio

from daemon.errors import Retry

T = TypeVar("T")
S = TypeVar("S", bound=Sized)

SECOND_LOOK = 2.0
THIRD_LOOK = 60.0

ANSWERS_DIFFER = "answers_differ"


async def there_or_gone(ask: Callable[[], Awaitable[T | None]]) -> T | None:
    """Return the answer of `ask`; None only when it is None twice. Raises Retry when the two differ."""
    found = await ask()
    if found is not None:
        return found
    await trio.sleep(SECOND_LOOK)
    if await ask() is not None:
        raise Retry("of two answers only one says that it exists", reason=ANSWERS_DIFFER, after=THIRD_LOOK)
    return None


async def listed_or_empty(ask: Callable[[], Awaitable[S]]) -> S:
    """Return the list of `ask`; an empty one only when it is empty twice. What is listed is there, so it decides."""
    found = await ask()
    if len(found):
        return found
    await trio.sleep(SECOND_LOOK)
    return await ask()
