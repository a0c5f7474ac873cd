"""The purchases that a site must hold for a WooCommerce shop: the orders whose meta data name a SparkLayer cart.

Of a purchase is compared what `daemon.sandbox.expectation.orders` compares. An order has one address and one tracking;
its lines' totals are net, also where prices have tax; fees and transport count as one cost. What is refunded by line is
returned. All pieces of an order that is in the trash, or deleted, are cancelled in SparkLayer, if it has them.
"""

import uuid
from collections import Counter
from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any

from daemon.sandbox.expectation.orders import Counts, held_purchase, sorted_parcels
from daemon.sandbox.expectation.picture import Picture, compared
from daemon.sandbox.woocommerce.order_book import CART_KEY, TRACKING_KEY
from daemon.sandbox.woocommerce.records import TRASH, Order, OrderLine
from daemon.sandbox.woocommerce.shop import Shop

BY_STATUS = {
    "completed": "shipped",
    "refunded": "returned",
    "cancelled": "cancelled",
    "failed": "cancelled",
}
"""Fate, by the order's status, of pieces that were not refunded; otherwise open."""
UNPAID = ("pending", "failed")
NOT_COUNTED = (TRASH, "checkout-draft")


def order_differences(shop: Shop, held: Mapping[str, Any]) -> list[str]:
    """Return how the purchases of a site, {cart id: body}, differ from the shop's orders."""
    wanted = expected_orders(shop)
    confirmed = {cart for cart, body in held.items() if body.get("type") == "order"}
    found = {cart: held_purchase(held[cart]) for cart in confirmed | (wanted.keys() & held.keys())}
    lines = [
        f"purchase {cart}: the shop has no such order, SparkLayer {found[cart]['pieces']}"
        for cart in sorted(confirmed - wanted.keys())
        if found[cart]["pieces"].keys() - {"cancelled"}
    ]
    present = {cart: picture for cart, picture in found.items() if cart in wanted}
    for cart, picture in present.items():
        present[cart] = {name: value for name, value in picture.items() if name in wanted[cart]}
    return [*lines, *compared("purchase", wanted, present)]


def expected_orders(shop: Shop) -> Picture:
    """Return {cart id: picture} of the orders that count."""
    counted = (order for order in shop.orders.orders.values() if order.status not in NOT_COUNTED)
    return {cart: _expected(shop, order) for order in counted if (cart := _cart(order))}


def _cart(order: Order) -> str | None:
    text = next((row.value for row in order.meta if row.key == CART_KEY), "")
    try:
        return str(uuid.UUID(str(text)))
    except ValueError:
        return None


def _expected(shop: Shop, order: Order) -> Picture:
    """Return what a purchase says: what became of which pieces, where they go, and what all of it costs."""
    fates, places, parcels = Counts(), Counts(), _parcels(order)
    returned = _returned(order)
    rest = BY_STATUS.get(order.status, "open")
    if order.status == "processing" and parcels:
        rest = "shipped"
    for line in order.lines.values():
        sku = _sku(shop, line)
        places.add(_city(order.address), sku, line.quantity)
        fates.add("returned", sku, returned[line.id])
        fates.add(rest, sku, line.quantity - returned[line.id])
    costs = [*order.lines.values(), *order.fees]
    picture = {
        "type": "order",
        "platform": str(order.id),
        "pieces": fates.picture,
        "places": places.picture,
        "parcels": parcels if "shipped" in fates.picture else [],
        "placed": order.created.gmt.replace(tzinfo=UTC),
        "currency": order.currency,
        "net": sum((cost.total for cost in costs), order.shipping),
        "tax": sum((cost.total_tax for cost in costs), order.shipping_tax),
        "billed in": _city(order.billing),
    }
    if order.paid or order.status in UNPAID:
        back = sum((refund.amount for refund in order.refunds), Decimal(0))
        picture["paid"] = order.total - back if order.paid else Decimal(0)
    return picture


def _returned(order: Order) -> Counter[int]:
    lines = [line for refund in order.refunds for line in refund.lines]
    returned = Counter[int]()
    for line in lines:
        returned[line.refunded_item] += abs(line.quantity)
    return Counter({line.id: min(line.quantity, returned[line.id]) for line in order.lines.values()})


def _sku(shop: Shop, line: OrderLine) -> str:
    """Return the present SKU of what a line sold; a variation without one shows its product's."""
    product, variation = shop.tops.get(line.product_id), shop.variations.get(line.variation_id)
    own = variation.sku if variation else ""
    return (own or (product.sku if product else "")).strip()


def _parcels(order: Order) -> list[tuple[str, ...]]:
    """Return the tracking of an order, as the one parcel that SparkLayer is told of."""
    rows = next((row.value for row in order.meta if row.key == TRACKING_KEY), None) or []
    carrier = next((row["tracking_provider"] for row in rows if row["tracking_provider"]), "")
    numbers = dict.fromkeys(row["tracking_number"] for row in rows if row["tracking_number"])
    link = next((row["custom_tracking_link"] for row in rows if row.get("custom_tracking_link")), "")
    return sorted_parcels([(carrier, ", ".join(numbers), link)])


def _city(address: Mapping[str, str]) -> str:
    """Return where an address is; nowhere, if it is not one that SparkLayer would hold."""
    usable = all(address.get(part, "").strip() for part in ("address_1", "city", "country"))
    return address["city"] if usable else ""
