"""WooCommerce's refusals: {"code", "message", "data": {"status"}}, and the pages that are no JSON (recorded).

Objects have the `_links` that the REST API adds in answers and webhooks; amounts are written as WooCommerce does.
"""

import json as plain
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from daemon.sandbox.message import Refused, Response

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


def number(value: float) -> float:
    """Return a number as PHP writes it: whole ones without a fraction."""
    return int(value) if value == int(value) else value


def fixed(amount: Decimal, decimals: int) -> str:
    """Return an amount with a fixed number of decimals, halves away from zero as PHP rounds."""
    return str(amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))
