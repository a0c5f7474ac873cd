"""Orders, their lines and shipments: v2's bare arrays (bigcommerce.md section 7).

An archived order is in no list unless `is_deleted=true` asks for it; its own address goes on answering.
"""

from collections.abc import Callable
from typing import Any

from daemon.sandbox.bigcommerce import order_shapes as shapes
from daemon.sandbox.bigcommerce.order_records import STATUSES, Order
from daemon.sandbox.bigcommerce.paging import Filters, Parameters, bare, span
from daemon.sandbox.bigcommerce.problems import invalid_v2, v2
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.message import Refused, Request, Response, json
from daemon.sandbox.router import route

SORTS = {"id": "id", "customer_id": "customer_id", "status_id": "status_id"} | {
    "date_created": "created",
    "date_modified": "modified",
}
"""Sort keys of orders, and their names in the records."""


class Orders:
    """The order routes of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._orders = store.orders.orders

    @route("GET", "/v2/orders")
    def _page(self, request: Request) -> Response:
        query = Parameters(request.query, invalid_v2)
        view, sort = self._view(query), _sort(query)
        return bare(sort(query.chosen(self._orders.values(), FILTERS)), query, view)

    @route("GET", "/v2/orders/{order_id}")
    def _get(self, request: Request, order_id: str) -> Response:
        query = Parameters(request.query, invalid_v2)
        view = self._view(query)
        query.finish()
        return json(view(self._find(order_id)))

    @route("GET", "/v2/orders/count")
    def _count(self, request: Request) -> Response:
        Parameters(request.query, invalid_v2).finish()
        listed = [order.status_id for order in self._orders.values() if not order.is_deleted]
        statuses = [_status(status_id) | {"count": listed.count(status_id)} for status_id in STATUSES]
        return json({"statuses": statuses, "count": len(listed)})

    @route("GET", "/v2/order_statuses")
    def statuses(self, request: Request) -> Response:
        """Answer the statuses."""
        Parameters(request.query, invalid_v2).finish()
        return json([_status(status_id) for status_id in STATUSES])

    @route("GET", "/v2/orders/{order_id}/products")
    def _lines(self, request: Request, order_id: str) -> Response:
        """Answer a page of an order's lines: all kinds of consignments together."""
        order = self._find(order_id)
        return bare(list(order.lines.values()), Parameters(request.query, invalid_v2), shapes.line)

    @route("GET", "/v2/orders/{order_id}/shipments")
    def _shipments(self, request: Request, order_id: str) -> Response:
        order = self._find(order_id)
        query = Parameters(request.query, invalid_v2)
        return bare(order.shipments, query, lambda shown: shapes.shipment(shown, order.id, order.customer_id))

    def _find(self, order_id: str) -> Order:
        order = self._orders.get(int(order_id)) if order_id.isdecimal() else None
        if order is None:
            raise Refused(v2(404))
        return order

    def _view(self, query: Parameters) -> Callable[[Order], Any]:
        includes = frozenset(query.words("include", shapes.INCLUDES) or ())
        as_object = query.word("consignment_structure", ("object", "array"), "array") == "object"
        currency = self._store.currency
        return lambda order: shapes.order(order, currency, includes, as_object=as_object)


FILTERS: Filters[Order] = {
    "customer_id": (Parameters.number, lambda order, customer_id: order.customer_id == customer_id),
    "status_id": (Parameters.number, lambda order, status_id: order.status_id == status_id),
    "email": (Parameters.text, lambda order, email: order.billing.email == email),
    "is_deleted": (lambda query, name: query.flag(name) or False, lambda order, deleted: order.is_deleted is deleted),
    **span(Parameters.number, "min_id", "max_id", lambda order: order.id),
    **span(Parameters.moment, "min_date_created", "max_date_created", lambda order: order.created),
    **span(Parameters.moment, "min_date_modified", "max_date_modified", lambda order: order.modified),
}


def _sort(query: Parameters) -> Callable[[list[Order]], list[Order]]:
    ways = {f"{name}{way}" for name in SORTS for way in ("", ":asc", ":desc")}
    name, _, way = query.word("sort", ways, "id").partition(":")
    if (name, way) in {("id", ""), ("id", "asc")}:
        return lambda orders: orders  # ids only rise, so they stand in order
    field = SORTS[name]
    return lambda orders: sorted(orders, key=lambda order: (getattr(order, field), order.id), reverse=way == "desc")


def _status(status_id: int) -> dict[str, Any]:
    name = STATUSES[status_id]
    return {"id": status_id, "name": name, "system_label": name, "custom_label": name, "order": status_id}
