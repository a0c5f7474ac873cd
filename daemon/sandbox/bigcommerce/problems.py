"""BigCommerce's ways of saying no (bigcommerce.md section 11): v3 and v2 problems, and plain text for 401."""

from collections.abc import Mapping
from typing import Any

from daemon.sandbox.message import Refused, Response, json, text

_TYPE = "https://developer.bigcommerce.com/api-docs/getting-started/api-status-codes"
_TITLES = {
    404: "The requested resource could not be found.",
    405: "This method is not allowed on this resource.",
    422: "The request could not be processed.",
    429: "Too many requests",
}


def v3(status: int, errors: Mapping[str, str] | None = None, title: str | None = None) -> Response:
    """Return a v3 problem; `errors` is left out when there is none, as there."""
    problem = {"status": status, "title": title or _TITLES[status], "type": _TYPE}
    return json(problem | ({"errors": dict(errors)} if errors else {}), status)


def v2(status: int, message: str | None = None, details: Mapping[str, Any] | None = None) -> Response:
    """Return a v2 problem: an array of one."""
    problem = {"status": status, "message": message or _TITLES[status]}
    return json([problem | ({"details": dict(details)} if details else {})], status)


def unauthorized() -> Response:
    """Return the answer to a missing or wrong token, which is not JSON."""
    return text("Unauthorized", 401)


def invalid(parameter: str, message: str) -> Refused:
    """Return the refusal of one parameter or field."""
    return Refused(v3(422, {parameter: message}))


def invalid_v2(parameter: str, message: str) -> Refused:
    """Return v2's refusal of one parameter. That it is a 400, and how it reads, is inferred."""
    return Refused(v2(400, f"The field '{parameter}' is invalid.", {"invalid_reason": message}))
