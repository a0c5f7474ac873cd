"""Nothing irreversible follows from one answer: a second request, two seconds later, must get the same.

Irreversible are a deletion, discontinuing, cancelling, replacing what an earlier answer knew of and this one does not,
forgetting what was written, giving up a stock location, setting the store currency. An answer from which nothing of
the kind follows is *harmless* and stands alone. Used for both sides.

When the two differ, nothing is done; the attempt a minute later is the third answer, and decides.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio

from daemon.errors import Missing, Retry

T = TypeVar("T")

SECOND_AFTER = 2.0
"""Seconds between the two answers."""

THIRD_AFTER = 60.0
"""Seconds until the next attempt when the two differ."""


async def confirmed(ask: Callable[[], Awaitable[T]], harmless: Callable[[T], bool]) -> T:
    """Return what `ask` answers: once if that is harmless, else when it says so twice. Raises as `agreed` does."""
    first = await ask()
    return first if harmless(first) else await agreed(first, ask)


async def agreed(first: T, ask: Callable[[], Awaitable[T]]) -> T:
    """Return an answer that a second request confirms. Raises Retry ("answers_differ", in a minute) if it does not."""
    await trio.sleep(SECOND_AFTER)
    if await ask() != first:
        raise Retry("two answers, two seconds apart, differ", reason="answers_differ", after=THIRD_AFTER)
    return first


async def finds(call: Callable[[], Awaitable[Any]]) -> bool:
    """Make a call; return whether what it addresses exists."""
    try:
        await call()
    except Missing:
        return False
    return True
