"""The purchases that a site must hold for a store: exactly the orders that were placed from a SparkLayer cart.

The cart id stands in the order's metafield or, for stores that do so, in the staff notes. Of a purchase is compared
what became of how many pieces of each SKU and where they go, whatever the packages they are in; what all lines and the
transport come to, in which currency, and what of it was paid; and how the parcels are followed. The purchase of an
order that is archived, or incomplete, may be missing; if it is there as an order, all its pieces are cancelled.
"""

import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from daemon.sandbox.bigcommerce.order_records import (
    CANCELLED,
    COMPLETED,
    DECLINED,
    FLAT_RATE,
    INCOMPLETE,
    REFUNDED,
    SHIPPED,
    Order,
    OrderAddress,
    OrderedLine,
    amount,
)
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.expectation.picture import Picture, compared

FATES = {
    "incoming": "open",
    "processing": "open",
    "on_hold": "open",
    "shipped": "shipped",
    "complete": "shipped",
    "returned": "returned",
    "cancelled": "cancelled",
}
"""Fulfilment status by the types of packages (inferred, sparklayer.md section 6)."""

BY_STATUS = {
    SHIPPED: "shipped",
    COMPLETED: "shipped",
    REFUNDED: "returned",
    CANCELLED: "cancelled",
    DECLINED: "cancelled",
}
"""Package type, by the order's status, of pieces that are in no parcel and were not refunded; otherwise open."""

SKU = "sku"
PARCEL = ("carrier", "tracking_number", "tracking_url")
"""The keys in a line's identifiers and in a shipment, which nobody has seen (inferred, sparklayer.md section 6)."""

_NOTE = re.compile(r"SparkLayer cart: ([0-9a-fA-F-]{36})")


def order_differences(store: Store, held: Mapping[str, Any], *, in_notes: bool = False) -> list[str]:
    """Return how the purchases of a site, {cart id: body}, differ from the store's orders; see `expected_orders`."""
    wanted = expected_orders(store, in_notes=in_notes)
    confirmed = {cart for cart, body in held.items() if body.get("type") == "order"}
    without = _by_cart(store, in_notes=in_notes, stands=False)
    wanted |= {cart: _expected(order) for cart, order in without.items() if cart in confirmed - wanted.keys()}
    ours = confirmed | wanted.keys()
    found = {cart: held_purchase(body) for cart, body in held.items() if cart in ours}
    for cart, picture in found.items():
        found[cart] = {name: value for name, value in picture.items() if name in wanted.get(cart, picture)}
    return compared("purchase", wanted, found)


def expected_orders(store: Store, *, in_notes: bool = False) -> Picture:
    """Return {cart id: picture}; see `_expected`.

    `in_notes` says that a cart id in the staff notes ("SparkLayer cart: <uuid>") counts.
    """
    return {cart: _expected(order) for cart, order in _by_cart(store, in_notes=in_notes, stands=True).items()}


def _stands(order: Order) -> bool:
    return not order.is_deleted and order.status_id != INCOMPLETE


def _by_cart(store: Store, *, in_notes: bool, stands: bool) -> dict[str, Order]:
    orders = (order for order in store.orders.orders.values() if _stands(order) is stands)
    return {cart: order for order in orders if (cart := _cart(store, order, in_notes=in_notes))}


def _cart(store: Store, order: Order, *, in_notes: bool) -> str | None:
    note = _NOTE.search(order.staff_notes) if in_notes else None
    text = store.orders.cart_id(order.id) or (note.group(1) if note else "")
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


def _expected(order: Order) -> Picture:
    """Return what its purchase says: what became of which pieces, where they go, and what all of it costs."""
    fates, positions = Counts(), Counts()
    cities = {part.id: _city(part.address) if part.kind == "shipping" else "" for part in order.consignments}
    for line in order.lines.values():
        positions.add(cities[line.consignment_id], line.sku, line.quantity)
        for fate, quantity in _fates(order, line).items():
            fates.add(fate, line.sku, quantity)
    picture = {"type": "order", "platform": str(order.id), "pieces": fates.picture}
    if not _stands(order):
        return picture
    parcels = {(one.carrier or FLAT_RATE, one.tracking_number, one.link) for one in order.shipments}
    return picture | {
        "places": positions.picture,
        "parcels": sorted_parcels(parcels) if "shipped" in fates.picture else [],
        "placed": datetime.fromtimestamp(order.created, UTC),
        "currency": order.currency,
        "net": order.subtotal_ex_tax + order.shipping_ex_tax,
        "tax": order.subtotal_inc_tax - order.subtotal_ex_tax + order.shipping_inc_tax - order.shipping_ex_tax,
        "discount": order.discount,
        "paid": _paid(order),
        "billed in": _city(order.billing),
    }


