"""Addresses and attributes of customers that have more of them than their own rows include.

They are listed for many customers at once. A row that cannot be read concerns its customer only; one that does not say
whose it is, or names a customer who was not asked for, makes those doubtful who then have less than is counted.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar

from attrs import frozen
from msgspec import Raw

from daemon.errors import Failure
from daemon.model import Lane
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.customers.schema import Customer, Owned, read_owner
from daemon.platforms.bigcommerce.ids import listed
from daemon.platforms.bigcommerce.odd import Shape
from daemon.platforms.bigcommerce.secondary import of_lists
from daemon.transport.http import shortly

B = TypeVar("B", bound=Owned)

LIMIT = 250


@frozen(kw_only=True)
class Overflow(Generic[B]):
    """All of a customer's rows; `fault` stands for the customer when they could not be read."""

    rows: Sequence[B] = ()
    fault: Failure | schema.Unreadable | schema.Odd | None = None
    has_strays: bool = False
    """The answer had rows of which it is not known whose they are."""

    def is_short_of(self, count: int | None) -> bool:
        """Whether some of the strays may be of the customer, who has `count` rows."""
        return self.has_strays and (count is None or len(self.rows) < count)


async def read_overflow(
    client: Client, path: str, shape: Shape[B], owners: Mapping[int, Customer], lane: Lane, *, beside: bool
) -> Mapping[int, Overflow[B]]:
    """Return what `path` lists of each of `owners`, `beside` whom others may be read.

    Raises what is nobody's own failure.
    """

    async def ask(some: Sequence[int]) -> list[Raw]:
        query = {"customer_id:in": listed(some)}
        return await shortly(partial(client.every, path, schema.RAW_LISTING, lane=lane, limit=LIMIT, query=query))

    found: dict[int, Overflow[B]] = {}
    for some, answer in await of_lists(list(owners), ask, lane, beside=beside):
        if isinstance(answer, Failure):
            found.update({owner: Overflow(fault=answer) for owner in some})
        else:
            found.update(_shared_out(answer, {owner: owners[owner] for owner in some}, path, shape))
    return found


def _shared_out(
    raws: Sequence[Raw], owners: Mapping[int, Customer], path: str, shape: Shape[B]
) -> Mapping[int, Overflow[B]]:
    """Return the rows of an answer by the customer that each names."""
    by_owner: dict[int | None, list[Raw]] = defaultdict(list)
    for raw in raws:
        owner = read_owner(raw)
        by_owner[owner if owner in owners else None].append(raw)
    found = {}
    for owner, customer in owners.items():
        rows = shape.rows(by_owner[owner], path.rpartition("/")[2])
        found[owner] = Overflow(rows=rows.found, fault=rows.fault(owner, customer), has_strays=bool(by_owner.get(None)))
    return found
