"""Numbers written as text: in a merchant's attributes, and where an API sends a text instead of a number. Pure.

Python's own readers accept more than any platform documents, and misread some of it: they read `1_2` as 12, and the
digits of other scripts as digits. Here digits are those of ASCII.
"""

import re
from decimal import Decimal

_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})", re.ASCII)


def whole_number(text: str) -> int:
    """Return the whole number that a text is, of at most 18 digits. Raises ValueError for any other text."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def decimal_number(text: str) -> Decimal:
    """Return the number that a text is, exactly; it is finite. Raises ValueError for any other text."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)
