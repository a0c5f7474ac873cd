"""Maps the parts of an order that are alike on every platform: cart, dates, and the lines of packages. Pure.

A part of a line gets its share of the line's amounts, and the last part gets the rest: the price of one piece is
rounded (three for 25.00 are 8.3333 each), so pieces are never multiplied by a price.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from attrs import evolve

from daemon.entities import Issue, OrderLine
from daemon.issues import IssueType
from daemon.model import CartId
from daemon.platforms.shared.dates import moment_of

NO_MOMENT = datetime.fromtimestamp(0, UTC)
"""Placeholder for an invalid date of an order; such an order is not sent."""

MILLS = Decimal("0.0001")
"""Rounding of a share: the decimals of BigCommerce's amounts, and more than a currency has."""

AMOUNTS = ("net", "tax", "discount")


def cart_of(text: str, issues: list[Issue]) -> CartId | None:
    """Return a cart's id in canonical form. If the text is no such id, add an issue and return None."""
    try:
        return CartId(str(uuid.UUID(text.strip())))
    except ValueError:
        issues.append(IssueType.CART_UNKNOWN.issue())
        return None


def order_date(text: str | None, platform: str, name: str, issues: list[Issue]) -> datetime | None:
    """Return a date of an order. If it cannot be read, add an issue that names the field and return None."""
    moment = moment_of(text or "")
    if moment is None:
        issues.append(IssueType.ORDER_DATE_UNUSABLE.issue(platform=platform, field=name))
    return moment


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
