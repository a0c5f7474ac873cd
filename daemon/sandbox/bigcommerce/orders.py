"""Orders, their lines and shipments: v2's bare arrays (bigcommerce.md section 7).

Money is text, times are RFC-2822, lists are links. An archived order is in no list unless `is_deleted=true` asks for
it; its own address goes on answering. `refunded_amount` is always 0, and `currency_code` is what prices were shown in
(API reference of v2 orders). What is inside a consignment, a product option and an applied discount is inferred beyond
what the contract names. So is that consignments stand in an array unless `consignment_structure=object` is asked for.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import msgspec

from daemon.sandbox.bigcommerce.answers import Filters, Parameters, bare, invalid_v2, span, v2
from daemon.sandbox.bigcommerce.order_book import (
    FLAT_RATE,
    NOTHING,
    STATUSES,
    Consignment,
    Kind,
    Order,
    OrderedLine,
    Shipment,
)
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.message import Refused, Request, Response, json, route

INCLUDED = 50
"""Most lines that a consignment shows."""

WARNING = f"Only the first {INCLUDED} line items are shown."

LINES = "consignments.line_items"
INCLUDES = ("consignments", "consignments.shipping", LINES)

_STRUCTURE: Mapping[str, Kind] = {"shipping": "shipping", "pickups": "pickup", "downloads": "download"}
"""The parts of the consignments by the kind that they have."""


def order_shape(shown: Order, store_currency: str, includes: Collection[str], *, as_object: bool) -> dict[str, Any]:
    """Return an order; `consignments` is a link unless one of `INCLUDES` is asked for."""
    lines = shown.lines.values()
    sums = {kind: shown.sums(kind) for kind in ("ex_tax", "inc_tax")}
    sums["tax"] = {name: value - sums["ex_tax"][name] for name, value in sums["inc_tax"].items()}
    return {
        "id": shown.id,
        "customer_id": shown.customer_id,
        "status_id": shown.status_id,
        "status": STATUSES[shown.status_id],
        "date_created": _moment(shown.created),
        "date_modified": _moment(shown.modified),
        "date_shipped": "" if shown.shipped is None else _moment(shown.shipped),
        **{f"{name}_{kind}": value for kind, amounts in sums.items() for name, value in amounts.items()},
        "refunded_amount": NOTHING,
        "coupon_discount": shown.discount,
        "discount_amount": NOTHING,
        "items_total": sum(line.quantity for line in lines),
        "items_shipped": sum(line.quantity_shipped for line in lines),
        "currency_code": shown.shown_in or shown.currency,
        "default_currency_code": shown.currency,
        "store_default_currency_code": store_currency,
        "payment_method": shown.payment_method,
        "payment_status": shown.payment_status,
        "staff_notes": shown.staff_notes,
        "customer_message": shown.customer_message,
        "channel_id": 1,
        "order_source": "www",
        "external_source": None,
        "external_id": None,
        "external_order_id": "",
        "external_merchant_id": None,
        "is_deleted": shown.is_deleted,
        "billing_address": msgspec.to_builtins(shown.billing),
        **{
            name: {"url": f"https://store.example/api/v2{resource}", "resource": resource}
            for name in ("products", "shipping_addresses", "coupons", "consignments")
            for resource in (f"/orders/{shown.id}/{name.replace('_', '')}",)
        },
        **(_included(shown, lines=LINES in includes, as_object=as_object) if includes else {}),
    }


def line_shape(shown: OrderedLine) -> dict[str, Any]:
    """Return a line; a custom item has no `variant_id` at all."""
    variant = {} if shown.variant_id is None else {"variant_id": shown.variant_id}
    return {
        "id": shown.id,
        "product_id": shown.product_id,
        **variant,
        "order_address_id": shown.consignment_id,
        "name": shown.name,
        "sku": shown.sku,
        "quantity": shown.quantity,
        "quantity_shipped": shown.quantity_shipped,
        "quantity_refunded": shown.quantity_refunded,
        "price_ex_tax": shown.price_ex_tax,
        "price_inc_tax": shown.price_inc_tax,
        "price_tax": shown.price_inc_tax - shown.price_ex_tax,
        "total_ex_tax": shown.total("ex_tax"),
        "total_inc_tax": shown.total("inc_tax"),
        "total_tax": shown.total("inc_tax") - shown.total("ex_tax"),
        "product_options": [
            {"id": number, "display_name": name, "display_value": value}
            for number, (name, value) in enumerate(shown.options, start=1)
        ],
        "applied_discounts": [{"id": discount.id, "amount": discount.amount} for discount in shown.discounts],
    }


def shipment_shape(shown: Shipment, order_id: int, customer_id: int) -> dict[str, Any]:
    """Return a shipment."""
    return {
        "id": shown.id,
        "order_id": order_id,
        "customer_id": customer_id,
        "order_address_id": shown.address_id,
        "date_created": _moment(shown.created),
        "tracking_number": shown.tracking_number,
        "tracking_carrier": shown.carrier,
        "tracking_link": shown.link,
        "generated_tracking_link": "",
        "shipping_provider": "",
        "shipping_method": FLAT_RATE,
        "comments": "",
        "items": [
            {"order_product_id": line.id, "product_id": line.product_id, "quantity": parts_of}
            for line, parts_of in shown.items
        ],
    }


def _moment(seconds: int) -> str:
    """Return a time as v2 writes it."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC))


