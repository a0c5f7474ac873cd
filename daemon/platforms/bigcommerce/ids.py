"""The ids of the API: whole numbers, written as text wherever the rest of the daemon sees them.

Besides there is an id of our own making, for "the metafields of product 118", "of variant 55" or "of order 7": all
that a webhook tells of them, and not enough to know the product, or that the order itself is as it was.
"""

from collections.abc import Iterable
from typing import Self

from attrs import frozen

from daemon.model import ExternalId

LONGEST_ID = 18
"""Digits."""

LARGEST_ID = 2**31 - 1
"""Ids are documented as whole numbers and counted up from 1; that they have 32 bits is inferred."""

RESOURCES = ("product", "variant", "order")
"""What has metafields that matter to us."""

_METAFIELDS = "metafields"


@frozen
class MetafieldsId:
    """All metafields of one of `RESOURCES`."""

    resource: str
    id: int

    @property
    def text(self) -> ExternalId:
        """The id as the rest of the daemon sees it, such as "metafields:variant:55"."""
        return ExternalId(f"{_METAFIELDS}:{self.resource}:{self.id}")

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read such an id; None for any other text."""
        head, _, rest = text.partition(":")
        resource, _, number = rest.partition(":")
        return cls(resource, int(number)) if head == _METAFIELDS and resource in RESOURCES and is_id(number) else None


def is_id(text: str) -> bool:
    """Whether `text` can be an id of the API."""
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_ID


def listed(ids: Iterable[object]) -> str:
    """Return ids as a parameter such as `id:in` takes them."""
    return ",".join(map(str, ids))


def padded(external_id: ExternalId | int) -> str:
    """Return an id as an owner in the adapter's state, where the order of texts must be that of numbers."""
    return str(external_id).zfill(LONGEST_ID)
