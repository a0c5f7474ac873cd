"""SparkLayer's refusals: RFC 7807 with `errors[]`, except bare lines for prices (sparklayer.md sections 0 and 4)."""

from collections.abc import Sequence

from attrs import asdict, frozen

from daemon.sandbox.message import Refused, json

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    415: "Unsupported Media Type",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
}


@frozen
class Detail:
    """One entry of `errors[]`; `property` says where, such as `variants[0].sku`."""

    code: str
    message: str
    property: str


@frozen
class RefusedLine:
    """One refused row of a price write; `line` is its index in the request, counted as the options say."""

    line: int
    field: str
    message: str


def problem(status: int, detail: str, errors: Sequence[Detail] = ()) -> Refused:
    """Return a refusal as problem details; `errors` is left out when there is none."""
    body = {"title": _TITLES[status], "status": status, "detail": detail}
    listed = {"errors": [asdict(error) for error in errors]} if errors else {}
    return Refused(json(body | listed, status, "application/problem+json"))


def invalid(parameter: str, message: str) -> Refused:
    """Return the refusal of one parameter of a URL."""
    return problem(400, f"{parameter}: {message}", [Detail("invalid", message, parameter)])


def lines(refused: Sequence[RefusedLine]) -> Refused:
    """Return the refusal of a price write."""
    return Refused(json([asdict(line) for line in refused], 400))
