"""Maps the parts of an order that are alike on every platform: cart, dates, and the lines of packages. Pure.

A part of a line gets its share of the line's amounts, and the last part gets the rest: the price of one piece is
rounded (three for 25.00 are 8.3333 each), so pieces are never multiplied by a price.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from attrs import evolve

from daemon.entities import Address, Issue, Mapped, Order, OrderLine, Package
from daemon.issues import IssueType
from daemon.model import CartId, ExternalId
from daemon.platforms.shared.dates import moment_of

MILLS = Decimal("0.0001")
"""Rounding of a share: the decimals of BigCommerce's amounts, and more than a currency has."""

AMOUNTS = ("net", "tax", "discount")


def order(
    *,
    platform: str,
    order_id: int,
    number: str,
    url: str,
    cart: str,
    customer_id: int | None,
    dates: Mapping[str, str | None],
    currency: str,
    packages: Sequence[Package],
    billing_address: Address | None,
    paid: Decimal | None,
    tax: Decimal | None,
    unusable_amounts: Sequence[str],
    unnamed_lines: Sequence[str | int],
) -> Mapped[Order]:
    """Map an order; one with an unusable cart, date or amount to its issues.

    `dates` has the names and the texts of its first and of its last date, which may be the same one.
    `unusable_amounts` are paths of fields, `unnamed_lines` the names of lines without a SKU.
    """
    issues: list[Issue] = []
    cart_id: CartId | None = None
    try:
        cart_id = CartId(str(uuid.UUID(cart.strip())))
    except ValueError:
        issues.append(IssueType.CART_UNKNOWN.issue())
    amounts, lines = IssueType.ORDER_AMOUNT_UNUSABLE, IssueType.LINE_WITHOUT_PRODUCT
    issues += [amounts.issue(platform=platform, field=field) for field in unusable_amounts]
    issues += [lines.issue(platform=platform, line=line) for line in unnamed_lines]
    moments = [moment_of(text or "") for text in dates.values()]
    undated = [name for name, moment in zip(dates, moments, strict=True) if moment is None]
    issues += [IssueType.ORDER_DATE_UNUSABLE.issue(platform=platform, field=name) for name in undated]
    placed, updated = moments[0], moments[-1]
    if cart_id is None or placed is None or updated is None or unusable_amounts:
        return Mapped(value=None, issues=tuple(issues), name=f"Order {number}", url=url)
    value = Order(
        external_id=ExternalId(str(order_id)),
        cart_id=cart_id,
        visible=number,
        customer=ExternalId(str(customer_id)) if customer_id else None,
        placed=placed,
        updated=updated,
        currency=currency,
        packages=tuple(packages),
        billing_address=billing_address,
        paid=paid,
        tax=tax,
    )
    return Mapped(value=value, issues=tuple(issues), name=f"Order {number}", url=url)


class LineAllocation:
    """The pieces of whole lines that are not in a package yet."""

    def __init__(self, lines: Iterable[OrderLine]) -> None:
        self._whole = {line.external_id: line for line in lines}
        self._left = dict(self._whole)

    def take(self, line_id: str, wanted: int) -> OrderLine | None:
        """Take at most `wanted` pieces of a line; None if none are left."""
        rest = self._left.get(line_id)
        count = 0 if rest is None else min(wanted, rest.quantity)
        if rest is None or count <= 0:
            return None
        part = rest if count == rest.quantity else _share(self._whole[line_id], count)
        left = {name: getattr(rest, name) - getattr(part, name) for name in AMOUNTS}
        self._left[line_id] = evolve(rest, quantity=rest.quantity - count, **left)
        return part


def _share(line: OrderLine, count: int) -> OrderLine:
    """Return `count` pieces of a whole line, with their share of its amounts."""

    def share(amount: Decimal) -> Decimal:
        return (amount * count / line.quantity).quantize(MILLS, ROUND_HALF_EVEN)

    # The gross is rounded, not the tax: that is how stores show what a piece costs.
    net = share(line.net)
    return evolve(line, quantity=count, net=net, tax=share(line.net + line.tax) - net, discount=share(line.discount))
