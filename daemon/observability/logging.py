"""Log lines on stderr: JSON, or readable text at a terminal.

Modules call `structlog.get_logger(__name__)` and log constant events with a few fields. Every line passes
`masking.mask`, and every traceback `tracebacks.render`. So no line has a secret, personal data, or a local variable.
This includes lines of libraries that use the standard library's logging (from WARNING on). A line that cannot be
written is lost: neither a full disk nor a stopped collector stops the daemon.
"""

import contextlib
import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO, cast

import structlog
from attrs import frozen

from daemon.errors import StorageTrouble
from daemon.observability.masking import mask
from daemon.observability.request_ids import show_request_id
from daemon.observability.tracebacks import render

log = structlog.get_logger()

DRY_RUN = "dry_run"
"""Name of the context variable that marks the lines of a dry run."""


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Set up logging of the whole process; `level` is debug, info, warning or error. May be called again."""
    stream = sys.stderr if stream is None else stream
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        show_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        show_exception,
        mask,
    ]
    rendered: structlog.typing.Processor = structlog.processors.JSONRenderer(sort_keys=False)
    if stream.isatty():
        rendered = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[*shared, without_dry_runs, rendered],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Lossy(stream))),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, rendered],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


def line_of(event: str) -> str:
    """Return a log line of an event, for signal handlers, which cannot log."""
    moment = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
    if sys.stderr is not None and sys.stderr.isatty():
        return f"{moment} [info     ] {event}\n"
    return json.dumps({"event": event, "level": "info", "timestamp": moment}) + "\n"


def log_storage_trouble(error: StorageTrouble) -> None:
    """Log why the database cannot be used now; nothing if this process has closed it, since it ends."""
    if error.reason != "storage_closed":
        log.warning("the database cannot be used now", reason=error.reason)


@frozen
class _Lossy:
    """A stream for structlog; lines that cannot be written are lost."""

    _stream: TextIO

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def without_dry_runs(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what the engine says of a full sync that is only rehearsed, except bugs; a processor of structlog."""
    if DRY_RUN in event and event["level"] != "error":
        raise structlog.DropEvent
    return event


def show_exception(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Turn `exc_info` into the text of `exception`; a processor of structlog."""
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    error = raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        event["exception"] = render(error)
    return event
