"""Masking of log lines.

By key: secrets become stars, personal data is dropped. By value: plain values, ids and dates pass; an error is reduced
to its `summary`; any other object is reduced to its type's name, since its repr may show its contents.
"""

import datetime as dt
import decimal
import enum
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from daemon.model import Secret, Site
from daemon.observability.tracebacks import summary

STARS = "***"

_SECRET = re.compile(
    r"secret|token|passw|authorization|api_?key|access_?key|private_?key|credential|cookie|signature",
    re.IGNORECASE,
)
PERSONAL = re.compile(
    r"e?_?mail|phone|(first|last|full|company|customer)?_?name|company|customer|address(es|_[12])?|street|city"
    r"|post_?code|postal_code|zip|body|payload|content|peer|ip",
    re.IGNORECASE,
)
_PLAIN = (str, int, float, bool, type(None))
_SHOWN = (Site, dt.date, dt.timedelta, decimal.Decimal, Path)


def mask(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask a log line; a processor of structlog."""
    return _mapping(event)


def _mapping(values: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(key): STARS if _SECRET.search(str(key)) else _value(value)
        for key, value in values.items()
        if not PERSONAL.fullmatch(str(key))
    }


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(item) for item in value]
    if isinstance(value, enum.Enum):  # before plain values, since some enums are numbers
        return value.name.lower()
    return value if isinstance(value, _PLAIN) else _object(value)


def _object(value: object) -> str:
    if isinstance(value, Secret):
        return STARS
    if isinstance(value, BaseException):
        return summary(value)
    return str(value) if isinstance(value, _SHOWN) else f"<{type(value).__name__}>"
