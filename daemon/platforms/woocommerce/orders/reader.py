"""Reads orders that were placed through SparkLayer: pages, changes, and orders by id, with their refunds.

The API cannot filter orders by a meta field, so all are listed, with only the meta fields that we need. Tracking, lines
and deleted refunds can change without moving an order's date (woocommerce-more.md, Orders). So a sweep also reads the
open orders whole, whatever their date. Trashed orders are in no list of changes, so they are read with the open ones.
A refund never changes, so its lines are cached.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Raw

from daemon.entities import Mapped, Order, StoreFacts
from daemon.errors import Missing, Rejected, Retry
from daemon.model import ExternalId, Lane
from daemon.platforms.base import BAD_ID, Entity, IdPage, Page
from daemon.platforms.shared.page_size import PageSize
from daemon.platforms.shared.rows import OUT_OF_FILTER, Odd, Unreadable, read_id, with_ids
from daemon.platforms.shared.secondary import of_each
from daemon.platforms.shared.short_answers import ShortAnswers
from daemon.platforms.woocommerce.client import RAW, Client, Listed
from daemon.platforms.woocommerce.ids import MOST_INCLUDED, is_id, listed
from daemon.platforms.woocommerce.included import read_readable
from daemon.platforms.woocommerce.orders import mapping
from daemon.platforms.woocommerce.orders.mapping import RawOrder
from daemon.platforms.woocommerce.orders.schema import (
    DECIMALS,
    FIELDS,
    REFUND_FIELDS,
    REFUNDS,
    TRACKING,
    Refund,
    read_cart,
    read_order,
)
from daemon.platforms.woocommerce.orders.schema import Order as Read
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.platforms.woocommerce.since import changed_since
from daemon.platforms.woocommerce.walk import Ask, Place, step
from daemon.transport.http import shortly

PATH = "/orders"
OPEN = {"status": "pending,processing,on-hold,trash"}
"""Statuses in which an order may change without a new date; trashed ones are in no other list."""

MOST_CACHED = 2000
"""Refunds in the cache."""

_OPEN = "open:"
"""Begins the cursor of a sweep in its second list."""


class OrderReader:
    """The orders of one shop that were placed through SparkLayer."""

    batch = MOST_INCLUDED

    def __init__(self, client: Client, settings: WooCommerceSettings) -> None:
        self._client = client
        self._key = settings.cart_meta_field
        self._size = PageSize(MOST_INCLUDED)
        self._included = PageSize(MOST_INCLUDED)
        self._short_answers = ShortAnswers()
        self._refunds: OrderedDict[tuple[int, int], Refund] = OrderedDict()
        self._fields = {"_fields": FIELDS, "include_meta": f"{self._key},{TRACKING}", **DECIMALS}

    async def page(self, cursor: str | None) -> Page:
        """Read a page of orders; only ours are returned."""
        return await self._page({}, cursor or "")

    async def changed_since(self, since: float, cursor: str | None) -> Page:
        """Read a page of our orders changed at or after `since`, then of our open and trashed orders."""
        if cursor is not None and cursor.startswith(_OPEN):
            page = await self._page(OPEN, cursor.removeprefix(_OPEN))
            return Page(entities=page.entities, cursor=page.cursor and f"{_OPEN}{page.cursor}")
        page = await self._page(changed_since(since), cursor or "")
        return Page(entities=page.entities, cursor=page.cursor or _OPEN)

    async def ids(self, cursor: str | None) -> IdPage:
        """Read a page of the ids of our orders, with no more than their carts."""
        query = {"_fields": "id,meta_data", "include_meta": self._key}
        found = await step(self._asks(query), Place.read(cursor or ""), self._size)
        ids = [ExternalId(str(read_id(raw))) for raw in found.rows if read_cart(raw, self._key)]
        return IdPage(ids=ids, cursor=found.following.text if found.following else None)

    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read orders by id; those of other channels are returned without content, those in the trash are not."""
        wanted = [id_ for id_ in ids if is_id(id_)]
        rows = await read_readable(partial(self._some, lane=lane), wanted, self._included)
        return {entity.external_id: entity for entity in await self._entities(rows, lane)}

    async def read_one(self, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one order; None if WooCommerce itself says that it does not exist."""
        if not is_id(external_id):
            raise Rejected(f"{external_id!r} is not a WooCommerce order's id", reason=BAD_ID)
        ask = partial(self._client.get, f"{PATH}/{external_id}", RAW, lane=lane, query=self._fields)
        try:
            raw = await shortly(ask)
        except Missing:
            return None
        if str(read_id(raw)) != external_id:
            raise Retry("WooCommerce's answer is about another order", reason=OUT_OF_FILTER)
        return (await self._entities([raw], lane))[0]

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Order]:
        """Map an order."""
        if entity.content is None:
            return mapping.foreign(self._key)
        if isinstance(entity.content, Odd):
            return mapping.unread(entity.content, facts)
        return mapping.order(entity.content, facts)

    async def _some(self, ids: Sequence[ExternalId], lane: Lane) -> list[Raw]:
        query = {**self._fields, "include": listed(ids), "per_page": str(MOST_INCLUDED)}
        rows = (await self._client.page(PATH, lane=lane, query=query)).rows
        return [raw for raw in with_ids(rows) if str(read_id(raw)) in ids]

    async def _page(self, narrowed: Mapping[str, str], place: str) -> Page:
        least = {"_fields": "id,meta_data"}
        found = await step(self._asks({**self._fields, **narrowed}), Place.read(place), self._size, least)
        entities = await self._entities(with_ids(found.rows), Lane.BACKFILL)
        ours = [entity for entity in entities if entity.content is not None]
        return Page(entities=ours, cursor=found.following.text if found.following else None)

    def _asks(self, query: Mapping[str, str]) -> Ask:
        async def ask(place: dict[str, str]) -> Listed:
            return await self._client.page(PATH, lane=Lane.BACKFILL, query={**query, **place})

        return ask

    async def _entities(self, raws: Sequence[Raw], lane: Lane) -> list[Entity]:
        """Decode our orders, with their refunds; other orders have no content."""
        contents: dict[int, Any] = {}
        refunded: dict[int, tuple[Read, str]] = {}
        for raw in raws:
            cart = read_cart(raw, self._key)
            read = read_order(raw) if cart else None
            id_ = read_id(raw)
            if isinstance(read, Read) and read.refunds:
                refunded[id_] = read, cart
            contents[id_] = RawOrder(read, cart) if isinstance(read, Read) else read

        async def whole(id_: int) -> RawOrder | Unreadable | Odd:
            return await self._with_refunds(*refunded[id_], lane)

        contents |= await of_each(list(refunded), whole, lane, beside=len(contents) > len(refunded))
        return [Entity(ExternalId(str(id_)), content) for id_, content in contents.items()]

    async def _with_refunds(self, order: Read, cart: str, lane: Lane) -> RawOrder | Unreadable | Odd:
        """Return an order with its refunds, read unless they are cached, or its substitute."""
        keys = [(order.id, refund.id) for refund in order.refunds]
        if not all(key in self._refunds for key in keys):
            query = {"_fields": REFUND_FIELDS, "per_page": str(MOST_INCLUDED), **DECIMALS}
            path = f"{PATH}/{order.id}/refunds"
            answer = await shortly(partial(self._client.page, path, lane=lane, query=query))
            rows = REFUNDS.rows(answer.rows, "refunds")
            fault = rows.fault(order.id, order)
            if fault is not None:
                return fault
            self._refunds.update(((order.id, refund.id), refund) for refund in rows.found)
        refunds = [self._refunds[key] for key in keys if key in self._refunds]
        while len(self._refunds) > MOST_CACHED:
            self._refunds.popitem(last=False)
        doubt = self._short_answers.about(order.id, "refunds", len(keys), len(refunds))
        return doubt or RawOrder(order, cart, refunds)
