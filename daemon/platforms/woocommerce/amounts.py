"""Amounts of WooCommerce: decimal texts with a point, empty if there is none (woocommerce.md, REST). Pure."""

from decimal import Decimal

from daemon.platforms.shared.numbers import decimal_number

NO_NUMBER = Decimal("NaN")


def amount_of(text: str) -> Decimal | None:
    """Return an amount exactly: None for an empty text, NaN for one that is not a number."""
    text = text.strip()
    if not text:
        return None
    try:
        return decimal_number(text)
    except ValueError:
        return NO_NUMBER
