"""Shapes of an order in v2's JSON: money as text, times as RFC-2822, lists as links (bigcommerce.md section 7).

`refunded_amount` is always 0, and `currency_code` is what prices were shown in (API reference of v2 orders). What is
inside a consignment, a product option and an applied discount is inferred beyond what the contract names, and so is
that consignments stand in an array unless `consignment_structure=object` is asked for.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import msgspec

from daemon.sandbox.bigcommerce.order_records import (
    FLAT_RATE,
    NOTHING,
    STATUSES,
    Consignment,
    Kind,
    Order,
    OrderedLine,
    Shipment,
)

INCLUDED = 50
"""Most lines that a consignment shows."""

WARNING = f"Only the first {INCLUDED} line items are shown."

LINES = "consignments.line_items"
INCLUDES = ("consignments", "consignments.shipping", LINES)

_STRUCTURE: Mapping[str, Kind] = {"shipping": "shipping", "pickups": "pickup", "downloads": "download"}
"""The parts of the consignments by the kind that they have."""


def order(shown: Order, store_currency: str, includes: Collection[str], *, as_object: bool) -> dict[str, Any]:
    """Return an order; `consignments` is a link unless one of `INCLUDES` is asked for."""
    lines = shown.lines.values()
    return {
        "id": shown.id,
        "customer_id": shown.customer_id,
        "status_id": shown.status_id,
        "status": STATUSES[shown.status_id],
        "date_created": moment(shown.created),
        "date_modified": moment(shown.modified),
        "date_shipped": "" if shown.shipped is None else moment(shown.shipped),
        **_amounts(shown),
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
        **{name: _link(shown.id, name) for name in ("products", "shipping_addresses", "coupons", "consignments")},
        **(_included(shown, lines=LINES in includes, as_object=as_object) if includes else {}),
    }


def line(shown: OrderedLine) -> dict[str, Any]:
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
        "total_ex_tax": shown.total_ex_tax,
        "total_inc_tax": shown.total_inc_tax,
        "total_tax": shown.total_inc_tax - shown.total_ex_tax,
        "product_options": [
            {"id": number, "display_name": name, "display_value": value}
            for number, (name, value) in enumerate(shown.options, start=1)
        ],
        "applied_discounts": [{"id": discount.id, "amount": discount.amount} for discount in shown.discounts],
    }


def shipment(shown: Shipment, order_id: int, customer_id: int) -> dict[str, Any]:
    """Return a shipment."""
    return {
        "id": shown.id,
        "order_id": order_id,
        "customer_id": customer_id,
        "order_address_id": shown.address_id,
        "date_created": moment(shown.created),
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


def moment(seconds: int) -> str:
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
        written |= msgspec.to_builtins(part.address) | _shipping(part, items)
    elif part.kind == "pickup":
        written |= {"pickup_method_id": 1, "pickup_method_display_name": "Pick up in store"}
    if lines:
        written["line_items"] = [line(item) for item in items[:INCLUDED]]
        written |= {"__warning__": WARNING} if len(items) > INCLUDED else {}
    return written


def _shipping(part: Consignment, items: list[OrderedLine]) -> dict[str, Any]:
    return {
        "shipping_method": part.method,
        "cost_ex_tax": part.cost_ex_tax,
        "cost_inc_tax": part.cost_inc_tax,
        "cost_tax": part.cost_inc_tax - part.cost_ex_tax,
        "items_total": sum(item.quantity for item in items),
        "items_shipped": sum(item.quantity_shipped for item in items),
    }


def _amounts(shown: Order) -> dict[str, Any]:
    pairs = {
        "subtotal": (shown.subtotal_ex_tax, shown.subtotal_inc_tax),
        "shipping_cost": (shown.shipping_ex_tax, shown.shipping_inc_tax),
        "total": (shown.total_ex_tax, shown.total_inc_tax),
    }
    amounts: dict[str, Any] = {}
    for name, (ex_tax, inc_tax) in pairs.items():
        amounts |= {f"{name}_ex_tax": ex_tax, f"{name}_inc_tax": inc_tax, f"{name}_tax": inc_tax - ex_tax}
    return amounts | {
        "refunded_amount": NOTHING,
        "coupon_discount": shown.discount,
        "discount_amount": NOTHING,
    }


def _link(order_id: int, name: str) -> dict[str, str]:
    resource = f"/orders/{order_id}/{name.replace('_', '')}"
    return {"url": f"https://store.example/api/v2{resource}", "resource": resource}
