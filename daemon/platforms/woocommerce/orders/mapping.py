"""Maps a WooCommerce order to its target state in SparkLayer, a purchase. Pure: no clock, no await.

An order has one package for its returned pieces and one for the rest, whose type follows from the order's status.
Tracking belongs to the order as a whole. A line's amounts are its totals, which are net also where prices have tax;
fees count as shipping cost, so that the purchase adds up to the order's total. An order in the trash no longer counts,
and an unfinished checkout does not yet.
"""

import html
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec
from attrs import frozen

from daemon.entities import (
    Address,
    Mapped,
    Option,
    Order,
    OrderLine,
    Package,
    PackageType,
    Shipment,
    StoreFacts,
)
from daemon.model import Sku
from daemon.platforms.shared import orders
from daemon.platforms.shared.amounts import NO_NUMBER, in_bounds
from daemon.platforms.shared.mapping import page_url, unread
from daemon.platforms.shared.orders import LineAllocation
from daemon.platforms.shared.rows import Odd
from daemon.platforms.woocommerce import values
from daemon.platforms.woocommerce.orders import schema
from daemon.platforms.woocommerce.values import amount_of, first_of, text_of

PLATFORM = "WooCommerce"
MOST_PIECES = 2**31 - 1

NOT_COUNTED: Mapping[str, str] = {
    "trash": f"It is in the trash of {PLATFORM}.",
    "checkout-draft": "Its checkout is not finished.",
    "auto-draft": "It is not finished yet.",
}
"""Statuses of orders that must not be in SparkLayer, and why."""

OF_STATUS: Mapping[str, PackageType] = {
    "pending": PackageType.INCOMING,
    "processing": PackageType.PROCESSING,
    "on-hold": PackageType.ON_HOLD,
    "completed": PackageType.COMPLETE,
    "refunded": PackageType.RETURNED,
    "cancelled": PackageType.CANCELLED,
    "failed": PackageType.CANCELLED,
}
"""Type of pieces that were not returned, by order status; else incoming: plugins add statuses."""

UNPAID = frozenset({"pending", "failed"})
"""Statuses in which nothing was paid. Others without a date of payment are paid outside the shop, or later."""


@frozen
class RawOrder:
    """An order as read, with its SparkLayer cart id and its refunds."""

    order: schema.Order
    cart: str
    refunds: Sequence[schema.Refund] = ()


def order(source: RawOrder | Odd, facts: StoreFacts) -> Mapped[Order]:
    """Map one order. Never raises for a value that `schema` accepts; an unusable date or amount maps to its issues."""
    raw: schema.Order = source.rest if isinstance(source, Odd) else source.order
    url = page_url(facts, f"/admin.php?page=wc-orders&action=edit&id={raw.id}")  # inferred
    if isinstance(source, Odd):
        return unread(source, PLATFORM, f"Order {raw.id}", url)
    number = raw.number or str(raw.id)
    if raw.status in NOT_COUNTED:
        return Mapped(value=None, name=f"Order {number}", url=url, reasons=(NOT_COUNTED[raw.status],))
    amiss = list(_bad_amounts(raw))
    dates = {"date_created_gmt": raw.date_created_gmt}
    # Imported orders that were never saved again have no date of a change.
    if raw.date_modified_gmt is not None:
        dates["date_modified_gmt"] = raw.date_modified_gmt
    return orders.order(
        platform=PLATFORM,
        order_id=raw.id,
        number=number,
        url=url,
        cart=source.cart,
        customer_id=raw.customer_id,
        dates=dates,
        currency=raw.currency or facts.currency,
        packages=() if amiss else tuple(_packages(source)),
        billing_address=_address(raw.billing),
        paid=None if amiss else _paid(raw),
        tax=None if amiss else _amount(raw.total_tax),
        unusable_amounts=amiss,
        unnamed_lines=[line.name or line.id for line in raw.line_items if not (line.sku or "").strip()],
    )


def _bad_amounts(raw: schema.Order) -> Iterator[str]:
    """Yield the names of unusable amounts."""
    yield from (name for name in ("total", "total_tax") if _is_bad(getattr(raw, name)))
    for line in raw.line_items:
        called = line.name or line.id
        if not 0 <= line.quantity <= MOST_PIECES:
            yield f"{called}: quantity"
        yield from (f"{called}: {name}" for name in ("total", "total_tax") if _is_bad(getattr(line, name)))
    for costs in ("shipping_lines", "fee_lines"):
        for cost in getattr(raw, costs):
            yield from (f"{costs}: {name}" for name in ("total", "total_tax") if _is_bad(getattr(cost, name)))
    if any(_is_bad(refund.total) for refund in raw.refunds):
        yield "refunds: total"


