"""Reads customers: pages, changes, and customers by id, with their membership in the B2B roles.

A customer's record shows only the first of its roles, so the lists by role decide who is B2B. The lists have no dates:
a sweep reads every B2B role whole. An enumeration leaves out customers that an earlier list had already.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from msgspec import Raw

from daemon.entities import Customer, Mapped, StoreFacts
from daemon.errors import Missing, Rejected, Retry
from daemon.model import ExternalId, Lane
from daemon.platforms.base import BAD_ID, Entity, IdPage, Page
from daemon.platforms.shared.page_size import PageSize
from daemon.platforms.shared.rows import OUT_OF_FILTER, Odd, Unreadable, read_id, with_ids
from daemon.platforms.woocommerce.client import RAW, Client, Listed
from daemon.platforms.woocommerce.customers import mapping
from daemon.platforms.woocommerce.customers.mapping import RawCustomer
from daemon.platforms.woocommerce.customers.roles import ANY, PATH, Roles
from daemon.platforms.woocommerce.customers.schema import FIELDS, read_customer
from daemon.platforms.woocommerce.customers.schema import Customer as Read
from daemon.platforms.woocommerce.ids import MOST_INCLUDED, is_id, listed
from daemon.platforms.woocommerce.included import read_included
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.platforms.woocommerce.walk import Ask, Place, step
from daemon.transport.http import shortly

T = TypeVar("T")

_FIELDS = {"_fields": FIELDS}
_ID = {"_fields": "id"}
SEPARATOR = "/"
"""Between the role and the place in a cursor. A role's name has no slash (inferred)."""


