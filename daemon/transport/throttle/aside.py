"""Tell the owner of a task that it stands aside: it waits for its own time, and others need not wait for it.

with noticing(callback):     # callback(True) when code below begins to stand aside, callback(False) when it is done
...
with standing_aside(): ...   # somewhere below, by whoever waits
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_NOTICE: ContextVar[Callable[[bool], None] | None] = ContextVar("notice", default=None)


@contextmanager
def noticing(callback: Callable[[bool], None]) -> Iterator[None]:
    """Have `callback` told by what runs below, in this task."""
    token = _NOTICE.set(callback)
    try:
        yield
    finally:
        _NOTICE.reset(token)


@contextmanager
def standing_aside() -> Iterator[None]:
    """Tell whoever notices that this task waits for its own time."""
    callback = _NOTICE.get()
    if callback is None:
        yield
        return
    callback(True)
    try:
        yield
    finally:
        callback(False)
