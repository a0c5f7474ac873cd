"""Replaces an entity by a PUT that directly follows its read, so that an edit by hand in between is seldom lost.

A PUT carries over fields from the read before it. So each attempt of the PUT has a read of its own, however the one
before it failed. The PUT is next at the throttle, and is not sent at all once its read has become old.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from daemon.sparklayer.client import LONGEST_SECONDS
from daemon.transport.http import shortly

H = TypeVar("H")
T = TypeVar("T")

FRESH_SECONDS = 2.0
"""Longest time in seconds from a read to its PUT. The throttle's slowest pace is one request a second, so a PUT that is
next gets its turn in this time at every pace."""


async def replaced(read: Callable[[], Awaitable[H]], put: Callable[[H, float], Awaitable[T]]) -> T:
    """Read, and `put` what follows from the read, before the time of trio's clock that `put` gets.

    Both are repeated shortly after a PUT that failed. Raises what they raise.
    """
    # It has been repeated already if it failed, so it is not part of the first attempt.
    held = [await read()]

    async def attempt() -> T:
        latest = held.pop() if held else await read()
        return await put(latest, trio.current_time() + FRESH_SECONDS)

    # A 429's time is waited out before the next read, not between the read and the PUT.
    return await shortly(attempt, within=LONGEST_SECONDS, held_back=False)