def _fates(order: Order, line: OrderedLine) -> dict[str, int]:
    """Say what became of a line's pieces: refunded ones are returned, first of all, shipped or not."""
    if not _stands(order):
        return {"cancelled": line.quantity}
    shipped = min(line.quantity_shipped, line.quantity - line.quantity_refunded)
    fates = Counter({"returned": line.quantity_refunded, "shipped": shipped})
    fates[BY_STATUS.get(order.status_id, "open")] += line.quantity - line.quantity_refunded - shipped
    return fates


def _paid(order: Order) -> Decimal | None:
    if order.payment_status == "refunded":
        return Decimal(0)
    if order.payment_status == "":
        return None
    back = Decimal(0)
    for line in order.lines.values():
        off = sum((one.amount for one in line.discounts), Decimal(0)) * line.quantity_refunded / line.quantity
        back += line.price_inc_tax * line.quantity_refunded - amount(off)
    return order.total_inc_tax - back


def _city(address: OrderAddress) -> str:
    """Return where an address is; nowhere, if it is not one that SparkLayer would hold."""
    return address.city if address.street_1 and address.country_iso2 else ""


def held_purchase(body: Mapping[str, Any]) -> Picture:
    """Return the same picture of a purchase that a site holds."""
    fates, positions = Counts(), Counts()
    packages = body.get("packages", [])
    totals = dict.fromkeys(("total_net", "total_tax", "total_gross", "discount_net"), Decimal(0))
    currencies = {body.get("currency_code")}
    for package in packages:
        fate = FATES.get(str(package.get("type")).lower(), "unknown")
        for line in package.get("line_items", []):
            sku = line.get("identifiers", {}).get(SKU) or ""
            fates.add(fate, sku, line["quantity"])
            positions.add((package.get("shipping_address") or {}).get("city") or "", sku, line["quantity"])
        for priced in (*package.get("line_items", ()), package.get("shipping_method") or {}):
            for name, money in priced.get("line_total", {}).items():
                totals[name] += Decimal(money["number"])
                currencies.add(money["currency"])
    shipments = [one for package in packages for one in package.get("shipments") or ()]
    paid = body.get("total_paid")
    return {
        "type": body.get("type"),
        "platform": body.get("purchase_identifiers", {}).get("platform"),
        "pieces": fates.picture,
        "places": positions.picture,
        "parcels": sorted_parcels({tuple(one.get(name) or "" for name in PARCEL) for one in shipments})
        if "shipped" in fates.picture
        else [],
        "placed": datetime.fromisoformat(body["dates"]["placed_at"]) if body.get("dates") else None,
        "currency": currencies.pop() if len(currencies) == 1 else sorted(map(str, currencies)),
        "net": totals["total_net"],
        "tax": totals["total_gross"] - totals["total_net"],
        "discount": totals["discount_net"],
        "paid": Decimal(paid["number"]) if paid else None,
        "billed in": (body.get("billing_address") or {}).get("city") or "",
    }


def sorted_parcels(parcels: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return parcels in their order, without those that say nothing."""
    return sorted(parcel for parcel in parcels if any(parcel))


class Counts:
    """Number of pieces of each SKU under each heading; `picture` leaves out empty ones."""

    def __init__(self) -> None:
        self.picture: dict[str, dict[str, int]] = {}

    def add(self, heading: str, sku: str, quantity: int) -> None:
        """Count pieces."""
        if quantity:
            counted = self.picture.setdefault(heading, {})
            counted[sku] = counted.get(sku, 0) + quantity