class CustomerReader:
    """The customers of one shop that have a B2B role."""

    batch = MOST_INCLUDED

    def __init__(self, client: Client, settings: WooCommerceSettings, roles: Roles) -> None:
        self._client = client
        self._prefix = settings.attribute_prefix
        self._roles = roles
        self._size = PageSize(MOST_INCLUDED)
        self._parts = PageSize(MOST_INCLUDED)

    async def page(self, cursor: str | None) -> Page:
        """Read the B2B customers that follow `cursor`: one role after the other, each customer once."""
        if cursor is None:
            await self._roles.refresh()
        role, rows, following = await self._step(cursor, _FIELDS)
        seen = await self._in_earlier_roles(role, [read_id(raw) for raw in rows])
        new = [raw for raw in rows if read_id(raw) not in seen]
        return Page(entities=self._entities(new, frozenset(map(read_id, new))), cursor=following)

    async def changed_since(self, _since: float, cursor: str | None) -> Page:
        """Read a page of every B2B customer: their lists do not tell who has changed."""
        _, rows, following = await self._step(cursor, _FIELDS)
        return Page(entities=self._entities(rows, frozenset(map(read_id, rows))), cursor=following)

    async def ids(self, cursor: str | None) -> IdPage:
        """Read a page of the ids of B2B customers; one with two B2B roles comes twice."""
        _, rows, following = await self._step(cursor, _ID)
        return IdPage(ids=[ExternalId(str(read_id(raw))) for raw in rows], cursor=following)

    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read customers by id, B2B or not."""
        wanted = [id_ for id_ in ids if is_id(id_)]
        rows = await self._included(ANY, wanted, _FIELDS, lane)
        entities = self._entities(rows, await self._b2b(rows, lane))
        return {entity.external_id: entity for entity in entities}

    async def read_one(self, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one customer; None if WooCommerce itself says that it does not exist."""
        if not is_id(external_id):
            raise Rejected(f"{external_id!r} is not a WooCommerce customer's id", reason=BAD_ID)
        ask = partial(self._client.get, f"{PATH}/{external_id}", RAW, lane=lane, query=_FIELDS)
        try:
            raw = await shortly(ask)
        except Missing:
            return None
        if str(read_id(raw)) != external_id:
            raise Retry("WooCommerce's answer is about another customer", reason=OUT_OF_FILTER)
        return self._entities([raw], await self._b2b([raw], lane))[0]

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Customer]:
        """Map a customer."""
        if isinstance(entity.content, Odd):
            return mapping.unread(entity.content, facts)
        return mapping.customer(entity.content, facts)

    async def _step(self, cursor: str | None, fields: Mapping[str, str]) -> tuple[str, list[Raw], str | None]:
        """Read a page of one role; return the role, the rows, and the cursor of the next page."""
        roles = await self._roles.b2b()
        role, _, place = (cursor or "").rpartition(SEPARATOR)
        if not cursor:
            role = roles[0] if roles else ""
        if role not in roles:
            # The role has been removed during the walk; a later walk sees what is left of it.
            return role, [], None
        found = await self._of_role(role, partial(step, self._asks(role, fields), Place.read(place), self._size))
        if found.following:
            return role, with_ids(found.rows), f"{role}{SEPARATOR}{found.following.text}"
        rest = roles[roles.index(role) + 1 :]
        return role, with_ids(found.rows), f"{rest[0]}{SEPARATOR}" if rest else None

    def _asks(self, role: str, fields: Mapping[str, str]) -> Ask:
        async def ask(place: dict[str, str]) -> Listed:
            return await self._client.page(PATH, lane=Lane.BACKFILL, query={**fields, "role": role, **place})

        return ask

    async def _in_earlier_roles(self, role: str, ids: Sequence[int]) -> frozenset[int]:
        """Return those of `ids` that have a role whose list comes before that of `role`."""
        roles = await self._roles.b2b()
        earlier = roles[: roles.index(role)] if role in roles else ()
        return await self._members(earlier, ids, Lane.BACKFILL)

    async def _b2b(self, rows: Sequence[Raw], lane: Lane) -> frozenset[int]:
        """Return the ids of B2B customers among rows; the first role is proof, but others may be hidden behind it."""
        customers = [(read_id(raw), read_customer(raw)) for raw in rows]
        known = {id_ for id_, read in customers if isinstance(read, Read) and self._roles.is_b2b(read.role)}
        rest = [id_ for id_, _ in customers if id_ not in known]
        return await self._members(await self._roles.b2b(), rest, lane) | known

    async def _members(self, roles: Iterable[str], ids: Sequence[int], lane: Lane) -> frozenset[int]:
        """Return those of `ids` that have one of `roles`."""
        found = frozenset[int]()
        for role in roles:
            rest = [ExternalId(str(id_)) for id_ in ids if id_ not in found]
            found |= {read_id(raw) for raw in await self._included(role, rest, _ID, lane)}
        return found

    async def _included(self, role: str, ids: Sequence[ExternalId], fields: Mapping[str, str], lane: Lane) -> list[Raw]:
        """Read those of `ids` that have a role. Raises Retry if the answer has other customers."""

        async def ask(some: Sequence[ExternalId]) -> list[Raw]:
            query = {**fields, "role": role, "include": listed(some), "per_page": str(MOST_INCLUDED)}
            rows = with_ids((await self._client.page(PATH, lane=lane, query=query)).rows)
            if not {str(read_id(raw)) for raw in rows} <= set(some):
                raise Retry("WooCommerce lists customers that were not asked for", reason=OUT_OF_FILTER)
            return rows

        return await self._of_role(role, partial(read_included, ask, ids, self._parts))

    async def _of_role(self, role: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask with a role. If the shop has no such role any more, the roles are read again."""
        try:
            return await ask()
        except Rejected as refused:
            if "role" not in refused.properties:
                raise
            self._roles.forget()
            raise Retry(f'WooCommerce has no role "{role}" any more', reason="role_unknown") from None

    def _entities(self, rows: Sequence[Raw], b2b: frozenset[int]) -> list[Entity]:
        return [Entity(ExternalId(str(read_id(raw))), self._content(raw, b2b)) for raw in rows]

    def _content(self, raw: Raw, b2b: frozenset[int]) -> RawCustomer | Unreadable | Odd:
        read = read_customer(raw)
        if isinstance(read, Read):
            return RawCustomer(customer=read, is_b2b=read.id in b2b, prefix=self._prefix)
        # Odd fields of a retail customer concern no one.
        return Odd(read.id, (), read.rest) if isinstance(read, Odd) and read.id not in b2b else read
