"""Amounts as WooCommerce writes them: fixed decimals in orders, and the symbol of a currency."""

from decimal import ROUND_HALF_UP, Decimal

SYMBOLS = {"USD": ("United States (US) dollar", "$", "&#36;"), "GBP": ("Pound sterling", "£", "&pound;")}
SYMBOLS |= {"EUR": ("Euro", "€", "&euro;"), "AUD": ("Australian dollar", "$", "&#36;")}
"""Name, symbol, and the symbol as HTML writes it."""


def symbol(currency: str) -> tuple[str, str, str]:
    """Return name, symbol and HTML of a currency; the code itself where it is not known here."""
    return SYMBOLS.get(currency, (currency, currency, currency))


def number(value: float) -> float:
    """Return a number as PHP writes it: whole ones without a fraction."""
    return int(value) if value == int(value) else value


def fixed(amount: Decimal, decimals: int) -> str:
    """Return an amount with a fixed number of decimals, halves away from zero as PHP rounds."""
    return str(amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))
