"""Meta fields, which plugins and merchants add to entities. Their values may have any type of JSON."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct


class Meta(Struct, frozen=True):
    """One meta field."""

    key: str
    value: Any = None


def first_of(fields: Iterable[Meta], key: str) -> Any:
    """Return the value of the first field with a key, as WordPress does; None if there is none."""
    return next((field.value for field in fields if field.key == key), None)


def text_of(value: Any) -> str | None:
    """Return a value as text: a list or an object as JSON; None for null and for true and false."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else None
    return msgspec.json.encode(value).decode()
