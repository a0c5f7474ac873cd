"""Grams in each unit of weight that a platform names."""

from collections.abc import Mapping
from decimal import Decimal

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
