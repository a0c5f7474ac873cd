"""The id of the request that a task answers: taken from a proxy, or given to it.

`X-Request-Id` is believed if it is a short plain text, since it goes into log lines and back into a header. Every log
line of the request has it as `request_id`. A task that a request starts, and that outlives it, no longer has one.
"""

import itertools
import re
import secrets
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

from attrs import define

HEADER = b"x-request-id"

LONGEST = 100
"""Most characters of a proxy's id; a UUID has 36."""

_USABLE = re.compile(rb"[A-Za-z0-9._:=+/@-]{1,%d}" % LONGEST)
_process = secrets.token_hex(6)
_numbers = itertools.count(1)


@define(eq=False)
class RequestId:
    """The id of one request. `over` turns True when the request is answered."""

    text: str
    over: bool = False


_current: ContextVar[RequestId | None] = ContextVar("request_id", default=None)


def begin(given: bytes | None) -> RequestId:
    """Set and return the id of the present task's request: `given` if it is usable, else a new one."""
    if given is not None and _USABLE.fullmatch(given):
        request_id = RequestId(given.decode("ascii"))
    else:
        # Random once a process, then counted: a UUID for each request costs more than its parsing.
        request_id = RequestId(f"{_process}-{next(_numbers):x}")
    _current.set(request_id)
    return request_id


def present() -> str | None:
    """Return the id of the request that the present task answers; None outside requests."""
    request_id = _current.get()
    return None if request_id is None or request_id.over else request_id.text


def show_request_id(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add `request_id` to the log lines of a request; a processor of structlog."""
    if (text := present()) is not None:
        event.setdefault("request_id", text)
    return event