def _included(shown: Order, *, lines: bool, as_object: bool) -> dict[str, Any]:
    parts: dict[str, Any] = {
        name: [_consignment(shown, part, lines=lines) for part in shown.consignments if part.kind == kind]
        for name, kind in _STRUCTURE.items()
    }
    parts["email"] = {"gift_certificates": []}
    return {"consignments": parts if as_object else [parts]}


def _consignment(shown: Order, part: Consignment, *, lines: bool) -> dict[str, Any]:
    items = [item for item in shown.lines.values() if item.consignment_id == part.id]
    written: dict[str, Any] = {"id": part.id}
    if part.kind == "shipping":
        written |= msgspec.to_builtins(part.address) | {
            "shipping_method": part.method,
            "cost_ex_tax": part.cost_ex_tax,
            "cost_inc_tax": part.cost_inc_tax,
            "cost_tax": part.cost_inc_tax - part.cost_ex_tax,
            "items_total": sum(item.quantity for item in items),
            "items_shipped": sum(item.quantity_shipped for item in items),
        }
    elif part.kind == "pickup":
        written |= {"pickup_method_id": 1, "pickup_method_display_name": "Pick up in store"}
    if lines:
        written["line_items"] = [line_shape(item) for item in items[:INCLUDED]]
        written |= {"__warning__": WARNING} if len(items) > INCLUDED else {}
    return written


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

    @route("GET", "/v2/orders/{order_id}/products")
    def _lines(self, request: Request, order_id: str) -> Response:
        """Answer a page of an order's lines: all kinds of consignments together."""
        order = self._find(order_id)
        return bare(list(order.lines.values()), Parameters(request.query, invalid_v2), line_shape)

    @route("GET", "/v2/orders/{order_id}/shipments")
    def _shipments(self, request: Request, order_id: str) -> Response:
        order = self._find(order_id)
        query = Parameters(request.query, invalid_v2)
        return bare(order.shipments, query, lambda shown: shipment_shape(shown, order.id, order.customer_id))

    def _find(self, order_id: str) -> Order:
        order = self._orders.get(int(order_id)) if order_id.isdecimal() else None
        if order is None:
            raise Refused(v2(404))
        return order

    def _view(self, query: Parameters) -> Callable[[Order], Any]:
        includes = frozenset(query.words("include", INCLUDES) or ())
        as_object = query.word("consignment_structure", ("object", "array"), "array") == "object"
        currency = self._store.currency
        return lambda order: order_shape(order, currency, includes, as_object=as_object)


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
