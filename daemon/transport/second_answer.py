"""Confirms an answer before an irreversible step: a second request, two seconds later, must get the same answer.

Irreversible steps delete, discontinue or cancel, replace content that only an earlier answer had, forget what was
written, give up a stock location, or set the store currency. An answer that leads to none of them is *harmless* and
needs no second one. Used for both APIs.

If the two answers differ, nothing is done. The attempt a minute later brings a third answer, which decides.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio

from daemon.errors import Missing, Retry
from daemon.transport.throttle.aside import standing_aside

T = TypeVar("T")

SECOND_AFTER = 2.0
"""Seconds between the two answers."""

THIRD_AFTER = 60.0
"""Seconds until the next attempt if the two answers differ."""


async def confirmed(ask: Callable[[], Awaitable[T]], harmless: Callable[[T], bool]) -> T:
    """Return the answer of `ask`, asked once if the answer is harmless, else twice. Raises as `agreed` does."""
    first = await ask()
    return first if harmless(first) else await agreed(first, ask)


async def agreed(first: T, ask: Callable[[], Awaitable[T]]) -> T:
    """Return `first` if a second answer equals it. Raises Retry ("answers_differ", in a minute) if not."""
    # Else a first sync of entities that SparkLayer does not have would write only a few in each two seconds.
    with standing_aside():
        await trio.sleep(SECOND_AFTER)
    if await ask() != first:
        raise answers_differ()
    return first


def answers_differ() -> Retry:
    """Return the failure of an entity about which two answers differ."""
    return Retry("two answers, two seconds apart, differ", reason="answers_differ", after=THIRD_AFTER)


async def finds(call: Callable[[], Awaitable[Any]]) -> bool:
    """Return True if a call finds its entity, False if it raises Missing."""
    try:
        await call()
    except Missing:
        return False
    return True
