"""Reads customers: pages, changes, and customers by id, with their membership in the B2B roles.

A customer's record shows only the first of its roles, so the lists by role decide who is B2B (see `members`). The lists
have no dates: a sweep reads every B2B role whole. An enumeration leaves out customers that an earlier list had already.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import TypeAlias

from attrs import frozen
from msgspec import Raw

from daemon.entities import Customer, Mapped, StoreFacts
from daemon.errors import Retry
from daemon.model import ExternalId, Lane
from daemon.platforms.base import Entity, IdPage, Page
from daemon.platforms.shared.rows import OUT_OF_FILTER, Odd, Unreadable, read_id, with_ids
from daemon.platforms.woocommerce.client import Client, Listed
from daemon.platforms.woocommerce.customers import mapping
from daemon.platforms.woocommerce.customers.mapping import RawCustomer
from daemon.platforms.woocommerce.customers.members import ANY, FIRST_ROLE, PATH, Members, Membership, Roles, first_role
from daemon.platforms.woocommerce.customers.schema import CUSTOMERS, FIELDS
from daemon.platforms.woocommerce.customers.schema import Customer as Read
from daemon.platforms.woocommerce.reader import WooCommerceReader
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.platforms.woocommerce.walk import Ask, step

SEPARATOR = "/"
"""Between the role and the place in a cursor. A role's name has no slash (inferred)."""

_Member: TypeAlias = tuple[str, int]
"""A role, and the id of a customer."""

MOST_CONFIRMED = 20_000


@frozen(kw_only=True)
class _RoleStep:
    """The customers of one page of a role's list, and the cursor of the next page."""

    role: str
    rows: list[Raw]
    refuted: frozenset[int]
    following: str | None

    @property
    def membership(self) -> Membership:
        return Membership(members=frozenset(map(read_id, self.rows)) - self.refuted, refuted=self.refuted)


