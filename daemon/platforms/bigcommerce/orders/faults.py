"""Unusable amounts of an order: each line needs a price, and all amounts must be within bounds. Pure.

Issues use BigCommerce's field names, after the line's name for a field of a line.
"""

from collections.abc import Iterator
from decimal import Decimal

from daemon.entities import Issue, Mapped, Order, StoreFacts
from daemon.issues import IssueType
from daemon.platforms.bigcommerce.amounts import in_bounds
from daemon.platforms.bigcommerce.ids import LARGEST_ID
from daemon.platforms.bigcommerce.orders import schema
from daemon.platforms.bigcommerce.schema import Odd

PLATFORM = "BigCommerce"

AMOUNTS = (
    *("total_inc_tax", "total_tax", "shipping_cost_ex_tax", "shipping_cost_inc_tax"),
    *("handling_cost_ex_tax", "handling_cost_inc_tax", "wrapping_cost_ex_tax", "wrapping_cost_inc_tax"),
)
LINE_AMOUNTS = ("price_ex_tax", "price_inc_tax", "total_ex_tax", "total_inc_tax")
NEEDED = (("price_ex_tax", "total_ex_tax"), ("price_inc_tax", "total_inc_tax"))
"""Pairs of fields; each line needs one of each pair."""


def problems_of(order: schema.Order) -> list[Issue]:
    """Return an issue for each unusable amount."""
    names = [name for name in AMOUNTS if _is_bad(getattr(order, name))]
    names += [
        f"{line.name or line.id}: {name}" for part in order.parts.all for line in part.lines for name in _of(line)
    ]
    return [IssueType.ORDER_AMOUNT_UNUSABLE.issue(platform=PLATFORM, field=name) for name in names]


def _of(line: schema.OrderLine) -> Iterator[str]:
    if not 0 <= line.quantity <= LARGEST_ID:
        yield "quantity"
    yield from (name for name in LINE_AMOUNTS if _is_bad(getattr(line, name)))
    yield from (pair[0] for pair in NEEDED if all(getattr(line, name) is None for name in pair))
    if any(_is_bad(discount.amount) for discount in line.applied_discounts or ()):
        yield "applied_discounts"


def _is_bad(amount: Decimal | None) -> bool:
    return amount is not None and not in_bounds(amount)


def unread(odd: Odd, facts: StoreFacts) -> Mapped[Order]:
    """Map an order with unreadable fields to its issues, so SparkLayer keeps what it has."""
    found = [IssueType.FIELD_UNREADABLE.issue(platform=PLATFORM, field=name) for name in odd.fields]
    return Mapped(value=None, issues=tuple(found), name=f"Order {odd.id}", url=url_of(odd.id, facts))


def url_of(order: int, facts: StoreFacts) -> str:
    """Return the address of an order's page in the control panel (inferred)."""
    return f"{facts.url}/manage/orders/{order}" if facts.url else ""
