"""Finds out which customers have a role that their own record does not show.

A customer's record shows only its first role, which is proof. The other roles are known from lists by role alone, and a
cache or a proxy may drop the parameter `role`: then the lists of all roles have the same customers. So a list is asked
for again, with nothing changed but the role:

* A listed customer is believed to be a member if the list of a role outside B2B leaves it out. It is *refuted* if two
  such lists have it too.
* A customer that no list has is believed to be none if the list of its own first role has it.

Without this, retail customers would go to SparkLayer, and members would be removed from it.

The names of the roles come from the description of these lists (woocommerce-more.md, Customers). They are read when an
enumeration begins, and stay cached, so one description without a B2B role would take its customers away: a second one,
two seconds later, decides.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import TypeVar

import msgspec
import trio
from attrs import frozen
from msgspec import Raw, Struct
from msgspec.json import Decoder

from daemon.errors import Rejected, Retry
from daemon.model import ExternalId, Lane
from daemon.platforms.shared.page_size import PageSize, read_in_parts
from daemon.platforms.shared.rows import OUT_OF_FILTER, read_id, readable, with_ids
from daemon.platforms.woocommerce.client import OBJECT, Client
from daemon.platforms.woocommerce.values import MOST_INCLUDED, listed
from daemon.transport.http import shortly
from daemon.transport.second_answer import SECOND_AFTER

T = TypeVar("T")

PATH = "/customers"
ANY = "all"
"""Value of the filter for every role; it is not a role."""

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


class Roles:
    """The B2B roles of one shop, in the order of its list."""

    def __init__(self, client: Client, patterns: Sequence[str]) -> None:
        self._client = client
        self._patterns = patterns
        self._every: tuple[str, ...] | None = None
        self._known: frozenset[str] | None = None
        """The B2B roles at the last reading, kept by `forget`; None before the first."""

    async def refresh(self) -> tuple[str, ...]:
        """Read the shop's roles."""
        every, known = await self._read(), self._known
        # At the first reading, a shop without any B2B role is asked twice.
        if not known <= set(every) if known is not None else not any(map(self.is_b2b, every)):
            await trio.sleep(SECOND_AFTER)
            every = await self._read()
        self._every, self._known = every, frozenset(filter(self.is_b2b, every))
        return every

    async def every(self) -> tuple[str, ...]:
        """Return the shop's roles, read at the first call."""
        return await self.refresh() if self._every is None else self._every

    async def b2b(self) -> tuple[str, ...]:
        """Return the B2B roles."""
        return tuple(filter(self.is_b2b, await self.every()))

    async def others(self) -> tuple[str, ...]:
        """Return the roles outside B2B."""
        return tuple(role for role in await self.every() if not self.is_b2b(role))

    async def unmatched(self) -> tuple[str, ...]:
        """Read the shop's roles; return the patterns without any role."""
        every = await self.refresh()
        return tuple(pattern for pattern in self._patterns if not any(fnmatchcase(role, pattern) for role in every))

    async def _read(self) -> tuple[str, ...]:
        """Return the roles in the description of the list of customers. Raises Retry if there are none."""
        described = await shortly(partial(self._client.options, PATH, OBJECT, lane=Lane.LIVE))
        try:
            reads = [end for end in described["endpoints"] if "GET" in end["methods"]]
            roles = msgspec.convert(reads[0]["args"]["role"]["enum"], list[str])
        except (KeyError, IndexError, TypeError, msgspec.ValidationError):
            roles = []
        if not roles:
            raise Retry("WooCommerce's description of customers names no roles", reason="unexpected_shape")
        return tuple(dict.fromkeys(role for role in roles if role != ANY))

    def is_b2b(self, role: str) -> bool:
        """Return True if a role fits one of the patterns."""
        return any(fnmatchcase(role, pattern) for pattern in self._patterns)

    def forget(self) -> None:
        """Read the roles again at the next call: the shop has refused one."""
        self._every = None


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
