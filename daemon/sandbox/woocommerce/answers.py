"""Parameters, and answers: refusals as {"code", "message", "data": {"status"}}, pages that are no JSON (recorded).

Unknown parameters are ignored, malformed known ones are refused, as WordPress does. Dates are compared as measured
(woocommerce-more.md, Time; recordings, modified_after_timezones): a date with an offset is first turned into the site's
local time, also where `dates_are_gmt` then compares it with the GMT column. Objects have the `_links` that the REST API
adds in answers and webhooks; amounts are written as WooCommerce does.
"""

import json as plain
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from operator import attrgetter
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from daemon.sandbox.message import Refused, Response
from daemon.sandbox.woocommerce.catalogue import Catalogue, Moment

JSON = "application/json; charset=UTF-8"
HTML = "text/html; charset=UTF-8"

INVALID_ID = "Invalid ID."


def php_json(content: Any) -> bytes:
    """Return JSON as PHP writes it: in ASCII, with escaped slashes. Webhooks are signed over these bytes."""
    return plain.dumps(content, separators=(",", ":")).replace("/", "\\/").encode()


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with `content`."""
    return Response(status=status, headers={"content-type": JSON, **(headers or {})}, body=php_json(content))


def problem(code: str, message: str, status: int, **data: Any) -> dict[str, Any]:
    """Return the body of a refusal."""
    return {"code": code, "message": message, "data": {"status": status, **data}}


def refused(code: str, message: str, status: int, **data: Any) -> Refused:
    """Return a refusal."""
    return Refused(answer(problem(code, message, status, **data), status))


def no_route() -> Refused:
    """Return the refusal of an unknown route, or of a method that a route does not have (recorded)."""
    return refused("rest_no_route", "No route was found matching the URL and request method.", 404)


def cannot_view(status: int, *, listed: bool = True) -> Refused:
    """Return the refusal of an unknown key (401) or of one whose user lost the role (403)."""
    words = "you cannot list resources" if listed else "you cannot view this resource"
    return refused("woocommerce_rest_cannot_view", f"Sorry, {words}.", status)


def unauthenticated(message: str) -> Refused:
    """Return the refusal of a wrong secret or of a key without the permission."""
    return refused("woocommerce_rest_authentication_error", message, 401)


def invalid(name: str, message: str, code: str, data: Any = None) -> Refused:
    """Return the refusal of one parameter or field."""
    details = {name: {"code": code, "message": message, "data": data}}
    words = f"Invalid parameter(s): {name}"
    return refused("rest_invalid_param", words, 400, params={name: message}, details=details)


def wrong_type(name: str, kind: str) -> Refused:
    """Return the refusal of a value of another type."""
    return invalid(name, f"{name} is not of type {kind}.", "rest_invalid_type", {"param": name})


def page(title: str, words: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a page of HTML."""
    body = (
        f"<!DOCTYPE html>\n<html lang='en-US'>\n<head>\n\t<title>{title}</title>\n</head>\n<body>{words}</body></html>"
    )
    return Response(status=status, headers={"content-type": HTML, **(headers or {})}, body=body.encode())


NAMESPACE = "/wp-json/wc/v3"
ITEM = ("GET", "POST", "PUT", "PATCH", "DELETE")


def item_links(home: str, path: str, *, up: str | bool = "", allow: tuple[str, ...] = ITEM) -> dict[str, Any]:
    """Return `_links` of the object at `path`: itself, its collection and, with `up`, its parent."""
    collection, _, _ = path.rpartition("/")
    base = f"{home}{NAMESPACE}/"
    links: dict[str, Any] = {
        "self": [{"href": base + path, "targetHints": {"allow": list(allow)}}],
        "collection": [{"href": base + collection}],
    }
    return {"_links": links | ({"up": [{"href": f"{base}{up}"}]} if up else {})}


SYMBOLS = {"USD": ("United States (US) dollar", "$", "&#36;"), "GBP": ("Pound sterling", "£", "&pound;")}
SYMBOLS |= {"EUR": ("Euro", "€", "&euro;"), "AUD": ("Australian dollar", "$", "&#36;")}
"""Name, symbol, and the symbol as HTML writes it."""


def symbol(currency: str) -> tuple[str, str, str]:
    """Return name, symbol and HTML of a currency; the code itself where it is not known here."""
    return SYMBOLS.get(currency, (currency, currency, currency))


def php_number(value: float) -> float:
    """Return a number as PHP writes it: whole ones without a fraction."""
    return int(value) if value == int(value) else value


