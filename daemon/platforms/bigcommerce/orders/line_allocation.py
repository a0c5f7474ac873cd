"""Allocates the pieces of an order's lines, and their amounts, to packages, so that the parts add up. Pure.

A line's amount is BigCommerce's total, if it has one, because the price of one piece is rounded (three for 25.00 are
8.3333 each). A part gets its share of that, and the last part gets the rest.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

from attrs import frozen

from daemon.entities import Option, OrderLine
from daemon.model import Sku
from daemon.platforms.bigcommerce.orders import schema

MILLS = Decimal("0.0001")
"""Rounding of a share: the decimals of BigCommerce's amounts."""

NOTHING = Decimal(0)


@frozen
class _Cost:
    """Amounts of some pieces: without tax, with tax, and the discount."""

    net: Decimal
    gross: Decimal
    discount: Decimal

    def share(self, allocation: int, of: int) -> "_Cost":
        """Return the share of `allocation` pieces of `of`."""
        parts = (amount * allocation / of for amount in (self.net, self.gross, self.discount))
        return _Cost(*(part.quantize(MILLS, ROUND_HALF_EVEN) for part in parts))

    def __sub__(self, other: "_Cost") -> "_Cost":
        return _Cost(self.net - other.net, self.gross - other.gross, self.discount - other.discount)


class LineAllocation:
    """The pieces of lines that are not in a package yet."""

    def __init__(self, lines: Iterable[schema.OrderLine]) -> None:
        self._lines = {line.id: line for line in lines}
        self._whole = {line.id: _cost(line) for line in self._lines.values()}
        self._left = {line.id: (line.quantity, self._whole[line.id]) for line in self._lines.values()}

    def take(self, line_id: int, wanted: int) -> OrderLine | None:
        """Take at most `wanted` pieces of a line; None if none are left."""
        left, rest = self._left.get(line_id, (0, None))
        allocation = min(wanted, left)
        if allocation <= 0 or rest is None:
            return None
        raw = self._lines[line_id]
        cost = rest if allocation == left else self._whole[line_id].share(allocation, raw.quantity)
        self._left[line_id] = (left - allocation, rest - cost)
        return OrderLine(
            external_id=str(raw.id),
            name=raw.name or "",
            sku=Sku(raw.sku.strip()) if raw.sku and raw.sku.strip() else None,
            quantity=allocation,
            net=cost.net,
            tax=cost.gross - cost.net,
            discount=cost.discount,
            options=tuple(
                Option(one.display_name, one.display_value or "") for one in raw.product_options if one.display_name
            ),
        )


def _cost(line: schema.OrderLine) -> _Cost:
    net = (line.price_ex_tax or NOTHING) * line.quantity if line.total_ex_tax is None else line.total_ex_tax
    gross = (line.price_inc_tax or NOTHING) * line.quantity if line.total_inc_tax is None else line.total_inc_tax
    return _Cost(net, gross, sum((one.amount for one in line.applied_discounts), NOTHING))
