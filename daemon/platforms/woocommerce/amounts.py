"""Amounts of WooCommerce: decimal texts with a point, empty if there is none (woocommerce.md, REST). Pure."""

import re
from decimal import Decimal

NO_NUMBER = Decimal("NaN")

_NUMBER = re.compile(r"-?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})", re.ASCII)


def amount_of(text: str) -> Decimal | None:
    """Return an amount exactly: None for an empty text, NaN for one that is not a number."""
    text = text.strip()
    if not text:
        return None
    return Decimal(text) if _NUMBER.fullmatch(text) else NO_NUMBER