def fixed(amount: Decimal, decimals: int) -> str:
    """Return an amount with a fixed number of decimals, halves away from zero as PHP rounds."""
    return str(amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}(:\d{2})?)?")
_INDEXED = re.compile(r"\[\d*\]$")


class Query:
    """The parameters of one request; the last of a repeated one counts, `name[]=` makes a list."""

    def __init__(self, query: str) -> None:
        self._values: dict[str, str] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            plain = _INDEXED.sub("", name)
            listed = plain != name and plain in self._values
            self._values[plain] = f"{self._values[plain]},{value}" if listed else value

    def text(self, name: str, default: str = "") -> str:
        """Return a text."""
        return self._values.get(name, default)

    def number(self, name: str, default: int | None, least: int | None = None, most: int | None = None) -> Any:
        """Return a whole number within bounds."""
        if name not in self._values:
            return default
        value = _whole(name, self._values[name])
        if most is not None and not (least or 0) <= value <= most:
            words = f"{name} must be between {least} (inclusive) and {most} (inclusive)"
            raise invalid(name, words, "rest_out_of_bounds")
        if least is not None and value < least:
            raise invalid(name, f"{name} must be greater than or equal to {least}", "rest_out_of_bounds")
        return value

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """Return one of the known words."""
        value = self._values.get(name, default)
        if value not in choices:
            raise _not_in_enum(name, name, choices)
        return value

    def words(self, name: str, choices: Collection[str]) -> list[str]:
        """Return a list of known words."""
        words = [word for word in self._values.get(name, "").split(",") if word]
        for place, word in enumerate(words):
            if word not in choices:
                raise _not_in_enum(name, f"{name}[{place}]", choices)
        return words

    def ids(self, name: str) -> list[int]:
        """Return a list of ids, empty if none were given."""
        parts = [part for part in self._values.get(name, "").split(",") if part]
        return [_whole(name, part, f"{name}[{place}]") for place, part in enumerate(parts)]

    def flag(self, name: str) -> bool | None:
        """Return a boolean, None if not given."""
        if name not in self._values:
            return None
        value = self._values[name].lower()
        if value not in {"true", "false", "1", "0", ""}:
            raise wrong_type(name, "boolean")
        return value in {"true", "1"}

    def time(self, name: str) -> datetime | None:
        """Return a date as given: aware if it names an offset, otherwise naive."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            date = datetime.fromisoformat(value.upper().replace(" ", "T")) if _DATE.fullmatch(value) else None
        except ValueError:
            date = None
        if date is None:
            raise invalid(name, "Invalid date.", "rest_invalid_date")
        return date.replace(microsecond=0)

    def span(
        self, catalogue: Catalogue, after: str, before: str, *, hpos: bool = False
    ) -> Callable[[Moment], bool] | None:
        """Return the test of dates between two parameters, exclusive and to the second; None if neither is given."""
        gmt, given = bool(self.flag("dates_are_gmt")), (self.time(after), self.time(before))
        if given == (None, None):
            return None
        if hpos and gmt and any(bound and bound.tzinfo for bound in given):
            # With HPOS, an offset beside the flag finds nothing (woocommerce-more.md); elsewhere it is shifted twice.
            return lambda _moment: False
        least, most = (_bound(catalogue.zone, bound, utc=hpos and not gmt) for bound in given)
        column = attrgetter("gmt" if gmt or hpos else "local")
        return lambda moment: (least is None or column(moment) > least) and (most is None or column(moment) < most)


def _bound(zone: ZoneInfo, given: datetime | None, *, utc: bool) -> datetime | None:
    """Return a bound as the column has its dates."""
    if given is not None and utc:
        # Orders with HPOS have no local column: a local bound is turned into GMT, so both forms are right.
        return (given if given.tzinfo else given.replace(tzinfo=zone)).astimezone(UTC).replace(tzinfo=None)
    return given.astimezone(zone).replace(tzinfo=None) if given is not None and given.tzinfo else given


def _whole(name: str, text: str, shown: str = "") -> int:
    try:
        return int(text)
    except ValueError:
        words = f"{shown or name} is not of type integer."
        raise invalid(name, words, "rest_invalid_type", {"param": shown or name}) from None


def _not_in_enum(name: str, shown: str, choices: Collection[str]) -> Exception:
    *most, last = choices
    return invalid(name, f"{shown} is not one of {', '.join(most)}, and {last}.", "rest_not_in_enum")
