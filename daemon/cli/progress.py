"""Progress for people: a bar on a terminal, plain lines everywhere else.

    with Progress("Full sync of live/x", sys.stderr) as progress:
        progress.update(120, 295, "reading")

What holds: whatever is watched, a log file gets a line for each new note and about ten lines between two notes,
never one per update; the last numbers are always shown. It keeps no clock and no thread of its own off a terminal.
"""

from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichBar

_STEPS = 10


class _Display(Protocol):
    def show(self, done: int, total: int | None, note: str) -> None: ...

    def close(self) -> None: ...


class Progress:
    """Shows how far something is. Use it as a context manager; `update` takes the newest numbers at any pace."""

    def __init__(self, title: str, stream: TextIO) -> None:
        self._display: _Display = _Bar(title, stream) if stream.isatty() else _Lines(title, stream)

    def update(self, done: int, total: int | None, note: str = "") -> None:
        """Show that `done` of `total` are finished (None: nobody knows yet); `note` says what is going on."""
        self._display.show(done, total, note)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.close()


class _Lines:
    def __init__(self, title: str, stream: TextIO) -> None:
        self._title = title
        self._stream = stream
        self._written: tuple[int, int | None, str] | None = None
        self._latest: tuple[int, int | None, str] | None = None

    def show(self, done: int, total: int | None, note: str) -> None:
        self._latest = (done, total, note)
        if self._is_news(done, total, note):
            self._write()

    def close(self) -> None:
        self._write()

    def _is_news(self, done: int, total: int | None, note: str) -> bool:
        if self._written is None or note != self._written[2]:
            return True
        # Where the total is unknown, lines come at 10, 20, 40, ... done.
        step = total / _STEPS if total else max(_STEPS, self._written[0])
        return done >= self._written[0] + step

    def _write(self) -> None:
        if self._latest is None or self._latest == self._written:
            return
        done, total, note = self._written = self._latest
        count = f"{done}" if total is None else f"{done} of {total}"
        self._stream.write(f"{self._title}: {count}{note and f', {note}'}\n")
        self._stream.flush()


class _Bar:
    def __init__(self, title: str, stream: TextIO) -> None:
        self._bar = _rich_bar(stream)
        self._task = self._bar.add_task(title, total=None, note="")
        self._bar.start()

    def show(self, done: int, total: int | None, note: str) -> None:
        self._bar.update(self._task, completed=done, total=total, note=note)

    def close(self) -> None:
        self._bar.stop()


def _rich_bar(stream: TextIO) -> "RichBar":
    # Imported late: it takes longer than everything else a command line needs.
    from rich.console import Console  # noqa: PLC0415  see above
    from rich.progress import (  # noqa: PLC0415  see above
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    return Progress(*columns, console=Console(file=stream))
