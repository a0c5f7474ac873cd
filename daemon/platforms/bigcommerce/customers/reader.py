"""Reads customers: pages, changes, and customers by id, with all their addresses and attributes.

An enumeration asks only for the B2B groups, so retail customers cost nothing. Changes are asked for in all groups,
because a customer may have left a B2B group. The groups and the names of attributes are read when an enumeration
begins, and cached.

The API cannot return a single customer, and an omission from a list proves nothing. So a customer that may be gone is
requested together with a sentinel, one that is known to exist: if only the sentinel comes, the customer is gone. A
store that lists no customers is not believed while another one is known; otherwise only after as many equal answers as
`ShortAnswers` asks for.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from attrs import define, evolve, frozen
from msgspec import Raw

from daemon.entities import Customer, Mapped, StoreFacts
from daemon.errors import Failure, Retry
from daemon.model import ExternalId, Lane
from daemon.platforms.adapter_state import AdapterState, Entry
from daemon.platforms.base import Entity, Page
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.customers import mapping
from daemon.platforms.bigcommerce.customers.mapping import RawCustomer
from daemon.platforms.bigcommerce.customers.namesakes import find_namesakes
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
    read_owner,
)
from daemon.platforms.bigcommerce.customers.schema import Customer as Listed
from daemon.platforms.bigcommerce.ids import is_id, listed, since_text
from daemon.platforms.bigcommerce.owned_rows import OwnedList, OwnedRows, read_owned_rows
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.shared.adapter import Reader
from daemon.platforms.shared.page_size import PageSize, read_in_parts
from daemon.platforms.shared.rows import MISCOUNTED, OUT_OF_FILTER, Odd, Unreadable, read_id, with_ids
from daemon.platforms.shared.short_answers import ShortAnswers, listed_or_empty
from daemon.transport.http import shortly

PATH = "/v3/customers"
_INCLUDE = {"include": "addresses,attributes"}

MOST_SENTINELS = 3
"""Number of known customers: enough that another one remains if the requested one is among them."""

_SECTION, _OWNER, _NAME = "customer", "", "there"

B = TypeVar("B", bound=Owned)

_ADDRESSES = OwnedList(
    path=f"{PATH}/addresses",
    owner_filter="customer_id:in",
    limit=schema.LARGEST_PAGE,
    name="addresses",
    shape=ADDRESSES,
    read_owner=read_owner,
)
_ATTRIBUTES = OwnedList(
    path=f"{PATH}/attribute-values",
    owner_filter="customer_id:in",
    limit=schema.LARGEST_PAGE,
    name="attribute-values",
    shape=ATTRIBUTES,
    read_owner=read_owner,
)


@frozen(kw_only=True)
class _Known:
    """Shared data of all customers: the B2B groups, all groups, and the names of attributes by id.

    `every_group` is None if the settings name the B2B groups. `unread` has groups with unreadable rows: it is not known
    if their customers are B2B.
    """

    groups: frozenset[int]
    every_group: frozenset[int] | None
    names: Mapping[int, str]
    unread: frozenset[int] = frozenset()

    @property
    def asked(self) -> frozenset[int]:
        """The groups whose customers are read."""
        return self.groups | self.unread

    def has_group(self, customer: Listed) -> bool:
        """Return True if the group of a customer is known, or if it has none."""
        group = customer.customer_group_id
        return not group or self.every_group is None or group in self.every_group


@define
class Sentinels:
    """Customers of one store that existed at the last check; they may be gone by now.

    A few of their ids are in the adapter's state, so an empty answer proves nothing right after a restart either.
    """

    _state: AdapterState
    _there: Sequence[int] = ()
    """Latest first."""
    _kept: Sequence[int] | None = None
    """The ids in the adapter's state; None if not read yet. Changed rarely, because each change is a write."""

    async def others_than(self, customer: int) -> list[int]:
        """Return the known customers except `customer`, latest first."""
        await self._recall()
        return [known for known in self._there if known != customer]

    async def seen(self, customers: Sequence[int]) -> None:
        """Note customers that were read."""
        kept = await self._recall()
        self._there = list(dict.fromkeys([*customers, *self._there]))[:MOST_SENTINELS]
        if not kept:
            await self._keep()

    async def replace(self, customers: Sequence[int]) -> None:
        """Keep only these customers: the others were not found."""
        kept = await self._recall()
        self._there = customers
        if not kept or not set(kept) <= set(customers):
            await self._keep()

    async def gone(self, customer: int) -> None:
        """Note that a customer does not exist."""
        kept = await self._recall()
        self._there = [known for known in self._there if known != customer]
        if customer in kept:
            await self._keep()

    async def _recall(self) -> Sequence[int]:
        """Return the ids in the adapter's state: the only known ones after a restart."""
        if self._kept is None:
            entries = (await self._state.look_up(_SECTION, [_OWNER])).get(_OWNER, {})
            kept = [int(customer) for customer in entries.get(_NAME, "").split()]
            self._there = list(dict.fromkeys([*self._there, *kept]))[:MOST_SENTINELS]
            self._kept = kept
        return self._kept

    async def _keep(self) -> None:
        await self._state.put(_SECTION, [Entry(_OWNER, _NAME, " ".join(map(str, self._there)))], 0)
        self._kept = self._there


