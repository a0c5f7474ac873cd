"""Maps a BigCommerce order to its target state in SparkLayer, a purchase. Pure: no clock, no await.

An order is split into packages by the state of its pieces. Each shipment is one package. Besides, each destination has
one package for returned pieces and one for the rest, whose type follows from the order's status. An archived order no
longer counts as an order, and an incomplete one does not yet: its buyer has not paid. SparkLayer's names of package
types are inferred (sparklayer.md section 6).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from attrs import evolve, frozen

from daemon.entities import Address, Mapped, Option, Order, OrderLine, Package, PackageType, Shipment, StoreFacts
from daemon.model import Sku
from daemon.platforms.bigcommerce.ids import LARGEST_ID
from daemon.platforms.bigcommerce.orders import schema
from daemon.platforms.shared import orders
from daemon.platforms.shared.amounts import in_bounds
from daemon.platforms.shared.mapping import page_url, unread
from daemon.platforms.shared.orders import LineAllocation
from daemon.platforms.shared.rows import Odd

PLATFORM = "BigCommerce"

AMOUNTS = (
    *("total_inc_tax", "total_tax", "shipping_cost_ex_tax", "shipping_cost_inc_tax"),
    *("handling_cost_ex_tax", "handling_cost_inc_tax", "wrapping_cost_ex_tax", "wrapping_cost_inc_tax"),
)
LINE_AMOUNTS = ("price_ex_tax", "price_inc_tax", "total_ex_tax", "total_inc_tax")
COSTS = ("shipping_cost", "handling_cost", "wrapping_cost")
"""Amounts with and without tax: without the latter, all of the former would seem to be tax."""
NEEDED = (("price_ex_tax", "total_ex_tax"), ("price_inc_tax", "total_inc_tax"))
"""Pairs of fields; each line needs one of each pair."""

NOTHING = Decimal(0)

INCOMPLETE = 0
COMPLETED = 10

OF_STATUS: Mapping[int, PackageType] = {
    2: PackageType.SHIPPED,
    4: PackageType.RETURNED,
    COMPLETED: PackageType.COMPLETE,
    **dict.fromkeys((5, 6), PackageType.CANCELLED),
    **dict.fromkeys((12, 13), PackageType.ON_HOLD),
    **dict.fromkeys((3, 8, 9, 11, 14), PackageType.PROCESSING),
}
"""Type of pieces without a shipment or a refund, by order status (bigcommerce.md section 7); else incoming.

