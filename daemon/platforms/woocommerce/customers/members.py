"""Finds out which customers have a role that their own record does not show.

A customer's record shows only its first role, which is proof. The other roles are known from lists by role alone, and a
cache or a proxy may drop the parameter `role`: then the lists of all roles have the same customers. So a list is asked
for again, with nothing changed but the role:

* A listed customer is believed to be a member if the list of a role outside B2B leaves it out. It is *refuted* if two
  such lists have it too.
* A customer that no list has is believed to be none if the list of its own first role has it.

Without this, retail customers would go to SparkLayer, and members would be removed from it.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from attrs import frozen
from msgspec import Raw, Struct
from msgspec.json import Decoder

from daemon.errors import Rejected, Retry
from daemon.model import ExternalId, Lane
from daemon.platforms.shared.page_size import PageSize, read_in_parts
from daemon.platforms.shared.rows import OUT_OF_FILTER, read_id, readable, with_ids
from daemon.platforms.woocommerce.client import Client
from daemon.platforms.woocommerce.customers.roles import PATH, Roles
from daemon.platforms.woocommerce.values import MOST_INCLUDED, listed

T = TypeVar("T")

FIRST_ROLE = {"_fields": "id,role"}
CONTROLS = 2
"""Lists of other roles that must have a customer before it is refuted: a person may have three roles."""


class _FirstRole(Struct, frozen=True):
    role: str = ""


_DECODER = Decoder(_FirstRole)


def first_role(raw: Raw) -> str:
    """Return a customer's first role; empty if it has none, or its record does not show it."""
    return next((row.role for row in readable([raw], _DECODER)), "")


@frozen(kw_only=True)
class Membership:
    """Ids of customers that have a role, and of those about whom the lists contradict each other."""

    members: frozenset[int]
    refuted: frozenset[int]


class Members:
    """Asks one shop for the members of its roles."""

    def __init__(self, client: Client, roles: Roles) -> None:
        self._client = client
        self._roles = roles
        self._size = PageSize(MOST_INCLUDED)

    async def of(self, roles: Iterable[str], firsts: Mapping[int, str], lane: Lane, *, omissions: bool) -> Membership:
        """Return the customers that have one of `roles`; `firsts` has the first role of each, by id.

        With `omissions`, a customer is refuted too if not even the list of its first role has it.
        """
        ids = [ExternalId(str(id_)) for id_ in firsts]
        answers: dict[str, frozenset[int]] = {}

        async def ask(role: str) -> frozenset[int]:
            # Always the whole question: a cache may have its answer under everything but the role.
            if role not in answers:
                answers[role] = frozenset(map(read_id, await self.included(role, ids, lane)))
            return answers[role]

        found = {id_: firsts[id_] for role in roles for id_ in await ask(role)}
        contradicted = await self.contradicted(found, ask)
        if omissions:
            omitted = {id_: first for id_, first in firsts.items() if id_ not in found}
            for role in sorted({*omitted.values()}.intersection(await self._roles.every())):
                contradicted |= {id_ for id_, first in omitted.items() if first == role} - await ask(role)
        return Membership(members=frozenset(found) - contradicted, refuted=contradicted)

    async def included(self, role: str, ids: Sequence[ExternalId], lane: Lane) -> list[Raw]:
        """Read the first roles of those of `ids` that have a role. Raises Retry if the answer has other customers."""
        ask = partial(self.among, role, FIRST_ROLE, lane)
        return await self.of_role(role, partial(read_in_parts, ask, ids, self._size))

    async def among(self, role: str, fields: Mapping[str, str], lane: Lane, ids: Sequence[ExternalId]) -> list[Raw]:
        """Read those of `ids` that have a role, in one call. Raises Retry if the answer has other customers."""
        query = {**fields, "role": role, "include": listed(ids), "per_page": str(MOST_INCLUDED)}
        rows = with_ids((await self._client.page(PATH, lane=lane, query=query)).rows)
        if not {str(read_id(raw)) for raw in rows} <= set(ids):
            raise Retry("WooCommerce lists customers that were not asked for", reason=OUT_OF_FILTER)
        return rows

    async def of_role(self, role: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask with a role. If the shop has no such role any more, the roles are read again."""
        try:
            return await ask()
        except Rejected as refused:
            if "role" not in refused.properties:
                raise
            self._roles.forget()
            raise Retry(f'WooCommerce has no role "{role}" any more', reason="role_unknown") from None

    async def contradicted(
        self, found: Mapping[int, str], ask: Callable[[str], Awaitable[Collection[int]]]
    ) -> frozenset[int]:
        """Return those of `found`, ids with first roles, that the lists of roles outside B2B have too.

        `ask` puts the question that found them for another role.
        """
        doubtful, times = set(found), Counter[int]()
        for role in await self._roles.others():
            suspects = {id_ for id_ in doubtful if times[id_] < CONTROLS and found[id_] != role}
            if not suspects:
                continue
            also = suspects.intersection(await ask(role))
            doubtful -= suspects - also
            times.update(also)
        return frozenset(id_ for id_ in doubtful if times[id_])
