"""Reads orders that were placed through SparkLayer, with all their lines and shipments.

An order is ours if it has a metafield `cart_id` of the namespace `sparklayer`, or if its staff notes match the
configured pattern. The metafields are in the adapter's state, so without a pattern an enumeration skips from the page
of one such order to the page of the next. The state does not prove that an order is not ours: then the order's own
metafields are read, the only call that a change of another order costs. With a pattern, that call reads the order with
its notes, and the state is trusted once it is complete. The API cannot list orders by their ids, so neighbours are read
together as a range of ids.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from msgspec import Raw, structs

from daemon.entities import Mapped, Order, StoreFacts
from daemon.errors import Failure, Retry
from daemon.model import ExternalId, Lane
from daemon.platforms.adapter_state import AdapterState
from daemon.platforms.base import Entity, Page
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.ids import MetafieldsId, is_id, since_text
from daemon.platforms.bigcommerce.metafields import ChangedParents, Metafields, ParentReader, walk_begins
from daemon.platforms.bigcommerce.orders import mapping
from daemon.platforms.bigcommerce.orders.mapping import RawOrder
from daemon.platforms.bigcommerce.orders.schema import (
    LINES,
    ORDERS,
    SHIPMENTS,
    OrderLine,
    Shipment,
    ShippedItem,
    read_notes,
)
from daemon.platforms.bigcommerce.orders.schema import Order as Listed
from daemon.platforms.bigcommerce.settings import CART_ID, BigCommerceSettings
from daemon.platforms.shared.rows import OUT_OF_FILTER, Odd, Shape, Unreadable, read_id, with_ids
from daemon.platforms.shared.secondary import of_each
from daemon.platforms.shared.short_answers import ShortAnswers
from daemon.transport.http import shortly

PATH = "/v2/orders"
CART = "cart_id"
NOT_OURS = "It was not placed through SparkLayer: it has no cart_id among its metafields of the namespace sparklayer."
_INCLUDE = {"include": "consignments.line_items", "consignment_structure": "object"}

B = TypeVar("B", OrderLine, Shipment)


async def _path_of(order: int) -> str:
    """Return the path of an order's metafields."""
    return f"/v3/orders/{order}/metafields"


