"""The routes of orders and of their refunds, with the list of all refunds."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from daemon.sandbox.message import Request, Response, route
from daemon.sandbox.woocommerce.answers import INVALID_ID, Query, answer, invalid, refused
from daemon.sandbox.woocommerce.catalogue import TRASH, Order, Refund
from daemon.sandbox.woocommerce.order_book import STATUSES
from daemon.sandbox.woocommerce.order_shapes import order_shape, refund_shape
from daemon.sandbox.woocommerce.resource import (
    Body,
    Keys,
    Resource,
    by_position,
    decoded,
    fields,
    listed,
    meta_cut,
    number,
    typed,
)

ASKED = ("any", TRASH, "auto-draft", *STATUSES)
"""Words of `status`."""
_WRITTEN = {
    "status": "string",
    "customer_id": "integer",
    "currency": "string",
    "customer_note": "string",
    "billing": "object",
    "line_items": "array",
    "meta_data": "array",
}


class Orders(Resource[Order]):
    """Orders below `/orders`."""

    collection, plural, trashes = "/orders", "Orders", True
    missing = ("woocommerce_rest_shop_order_invalid_id", INVALID_ID)

    def rows(self, **_parents: int) -> Mapping[int, Order]:
        """Return the orders by id."""
        return self._shop.orders.orders

    def chosen(self, query: Query, **_parents: int) -> Sequence[Order]:
        """Return the orders that pass the filters."""
        shop, words = self._shop, query.words("status", ASKED) or ["any"]
        # One `any` among others makes the others void.
        shown = set(STATUSES) if "any" in words else set(words)
        modified = query.span(shop, "modified_after", "modified_before", hpos=shop.hpos)
        created = query.span(shop, "after", "before", hpos=shop.hpos)
        customer = query.number("customer", None)
        return [
            row
            for row in shop.orders.orders.values()
            if row.status in shown
            and customer in {None, row.customer_id}
            and (modified is None or modified(row.modified))
            and (created is None or created(row.created))
        ]

    def orderby(self, query: Query) -> Keys:
        """Return the words of `orderby`."""
        return _refund_keys(query) | {
            "title": lambda row: row.id,
            "slug": lambda row: row.id,
            "modified": lambda row: (row.modified.gmt, row.id),
        }

    def shown(self, item: Order, query: Query | None = None) -> Body:
        """Return an order."""
        return meta_cut(query, order_shape(self._shop, item, query.number("dp", None) if query else None))

    def create(self, body: Body, **_parents: int) -> Body:
        """Place an order."""
        given = typed(body, _WRITTEN)
        lines = [
            {"product_id": row.get("variation_id") or row["product_id"], "quantity": row.get("quantity", 1)}
            for row in given.pop("line_items", [])
        ]
        meta = {row["key"]: row["value"] for row in given.pop("meta_data", [])}
        status, customer_id = given.pop("status", "pending"), given.pop("customer_id", 0)
        _check_status(status)
        orders = self._shop.orders
        return self.shown(orders.get(orders.place(customer_id, lines, status=status, meta=meta, by_rest=True, **given)))

    def update(self, item: Order, body: Body) -> Body:
        """Change status, lines' quantities and meta data, announced as the one edit that it is."""
        given, book = typed(body, _WRITTEN), self._shop.orders
        status, changed = given.get("status"), any(name in given for name in ("line_items", "meta_data"))
        for row in given.get("line_items") or []:
            book.set_quantity(item.id, row["id"], row["quantity"], silent=True)
        for row in given.get("meta_data") or []:
            book.set_meta(item.id, row["key"], row.get("value"), silent=True)
        if status is not None and status != item.status:
            _check_status(status)
            book.set_status(item.id, status)
        else:
            book.save(item.id, dated=self._shop.hpos or not changed)
        return self.shown(item)

    def remove(self, item: Order) -> None:
        """Delete an order permanently."""
        self._shop.orders.delete(item.id)

    def trash(self, item: Order) -> None:
        """Move an order to the trash."""
        self._shop.orders.trash(item.id)

    @route("GET", "/refunds")
    def _all_refunds(self, request: Request) -> Response:
        rows = [refund for order in self._shop.orders.orders.values() for refund in order.refunds]
        return self._refunds_page(request, rows, parent=True)

    @route("GET", "/orders/{order_id}/refunds")
    def _refunds(self, request: Request, order_id: str) -> Response:
        return self._refunds_page(request, self.find(number(order_id)).refunds, parent=False)

    def _refunds_page(self, request: Request, rows: list[Refund], *, parent: bool) -> Response:
        query = Query(request.query)
        show = partial(refund_shape, self._shop, dp=query.number("dp", None), parent=parent)
        return listed(request, self._shop.home, rows, show, _refund_keys(query), self.default)

    @route("POST", "/orders/{order_id}/refunds")
    def _refund(self, request: Request, order_id: str) -> Response:
        order, body = self.find(number(order_id)), decoded(request)
        items = {row["id"]: row["quantity"] for row in body.get("line_items") or []}
        refund_id = self._shop.orders.refund(order.id, items, amount=body.get("amount"), reason=body.get("reason", ""))
        return answer(refund_shape(self._shop, _of(order, refund_id), parent=False), 201)

    @route("GET", "/orders/{order_id}/refunds/{refund_id}")
    def _get_refund(self, request: Request, order_id: str, refund_id: str) -> Response:
        refund, query = _of(self.find(number(order_id)), number(refund_id)), Query(request.query)
        return answer(fields(query, refund_shape(self._shop, refund, query.number("dp", None), parent=False)))

    @route("DELETE", "/orders/{order_id}/refunds/{refund_id}")
    def _delete_refund(self, request: Request, order_id: str, refund_id: str) -> Response:
        order = self.find(number(order_id))
        refund = _of(order, number(refund_id))
        if not Query(request.query).flag("force"):
            raise refused("woocommerce_rest_trash_not_supported", "Refunds do not support trashing.", 501)
        before = refund_shape(self._shop, refund, parent=False)
        self._shop.orders.delete_refund(order.id, refund.id)
        return answer(before)


def _refund_keys(query: Query) -> dict[str, Callable[[Any], Any]]:
    """Return the words of `orderby` of refunds, which orders have too."""
    return {"date": lambda row: (row.created.gmt, row.id), "id": lambda row: row.id, "include": by_position(query)}


def _of(order: Order, refund_id: int) -> Refund:
    refunds: dict[int, Refund] = {refund.id: refund for refund in order.refunds}
    if refund_id in refunds:
        return refunds[refund_id]
    raise refused("woocommerce_rest_shop_order_refund_invalid_id", INVALID_ID, 404)


def _check_status(status: Any) -> None:
    if status not in STATUSES:
        raise invalid("status", f"status is not one of {', '.join(STATUSES)}.", "rest_not_in_enum")
