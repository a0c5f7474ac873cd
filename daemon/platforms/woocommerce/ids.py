"""The ids of WooCommerce's API: whole numbers, written as text in the rest of the daemon."""

from collections.abc import Iterable

LONGEST_ID = 18
"""Digits."""

LARGEST_ID = 2**63 - 1
"""WordPress's ids are unsigned numbers of 64 bits in the database, and PHP reads 63 of them (inferred)."""

MOST_INCLUDED = 100
"""Most ids in one list: more do not fit on a page, and make a header that web servers refuse (woocommerce-more.md)."""


def is_id(text: str) -> bool:
    """Return True if `text` can be an id of the API."""
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_ID and int(text) > 0


def listed(ids: Iterable[object]) -> str:
    """Return ids as the value of a parameter such as `include`."""
    return ",".join(map(str, ids))