def _is_bad(text: str) -> bool:
    amount = amount_of(text)
    return not in_bounds(NO_NUMBER if amount is None else amount)


def _amount(text: str) -> Decimal:
    """Return an amount that `_bad_amounts` has accepted."""
    return amount_of(text) or Decimal(0)


def _packages(source: RawOrder) -> Iterator[Package]:
    raw = source.order
    allocation = LineAllocation(map(_line, raw.line_items))
    refunded: Counter[int] = Counter()
    for refund in source.refunds:
        for item in refund.line_items:
            if item.line is not None:
                refunded[item.line] += abs(item.quantity)
    returned = [allocation.take(str(line.id), refunded[line.id]) for line in raw.line_items]
    rest = [allocation.take(str(line.id), line.quantity) for line in raw.line_items]
    shipment = _shipment(raw)
    kind = OF_STATUS.get(raw.status, PackageType.INCOMING)
    if kind is PackageType.PROCESSING and shipment is not None:
        kind = PackageType.SHIPPED
    parts = [(kind, rest, shipment), (PackageType.RETURNED, returned, None)]
    filled = [(kind, tuple(filter(None, lines)), shipment) for kind, lines, shipment in parts if any(lines)]
    address = _address(raw.shipping)
    method = next((html.unescape(cost.method_title) for cost in raw.shipping_lines if cost.method_title), "")
    # The first package carries the cost of shipping and the fees.
    for place, (of_kind, lines, sent) in enumerate(filled):
        first = place == 0
        yield Package(
            type=of_kind,
            lines=lines,
            address=address,
            method=method if first else "",
            shipping=_cost(raw) if first else None,
            shipment=sent,
        )


def _line(raw: schema.OrderLine) -> OrderLine:
    """Return a whole line."""
    options = [
        Option(html.unescape(key), html.unescape(value))
        for field in raw.meta_data
        if not field.key.startswith("_")
        and (key := text_of(field.display_key) or field.key)
        and (value := text_of(field.display_value) or text_of(field.value) or "")
    ]
    return OrderLine(
        external_id=str(raw.id),
        name=html.unescape(raw.name),
        sku=Sku(raw.sku.strip()) if raw.sku and raw.sku.strip() else None,
        quantity=raw.quantity,
        net=_amount(raw.total),
        tax=_amount(raw.total_tax),
        options=tuple(options),
    )


def _cost(raw: schema.Order) -> tuple[Decimal, Decimal] | None:
    """Return the cost of shipping and of fees: net and tax."""
    costs = [*raw.shipping_lines, *raw.fee_lines]
    if not costs:
        return None
    return _sum(cost.total for cost in costs), _sum(cost.total_tax for cost in costs)


def _sum(texts: Iterable[str]) -> Decimal:
    return sum(map(_amount, texts), Decimal(0))


def _shipment(raw: schema.Order) -> Shipment | None:
    """Return the order's tracking: the first carrier and link, and all numbers; None without readable tracking."""
    try:
        items = msgspec.convert(first_of(raw.meta_data, schema.TRACKING) or [], list[schema.Tracking])
    except msgspec.ValidationError:
        return None
    carriers = [item.text("tracking_provider") or item.text("custom_tracking_provider") for item in items]
    numbers = [item.text("tracking_number") for item in items]
    links = [item.text("custom_tracking_link") for item in items]
    if not any((*carriers, *numbers, *links)):
        return None
    return Shipment(
        carrier=next(filter(None, carriers), ""),
        tracking_number=", ".join(dict.fromkeys(filter(None, numbers))),
        tracking_url=next(filter(None, links), ""),
    )


def _paid(raw: schema.Order) -> Decimal | None:
    """Return the amount paid, less refunds; None if the shop does not know it."""
    if raw.date_paid_gmt:
        return _amount(raw.total) + _sum(refund.total for refund in raw.refunds)
    return Decimal(0) if raw.status in UNPAID else None


def _address(raw: values.Address) -> Address | None:
    """Return an address; None if SparkLayer would refuse it."""
    if not (raw.address_1.strip() and raw.city.strip() and raw.country.strip()):
        return None
    return Address(
        address_line1=html.unescape(raw.address_1),
        address_line2=html.unescape(raw.address_2),
        city=html.unescape(raw.city),
        region_code=raw.state,
        postal_code=raw.postcode,
        country_code=raw.country,
        first_name=html.unescape(raw.first_name),
        last_name=html.unescape(raw.last_name),
        company=html.unescape(raw.company),
        phone=raw.phone,
    )
