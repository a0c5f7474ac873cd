"""Numbers, amounts and weights as platforms write them: exact, possibly inherited, and within bounds. Pure.

Python's own readers of numbers accept more than any platform documents, and misread some of it: they read `1_2` as 12,
and the digits of other scripts as digits. Here digits are those of ASCII.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct


class Nothing(Struct, frozen=True):
    """A null printed as `{}`."""


Amount = Decimal | Nothing | None
Count = int | Nothing | None

NO_NUMBER = Decimal("NaN")
"""Stands for an amount that is no number."""

_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})", re.ASCII)

_ABSURD = Decimal(10) ** 12
"""Above every real price and weight; a larger amount cannot be sent on as a number."""

_FINEST = -30
"""Exponent below that of every real amount."""

_POUND, _OUNCE = Decimal("453.59237"), Decimal("28.349523125")
_KILOGRAM, _GRAM, _TONNE = Decimal(1000), Decimal(1), Decimal(1_000_000)

GRAMS_IN: Mapping[str, Decimal] = {
    "lbs": _POUND, "lb": _POUND, "pounds": _POUND, "pound": _POUND,
    "ounces": _OUNCE, "ounce": _OUNCE, "oz": _OUNCE,
    "kgs": _KILOGRAM, "kg": _KILOGRAM, "kilograms": _KILOGRAM, "kilogram": _KILOGRAM,
    "grams": _GRAM, "gram": _GRAM, "g": _GRAM,
    "tonnes": _TONNE, "tonne": _TONNE,
}  # fmt: skip
"""Grams in each unit of weight, in lower case: the words of BigCommerce's enum (LBS, Ounces, KGS, Grams, Tonnes) and of
its help centre, and short forms, which are also WooCommerce's. A tonne is assumed to be metric (inferred)."""


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


def own_or(own: Amount, inherited: Amount) -> Decimal | None:
    """Return the own amount, else the inherited one."""
    if isinstance(own, Decimal):
        return own
    return inherited if isinstance(inherited, Decimal) else None


def usable(amount: Decimal) -> bool:
    """Return True if an amount can be sent to SparkLayer."""
    return amount.is_finite() and 0 <= amount < _ABSURD


def in_bounds(amount: Decimal) -> bool:
    """Return True if an amount, which may be negative, can be used in sums."""
    return amount.is_finite() and abs(amount) < _ABSURD and int(amount.as_tuple().exponent) > _FINEST
