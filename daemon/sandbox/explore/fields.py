"""Reads the fields of a request. Each refusal is a 400 that names the field and says what it must be."""

import re
from collections.abc import Container
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from daemon.sandbox.message import Refused, Request, json

MOST = 1_000_000
"""Greatest price, stock level and quantity."""


def refusal(field: str, must: str) -> Refused:
    """Return the refusal of a field."""
    return Refused(json({"field": field, "message": f"{field}: {must}"}, 400))


class Fields:
    """The fields of one request: of its JSON object, or of its query. Each is taken once; `finish` refuses the others.

    Numbers may be texts, as a browser's form has them. Every method raises Refused.
    """

    def __init__(self, request: Request) -> None:
        self._left: dict[str, Any]
        if request.method != "POST":
            self._left = dict(parse_qsl(request.query, keep_blank_values=True))
            return
        try:
            self._left = msgspec.json.decode(request.body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise refusal("body", "must be a JSON object") from None

    def text(self, name: str, most: int) -> str:
        """Take a text of 1 to `most` characters, without spaces around it."""
        value = self._take(name)
        if not isinstance(value, str) or not 1 <= len(value.strip()) <= most or not value.isprintable():
            raise refusal(name, f"must be a text of 1 to {most} characters on one line")
        return value.strip()

    def whole(self, name: str, least: int) -> int:
        """Take a whole number from `least` to `MOST`."""
        number = self._number(name)
        if number is None or number % 1 or not least <= number <= MOST:
            raise refusal(name, f"must be a whole number from {least} to {MOST}")
        return int(number)

    def price(self, name: str) -> Decimal:
        """Take a price from 0 to `MOST`, with at most two decimals."""
        number = self._number(name)
        if number is None or not 0 <= number <= MOST or number * 100 % 1:
            raise refusal(name, f"must be a price from 0 to {MOST} with at most two decimals, such as 12.50")
        return number

    def known(self, name: str, ids: Container[int], what: str) -> int:
        """Take one of the ids."""
        number = self._number(name)
        if number is None or number not in ids:
            raise refusal(name, f"must be the id of {what}")
        return int(number)

    def finish(self) -> None:
        """Refuse a field that was not taken."""
        for name in self._left:
            raise refusal(name, "is not a field of this request")

    def _take(self, name: str) -> Any:
        if name not in self._left:
            raise refusal(name, "is missing")
        return self._left.pop(name)

    def _number(self, name: str) -> Decimal | None:
        """Take a number; None if it is none."""
        # Not every number that Decimal reads: 1e999999999 is one with which it cannot calculate.
        text = str(self._take(name)).strip()
        return Decimal(text) if re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", text) else None