class CustomerReader(WooCommerceReader):
    """The customers of one shop that have a B2B role. By their ids, others are read too."""

    path = PATH

    def __init__(self, client: Client, settings: WooCommerceSettings, roles: Roles) -> None:
        super().__init__(client, {"_fields": FIELDS})
        self._prefix = settings.attribute_prefix
        self._roles = roles
        self._members = Members(client, roles)
        self._confirmed = set[_Member]()
        """Hidden members that the list of another role left out. Sweeps believe that until the next walk asks again."""

    async def page(self, cursor: str | None) -> Page:
        """Read the B2B customers that follow `cursor`: one role after the other, each customer once."""
        if cursor is None:
            await self._roles.refresh()
        step = await self._step(cursor, self._fields, believed=frozenset())
        seen = await self._in_earlier_roles(step.role, step.rows)
        new = [raw for raw in step.rows if read_id(raw) not in seen]
        return Page(entities=self._decoded(new, step.membership), cursor=step.following)

    async def changed_since(self, _since: float, cursor: str | None) -> Page:
        """Read a page of every B2B customer: their lists do not tell who has changed."""
        step = await self._step(cursor, self._fields, believed=self._confirmed)
        return Page(entities=self._decoded(step.rows, step.membership), cursor=step.following)

    async def ids(self, cursor: str | None) -> IdPage:
        """Read a page of the ids of B2B customers; one with two B2B roles comes twice."""
        step = await self._step(cursor, FIRST_ROLE, believed=self._confirmed)
        return IdPage(ids=[ExternalId(str(read_id(raw))) for raw in step.rows], cursor=step.following)

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Customer]:
        """Map a customer."""
        return mapping.customer(entity.content, facts)

    async def _step(self, cursor: str | None, fields: Mapping[str, str], believed: AbstractSet[_Member]) -> _RoleStep:
        """Read a page of one role. No second list is asked about members in `believed`."""
        roles = await self._roles.b2b()
        role, _, place = (cursor or "").rpartition(SEPARATOR)
        if not cursor:
            role = roles[0] if roles else ""
        if role not in roles:
            # The role has been removed during the walk; a later walk sees what is left of it.
            return _RoleStep(role=role, rows=[], refuted=frozenset(), following=None)
        refuted = set[int]()
        ask = self._asks(role, fields, believed, refuted)
        found = await self._members.of_role(role, partial(step, ask, place, self._size, FIRST_ROLE))
        if len(refuted) > 1:
            # Then it is the list that ignores the role, not a customer that has all of them.
            raise Retry(f'WooCommerce lists customers without the role "{role}"', reason=OUT_OF_FILTER)
        rest = roles[roles.index(role) + 1 :]
        following = f"{rest[0]}{SEPARATOR}" if rest else None
        if found.cursor:
            following = f"{role}{SEPARATOR}{found.cursor}"
        return _RoleStep(role=role, rows=with_ids(found.rows), refuted=frozenset(refuted), following=following)

    def _asks(self, role: str, fields: Mapping[str, str], believed: AbstractSet[_Member], refuted: set[int]) -> Ask:
        """Return the function that asks for a page of a role's list, and puts customers of other roles in `refuted`."""

        async def ask(place: dict[str, str]) -> Listed:
            async def page(role: str) -> Listed:
                return await self._client.page(PATH, lane=Lane.BACKFILL, query={**fields, "role": role, **place})

            async def ids(role: str) -> list[int]:
                return [*_firsts((await page(role)).rows)]

            found = await page(role)
            hidden = {
                id_: first
                for id_, first in _firsts(found.rows).items()
                if not self._roles.is_b2b(first) and (role, id_) not in believed
            }
            contradicted = await self._members.contradicted(hidden, ids)
            refuted.update(contradicted)
            self._confirmed.difference_update((role, id_) for id_ in contradicted)
            self._confirmed.update((role, id_) for id_ in hidden.keys() - contradicted)
            if len(self._confirmed) > MOST_CONFIRMED:
                # Memory must not grow with the shop. The next sweep asks again.
                self._confirmed.clear()
            return found

        return ask

    async def _in_earlier_roles(self, role: str, rows: Sequence[Raw]) -> frozenset[int]:
        """Return the customers among rows that have a role whose list comes before that of `role`."""
        roles = await self._roles.b2b()
        earlier = roles[: roles.index(role)] if role in roles else ()
        return (await self._members.of(earlier, _firsts(rows), Lane.BACKFILL, omissions=False)).members

    async def _b2b(self, rows: Sequence[Raw], lane: Lane) -> Membership:
        """Return the B2B customers among rows; the first role is proof, but others may be hidden behind it."""
        firsts = _firsts(rows)
        known = {id_ for id_, first in firsts.items() if self._roles.is_b2b(first)}
        hidden = {id_: first for id_, first in firsts.items() if id_ not in known}
        membership = await self._members.of(await self._roles.b2b(), hidden, lane, omissions=True)
        return Membership(members=membership.members | known, refuted=membership.refuted)

    async def _some(self, ids: Sequence[ExternalId], lane: Lane) -> list[Raw]:
        return await self._members.among(ANY, self._fields, lane, ids)

    async def _entities(self, raws: Sequence[Raw], lane: Lane) -> list[Entity]:
        """Decode customers, B2B or not."""
        return self._decoded(raws, await self._b2b(raws, lane))

    def _decoded(self, rows: Sequence[Raw], membership: Membership) -> list[Entity]:
        return [Entity(ExternalId(str(read_id(raw))), self._content(raw, membership)) for raw in rows]

    def _content(self, raw: Raw, membership: Membership) -> RawCustomer | Unreadable | Odd:
        read = CUSTOMERS.read(raw)
        if read.id in membership.refuted:
            return Unreadable(read.id, "the lists of its roles contradict each other", reason=OUT_OF_FILTER)
        if isinstance(read, Read):
            return RawCustomer(customer=read, is_b2b=read.id in membership.members, prefix=self._prefix)
        # Odd fields of a retail customer concern no one.
        return Odd(read.id, (), read.rest) if isinstance(read, Odd) and read.id not in membership.members else read


def _firsts(rows: Sequence[Raw]) -> dict[int, str]:
    """Return the first roles of customers, by id."""
    return {read_id(raw): first_role(raw) for raw in with_ids(rows)}