Downloads never have a shipment, and a store that ships by other means sets the status by hand.
"""

PAID = frozenset({"captured", "paid", "partially refunded"})
UNPAID = frozenset(
    {"authorized", "capture pending", "declined", "held for review", "pending", "refunded", "void", "void pending"}
)
"""Payment statuses (API reference of v2 orders). Payment outside the store, such as on account, has none."""


@frozen
class RawOrder:
    """A complete order as read, with its SparkLayer cart id and its shipments."""

    order: schema.Order
    cart: str
    shipments: Sequence[schema.Shipment] = ()


def order(source: RawOrder | Odd, facts: StoreFacts) -> Mapped[Order]:
    """Map one order. Never raises for a value that `schema` accepts; an unusable date or amount maps to its issues."""
    raw: schema.Order = source.rest if isinstance(source, Odd) else source.order
    url = page_url(facts, f"/manage/orders/{raw.id}")  # inferred
    if isinstance(source, Odd):
        return unread(source, PLATFORM, f"Order {raw.id}", url)
    reasons = tuple(_why_not(raw))
    if reasons:
        return Mapped(value=None, name=f"Order {raw.id}", url=url, reasons=reasons)
    lines = [line for part in raw.parts.all for line in part.lines]
    amiss = _bad_amounts(raw)
    packages = [] if amiss else list(_packages(source, lines))
    return orders.order(
        platform=PLATFORM,
        order_id=raw.id,
        number=str(raw.id),
        url=url,
        cart=source.cart,
        customer_id=raw.customer_id,
        dates={"date_created": raw.date_created, "date_modified": raw.date_modified},
        currency=raw.default_currency_code or facts.currency,
        packages=_with_transport(raw, packages),
        billing_address=_address(raw.billing_address),
        paid=None if amiss else _paid(raw, packages),
        tax=raw.total_tax,
        unusable_amounts=amiss,
        unnamed_lines=[line.name or line.id for line in lines if not (line.sku or "").strip()],
    )


def _bad_amounts(order: schema.Order) -> list[str]:
    """Return the paths of unusable amounts."""
    names = [name for name in AMOUNTS if _is_bad(getattr(order, name))]
    costs = [(f"{cost}_ex_tax", getattr(order, f"{cost}_inc_tax")) for cost in COSTS]
    names += [net for net, gross in costs if getattr(order, net) is None and gross is not None and not _is_bad(gross)]
    lines = [line for part in order.parts.all for line in part.lines]
    return [*names, *(f"{line.name or line.id}: {name}" for line in lines for name in _of(line))]


def _of(line: schema.OrderLine) -> Iterator[str]:
    if not 0 <= line.quantity <= LARGEST_ID:
        yield "quantity"
    yield from (name for name in LINE_AMOUNTS if _is_bad(getattr(line, name)))
    yield from (pair[0] for pair in NEEDED if all(getattr(line, name) is None for name in pair))
    if any(_is_bad(discount.amount) for discount in line.applied_discounts):
        yield "applied_discounts"


def _is_bad(amount: Decimal | None) -> bool:
    return amount is not None and not in_bounds(amount)


def _why_not(raw: schema.Order) -> Iterator[str]:
    """Yield the reasons why one of our orders must not be in SparkLayer."""
    if raw.is_deleted:
        yield f"It is archived in {PLATFORM}."
    if raw.status_id == INCOMPLETE:
        yield "It is incomplete: the buyer has not paid yet."


def _packages(source: RawOrder, lines: Sequence[schema.OrderLine]) -> Iterator[Package]:
    raw, allocation = source.order, LineAllocation(map(_line, lines))
    parts = {line.id: part for part in raw.parts.all for line in part.lines}

    def dealt(kind: PackageType, wanted: Callable[[schema.OrderLine], int]) -> list[Package]:
        """Return one package for each destination."""
        places: dict[Address | None, list[OrderLine]] = {}
        for line in lines:
            if (taken := allocation.take(str(line.id), wanted(line))) is not None:
                places.setdefault(_address(parts[line.id]), []).append(taken)
        return [Package(type=kind, lines=tuple(taken), address=address) for address, taken in places.items()]

    # Returned pieces may be in a shipment too: allocate them first, so that they are not counted twice.
    returned = dealt(PackageType.RETURNED, lambda line: line.quantity_refunded or 0)
    for shipment in source.shipments:
        sent = tuple(
            filter(None, [allocation.take(str(item.order_product_id), item.quantity) for item in shipment.items])
        )
        if sent:
            kind = PackageType.COMPLETE if raw.status_id == COMPLETED else PackageType.SHIPPED
            where = _address(parts[int(sent[0].external_id)])
            yield Package(type=kind, lines=sent, address=where, shipment=_shipment(shipment))
    yield from returned
    yield from dealt(OF_STATUS.get(raw.status_id, PackageType.INCOMING), lambda line: line.quantity)


def _line(raw: schema.OrderLine) -> OrderLine:
    """Return a whole line. BigCommerce's totals count, if it has them: the price of one piece is rounded."""
    net = (raw.price_ex_tax or NOTHING) * raw.quantity if raw.total_ex_tax is None else raw.total_ex_tax
    gross = (raw.price_inc_tax or NOTHING) * raw.quantity if raw.total_inc_tax is None else raw.total_inc_tax
    return OrderLine(
        external_id=str(raw.id),
        name=raw.name or "",
        sku=Sku(raw.sku.strip()) if raw.sku and raw.sku.strip() else None,
        quantity=raw.quantity,
        net=net,
        tax=gross - net,
        discount=_sum(discount.amount for discount in raw.applied_discounts),
        options=tuple(
            Option(option.display_name, option.display_value or "")
            for option in raw.product_options
            if option.display_name
        ),
    )


def _with_transport(raw: schema.Order, packages: list[Package]) -> list[Package]:
    """Add the shipping method, and the cost of shipping, handling and wrapping, to the first package."""
    methods = [part.shipping_method for part in raw.parts.shipping if part.shipping_method]
    net = (raw.shipping_cost_ex_tax, raw.handling_cost_ex_tax, raw.wrapping_cost_ex_tax)
    gross = (raw.shipping_cost_inc_tax, raw.handling_cost_inc_tax, raw.wrapping_cost_inc_tax)
    if packages and (methods or net != (None, None, None)):
        cost = _sum(net)
        taxed = _sum(
            with_tax if with_tax is not None else without for with_tax, without in zip(gross, net, strict=True)
        )
        packages[0] = evolve(packages[0], method=methods[0] if methods else "", shipping=(cost, taxed - cost))
    return packages


def _shipment(raw: schema.Shipment) -> Shipment:
    return Shipment(
        carrier=raw.tracking_carrier or raw.shipping_provider or raw.shipping_method or "",
        tracking_number=raw.tracking_number or "",
        tracking_url=raw.tracking_link or raw.generated_tracking_link or "",
    )


def _paid(raw: schema.Order, packages: Sequence[Package]) -> Decimal | None:
    """Return the amount paid, less refunds; None if unknown.

    The API shows only refunded pieces: `refunded_amount` is always 0 (API reference of v2 orders). So the amount is
    unknown if an amount was refunded without pieces.
    """
    status = (raw.payment_status or "").lower()
    if status in UNPAID:
        return Decimal(0)
    returned = [line for package in packages if package.type is PackageType.RETURNED for line in package.lines]
    untold = status == "partially refunded" and not returned
    if raw.total_inc_tax is None or status not in PAID or untold:
        return None
    return raw.total_inc_tax - _sum(line.net + line.tax - line.discount for line in returned)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum(filter(None, amounts), Decimal(0))


def _address(raw: schema.Address | None) -> Address | None:
    """Return an address; None if SparkLayer would refuse it."""
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
