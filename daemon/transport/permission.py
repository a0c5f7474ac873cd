"""A last look before each request: the task may have lost the right to send.

APIs know no leases, so only the sender can keep itself from writing after another node has taken over. The look stands
behind the throttle's wait, and again behind the making of a connection: either may be longer than a lease, if the
process stands still meanwhile.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from daemon.errors import Retry

_MAY_SEND: ContextVar[Callable[[], bool] | None] = ContextVar("may_send", default=None)


@contextmanager
def permitted_by(may_send: Callable[[], bool]) -> Iterator[None]:
    """Ask `may_send` before each request of this block, and of the tasks that begin in it.

    It travels in a context variable, so the layers between need not pass it on.
    """
    token = _MAY_SEND.set(may_send)
    try:
        yield
    finally:
        _MAY_SEND.reset(token)


def is_limited() -> bool:
    """Return True if this task may lose the right to send."""
    return _MAY_SEND.get() is not None


def refuse_if_forbidden() -> None:
    """Raise Retry when this task may not send any more. Nothing was sent then."""
    may_send = _MAY_SEND.get()
    if may_send is not None and not may_send():
        raise Retry("this node may no longer work on the connection", reason="lease_lost")
