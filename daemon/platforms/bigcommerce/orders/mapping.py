"""Turns an order as BigCommerce tells it into what SparkLayer's purchase shall say of it. Pure: no clock, no await.

An order is cut into packages by what has become of its pieces: one for each shipment, one for what came back, and one
for the rest, whose type is that of the order's status. Amounts are exact: those of a part are the price of a piece
times the pieces, and a line's discount is split so that the parts add up to it. An archived order is one no more, and
an incomplete one not yet: its buyer has come as far as to the payment. What a package is called in SparkLayer is
inferred (sparklayer.md section 6).
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from email.utils import parsedate_to_datetime

from attrs import evolve, field, frozen

from daemon.model import (
    Address,
    CartId,
    ExternalId,
    Mapped,
    Option,
    Order,
    OrderLine,
    Package,
    PackageType,
    Problem,
    Shipment,
    Sku,
    StoreFacts,
)
from daemon.platforms.bigcommerce.orders import wire
from daemon.problems import Trouble

PLATFORM = "BigCommerce"

OF_STATUS: Mapping[int, PackageType] = {
    **dict.fromkeys((5, 6), PackageType.CANCELLED),
    **dict.fromkeys((12, 13), PackageType.ON_HOLD),
    **dict.fromkeys((2, 3, 8, 9, 10, 11), PackageType.PROCESSING),
}
"""What is neither shipped nor returned, by the order's status (bigcommerce.md section 7); others are incoming."""

INCOMPLETE = 0
COMPLETED = 10
PAID = frozenset({"captured", "paid", "refunded", "partially refunded"})
"""Payment statuses that mean: all was paid, whatever was refunded afterwards."""

MILLS = Decimal("0.0001")
"""What a part of a discount is rounded to; the last part takes what is left."""


@frozen
class Told:
    """An order as read: whole, with the cart that it came from and its shipments."""

    order: wire.Order
    cart: str
    shipments: Sequence[wire.Shipment] = ()


def order(told: Told, facts: StoreFacts) -> Mapped[Order]:
    """Map one order. Raises ValueError for a date that is none."""
    raw = told.order
    problems: list[Problem] = []
    cart = _cart(told.cart, problems)
    lines = [line for part in raw.parts.all for line in part.lines]
    strange = [line for line in lines if not (line.sku or "").strip()]
    problems += [Trouble.LINE_WITHOUT_PRODUCT.problem(platform=PLATFORM, line=one.name or one.id) for one in strange]
    placed = parsedate_to_datetime(raw.date_created)
    placed_and_kept = raw.status_id != INCOMPLETE and not raw.is_deleted
    value = Order(
        external_id=ExternalId(str(raw.id)),
        cart_id=cart or CartId(""),
        visible=str(raw.id),
        customer=ExternalId(str(raw.customer_id)) if raw.customer_id else None,
        placed=placed,
        updated=parsedate_to_datetime(raw.date_modified) if raw.date_modified else placed,
        currency=raw.currency_code or raw.default_currency_code or facts.currency,
        packages=tuple(_with_shipping(raw, list(_packages(told, lines)))),
        billing_address=_address(raw.billing_address),
        paid=_paid(raw),
        tax=raw.total_tax,
    )
    return Mapped(
        value=value if cart and placed_and_kept else None,
        problems=tuple(problems) if placed_and_kept else (),
        name=f"Order {raw.id}",
        url=f"{facts.url}/manage/orders/{raw.id}" if facts.url else "",  # inferred
    )


def _cart(text: str, problems: list[Problem]) -> CartId | None:
    try:
        return CartId(str(uuid.UUID(text.strip())))
    except ValueError:
        problems.append(Trouble.CART_UNKNOWN.problem())
        return None


