"""Amounts of the API: exact, possibly inherited, and within bounds. Pure."""

from decimal import Decimal

from daemon.platforms.shared.rows import Amount

_ABSURD = Decimal(10) ** 12
"""Above every real price and weight; a larger amount cannot be sent on as a number."""

_FINEST = -30
"""Exponent below that of every real amount."""


def own_or(own: Amount, inherited: Amount) -> Decimal | None:
    """Return the own amount, else the inherited one."""
    if isinstance(own, Decimal):
        return own
    return inherited if isinstance(inherited, Decimal) else None


def usable(amount: Decimal) -> bool:
    """Return True if an amount can be sent to SparkLayer."""
    return amount.is_finite() and 0 <= amount < _ABSURD


def in_bounds(amount: Decimal) -> bool:
    """Return True if an amount, which may be negative, can be used in sums."""
    return amount.is_finite() and abs(amount) < _ABSURD and int(amount.as_tuple().exponent) > _FINEST
