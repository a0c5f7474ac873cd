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
from daemon.model import ExternalId, Lane
from daemon.platforms.base import Entity, IdPage, Page
from daemon.platforms.shared.rows import Odd, Unreadable, read_id, with_ids
from daemon.platforms.shared.secondary import of_each
from daemon.platforms.shared.short_answers import ShortAnswers
from daemon.platforms.woocommerce.client import Client
from daemon.platforms.woocommerce.orders import mapping
from daemon.platforms.woocommerce.orders.mapping import RawOrder
from daemon.platforms.woocommerce.orders.schema import (
    DECIMALS,
    FIELDS,
    ORDERS,
    REFUND_FIELDS,
    REFUNDS,
    TRACKING,
    Refund,
    read_cart,
)
from daemon.platforms.woocommerce.orders.schema import Order as Read
from daemon.platforms.woocommerce.reader import WooCommerceReader, changed_since
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.platforms.woocommerce.values import MOST_INCLUDED
from daemon.platforms.woocommerce.walk import asks_for, step
from daemon.transport.http import shortly

OPEN = {"status": "pending,processing,on-hold,trash"}
"""Statuses in which an order may change without a new date; trashed ones are in no other list."""

MOST_CACHED = 2000
"""Refunds in the cache."""

_OPEN = "open:"
"""Begins the cursor of a sweep in its second list."""


class OrderReader(WooCommerceReader):
    """The orders of one shop that were placed through SparkLayer. Others are read by id without content.

    Those in the trash are not read by a list of ids.
    """

    path = "/orders"

    def __init__(self, client: Client, settings: WooCommerceSettings) -> None:
        self._key = settings.cart_meta_field
        super().__init__(client, {"_fields": FIELDS, "include_meta": f"{self._key},{TRACKING}", **DECIMALS})
        self._short_answers = ShortAnswers()
        self._refunds: OrderedDict[tuple[int, int], Refund] = OrderedDict()

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
        ask = asks_for(self._client, self.path, {"_fields": "id,meta_data", "include_meta": self._key})
        found = await step(ask, cursor, self._size)
        ids = [ExternalId(str(read_id(raw))) for raw in found.rows if read_cart(raw, self._key)]
        return IdPage(ids=ids, cursor=found.cursor)

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Order]:
        """Map an order; another order maps to nothing."""
        if entity.content is None:
            why = f"It was not placed through SparkLayer: it has no meta field {self._key}."
            return Mapped(value=None, reasons=(why,))
        return mapping.order(entity.content, facts)

    async def _page(self, narrowed: Mapping[str, str], cursor: str) -> Page:
        ask = asks_for(self._client, self.path, {**self._fields, **narrowed})
        found = await step(ask, cursor, self._size, {"_fields": "id,meta_data"})
        entities = await self._entities(with_ids(found.rows), Lane.BACKFILL)
        return Page(entities=[entity for entity in entities if entity.content is not None], cursor=found.cursor)

    async def _entities(self, raws: Sequence[Raw], lane: Lane) -> list[Entity]:
        """Decode our orders, with their refunds; other orders have no content."""
        contents: dict[int, Any] = {}
        refunded: dict[int, tuple[Read, str]] = {}
        for raw in raws:
            cart = read_cart(raw, self._key)
            read = ORDERS.read(raw) if cart else None
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
            path = f"{self.path}/{order.id}/refunds"
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