class OrderReader(ParentReader):
    """The orders of one store that were placed through SparkLayer."""

    def __init__(self, client: Client, settings: BigCommerceSettings, state: AdapterState) -> None:
        self._client = client
        self._short_answers = ShortAnswers()
        pattern = settings.order_staff_notes_pattern
        self._pattern = re.compile(pattern) if pattern else None
        # Without metafields an order is none of ours, and then the engine asks again itself.
        path = "/v3/orders/metafields"
        self._carts = Metafields(client, state, "order", path, _path_of, narrowed={"key": CART}, second_look=False)
        self._touched = ChangedParents(schema.LARGEST_PAGE, self._carts.catch_up, self._carts.caught_up)

    async def page(self, cursor: str | None) -> Page:
        """Read the page of our orders that follow `cursor`."""
        if cursor is None:
            await self._carts.read_all()
        start = int(cursor or 0) + 1
        if self._pattern is None:
            following = await self._carts.next_owner(start - 1)
            if following is None:
                return Page(entities=(), cursor=None)
            start = following
        return await self._page(start, {})

    async def changed_since(self, since: float, cursor: str | None) -> Page:
        """Read a page of our orders modified at or after `since`; first those with a new cart id."""
        touched = await self._touched.page(cursor)
        if touched is not None:
            ids, following = touched
            return Page(entities=list((await self._read_spans(ids, Lane.BACKFILL)).values()), cursor=following)
        start = 1 if walk_begins(cursor) else int(cursor or 0) + 1
        return await self._page(start, {"min_date_modified": since_text(since)})

    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read orders by id; other orders are returned without content, and without being read.

        The id of an order's metafields has these read again. The order itself follows only if it has a cart id, or had
        one; that is remembered until the order is read.
        """
        found = await self.read_named(ids, lane)
        rest = [one for one in ids if is_id(one)]
        if self._pattern is not None:
            found |= await self._read_spans(rest, lane)
            rest = [one for one in rest if one in found and found[one].content is None]
            if await self._carts.is_whole():
                return found
        ours = await self._of_ours(rest, lane)
        found |= {one: Entity(one, ours.get(one)) for one in rest if ours.get(one, one) is not None}
        return found | await self._read_spans([one for one, failure in ours.items() if failure is None], lane)

    async def _one(self, external_id: ExternalId, lane: Lane) -> Raw:
        return await self._client.get(f"{PATH}/{external_id}", schema.RAW, lane=lane, query=_INCLUDE)

    async def _read_again(self, named_id: MetafieldsId, lane: Lane) -> ExternalId | None:
        """Read the cart of an order again; return the order if it has one, or had one."""
        if named_id.resource != "order" or not await self._read_cart(named_id.id, lane, CART):
            return None
        return ExternalId(str(named_id.id)) if await self._carts.of([named_id.id]) else named_id.text

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Order]:
        """Map an order; another order maps to nothing."""
        if entity.content is None:
            return Mapped(value=None, reasons=(NOT_OURS,))
        return mapping.order(entity.content, facts)

    async def _of_ours(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Failure | None]:
        """Return those of `ids` with a cart id, and those for which it could not be read, with the failure.

        The metafields of orders without a cart id in the adapter's state are read.
        """
        orders = [int(one) for one in ids]
        known = await self._with_cart(orders)
        unknown = [order for order in orders if order not in known]
        asked = await of_each(unknown, partial(self._read_cart, lane=lane), lane, beside=bool(known))
        known = await self._with_cart(orders)
        failed = {ExternalId(str(order)): one for order, one in asked.items() if isinstance(one, Failure)}
        return {one: failed.get(one) for one in ids if int(one) in known or one in failed}

    async def _with_cart(self, orders: Sequence[int]) -> set[int]:
        return {order for order, fields in (await self._carts.of(orders)).items() if fields.get(CART)}

    async def _read_cart(self, order: int, lane: Lane, trace: str = "") -> bool:
        return await self._carts.read_again(order, await _path_of(order), lane, trace)

    async def _page(self, start: int, narrowed: Mapping[str, str]) -> Page:
        listed = await self._list({"min_id": str(start), **narrowed}, Lane.BACKFILL)
        raws = with_ids(listed)
        ids = [read_id(raw) for raw in raws]
        if any(second <= first for first, second in zip([start - 1, *ids], ids, strict=False)):
            raise Retry("BigCommerce's page of orders is out of order", reason="page_out_of_order")
        entities = [one for one in await self._entities(raws, Lane.BACKFILL) if one.content is not None]
        return Page(entities=entities, cursor=str(ids[-1]) if len(listed) >= schema.LARGEST_PAGE else None)

    async def _read_spans(self, ids: Sequence[ExternalId], lane: Lane) -> dict[ExternalId, Entity]:
        """Read orders by ranges of ids, and drop the other orders of a range."""
        found: dict[ExternalId, Entity] = {}
        for first, last in _spans([int(one) for one in ids]):
            raws = await self._list({"min_id": str(first), "max_id": str(last)}, lane)
            wanted = [raw for raw in with_ids(raws) if str(read_id(raw)) in ids]
            found.update((one.external_id, one) for one in await self._entities(wanted, lane))
        return found

    async def _list(self, query: Mapping[str, str], lane: Lane) -> list[Raw]:
        asked = {**_INCLUDE, **query, "limit": str(schema.LARGEST_PAGE)}
        return await shortly(partial(self._client.get, PATH, schema.RAW_LIST, lane=lane, query=asked))

    async def _entities(self, raws: Sequence[Raw], lane: Lane) -> list[Entity]:
        """Decode our orders completely; other orders have no content."""
        ids = [read_id(raw) for raw in raws]
        carts = await self._carts.of(ids)
        contents: dict[int, Any] = {}
        whole: dict[int, tuple[Listed, str]] = {}
        for raw, order in zip(raws, ids, strict=True):
            cart = carts.get(order, {}).get(CART) or self._noted(raw)
            read = None if cart is None else ORDERS.read(raw)
            if isinstance(read, Listed) and cart is not None and (read.items_shipped or not read.parts.is_whole):
                whole[order] = read, cart
            else:
                contents[order] = RawOrder(read, cart) if isinstance(read, Listed) and cart is not None else read

        async def complete(order: int) -> Any:
            return await self._whole(*whole[order], lane)

        contents |= await of_each(list(whole), complete, lane, beside=len(ids) > len(whole))
        return [Entity(ExternalId(str(order)), contents[order]) for order in ids]

    def _noted(self, raw: Raw) -> str | None:
        """Return the cart id in the staff notes, or None."""
        found = self._pattern.search(read_notes(raw)) if self._pattern else None
        return None if found is None else found.groupdict().get(CART_ID) or found[1]

    async def _whole(self, order: Listed, cart: str, lane: Lane) -> RawOrder | Unreadable | Odd:
        """Complete an order: read lines that were not included, and shipments if it has any.

        The order's totals check that the lists are complete (that the totals count pieces is inferred).
        """
        doubt = None
        if not order.parts.is_whole:
            lines = await self._rows(order, "products", LINES, lane)
            if not isinstance(lines, list):
                return lines
            if _allocation(lines) >= _allocation(_lines(order)):
                order = structs.replace(order, consignments=order.parts.holding(lines))
            doubt = self._short_answers.about(order.id, "items", order.items_total, _allocation(_lines(order)))
        shipments: list[Shipment] = []
        if order.items_shipped:
            shown = await self._rows(order, "shipments", SHIPMENTS, lane)
            if not isinstance(shown, list):
                return shown
            shipments = shown
            sent = _allocation(item for shipment in shipments for item in shipment.items)
            doubt = self._short_answers.about(order.id, "shipped items", order.items_shipped, sent) or doubt
        return doubt or RawOrder(order, cart, shipments)

    async def _rows(self, order: Listed, name: str, shape: Shape[B], lane: Lane) -> list[B] | Unreadable | Odd:
        """Read a list of an order; return its substitute if a row is unreadable or belongs to another order."""
        raws = await self._client.pages(
            f"{PATH}/{order.id}/{name}", schema.RAW_LIST, lane=lane, limit=schema.LARGEST_PAGE
        )
        rows = shape.rows(raws, name)
        if any(row.order_id not in (None, order.id) for row in rows.found):
            return Unreadable(order.id, f"one of its {name} is of another order", reason=OUT_OF_FILTER)
        return rows.fault(order.id, order) or rows.found


def _lines(order: Listed) -> list[OrderLine]:
    return [line for part in order.parts.all for line in part.lines]


def _allocation(rows: Iterable[OrderLine | ShippedItem]) -> int:
    return sum(row.quantity for row in rows)


def _spans(ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last id of the fewest ranges that cover `ids`, each at most `LARGEST_PAGE` wide."""
    rest = sorted(ids)
    while rest:
        span = [one for one in rest if one < rest[0] + schema.LARGEST_PAGE]
        yield span[0], span[-1]
        rest = rest[len(span) :]
