"""Progress for people: a bar on a terminal, plain lines everywhere else.

    with progress("Full sync of live/x", sys.stderr) as shown:
        shown.update(120, 295, "reading")

A log file gets one line for each new note and about ten lines between two notes, never one per update. The last numbers
are always shown.
"""

from types import TracebackType
from typing import Self, TextIO

from daemon.cli import left_out

_STEPS = 10


class Progress:
    """Shows progress as lines. Use it as a context manager; call `update` with the newest numbers at any pace."""

    def __init__(self, title: str, stream: TextIO) -> None:
        self._title = title
        self._stream = stream
        self._written: tuple[int, int | None, str] | None = None
        self._latest: tuple[int, int | None, str] | None = None

    def update(self, done: int, total: int | None, note: str = "") -> None:
        """Show that `done` of `total` are finished (None: unknown yet); `note` describes the stage."""
        self._latest = (done, total, note)
        if self._written is None or note != self._written[2]:
            self._write()
            return
        # If the total is unknown, lines come at 10, 20, 40, ... done.
        step = total / _STEPS if total else max(_STEPS, self._written[0])
        if done >= self._written[0] + step:
            self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()

    def _write(self) -> None:
        if self._latest is not None and self._latest != self._written:
            done, total, note = self._written = self._latest
            count = f"{done}" if total is None else f"{done} of {total}"
            self._stream.write(f"{self._title}: {count}{note and f', {note}'}\n")
            self._stream.flush()


class _Bar(Progress):
    """Shows progress as a bar on a terminal."""

    def __init__(self, title: str, stream: TextIO) -> None:
        # Imported late: rich takes longer than everything else that a command needs.
        left_out.allow("rich")
        from rich import progress as rich  # noqa: PLC0415  see above
        from rich.console import Console  # noqa: PLC0415  see above

        super().__init__(title, stream)
        self._bar = rich.Progress(
            rich.TextColumn("{task.description}", markup=False),
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            rich.TimeElapsedColumn(),
            rich.TextColumn("{task.fields[note]}", markup=False),
            console=Console(file=stream),
        )
        self._task = self._bar.add_task(title, total=None, note="")
        self._bar.start()

    def update(self, done: int, total: int | None, note: str = "") -> None:
        self._bar.update(self._task, completed=done, total=total, note=note)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def progress(title: str, stream: TextIO) -> Progress:
    """Return the display for a stream: a bar if it is a terminal."""
    return _Bar(title, stream) if stream.isatty() else Progress(title, stream)
