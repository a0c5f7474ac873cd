"""Says `stopping` the moment Ctrl-C asks for it, however long the rest takes.

The line is written by the signal's own handler, past all buffers, so it also comes while modules are loaded, while a
call is waited for, or while the event loop is busy. What then ends the process is what would have ended it anyway.

A process whose start ignores SIGINT (`nohup`, a shell's background job) goes on ignoring it. Imports nothing heavy.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

LINE = "ignite-sync: stopping\n"
STARTED_BY = ("run", "demo")
"""Commands that Ctrl-C ends as they should end: with 0."""

_Handler = Callable[[int, FrameType | None], Any]


def say(line: str = LINE) -> None:
    """Write to stderr; a stream that is gone is no trouble."""
    with contextlib.suppress(OSError):
        os.write(2, line.encode())


def watch_start() -> None:
    """Have Ctrl-C end the process at once, for as long as nothing was done yet."""
    code = 0 if sys.argv[1:2] and sys.argv[1] in STARTED_BY else 1
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: _exit(code))


@contextlib.contextmanager
def exiting() -> Iterator[None]:
    """Have SIGINT and SIGTERM end the process with 0 at once: what was begun so far goes on at the next start."""
    with _handling({signal.SIGINT: lambda *_: _exit(0), signal.SIGTERM: lambda *_: _exit(0)}):
        yield


@contextlib.contextmanager
def interrupting() -> Iterator[None]:
    """Have SIGINT raise KeyboardInterrupt, as ever, once the line is written."""
    with _handling({signal.SIGINT: signal.default_int_handler}), announced(signal.SIGINT):
        yield


@contextlib.contextmanager
def announced(*signals: signal.Signals, line: Callable[[], str] = lambda: LINE) -> Iterator[None]:
    """Have the handlers that these signals have now write the line first, once, whoever set them."""
    told: list[int] = []

    def saying(handle: _Handler) -> _Handler:
        def handler(number: int, frame: FrameType | None) -> None:
            if not told:
                told.append(number)
                say(line())
            handle(number, frame)

        return handler

    now = {one: signal.getsignal(one) for one in signals}
    with _handling({one: saying(handle) for one, handle in now.items() if callable(handle)}):
        yield


def run(task: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run a task on trio. Ctrl-C raises KeyboardInterrupt where trio can bear it, and it comes out as itself."""
    import trio  # noqa: PLC0415  see the module: not every command needs it

    async def saying() -> T:
        with announced(signal.SIGINT):  # trio's own handler, which delivers the interrupt
            return await task(*args)

    try:
        with _handling({signal.SIGINT: signal.default_int_handler}):  # trio replaces only this one
            return trio.run(saying)
    except BaseExceptionGroup as group:  # nurseries wrap Ctrl-C; anything else goes on
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        raise KeyboardInterrupt from None


@contextlib.contextmanager
def _handling(handlers: dict[signal.Signals, _Handler]) -> Iterator[None]:
    """Set handlers of signals that are not ignored, and set back what was before. Only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.getsignal(one) for one in handlers}
    mine = {one: handle for one, handle in handlers.items() if before[one] is not signal.SIG_IGN}
    for one, handle in mine.items():
        signal.signal(one, handle)
    try:
        yield
    finally:
        for one in mine:
            signal.signal(one, before[one])


def _exit(code: int) -> None:
    say()
    os._exit(code)
