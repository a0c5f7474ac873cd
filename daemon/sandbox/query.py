"""Reads a query string strictly: what is unknown, repeated or malformed is refused, in each API's own words.

The real APIs are more lenient here and there; a daemon that passes here asks only for what is documented. A bare
date is refused too, because BigCommerce appends the current time of day to it (bigcommerce.md section 3).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from daemon.sandbox.message import Refused

R = TypeVar("R")

Refusal = Callable[[str, str], Refused]
"""Makes the refusal of a parameter from its name and what is wrong with it."""


FLAGS = {"true": True, "1": True, "false": False, "0": False}


class Parameters:
    """The parameters of one request; each is taken once, and `finish` refuses what nobody took."""

    def __init__(self, query: str, refusal: Refusal) -> None:
        self._left: dict[str, str] = {}
        self._refusal = refusal
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name in self._left:
                raise refusal(name, "given twice")
            self._left[name] = value

    def has(self, names: Iterable[str]) -> bool:
        """Return true if any of the parameters was given and not yet read."""
        return not self._left.keys().isdisjoint(names)

    def text(self, name: str) -> str | None:
        """Take a text, None when it was not given."""
        return self._left.pop(name, None)

    def number(self, name: str, *, least: int = 0, most: int | None = None) -> int | None:
        """Take a whole number within bounds."""
        return self._read(
            name, partial(_whole, least=least, most=most), f"a whole number from {least} to {most or 'any'}"
        )

    def ids(self, name: str) -> list[int] | None:
        """Take a comma-separated list of ids."""
        return self._read(name, lambda value: [_whole(part) for part in value.split(",")], "ids separated by commas")

    def texts(self, name: str) -> frozenset[str] | None:
        """Take a comma-separated list of texts."""
        return self._read(name, lambda value: frozenset(value.split(",")), "a list")

    def words(self, name: str, known: Collection[str]) -> list[str] | None:
        """Take a comma-separated list of known words."""
        words = self._read(name, lambda value: value.split(","), "a list")
        if unknown := [word for word in words or () if word not in known]:
            raise self._refusal(name, f"unknown: {', '.join(unknown)}")
        return words

    def word(self, name: str, known: Collection[str], default: str) -> str:
        """Take one of the known words."""
        value = self.text(name)
        if value is not None and value not in known:
            raise self._refusal(name, f"must be one of {', '.join(sorted(known))}")
        return value or default

    def flag(self, name: str) -> bool | None:
        """Take true or false, also written 1 or 0."""
        return self._read(name, lambda value: FLAGS[value], "true or false")

    def time(self, name: str) -> float | None:
        """Take a full timestamp with an offset, as seconds since the epoch."""
        value = self.text(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise self._refusal(name, f"not a timestamp (is a plus sign encoded?): {value}") from None
        if "T" not in value or moment.tzinfo is None:
            raise self._refusal(name, f"a bare or local date gets the current time of day or zone: {value}")
        return moment.timestamp()

    def moment(self, name: str) -> float | None:
        """Take a timestamp as v2 also takes it: ISO-8601 as above, or RFC-2822 with a zone."""
        value = self._left.get(name, "")
        try:
            spoken = parsedate_to_datetime(value)
        except ValueError:
            return self.time(name)
        if spoken.tzinfo is None:
            raise self._refusal(name, f"a time without a zone: {value}")
        del self._left[name]
        return spoken.timestamp()

    def _read(self, name: str, read: Callable[[str], R], must: str) -> R | None:
        """Take what `read` makes of a text; what it does not understand must be something else."""
        value = self.text(name)
        try:
            return None if value is None else read(value)
        except LookupError:
            raise self._refusal(name, f"must be {must}") from None

    def chosen(self, rows: Iterable[R], filters: "Filters[R]") -> list[R]:
        """Take the parameters that filter, and return the rows that pass those given."""
        asked = [(passes, value) for name, (take, passes) in filters.items() if (value := take(self, name)) is not None]
        return [row for row in rows if all(passes(row, value) for passes, value in asked)] if asked else list(rows)

    def finish(self) -> None:
        """Refuse what was not taken."""
        for name in self._left:
            raise self._refusal(name, "not a parameter of this endpoint")


Filters = Mapping[str, tuple[Callable[[Parameters, str], Any], Callable[[R, Any], bool]]]
"""By the name of a parameter: how it is taken, and what rows pass, given the row and the parameter's value."""


def span(take: Callable[[Parameters, str], Any], least: str, most: str, value: Callable[[R], Any]) -> Filters[R]:
    """Return the filters on the least and the most that a row's value may be; both belong to the span."""
    return {
        least: (take, lambda row, bound: value(row) >= bound),
        most: (take, lambda row, bound: value(row) <= bound),
    }


def seconds(stamp: str) -> float:
    """Return what a timestamp of v3 means, in seconds since the epoch."""
    return datetime.fromisoformat(stamp).timestamp()


def _whole(text: str, least: int = 0, most: int | None = None) -> int:
    """Return a whole number within bounds. Raises LookupError."""
    if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
        raise LookupError(text)
    return int(text)
