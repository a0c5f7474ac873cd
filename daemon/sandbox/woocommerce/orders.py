"""The routes of orders and of their refunds, with the list of all refunds."""

from typing import Any

from daemon.sandbox.message import Request, Response
from daemon.sandbox.router import route
from daemon.sandbox.woocommerce.answers import INVALID_ID, answer, invalid, refused
from daemon.sandbox.woocommerce.bodies import Body, batched, decoded, number, typed
from daemon.sandbox.woocommerce.listing import Keys, by_position, fields, listed, meta_cut
from daemon.sandbox.woocommerce.order_book import STATUSES
from daemon.sandbox.woocommerce.order_shapes import order_shape, refund_shape
from daemon.sandbox.woocommerce.query import Query
from daemon.sandbox.woocommerce.records import TRASH, Order, Refund
from daemon.sandbox.woocommerce.shop import Shop

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


class Orders:
    """Orders below `/orders`."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    @route("GET", "/orders")
    @route("HEAD", "/orders")
    def _list(self, request: Request) -> Response:
        query, shop = Query(request.query), self._shop
        words = query.words("status", ASKED) or ["any"]
        # One `any` among others makes the others void.
        shown = set(STATUSES) if "any" in words else set(words)
        modified = query.span(shop, "modified_after", "modified_before", hpos=shop.hpos)
        created = query.span(shop, "after", "before", hpos=shop.hpos)
        included, excluded = set(query.ids("include")), set(query.ids("exclude"))
        customer, dp = query.number("customer", None), query.number("dp", None)
        rows = [
            row
            for row in shop.orders.orders.values()
            if row.status in shown
            and (not included or row.id in included)
            and row.id not in excluded
            and customer in {None, row.customer_id}
            and (modified is None or modified(row.modified))
            and (created is None or created(row.created))
        ]
        return listed(
            request,
            rows,
            lambda row: meta_cut(query, order_shape(shop, row, dp)),
            home=shop.home,
            orderby={
                "date": lambda row: (row.created.gmt, row.id),
                "id": lambda row: row.id,
                "include": by_position(query),
                "title": lambda row: row.id,
                "slug": lambda row: row.id,
                "modified": lambda row: (row.modified.gmt, row.id),
            },
            default=("date", "desc"),
        )

    @route("GET", "/orders/{order_id}")
    def _get(self, request: Request, order_id: str) -> Response:
        query = Query(request.query)
        shown = order_shape(self._shop, self._find(number(order_id)), query.number("dp", None))
        return answer(fields(query, meta_cut(query, shown)))

    @route("POST", "/orders")
    def _post(self, request: Request) -> Response:
        return answer(self._create(decoded(request)), 201)

    @route("PUT", "/orders/{order_id}")
    @route("POST", "/orders/{order_id}")
    @route("PATCH", "/orders/{order_id}")
    def _put(self, request: Request, order_id: str) -> Response:
        return answer(self._update(number(order_id), decoded(request)))

    @route("DELETE", "/orders/{order_id}")
    def _remove(self, request: Request, order_id: str) -> Response:
        return answer(self._delete(number(order_id), forced=bool(Query(request.query).flag("force"))))

    @route("POST", "/orders/batch")
    def _batch(self, request: Request) -> Response:
        return batched(
            request,
            create=self._create,
            update=self._update,
            delete=lambda order_id: self._delete(order_id, forced=bool(Query(request.query).flag("force"))),
        )

    def _create(self, body: Body) -> Body:
        given = typed(body, _WRITTEN)
        lines = [
            {"product_id": row.get("variation_id") or row["product_id"], "quantity": row.get("quantity", 1)}
            for row in given.pop("line_items", [])
        ]
        meta = {row["key"]: row["value"] for row in given.pop("meta_data", [])}
        status, customer_id = given.pop("status", "pending"), given.pop("customer_id", 0)
        _check_status(status)
        orders = self._shop.orders
        order_id = orders.place(customer_id, lines, status=status, meta=meta, by_rest=True, **given)
        return order_shape(self._shop, orders.get(order_id))

    def _update(self, order_id: int, body: Body) -> Body:
        """Change status, lines' quantities and meta data, announced as the one edit that it is."""
        order, given, book = self._find(order_id), typed(body, _WRITTEN), self._shop.orders
        status, changed = given.get("status"), any(name in given for name in ("line_items", "meta_data"))
        for row in given.get("line_items") or []:
            book.set_quantity(order_id, row["id"], row["quantity"], silent=True)
        for row in given.get("meta_data") or []:
            book.set_meta(order_id, row["key"], row.get("value"), silent=True)
        if status is not None and status != order.status:
            _check_status(status)
            book.set_status(order_id, status)
        else:
            book.save(order_id, dated=self._shop.hpos or not changed)
        return order_shape(self._shop, order)

    def _delete(self, order_id: int, *, forced: bool) -> Body:
        order = self._find(order_id)
        if forced:
            before = order_shape(self._shop, order)
            self._shop.orders.delete(order_id)
            return before
        if order.status == TRASH:
            raise refused("woocommerce_rest_already_trashed", "The order has already been deleted.", 410)
        self._shop.orders.trash(order_id)
        return order_shape(self._shop, order)

    @route("GET", "/refunds")
    def _all_refunds(self, request: Request) -> Response:
        rows = [refund for order in self._shop.orders.orders.values() for refund in order.refunds]
        return self._refunds_page(request, rows, parent=True)

    @route("GET", "/orders/{order_id}/refunds")
    def _refunds(self, request: Request, order_id: str) -> Response:
        return self._refunds_page(request, self._find(number(order_id)).refunds, parent=False)

    def _refunds_page(self, request: Request, rows: list[Refund], *, parent: bool) -> Response:
        query, dp = Query(request.query), Query(request.query).number("dp", None)
        keys: Keys[Refund] = {
            "date": lambda row: (row.created.gmt, row.id),
            "id": lambda row: row.id,
            "include": by_position(query),
        }
        included = set(query.ids("include"))
        return listed(
            request,
            [row for row in rows if not included or row.id in included],
            lambda row: refund_shape(self._shop, row, dp, parent=parent),
            home=self._shop.home,
            orderby=keys,
            default=("date", "desc"),
        )

    @route("POST", "/orders/{order_id}/refunds")
    def _refund(self, request: Request, order_id: str) -> Response:
        order, body = self._find(number(order_id)), decoded(request)
        items = {row["id"]: row["quantity"] for row in body.get("line_items") or []}
        refund_id = self._shop.orders.refund(order.id, items, amount=body.get("amount"), reason=body.get("reason", ""))
        return answer(refund_shape(self._shop, _of(order, refund_id), parent=False), 201)

    @route("GET", "/orders/{order_id}/refunds/{refund_id}")
    def _get_refund(self, request: Request, order_id: str, refund_id: str) -> Response:
        refund, query = _of(self._find(number(order_id)), number(refund_id)), Query(request.query)
        return answer(fields(query, refund_shape(self._shop, refund, query.number("dp", None), parent=False)))

    @route("DELETE", "/orders/{order_id}/refunds/{refund_id}")
    def _delete_refund(self, request: Request, order_id: str, refund_id: str) -> Response:
        order = self._find(number(order_id))
        refund = _of(order, number(refund_id))
        if not Query(request.query).flag("force"):
            raise refused("woocommerce_rest_trash_not_supported", "Refunds do not support trashing.", 501)
        before = refund_shape(self._shop, refund, parent=False)
        self._shop.orders.delete_refund(order.id, refund.id)
        return answer(before)

    def _find(self, order_id: int) -> Order:
        order = self._shop.orders.orders.get(order_id)
        if order is None:
            raise refused("woocommerce_rest_shop_order_invalid_id", INVALID_ID, 404)
        return order


def _of(order: Order, refund_id: int) -> Refund:
    for refund in order.refunds:
        if refund.id == refund_id:
            return refund
    raise refused("woocommerce_rest_shop_order_refund_invalid_id", INVALID_ID, 404)


def _check_status(status: Any) -> None:
    if status not in STATUSES:
        raise invalid("status", f"status is not one of {', '.join(STATUSES)}.", "rest_not_in_enum")
