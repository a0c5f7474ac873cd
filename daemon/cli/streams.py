"""The standard streams of a command, which may be closed at the start, full, or without a reader.

No file opened later gets the number of a standard stream, so nothing that a library prints ends in the database. A line
for stderr that cannot be written is lost. Output that cannot be written ends the command with 1: silently if its reader
has gone, as `head` does, else with one line.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any


class _Output(io.TextIOWrapper):
    """Standard output that keeps the error of a failed write."""

    failure: OSError | None = None

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self.failure = error
            raise


class _Messages(io.TextIOWrapper):
    """Standard error; text that cannot be written is lost."""

    def write(self, text: str, /) -> int:
        with contextlib.suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


@contextlib.contextmanager
def standard_streams() -> Iterator[None]:
    """Provide all three streams, and end the process with 1 if its output cannot be written."""
    _open_closed()
    output = sys.stdout = _guarded(sys.stdout, sys.__stdout__, _Output)
    sys.stderr = _guarded(sys.stderr, sys.__stderr__, _Messages)
    try:
        yield
    finally:  # only a failed stream decides the exit code before what ended the block
        _end_if_failed(output)


def _open_closed() -> None:
    """Redirect the streams that were closed at the start to nowhere."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, number)
            if nowhere != number:
                os.close(nowhere)
            os.set_inheritable(number, True)
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:  # Python has none where the stream was closed
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115  it stays open until the process ends
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def _guarded(stream: Any, own: Any, guard: type[io.TextIOWrapper]) -> Any:
    """Return a guard in the place of the process's own stream; another one, as tests have, stays.

    Characters that it cannot encode are escaped, not refused.
    """
    if not isinstance(stream, io.TextIOWrapper) or stream is not own:
        return stream
    options: dict[str, Any] = {
        "encoding": stream.encoding,
        "errors": "backslashreplace" if stream.errors == "strict" else stream.errors,
        "line_buffering": stream.line_buffering,
        "write_through": stream.write_through,
    }
    return guard(stream.detach(), **options)


def _end_if_failed(output: Any) -> None:
    """Flush the output. Raises SystemExit if some of it could not be written."""
    if not isinstance(output, _Output):
        return
    with contextlib.suppress(OSError):
        output.flush()
    if output.failure is None:
        return
    # Python flushes the rest when the process ends, which must not fail.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, output.fileno())
    os.close(nowhere)
    if not isinstance(output.failure, BrokenPipeError):
        sys.stderr.write(f"ignite-sync: standard output cannot be written ({output.failure.strerror})\n")
    raise SystemExit(1) from None
