"""Which purchases a site must hold for a store: exactly the orders that were placed from a SparkLayer cart.

The cart id stands in the order's metafield or, for stores that do so, in the staff notes. Of a purchase is compared
what became of how many pieces of each SKU, whatever the packages they are in; what all lines and the transport come to
with tax and less the discounts, which is what the customer pays; and how the parcels are followed. The purchase of an
order that is archived, or incomplete, may be missing; if it is there as an order, all its pieces are cancelled.
"""

import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from daemon.sandbox.bigcommerce.order_records import CANCELLED, INCOMPLETE, Line, Order
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.expectation.picture import Picture, compared

DECLINED = 6

FATES = {
    "incoming": "open",
    "processing": "open",
    "on_hold": "open",
    "shipped": "shipped",
    "complete": "shipped",
    "returned": "returned",
    "cancelled": "cancelled",
}
"""What the types of packages come to (inferred, sparklayer.md section 6)."""

SKU = "sku"
TRACKING = "tracking_number"
"""The keys in a line's identifiers and in a shipment, which nobody has seen (inferred, sparklayer.md section 6)."""

_NOTE = re.compile(r"SparkLayer cart: ([0-9a-fA-F-]{36})")


def order_differences(store: Store, held: Mapping[str, Any], *, in_notes: bool = False) -> list[str]:
    """Return how the purchases of a site, {cart id: body}, differ from the store's orders; see `expected_orders`."""
    wanted = expected_orders(store, in_notes=in_notes)
    confirmed = {cart for cart, body in held.items() if body.get("type") == "order"}
    without = _by_cart(store, in_notes=in_notes, stands=False)
    wanted |= {cart: _expected(order) for cart, order in without.items() if cart in confirmed - wanted.keys()}
    ours = confirmed | wanted.keys()
    return compared("purchase", wanted, {cart: _held(body) for cart, body in held.items() if cart in ours})


def expected_orders(store: Store, *, in_notes: bool = False) -> Picture:
    """Return {cart id: {"type", "platform", "pieces": {fate: {sku: n}}, "gross", "trackings"}}.

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
    pieces: dict[str, Counter[str]] = {}
    for line in order.lines.values():
        for fate, quantity in _fates(order, line).items():
            pieces.setdefault(fate, Counter())[line.sku] += quantity
    picture = {"type": "order", "platform": str(order.id), "gross": order.total_inc_tax.normalize()}
    return picture | _told(pieces, {shipment.tracking_number for shipment in order.shipments})


def _fates(order: Order, line: Line) -> dict[str, int]:
    """Say what became of a line's pieces: refunded ones are returned, first of all, shipped or not."""
    if not _stands(order):
        return {"cancelled": line.quantity}
    shipped = min(line.quantity_shipped, line.quantity - line.quantity_refunded)
    fates = Counter({"returned": line.quantity_refunded, "shipped": shipped})
    rest = "cancelled" if order.status_id in {CANCELLED, DECLINED} else "open"
    fates[rest] += line.quantity - line.quantity_refunded - shipped
    return fates


def _held(body: Mapping[str, Any]) -> Picture:
    pieces: dict[str, Counter[str]] = {}
    packages = body.get("packages", [])
    for package in packages:
        counted = pieces.setdefault(FATES.get(str(package.get("type")).lower(), "unknown"), Counter())
        for line in package.get("line_items", []):
            counted[line.get("identifiers", {}).get(SKU) or ""] += line["quantity"]
    numbers = {shipment.get(TRACKING) for package in packages for shipment in package.get("shipments") or ()}
    picture = {
        "type": body.get("type"),
        "platform": body.get("purchase_identifiers", {}).get("platform"),
        "gross": sum(_gross(packages), Decimal(0)).normalize(),
    }
    return picture | _told(pieces, numbers)


def _told(pieces: Mapping[str, Counter[str]], numbers: set[Any]) -> Picture:
    """Leave out what has no pieces; parcels are followed only as long as not all of them came back."""
    kept = {fate: {sku: n for sku, n in counted.items() if n} for fate, counted in pieces.items()}
    kept = {fate: counted for fate, counted in kept.items() if counted}
    return {"pieces": kept, "trackings": sorted(filter(None, numbers)) if "shipped" in kept else []}


def _gross(packages: list[Mapping[str, Any]]) -> Iterator[Decimal]:
    for package in packages:
        for priced in (*package.get("line_items", ()), package.get("shipping_method") or {}):
            total = priced.get("line_total", {})
            yield _amount(total.get("total_gross"))
            yield -_amount(total.get("discount_net"))


def _amount(money: Mapping[str, str] | None) -> Decimal:
    return Decimal(money["number"]) if money else Decimal(0)
