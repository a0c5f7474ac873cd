"""Amounts of the API: exact, perhaps inherited, and within reason. Pure."""

from decimal import Decimal

from daemon.platforms.bigcommerce.schema import Amount

_ABSURD = Decimal(10) ** 12
"""No price and no weight is that large; what is cannot be sent on as a number."""


_FINEST = -30
"""No amount has as many decimals."""


def own_or(own: Amount, inherited: Amount) -> Decimal | None:
    """Return a thing's own amount, else the one it inherits."""
    if isinstance(own, Decimal):
        return own
    return inherited if isinstance(inherited, Decimal) else None


def usable(amount: Decimal) -> bool:
    """Whether an amount can be sent on."""
    return amount.is_finite() and 0 <= amount < _ABSURD


def in_bounds(amount: Decimal) -> bool:
    """Tell whether an amount, perhaps a negative one, can be reckoned with."""
    return amount.is_finite() and abs(amount) < _ABSURD and int(amount.as_tuple().exponent) > _FINEST
