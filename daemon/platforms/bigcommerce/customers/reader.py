"""Reads customers: pages, changes, and customers by their ids, with all their addresses and attributes.

An enumeration asks for the B2B groups only, so a store's retail customers cost nothing; what changed since a time is
asked for in all groups, since who has left one must be seen. The groups and the names of attributes are read when an
enumeration begins, and kept.

There is no way to ask for one customer, and that a list leaves one out proves nothing by itself. So one
that may be gone is asked for together with one that is known to be there: when only that one comes, it is gone. A
store that lists nobody is not believed while we know of somebody else, and otherwise only when it has said so about
that customer as often as a list that is too short.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from attrs import evolve, frozen
from msgspec import Raw

from daemon.entities import Customer, Mapped, StoreFacts
from daemon.errors import Failure, Rejected, Retry
from daemon.model import ExternalId, Lane
from daemon.platforms.adapter_state import AdapterState
from daemon.platforms.base import BAD_ID, Entity, Page
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.customers import mapping
from daemon.platforms.bigcommerce.customers.mapping import RawCustomer
from daemon.platforms.bigcommerce.customers.namesakes import find_namesakes
from daemon.platforms.bigcommerce.customers.overflow import Overflow, read_overflow
from daemon.platforms.bigcommerce.customers.schema import (
    ADDRESSES,
    ATTRIBUTES,
    GROUPS,
    INCLUDED,
    NAMES,
    Address,
    Attribute,
    AttributeName,
    Group,
    Owned,
    read_customer,
)
from daemon.platforms.bigcommerce.customers.schema import Customer as Listed
from daemon.platforms.bigcommerce.customers.sentinels import Sentinels
from daemon.platforms.bigcommerce.dates import since_text
from daemon.platforms.bigcommerce.ids import is_id, listed
from daemon.platforms.bigcommerce.page_size import PageSize
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.bigcommerce.short_answers import ShortAnswers
from daemon.platforms.shared.second_look import listed_or_empty
from daemon.transport.http import shortly

PATH = "/v3/customers"
LIMIT = 250
_INCLUDE = {"include": "addresses,attributes"}

B = TypeVar("B", bound=Owned)


@frozen(kw_only=True)
class _Known:
    """What is the same for all customers: the B2B groups, all groups, and the names of attributes by their ids.

    Where the settings name the B2B groups no others need be known (None). `unread` are groups whose rows could not be
    read, so that nobody knows what their customers are.
    """

    groups: frozenset[int]
    every_group: frozenset[int] | None
    names: Mapping[int, str]
    unread: frozenset[int] = frozenset()

    @property
    def asked(self) -> frozenset[int]:
        """The groups of which customers are asked for."""
        return self.groups | self.unread

    def has_group(self, customer: Listed) -> bool:
        """Whether the group of a customer is one of these, if it has one."""
        group = customer.customer_group_id
        return not group or self.every_group is None or group in self.every_group

    def named(self, values: Iterable[Attribute]) -> dict[str, Attribute]:
        """Return values by their names; those whose name is of later are not among them."""
        return {self.names[one.attribute_id]: one for one in values if one.attribute_id in self.names}


class CustomerReader:
    """The B2B customers of one store."""

    batch = LIMIT

    def __init__(self, client: Client, settings: BigCommerceSettings, state: AdapterState) -> None:
        self._client = client
        self._settings = settings
        self._known: _Known | None = None
        self._size = PageSize()
        self._short_answers = ShortAnswers()
        self._sentinels = Sentinels(state)

    async def page(self, cursor: str | None) -> Page:
        """Read the page of B2B customers that `cursor`, one of BigCommerce's, begins."""
        known = self._known = await self._learn() if cursor is None or self._known is None else self._known
        if not known.asked:
            return Page(entities=(), cursor=None)
        page = await self._page({"customer_group_id:in": listed(sorted(known.asked))}, cursor)
        return evolve(page, entities=[_of_groups(one, known.asked) for one in page.entities])

    async def changed_since(self, since: float, cursor: str | None) -> Page:
        """Read a page of what changed, in whatever group."""
        changed = {"date_modified:min": since_text(since), "sort": "date_modified:asc"}
        return await self._page(changed, cursor)

    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read customers by their ids: in one call, or in several when the store bears only smaller answers."""
        rest = [one for one in ids if is_id(one)]
        found: dict[ExternalId, Entity] = {}
        while rest:
            asked, entities = await shortly(partial(self._read_some, rest, lane))
            found.update((entity.external_id, entity) for entity in entities)
            rest = rest[asked:]
        return found

    async def read_one(self, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one customer; None when another one that was asked for with it is there, and it is not."""
        if not is_id(external_id):
            raise Rejected(f"{external_id!r} is not a BigCommerce customer's id", reason=BAD_ID)
        for anew in (False, True):  # a sentinel may have been deleted meanwhile: then another one is looked for
            sentinel = await self._find_sentinel(int(external_id), lane, anew=anew)
            asked = list(dict.fromkeys([int(external_id)] if sentinel is None else [int(external_id), sentinel]))
            listing = await self._list({"id:in": listed(asked)}, lane)
            rows = schema.with_ids(listing.data)
            if len(rows) < len(listing.data) or not {schema.read_id(raw) for raw in rows} <= set(asked):
                raise Retry("BigCommerce lists customers that were not asked for", reason=schema.OUT_OF_FILTER)
            entities = {one.external_id: one for one in await self._entities(rows, lane)}
            if external_id in entities:
                return entities[external_id]
            if sentinel is None or ExternalId(str(sentinel)) in entities:
                await self._sentinels.gone(int(external_id))
                return None
        raise Retry("BigCommerce lists none of the customers asked for", reason="sentinel_missing")

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Customer]:
        """Map a customer."""
        if isinstance(entity.content, schema.Odd):
            return mapping.unread(entity.content, facts)
        return mapping.customer(entity.content, facts)

    async def _learn(self) -> _Known:
        """Read the groups and the names of attributes. That there are no groups takes two answers."""
        groups, every, unread = frozenset(self._settings.b2b_customer_groups), None, frozenset[int]()
        if not groups:
            ask = partial(self._client.pages, "/v2/customer_groups", schema.RAW_LIST, lane=Lane.LIVE, limit=LIMIT)
            rows = [GROUPS.read(raw) for raw in schema.with_ids(await listed_or_empty(ask))]
            every = frozenset(row.id for row in rows)
            unread = frozenset(row.id for row in rows if not isinstance(row, Group))
            groups = frozenset(
                row.id for row in rows if isinstance(row, Group) and row.id and not row.is_group_for_guests
            )
        raws = await self._client.every(f"{PATH}/attributes", schema.RAW_LISTING, lane=Lane.LIVE, limit=LIMIT)
        names = [row for row in map(NAMES.read, schema.with_ids(raws)) if isinstance(row, AttributeName)]
        return _Known(groups=groups, every_group=every, names={one.id: one.name or "" for one in names}, unread=unread)

    async def _page(self, narrowed: Mapping[str, str], cursor: str | None) -> Page:
        query = {**narrowed} | ({"after": cursor} if cursor else {})
        listing, following = await shortly(partial(self._page_once, query, cursor))
        return Page(entities=await self._entities(schema.with_ids(listing.data), Lane.BACKFILL), cursor=following)

    async def _page_once(self, query: Mapping[str, str], cursor: str | None) -> tuple[schema.Listing[Raw], str | None]:
        """Read a page, and where the next one begins. Raises Retry when it contradicts itself."""
        listing = await self._client.get(PATH, schema.RAW_LISTING, lane=Lane.BACKFILL, query=_reading(query))
        total = listing.pagination.total
        if not listing.data and total:
            raise Retry(f"BigCommerce's page is empty, yet {total} customers are said to match", reason="page_empty")
        return listing, listing.cursor(LIMIT, cursor)

    async def _read_some(self, ids: Sequence[ExternalId], lane: Lane) -> tuple[int, list[Entity]]:
        """Read as many of `ids` as the store bears; return how many were asked for, and who was found."""
        asked = ids[: self._size.value]
        query = _reading({"id:in": listed(asked)})
        try:
            listing = await self._client.get(PATH, schema.RAW_LISTING, lane=lane, query=query)
        except Retry as trouble:
            self._size.failed(len(asked), trouble)
            raise
        self._size.succeeded(len(listing.data))
        wanted = [raw for raw in schema.with_ids(listing.data) if str(schema.read_id(raw)) in asked]
        return len(asked), await self._entities(wanted, lane)

    async def _list(self, query: Mapping[str, str], lane: Lane) -> schema.Listing[Raw]:
        return await shortly(partial(self._client.get, PATH, schema.RAW_LISTING, lane=lane, query=_reading(query)))

    async def _find_sentinel(self, other_than: int, lane: Lane, *, anew: bool) -> int | None:
        """Return the id of a customer that is there, or was when we looked last; None when the store has none.

        It is `other_than` only when nobody else is listed. With `anew` it is looked for now. Raises Retry when there is
        nobody, and it is not known that this is true.
        """
        others = await self._sentinels.others_than(other_than)
        if anew or not others:
            query = {"limit": "2"}
            listing = await shortly(partial(self._client.get, PATH, schema.RAW_LISTING, lane=lane, query=query))
            told = listing.pagination.total == 0 and not others
            if not listing.data and (not told or self._short_answers.about(other_than, "store's customers", 1, 0)):
                raise Retry("BigCommerce lists no customers, though there were some", reason="page_empty")
            await self._sentinels.replace([schema.read_id(raw) for raw in schema.with_ids(listing.data)])
            others = await self._sentinels.others_than(other_than) or [other_than] * bool(listing.data)
        return others[0] if others else None

    async def _entities(self, raws: Sequence[Raw], lane: Lane) -> list[Entity]:
        """Decode customers, with the addresses and attributes that did not fit in."""
        if not raws:
            return []
        customers = [read_customer(raw) for raw in raws]
        legible = [one for one in customers if isinstance(one, Listed)]
        known, anew = await self._known_with(legible)
        await self._sentinels.seen([customers[0].id, customers[-1].id])
        readable = [one for one in legible if one.customer_group_id in known.groups]
        addresses = await self._more_addresses(readable, lane)
        attributes = await self._more_attributes(readable, lane)
        limited = [one for one in readable if one.channel_ids]
        beside = len(limited) < len(customers)
        namesakes = await find_namesakes(self._client, PATH, limited, known.groups, lane, beside=beside)
        every = {value.attribute_id for one in readable for value in _all(one.attributes, attributes.get(one.id))}
        if not anew and not every <= known.names.keys():
            known = self._known = await self._learn()

        def content(one: Listed | schema.Unreadable | schema.Odd) -> Any:
            if isinstance(one, Listed):
                namesake = namesakes.get(one.id, False)
                if isinstance(namesake, Failure):
                    return namesake
                told = self._told(known, one, addresses.get(one.id), attributes.get(one.id))
                return evolve(told, has_namesake=namesake) if isinstance(told, RawCustomer) else told
            return _of_b2b(one, known) if isinstance(one, schema.Odd) else one

        return [Entity(ExternalId(str(one.id)), content(one)) for one in customers]

    def _told(
        self, known: _Known, one: Listed, addresses: Overflow[Address] | None, attributes: Overflow[Attribute] | None
    ) -> RawCustomer | Failure | schema.Unreadable | schema.Odd:
        """Return a customer with all that is its own, or what stands for it."""
        if one.customer_group_id in known.unread:
            return schema.Unreadable(one.id, "its customer group cannot be read")
        fault = (addresses and addresses.fault) or (attributes and attributes.fault)
        if fault:
            return fault
        addresses_of, values = _all(one.addresses, addresses), _all(one.attributes, attributes)
        if (addresses and addresses.is_short_of(one.address_count)) or (
            attributes and attributes.is_short_of(one.attribute_count)
        ):
            return schema.Unreadable(one.id, "a list has rows of nobody who was asked for", reason=schema.OUT_OF_FILTER)
        return self._doubt(known, one, addresses_of, values) or RawCustomer(
            customer=one,
            addresses=addresses_of,
            attributes=known.named(values),
            is_b2b=one.customer_group_id in known.groups,
            group=self._settings.customer_group_mapping.get(one.customer_group_id),
        )

    def _doubt(
        self, known: _Known, one: Listed, addresses_of: Sequence[Address], values: Sequence[Attribute]
    ) -> schema.Unreadable | None:
        """Return what stands for a customer of a group that is not listed, or of which less is than is counted.

        A list without any group is never believed against a customer that has one.
        """
        if known.every_group == frozenset() and one.customer_group_id:
            return schema.Unreadable(one.id, "it has a group, and no groups are listed", reason=schema.MISCOUNTED)
        if not known.has_group(one):
            return self._short_answers.about(one.id, "groups", 1, 0)
        if one.customer_group_id not in known.groups:
            return None
        counts = {
            "addresses": (_count(one.addresses, one.address_count), len(addresses_of)),
            "attributes": (_count(one.attributes, one.attribute_count), len(values)),
            "attributes' names": (len(values), sum(value.attribute_id in known.names for value in values)),
        }
        short_answers = [self._short_answers.about(one.id, what, *told) for what, told in counts.items()]
        return next(filter(None, short_answers), None)

    async def _known_with(self, customers: Sequence[Listed]) -> tuple[_Known, bool]:
        """Return groups and names as they were learnt, or anew, and whether so, when a customer's group is of later."""
        known = self._known
        if known is not None and all(map(known.has_group, customers)):
            return known, False
        known = self._known = await self._learn()
        return known, True

    async def _more_addresses(self, customers: Sequence[Listed], lane: Lane) -> Mapping[int, Overflow[Address]]:
        """Return all addresses of those that have more than were included, by customer."""
        short = {one.id: one for one in customers if _is_short(one.addresses, one.address_count)}
        return await read_overflow(
            self._client, f"{PATH}/addresses", ADDRESSES, short, lane, beside=len(short) < len(customers)
        )

    async def _more_attributes(self, customers: Sequence[Listed], lane: Lane) -> Mapping[int, Overflow[Attribute]]:
        """Return all attributes of those that have more than were included, by customer."""
        short = {one.id: one for one in customers if _is_short(one.attributes, one.attribute_count)}
        return await read_overflow(
            self._client, f"{PATH}/attribute-values", ATTRIBUTES, short, lane, beside=len(short) < len(customers)
        )


