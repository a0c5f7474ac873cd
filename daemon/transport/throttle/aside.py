"""Tells a task's owner that the task stands aside: it waits for its own time, so other tasks may go on without it.

with noticing(callback):     # calls callback(True) when inner code stands aside, callback(False) at the end
    ...
    with standing_aside():   # in the inner code, around the wait
        ...

The callback travels in a context variable, so the layers between need not pass it on.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

import trio

_NOTICE: ContextVar[Callable[[bool], None] | None] = ContextVar("notice", default=None)


@contextmanager
def noticing(callback: Callable[[bool], None]) -> Iterator[None]:
    """Call `callback` when inner code begins or ends to stand aside, in this task or in tasks that it starts."""
    token = _NOTICE.set(callback)
    try:
        yield
    finally:
        _NOTICE.reset(token)


@contextmanager
def standing_aside() -> Iterator[None]:
    """Tell the owner that this task waits for its own time; without an owner, do nothing."""
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
    """Hold `lock`; the task stands aside while another task holds it."""
    if lock.locked():
        # The holder may wait for a Retry-After of up to 15 minutes.
        with standing_aside():
            await lock.acquire()
    else:
        await lock.acquire()
    try:
        yield
    finally:
        lock.release()
