"""Lets a task tell its owner that it stands aside: it waits for a time of its own, so others need not wait for it.

with noticing(callback):     # callback(True) when code below begins to stand aside, callback(False) at its end
    ...
    with standing_aside():   # somewhere below, around the wait
        ...
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

import trio

_NOTICE: ContextVar[Callable[[bool], None] | None] = ContextVar("notice", default=None)


@contextmanager
def noticing(callback: Callable[[bool], None]) -> Iterator[None]:
    """Call `callback` whenever code below begins or ends to stand aside, in this task or in tasks that it starts."""
    token = _NOTICE.set(callback)
    try:
        yield
    finally:
        _NOTICE.reset(token)


@contextmanager
def standing_aside() -> Iterator[None]:
    """Tell the owner that this task waits for a time of its own."""
    callback = _NOTICE.get()
    if callback is None:
        yield
        return
    callback(True)
    try:
        yield
    finally:
        callback(False)


@asynccontextmanager
async def in_turn(lock: trio.Lock) -> AsyncIterator[None]:
    """Hold `lock`; the task stands aside while another one has it."""
    if lock.locked():
        # Its holder may wait for a Retry-After.
        with standing_aside():
            await lock.acquire()
    else:
        await lock.acquire()
    try:
        yield
    finally:
        lock.release()