def _of_groups(entity: Entity, asked: frozenset[int]) -> Entity:
    """Return a customer of a page, unreadable when it is of none of the groups that were asked for."""
    content = entity.content
    listed_as = (
        content.customer
        if isinstance(content, RawCustomer)
        else content.rest
        if isinstance(content, schema.Odd)
        else None
    )
    if listed_as is None or listed_as.customer_group_id in asked:
        return entity
    told = schema.Unreadable(int(entity.external_id), "it is of no group asked for", reason=schema.OUT_OF_FILTER)
    return evolve(entity, content=told)


def _all(included: Sequence[B], more: Overflow[B] | None) -> Sequence[B]:
    """Return what there is: what was included is known, whatever a list says that was read for the rest."""
    return max(included, more.rows, key=len) if more else included


def _of_b2b(odd: schema.Odd, known: _Known) -> schema.Odd:
    """Return what stands for a customer with odd fields: without them where its group is one of retail."""
    retail = known.has_group(odd.rest) and odd.rest.customer_group_id not in known.asked
    return evolve(odd, fields=()) if retail and "customer_group_id" not in odd.fields else odd


def _reading(query: Mapping[str, str]) -> dict[str, str]:
    return {**_INCLUDE, **query, "limit": str(LIMIT)}


def _is_short(included: Sequence[object], count: int | None) -> bool:
    """Whether there are more than were included; without a count, as many as can be included may not be all."""
    return len(included) < count if count is not None else len(included) >= INCLUDED


def _count(included: Sequence[object], count: int | None) -> int:
    """Return how many there are at least."""
    return len(included) if count is None else count