@frozen
class _Pieces:
    """Lines that are dealt out to packages, some pieces at a time."""

    lines: Mapping[int, wire.Line]
    left: dict[int, int] = field(factory=dict)
    discounts: dict[int, Decimal] = field(factory=dict)
    """What of each line's discount has not been dealt out."""

    def take(self, line_id: int, wanted: int) -> OrderLine | None:
        """Deal out at most `wanted` pieces of a line; None when there are none."""
        quantity = min(wanted, self.left.get(line_id, 0))
        if quantity <= 0:
            return None
        raw = self.lines[line_id]
        self.left[line_id] -= quantity
        share = self.discounts[line_id]
        if self.left[line_id]:
            share = (_discount(raw) * quantity / raw.quantity).quantize(MILLS, ROUND_HALF_EVEN)
        self.discounts[line_id] -= share
        return OrderLine(
            external_id=str(raw.id),
            name=raw.name or "",
            sku=Sku(raw.sku.strip()) if raw.sku and raw.sku.strip() else None,
            quantity=quantity,
            net=raw.price_ex_tax * quantity,
            tax=(raw.price_inc_tax - raw.price_ex_tax) * quantity,
            discount=share,
            options=tuple(
                Option(one.display_name, one.display_value or "")
                for one in raw.product_options or ()
                if one.display_name
            ),
        )


def _packages(told: Told, lines: Sequence[wire.Line]) -> Iterator[Package]:
    raw = told.order
    pieces = _Pieces({line.id: line for line in lines})
    pieces.left.update({line.id: line.quantity for line in lines})
    pieces.discounts.update({line.id: _discount(line) for line in lines})
    parts = {line.id: part for part in raw.parts.all for line in part.lines}
    address = _address(raw.parts.shipping[0]) if raw.parts.shipping else None
    # What came back was shipped before, if all was: it is dealt out first, lest it be counted as shipped as well.
    returned = tuple(filter(None, [pieces.take(line.id, line.quantity_refunded or 0) for line in lines]))
    for shipment in told.shipments:
        sent = tuple(filter(None, [pieces.take(item.order_product_id, item.quantity) for item in shipment.items]))
        if sent:
            kind = PackageType.COMPLETE if raw.status_id == COMPLETED else PackageType.SHIPPED
            part = parts.get(int(sent[0].external_id))
            where = (part and _address(part)) or address
            yield Package(type=kind, lines=sent, address=where, shipment=_shipment(shipment))
    if returned:
        yield Package(type=PackageType.RETURNED, lines=returned, address=address)
    rest = tuple(filter(None, [pieces.take(line.id, line.quantity) for line in lines]))
    if rest:
        yield Package(type=OF_STATUS.get(raw.status_id, PackageType.INCOMING), lines=rest, address=address)


def _with_shipping(raw: wire.Order, packages: list[Package]) -> list[Package]:
    """Put what shipping costs, and how it is done, on the first package."""
    methods = [part.shipping_method for part in raw.parts.shipping if part.shipping_method]
    net, gross = raw.shipping_cost_ex_tax, raw.shipping_cost_inc_tax
    if packages and (methods or net is not None):
        cost = (net or Decimal(0), (gross if gross is not None else net or Decimal(0)) - (net or Decimal(0)))
        packages[0] = evolve(packages[0], method=methods[0] if methods else "", shipping=cost)
    return packages


def _shipment(raw: wire.Shipment) -> Shipment:
    return Shipment(
        carrier=raw.tracking_carrier or raw.shipping_provider or raw.shipping_method or "",
        tracking_number=raw.tracking_number or "",
        tracking_url=raw.tracking_link or raw.generated_tracking_link or "",
    )


def _discount(line: wire.Line) -> Decimal:
    return sum((one.amount or Decimal(0) for one in line.applied_discounts or ()), Decimal(0))


def _paid(raw: wire.Order) -> Decimal | None:
    """Return what was paid and not paid back, if the order's payment is known to be through."""
    if (raw.payment_status or "").lower() not in PAID or raw.total_inc_tax is None:
        return None
    return raw.total_inc_tax - (raw.refunded_amount or Decimal(0))


def _address(raw: wire.Address | None) -> Address | None:
    """Return an address, if it is one that SparkLayer would hold."""
    if raw is None or not (raw.street_1 and raw.city and raw.country_iso2):
        return None
    return Address(
        address_line1=raw.street_1,
        address_line2=raw.street_2 or "",
        city=raw.city,
        region_code=raw.state or "",
        postal_code=raw.zip or "",
        country_code=raw.country_iso2,
        first_name=raw.first_name or "",
        last_name=raw.last_name or "",
        company=raw.company or "",
        phone=raw.phone or "",
    )