class CustomerReader(Reader):
    """The B2B customers of one store."""

    batch = schema.LARGEST_PAGE

    def __init__(self, client: Client, settings: BigCommerceSettings, state: AdapterState) -> None:
        self._client = client
        self._settings = settings
        self._known: _Known | None = None
        self._size = PageSize(schema.LARGEST_PAGE)
        self._short_answers = ShortAnswers()
        self._sentinels = Sentinels(state)

    def is_id(self, text: str) -> bool:
        """Return True if a text can be an id of the API."""
        return is_id(text)

    async def page(self, cursor: str | None) -> Page:
        """Read the page of B2B customers at `cursor`, which is BigCommerce's own."""
        known = await self._learn() if cursor is None or self._known is None else self._known
        if not known.asked:
            return Page(entities=(), cursor=None)
        page = await self._page({"customer_group_id:in": listed(sorted(known.asked))}, cursor)
        return evolve(page, entities=[_of_groups(entity, known.asked) for entity in page.entities])

    async def changed_since(self, since: float, cursor: str | None) -> Page:
        """Read a page of changed customers of all groups."""
        changed = {"date_modified:min": since_text(since), "sort": "date_modified:asc"}
        return await self._page(changed, cursor)

    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read customers by id: in one call, or in several if the store can handle only smaller answers."""
        ask, decode = partial(self._some, lane=lane), partial(self._entities, lane=lane)
        entities: list[Entity] = await read_in_parts(ask, ids, self._size, decode)
        return {entity.external_id: entity for entity in entities}

    async def read_one(self, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one customer; None if the answer has the sentinel but not the customer."""
        for refresh in (False, True):  # a sentinel may have been deleted meanwhile: then find another one
            sentinel = await self._find_sentinel(int(external_id), lane, refresh=refresh)
            asked = list(dict.fromkeys([int(external_id)] if sentinel is None else [int(external_id), sentinel]))
            query = _reading({"id:in": listed(asked)})
            listing = await shortly(partial(self._client.get, PATH, schema.RAW_LISTING, lane=lane, query=query))
            rows = with_ids(listing.data)
            if len(rows) < len(listing.data) or not {read_id(raw) for raw in rows} <= set(asked):
                raise Retry("BigCommerce lists customers that were not asked for", reason=OUT_OF_FILTER)
            entities = {entity.external_id: entity for entity in await self._entities(rows, lane)}
            if external_id in entities:
                return entities[external_id]
            if sentinel is None or ExternalId(str(sentinel)) in entities:
                await self._sentinels.gone(int(external_id))
                return None
        raise Retry("BigCommerce lists none of the customers asked for", reason="sentinel_missing")

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Customer]:
        """Map a customer."""
        return mapping.customer(entity.content, facts)

    async def _learn(self) -> _Known:
        """Read the groups and the names of attributes. An empty list of groups counts only if it comes twice."""
        groups, every, unread = frozenset(self._settings.b2b_customer_groups), None, frozenset[int]()
        if not groups:
            ask = partial(
                self._client.pages, "/v2/customer_groups", schema.RAW_LIST, lane=Lane.LIVE, limit=schema.LARGEST_PAGE
            )
            rows = [GROUPS.read(raw) for raw in with_ids(await listed_or_empty(ask))]
            every = frozenset(row.id for row in rows)
            unread = frozenset(row.id for row in rows if not isinstance(row, Group))
            groups = frozenset(
                row.id for row in rows if isinstance(row, Group) and row.id and not row.is_group_for_guests
            )
        raws = await self._client.every(
            f"{PATH}/attributes", schema.RAW_LISTING, lane=Lane.LIVE, limit=schema.LARGEST_PAGE
        )
        names = [row for row in map(NAMES.read, with_ids(raws)) if isinstance(row, AttributeName)]
        by_id = {name.id: name.name or "" for name in names}
        self._known = _Known(groups=groups, every_group=every, names=by_id, unread=unread)
        return self._known

    async def _page(self, narrowed: Mapping[str, str], cursor: str | None) -> Page:
        query = {**narrowed} | ({"after": cursor} if cursor else {})
        listing, following = await shortly(partial(self._page_once, query, cursor))
        return Page(entities=await self._entities(with_ids(listing.data), Lane.BACKFILL), cursor=following)

    async def _page_once(self, query: Mapping[str, str], cursor: str | None) -> tuple[schema.Listing[Raw], str | None]:
        """Read a page and the cursor of the next one. Raises Retry if the page contradicts itself."""
        listing = await self._client.get(PATH, schema.RAW_LISTING, lane=Lane.BACKFILL, query=_reading(query))
        total = listing.pagination.total
        if not listing.data and total:
            raise Retry(f"BigCommerce's page is empty but counts {total} customers", reason="page_empty")
        return listing, listing.cursor(schema.LARGEST_PAGE, cursor)

    async def _some(self, ids: Sequence[ExternalId], lane: Lane) -> list[Raw]:
        listing = await self._client.get(PATH, schema.RAW_LISTING, lane=lane, query=_reading({"id:in": listed(ids)}))
        return [raw for raw in with_ids(listing.data) if str(read_id(raw)) in ids]

    async def _find_sentinel(self, other_than: int, lane: Lane, *, refresh: bool) -> int | None:
        """Return the id of a customer that existed at the last check; None if the store has no customers.

        It is `other_than` only if the store lists no other. With `refresh` the store is asked now. Raises Retry if the
        store lists no customers and that is not believed yet.
        """
        others = await self._sentinels.others_than(other_than)
        if refresh or not others:
            query = {"limit": "2"}
            listing = await shortly(partial(self._client.get, PATH, schema.RAW_LISTING, lane=lane, query=query))
            is_empty = listing.pagination.total == 0 and not others
            if not listing.data and (not is_empty or self._short_answers.about(other_than, "store's customers", 1, 0)):
                raise Retry("BigCommerce lists no customers, though there were some", reason="page_empty")
            await self._sentinels.replace([read_id(raw) for raw in with_ids(listing.data)])
            others = await self._sentinels.others_than(other_than) or [other_than] * bool(listing.data)
        return others[0] if others else None

    async def _entities(self, raws: Sequence[Raw], lane: Lane) -> list[Entity]:
        """Decode customers, and read the addresses and attributes that were not included."""
        if not raws:
            return []
        customers = [read_customer(raw) for raw in raws]
        legible = [row for row in customers if isinstance(row, Listed)]
        known, is_fresh = self._known, False
        if known is None or not all(map(known.has_group, legible)):
            known, is_fresh = await self._learn(), True
        await self._sentinels.seen([customers[0].id, customers[-1].id])
        b2b = [row for row in legible if row.customer_group_id in known.groups]
        addresses = await self._rows_of(b2b, _ADDRESSES, "addresses", "address_count", lane)
        attributes = await self._rows_of(b2b, _ATTRIBUTES, "attributes", "attribute_count", lane)
        limited = [row for row in b2b if row.channel_ids]
        beside = len(limited) < len(customers)
        namesakes = await find_namesakes(self._client, PATH, limited, known.groups, lane, beside=beside)
        every = {value.attribute_id for rows in attributes.values() for value in rows.rows}
        if not is_fresh and not every <= known.names.keys():
            known = await self._learn()

        def content(customer: Listed | Unreadable | Odd) -> Any:
            if isinstance(customer, Listed):
                id_ = customer.id
                rows = (addresses[id_], attributes[id_]) if id_ in addresses else None
                return self._complete(known, customer, rows, namesakes.get(id_, False))
            return _of_b2b(customer, known) if isinstance(customer, Odd) else customer

        return [Entity(ExternalId(str(customer.id)), content(customer)) for customer in customers]

    async def _rows_of(
        self, customers: Sequence[Listed], source: OwnedList[B], field: str, count_field: str, lane: Lane
    ) -> Mapping[int, OwnedRows[B]]:
        """Return the rows of each customer: those included in it, or a longer list that is read by itself.

        `doubt` of them is why rows may be missing.
        """
        short = {row.id: row for row in customers if _is_short(getattr(row, field), getattr(row, count_field))}
        more = await read_owned_rows(self._client, source, short, lane, beside=len(short) < len(customers))
        found = {}
        for customer in customers:
            included, count = getattr(customer, field), getattr(customer, count_field)
            listed_rows = more.get(customer.id, OwnedRows[B]())
            # Included rows certainly exist, even if the separate list omits them.
            rows = max(included, listed_rows.rows, key=len)
            fault, doubt = listed_rows.fault, None
            if fault is None and listed_rows.is_short_of(count):
                doubt = Unreadable(customer.id, "a list has rows of unknown customers", reason=OUT_OF_FILTER)
            elif fault is None:
                least = len(included) if count is None else count
                doubt = self._short_answers.about(customer.id, field, least, len(rows))
            found[customer.id] = OwnedRows(rows=rows, fault=fault, doubt=doubt)
        return found

    def _complete(
        self,
        known: _Known,
        customer: Listed,
        rows: tuple[OwnedRows[Address], OwnedRows[Attribute]] | None,
        namesake: bool | Failure,  # noqa: FBT001  an answer, not a switch
    ) -> RawCustomer | Failure | Unreadable | Odd:
        """Return a complete customer, or its substitute. `rows` are None for one outside the B2B groups."""
        group = customer.customer_group_id
        if doubt := self._doubt_of_group(known, customer):
            return doubt
        # The groups may have been read again after the rows, and its group may be a B2B one only since then.
        if rows is None and group in known.groups:
            return Unreadable(customer.id, "its customer group has just become a B2B group")
        if isinstance(namesake, Failure):
            return namesake
        if rows is None or group not in known.groups:
            return RawCustomer(customer=customer, addresses=(), attributes={}, is_b2b=False)
        addresses, attributes = rows
        # Without attributes that are newer than the cached names.
        named = [value for value in attributes.rows if value.attribute_id in known.names]
        doubt = self._short_answers.about(customer.id, "attributes' names", len(attributes.rows), len(named))
        return (
            addresses.fault
            or attributes.fault
            or addresses.doubt
            or attributes.doubt
            or doubt
            or RawCustomer(
                customer=customer,
                addresses=addresses.rows,
                attributes={known.names[value.attribute_id]: value for value in named},
                is_b2b=True,
                group=self._settings.customer_group_mapping.get(group),
                has_namesake=namesake,
            )
        )

    def _doubt_of_group(self, known: _Known, customer: Listed) -> Unreadable | None:
        """Return the substitute for a customer whose group is not known.

        An empty list of groups is never believed if a customer has a group.
        """
        if customer.customer_group_id in known.unread:
            return Unreadable(customer.id, "its customer group cannot be read")
        if known.every_group == frozenset() and customer.customer_group_id:
            return Unreadable(customer.id, "it has a group, but no groups are listed", reason=MISCOUNTED)
        return None if known.has_group(customer) else self._short_answers.about(customer.id, "groups", 1, 0)


def _of_groups(entity: Entity, asked: frozenset[int]) -> Entity:
    """Return a customer of a page, or an unreadable one if its group was not asked for."""
    content = entity.content
    if not isinstance(content, RawCustomer | Odd):
        return entity
    customer = content.customer if isinstance(content, RawCustomer) else content.rest
    if customer.customer_group_id in asked:
        return entity
    why = "it is in a group that was not asked for"
    return evolve(entity, content=Unreadable(customer.id, why, reason=OUT_OF_FILTER))


def _of_b2b(odd: Odd, known: _Known) -> Odd:
    """Return the substitute for a customer with odd fields; without them if it is a retail customer."""
    retail = known.has_group(odd.rest) and odd.rest.customer_group_id not in known.asked
    return evolve(odd, fields=()) if retail and "customer_group_id" not in odd.fields else odd


def _reading(query: Mapping[str, str]) -> dict[str, str]:
    return {**_INCLUDE, **query, "limit": str(schema.LARGEST_PAGE)}


def _is_short(included: Sequence[object], count: int | None) -> bool:
    """Return True if rows may be missing. Without a count, a full included list may be incomplete."""
    return len(included) < count if count is not None else len(included) >= INCLUDED
