"""Rows of many entities, listed together: addresses and attributes of customers, stock of products.

An unreadable row concerns only its owner. A row that names no owner, or one that was not asked for, is a stray: owners
with fewer rows than the store counts are then in doubt, because the stray may be theirs.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from attrs import frozen
from msgspec import Raw

from daemon.errors import Failure
from daemon.model import Lane
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.ids import listed
from daemon.platforms.shared.rows import Odd, Shape, Unreadable
from daemon.platforms.shared.secondary import of_lists
from daemon.transport.http import shortly

B = TypeVar("B")


@frozen(kw_only=True)
class OwnedList(Generic[B]):
    """A v3 list with the filter `owner_filter`; `name` stands for it in the paths of odd fields."""

    path: str
    owner_filter: str
    limit: int
    name: str
    shape: Shape[B]
    read_owner: Callable[[Raw], int | None]


@frozen(kw_only=True)
class OwnedRows(Generic[B]):
    """All rows of one owner.

    `fault` is the owner's substitute if they could not be read, and `doubt` that if some of them may be missing.
    """

    rows: Sequence[B] = ()
    fault: Failure | Unreadable | Odd | None = None
    has_strays: bool = False
    doubt: Unreadable | None = None

    def is_short_of(self, count: int | None) -> bool:
        """Return True if a stray may belong to the owner, which has `count` rows."""
        return self.has_strays and (count is None or len(self.rows) < count)


async def read_owned_rows(
    client: Client, source: OwnedList[B], owners: Mapping[int, Any], lane: Lane, *, beside: bool
) -> Mapping[int, OwnedRows[B]]:
    """Return the rows of each of `owners`, which maps an id to the entity as listed.

    `beside`: the batch has entities that need no call. Raises a failure of the whole connection.
    """

    async def ask(some: Sequence[int]) -> list[Raw]:
        query = {source.owner_filter: listed(some)}
        call = partial(client.every, source.path, schema.RAW_LISTING, lane=lane, limit=source.limit, query=query)
        return await shortly(call)

    found: dict[int, OwnedRows[B]] = {}
    for some, answer in await of_lists(list(owners), ask, lane, beside=beside):
        if isinstance(answer, Failure):
            found.update({owner: OwnedRows(fault=answer) for owner in some})
            continue
        raws: dict[int | None, list[Raw]] = defaultdict(list)
        for raw in answer:
            named = source.read_owner(raw)
            raws[named if named in owners and named in some else None].append(raw)
        for owner in some:
            rows = source.shape.rows(raws[owner], source.name)
            fault = rows.fault(owner, owners[owner])
            found[owner] = OwnedRows(rows=rows.found, fault=fault, has_strays=bool(raws[None]))
    return found
