"""The API's ids, whole numbers that are written as text in the rest of the daemon, and values of its filters.

`MetafieldsId` is an id of our own, such as "the metafields of variant 55". A webhook names no more than that: it does
not name the variant's product, and does not say that an order itself changed.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Self

from attrs import frozen

from daemon.model import ExternalId

MARGIN = 1.0
"""Seconds subtracted from a filter such as `date_modified:min`, which may exclude its own second (undocumented)."""

LONGEST_ID = 18
"""Digits."""

LARGEST_ID = 2**31 - 1
"""Ids are documented as whole numbers that count up from 1; their size of 32 bits is inferred."""

RESOURCES = ("product", "variant", "order")
"""Resources with metafields that we use."""

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
    """Return True if `text` can be an id of the API."""
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_ID


def listed(ids: Iterable[object]) -> str:
    """Return ids as the value of a parameter such as `id:in`."""
    return ",".join(map(str, ids))


def padded(external_id: ExternalId | int) -> str:
    """Return an id as an owner in the adapter's state, padded so that text order is number order."""
    return str(external_id).zfill(LONGEST_ID)


def since_text(since: float) -> str:
    """Return seconds since the epoch in the format of a filter, for the start of a sweep.

    Always a full timestamp: BigCommerce completes a bare date with the present time of day (contract section 3).
    """
    return f"{datetime.fromtimestamp(max(0, int(since - MARGIN)), UTC):%Y-%m-%dT%H:%M:%SZ}"
