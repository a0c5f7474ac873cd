"""The ids of the API: integers, handled as text everywhere else."""

from collections.abc import Iterable

from daemon.model import ExternalId

LONGEST_ID = 18
"""Digits."""


def is_id(text: str) -> bool:
    """Whether `text` can be an id of the API."""
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_ID


def listed(ids: Iterable[object]) -> str:
    """Return ids as a parameter such as `id:in` takes them."""
    return ",".join(map(str, ids))


def padded(external_id: ExternalId | int) -> str:
    """Return an id as an owner on the shelf, where the order of texts must be that of numbers."""
    return str(external_id).zfill(LONGEST_ID)
