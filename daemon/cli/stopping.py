"""Signals of a command: Ctrl-C is answered with `stopping` at once, however long the rest takes.

The signal handler writes the line itself, past all buffers. So it also appears while modules are imported, while a call
is waited for, or while the event loop is busy. The process then ends as it would have ended anyway.

A process started with SIGINT ignored (`nohup`, a shell's background job) keeps ignoring it. Imports nothing heavy.
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
"""Commands that run until Ctrl-C, so that it ends them with 0."""

_Handler = Callable[[int, FrameType | None], Any]


def say(line: str = LINE) -> None:
    """Write to stderr. A closed stream is no error."""
    with contextlib.suppress(OSError):
        os.write(2, line.encode())


def watch_start() -> None:
    """Prepare the signals of a process that has done nothing yet: Ctrl-C ends it at once."""
    if sys.argv[1:2] == ["run"]:
        # SIGHUP never ends the daemon. One that comes during the start waits until the daemon can answer it; after
        # the daemon has stopped answering it, at the end, it is ignored.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    code = 0 if sys.argv[1:2] and sys.argv[1] in STARTED_BY else 1
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: _exit(code))


@contextlib.contextmanager
def exiting() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the process with 0 at once. The next start continues what was begun."""
    with _handling({signal.SIGINT: lambda *_: _exit(0), signal.SIGTERM: lambda *_: _exit(0)}):
        yield


@contextlib.contextmanager
def interrupting() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, as usual, after the line is written."""
    with _handling({signal.SIGINT: signal.default_int_handler}), announced(signal.SIGINT):
        yield


@contextlib.contextmanager
def announced(*signals: signal.Signals, line: Callable[[], str] = lambda: LINE) -> Iterator[None]:
    """Let the present handlers of these signals write the line first, once."""
    announced_by: list[int] = []

    def announcing(handle: _Handler) -> _Handler:
        def handler(number: int, frame: FrameType | None) -> None:
            if not announced_by:
                announced_by.append(number)
                say(line())
            handle(number, frame)

        return handler

    handlers = {number: signal.getsignal(number) for number in signals}
    with _handling({number: announcing(handle) for number, handle in handlers.items() if callable(handle)}):
        yield


def run(task: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run a task on trio. Ctrl-C raises KeyboardInterrupt, never a group of exceptions."""
    import trio  # noqa: PLC0415  see the module: not every command needs it

    async def announcing() -> T:
        with announced(signal.SIGINT):  # trio's own handler, which delivers the interrupt
            return await task(*args)

    try:
        with _handling({signal.SIGINT: signal.default_int_handler}):  # the only handler that trio replaces
            return trio.run(announcing)
    except BaseExceptionGroup as group:  # nurseries wrap Ctrl-C; other errors are raised again
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        raise KeyboardInterrupt from None


@contextlib.contextmanager
def _handling(handlers: dict[signal.Signals, _Handler]) -> Iterator[None]:
    """Set the handlers of signals that are not ignored, and restore the previous ones."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    before = {number: signal.getsignal(number) for number in handlers}
    for number, handle in handlers.items():
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, previous in before.items():
            if previous is not signal.SIG_IGN:
                signal.signal(number, previous)


def _exit(code: int) -> None:
    say()
    os._exit(code)
