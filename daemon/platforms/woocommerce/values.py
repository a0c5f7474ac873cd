"""Values as the API writes them: ids, amounts, addresses, and meta fields, which plugins and merchants add. Pure.

Ids are whole numbers, written as text in the rest of the daemon. Amounts are decimal texts with a point, empty if there
is none (woocommerce.md, REST). The value of a meta field may have any type of JSON.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from daemon.platforms.shared.amounts import NO_NUMBER, decimal_number

LONGEST_ID = 18
"""Digits."""

LARGEST_ID = 2**63 - 1
"""WordPress's ids are unsigned numbers of 64 bits in the database, and PHP reads 63 of them (inferred)."""

MOST_INCLUDED = 100
"""Most ids in one list: more do not fit on a page, and make a header that web servers refuse (woocommerce-more.md)."""


class Address(Struct, frozen=True, kw_only=True):
    """A billing or shipping address."""

    first_name: str = ""
    last_name: str = ""
    company: str = ""
    address_1: str = ""
    address_2: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = ""
    phone: str = ""


class Meta(Struct, frozen=True):
    """One meta field."""

    key: str
    value: Any = None


def is_id(text: str) -> bool:
    """Return True if `text` can be an id of the API."""
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_ID and int(text) > 0


def listed(ids: Iterable[object]) -> str:
    """Return ids as the value of a parameter such as `include`."""
    return ",".join(map(str, ids))


def amount_of(text: str) -> Decimal | None:
    """Return an amount exactly: None for an empty text, NaN for one that is not a number."""
    text = text.strip()
    if not text:
        return None
    try:
        return decimal_number(text)
    except ValueError:
        return NO_NUMBER


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
