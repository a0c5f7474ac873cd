"""The purchases that a site must hold for a store: exactly the orders that were placed from a SparkLayer cart.

The cart id stands in the order's metafield or, for stores that do so, in the staff notes. Of a purchase is compared
what became of how many pieces of each SKU and where they go, whatever the packages they are in; what all lines and the
transport come to, in which currency, and what of it was paid; and how the parcels are followed. The purchase of an
order that is archived, or incomplete, may be missing; if it is there as an order, all its pieces are cancelled.

An order of a WooCommerce shop names its cart in its meta data, and has one address and one tracking. Its lines' totals
are net, also where prices have tax; fees and transport count as one cost. What is refunded by line is returned. All
pieces of an order that is in the trash, or deleted, are cancelled in SparkLayer, if it has them.
"""

import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from daemon.sandbox.bigcommerce.order_book import (
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
from daemon.sandbox.expectation.products import Picture, compared
from daemon.sandbox.woocommerce.catalogue import TRASH, OrderLine
from daemon.sandbox.woocommerce.catalogue import Order as ShopOrder
from daemon.sandbox.woocommerce.order_book import CART_KEY, TRACKING_KEY
from daemon.sandbox.woocommerce.shop import Shop

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

BY_STATUS: Mapping[Any, str] = {
    SHIPPED: "shipped",
    COMPLETED: "shipped",
    REFUNDED: "returned",
    CANCELLED: "cancelled",
    DECLINED: "cancelled",
    "completed": "shipped",
    "refunded": "returned",
    "cancelled": "cancelled",
    "failed": "cancelled",
}
"""Fate, by the order's status, of pieces that are in no parcel and were not refunded; otherwise open."""
UNPAID = ("pending", "failed")
NOT_COUNTED = (TRASH, "checkout-draft")

SKU = "sku"
PARCEL = ("carrier", "tracking_number", "tracking_url")
"""The keys in a line's identifiers and in a shipment, which nobody has seen (inferred, sparklayer.md section 6)."""

_NOTE = re.compile(r"SparkLayer cart: ([0-9a-fA-F-]{36})")


def order_differences(store: Store | Shop, held: Mapping[str, Any], *, in_notes: bool = False) -> list[str]:
    """Return how the purchases of a site, {cart id: body}, differ from the store's orders; see `expected_orders`."""
    wanted = expected_orders(store, in_notes=in_notes)
    confirmed = {cart for cart, body in held.items() if body.get("type") == "order"}
    gone = confirmed - wanted.keys()
    found = {cart: held_purchase(held[cart]) for cart in confirmed | (wanted.keys() & held.keys())}
    if isinstance(store, Shop):
        # A deleted order has no row any more that could say how many pieces it had.
        mended = [cart for cart in gone if found[cart]["pieces"].keys() <= {"cancelled"}]
        found = {cart: picture for cart, picture in found.items() if cart not in mended}
    else:
        without = _by_cart(store, in_notes=in_notes, stands=False)
        wanted |= {cart: _expected(order) for cart, order in without.items() if cart in gone}
    for cart, picture in found.items():
        found[cart] = {name: value for name, value in picture.items() if name in wanted.get(cart, picture)}
    return compared("purchase", wanted, found)


def expected_orders(store: Store | Shop, *, in_notes: bool = False) -> Picture:
    """Return {cart id: picture} of the orders that count; see `_expected`.

    `in_notes` says that a cart id in the staff notes ("SparkLayer cart: <uuid>") counts.
    """
    if not isinstance(store, Shop):
        return {cart: _expected(order) for cart, order in _by_cart(store, in_notes=in_notes, stands=True).items()}
    counted = (order for order in store.orders.orders.values() if order.status not in NOT_COUNTED)
    carts = ((_uuid(next((row.value for row in order.meta if row.key == CART_KEY), "")), order) for order in counted)
    return {cart: _expected_of_shop(store, order) for cart, order in carts if cart}


def _stands(order: Order) -> bool:
    return not order.is_deleted and order.status_id != INCOMPLETE


def _by_cart(store: Store, *, in_notes: bool, stands: bool) -> dict[str, Order]:
    orders = (order for order in store.orders.orders.values() if _stands(order) is stands)
    return {cart: order for order in orders if (cart := _cart(store, order, in_notes=in_notes))}


def _cart(store: Store, order: Order, *, in_notes: bool) -> str | None:
    note = _NOTE.search(order.staff_notes) if in_notes else None
    return _uuid(store.orders.cart_id(order.id) or (note.group(1) if note else ""))


def _uuid(text: object) -> str | None:
    try:
        return str(uuid.UUID(str(text)))
    except ValueError:
        return None


def _expected(order: Order) -> Picture:
    """Return what its purchase says: what became of which pieces, where they go, and what all of it costs."""
    fates, positions = Picture(), Picture()
    cities = {part.id: _city(part.address) if part.kind == "shipping" else "" for part in order.consignments}
    for line in order.lines.values():
        _count(positions, cities[line.consignment_id], line.sku, line.quantity)
        for fate, quantity in _fates(order, line).items():
            _count(fates, fate, line.sku, quantity)
    picture = {"type": "order", "platform": str(order.id), "pieces": fates}
    if not _stands(order):
        return picture
    parcels = {(one.carrier or FLAT_RATE, one.tracking_number, one.link) for one in order.shipments}
    return picture | {
        "places": positions,
        "parcels": _sorted_parcels(parcels) if "shipped" in fates else [],
        "placed": datetime.fromtimestamp(order.created, UTC),
        "currency": order.currency,
        "net": order.sums("ex_tax")["total"] + order.discount,
        "tax": order.sums("inc_tax")["total"] - order.sums("ex_tax")["total"],
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
    return order.sums("inc_tax")["total"] - back


def _city(address: OrderAddress) -> str:
    """Return where an address is; nowhere, if it is not one that SparkLayer would hold."""
    return address.city if address.street_1 and address.country_iso2 else ""


def _expected_of_shop(shop: Shop, order: ShopOrder) -> Picture:
    """Return what a purchase says: what became of which pieces, where they go, and what all of it costs."""
    fates, places, parcels = Picture(), Picture(), _parcels(order)
    back = Counter[int]()
    for refunded in (line for refund in order.refunds for line in refund.lines):
        back[refunded.refunded_item] += abs(refunded.quantity)
    rest = BY_STATUS.get(order.status, "open")
    if order.status == "processing" and parcels:
        rest = "shipped"
    for line in order.lines.values():
        sku = _sku(shop, line)
        _count(places, _shop_city(order.address), sku, line.quantity)
        returned = min(line.quantity, back[line.id])
        _count(fates, "returned", sku, returned)
        _count(fates, rest, sku, line.quantity - returned)
    costs = [*order.lines.values(), *order.fees]
    picture = {
        "type": "order",
        "platform": str(order.id),
        "pieces": fates,
        "places": places,
        "parcels": parcels if "shipped" in fates else [],
        "placed": order.created.gmt.replace(tzinfo=UTC),
        "currency": order.currency,
        "net": sum((cost.total for cost in costs), order.shipping),
        "tax": sum((cost.total_tax for cost in costs), order.shipping_tax),
        "billed in": _shop_city(order.billing),
    }
    if order.paid or order.status in UNPAID:
        picture["paid"] = order.total - order.refunded if order.paid else Decimal(0)
    return picture


def _sku(shop: Shop, line: OrderLine) -> str:
    """Return the present SKU of what a line sold; a variation without one shows its product's."""
    product, variation = shop.tops.get(line.product_id), shop.variations.get(line.variation_id)
    own = variation.sku if variation else ""
    return (own or (product.sku if product else "")).strip()


def _parcels(order: ShopOrder) -> list[tuple[str, ...]]:
    """Return the tracking of an order, as the one parcel that SparkLayer is told of."""
    rows = next((row.value for row in order.meta if row.key == TRACKING_KEY), None) or []
    carrier = next((row["tracking_provider"] for row in rows if row["tracking_provider"]), "")
    numbers = dict.fromkeys(row["tracking_number"] for row in rows if row["tracking_number"])
    link = next((row["custom_tracking_link"] for row in rows if row.get("custom_tracking_link")), "")
    return _sorted_parcels([(carrier, ", ".join(numbers), link)])


def _shop_city(address: Mapping[str, str]) -> str:
    """Return where an address is; nowhere, if it is not one that SparkLayer would hold."""
    usable = all(address.get(part, "").strip() for part in ("address_1", "city", "country"))
    return address["city"] if usable else ""


def held_purchase(body: Mapping[str, Any]) -> Picture:
    """Return the same picture of a purchase that a site holds."""
    fates, positions = Picture(), Picture()
    packages = body.get("packages", [])
    totals = dict.fromkeys(("total_net", "total_tax", "total_gross", "discount_net"), Decimal(0))
    currencies = {body.get("currency_code")}
    for package in packages:
        fate = FATES.get(str(package.get("type")).lower(), "unknown")
        for line in package.get("line_items", []):
            sku = line.get("identifiers", {}).get(SKU) or ""
            _count(fates, fate, sku, line["quantity"])
            _count(positions, (package.get("shipping_address") or {}).get("city") or "", sku, line["quantity"])
        for priced in (*package.get("line_items", ()), package.get("shipping_method") or {}):
            for name, money in priced.get("line_total", {}).items():
                totals[name] += Decimal(money["number"])
                currencies.add(money["currency"])
    shipments = [one for package in packages for one in package.get("shipments") or ()]
    paid = body.get("total_paid")
    return {
        "type": body.get("type"),
        "platform": body.get("purchase_identifiers", {}).get("platform"),
        "pieces": fates,
        "places": positions,
        "parcels": _sorted_parcels({tuple(one.get(name) or "" for name in PARCEL) for one in shipments})
        if "shipped" in fates
        else [],
        "placed": datetime.fromisoformat(body["dates"]["placed_at"]) if body.get("dates") else None,
        "currency": currencies.pop() if len(currencies) == 1 else sorted(map(str, currencies)),
        "net": totals["total_net"],
        "tax": totals["total_gross"] - totals["total_net"],
        "discount": totals["discount_net"],
        "paid": Decimal(paid["number"]) if paid else None,
        "billed in": (body.get("billing_address") or {}).get("city") or "",
    }


def _sorted_parcels(parcels: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return parcels in their order, without those that say nothing."""
    return sorted(parcel for parcel in parcels if any(parcel))


def _count(picture: Picture, heading: str, sku: str, quantity: int) -> None:
    """Count pieces of a SKU under a heading; empty ones are left out."""
    if quantity:
        counted = picture.setdefault(heading, {})
        counted[sku] = counted.get(sku, 0) + quantity
