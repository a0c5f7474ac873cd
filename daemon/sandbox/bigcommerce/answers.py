"""Parameters, pages and refusals: v3 by number, v3 by number or cursor, and v2 (bigcommerce.md sections 2 and 11).

A cursor is an opaque name of the row it stands on, so rows that come and go elsewhere neither hide nor repeat one.
Where the largest `limit` is not documented, a larger one is cut to 250 without a word: `per_page` tells. v2 refuses
it with 413, and answers an empty page 204 without a body. Parameters are refused with 422 in v3 and 400 in v2; a
missing token is told in plain text.
"""

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from daemon.sandbox import query
from daemon.sandbox.message import Refused, Response, encode, json
from daemon.sandbox.query import Filters, seconds, span

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


def invalid(parameter: str, message: str) -> Refused:
    """Return the refusal of one parameter or field."""
    return Refused(v3(422, {parameter: message}))


def invalid_v2(parameter: str, message: str) -> Refused:
    """Return v2's refusal of one parameter. That it is a 400, and how it reads, is inferred."""
    return Refused(v2(400, f"The field '{parameter}' is invalid.", {"invalid_reason": message}))


__all__ = ["Filters", "Parameters", "pagination", "seconds", "span"]


class Parameters(query.Parameters):
    """The parameters of one request, refused as in v3 unless told otherwise."""

    def __init__(self, text: str, refusal: query.Refusal = invalid) -> None:
        super().__init__(text, refusal)


def pagination(total: int, page: int, limit: int, count: int) -> dict[str, object]:
    """Return the `meta` of a page (bigcommerce.md section 2)."""
    pages = -(-total // limit)
    links = {"current": f"?page={page}&limit={limit}"}
    if page > 1:
        links["previous"] = f"?page={page - 1}&limit={limit}"
    if page < pages:
        links["next"] = f"?page={page + 1}&limit={limit}"
    return {
        "pagination": {
            "total": total,
            "count": count,
            "per_page": limit,
            "current_page": page,
            "total_pages": pages,
            "links": links,
        }
    }


DEFAULT, MOST = 50, 250

T = TypeVar("T")
Place = tuple[Any, int]
"""Position of a row in its list: its sort key, then its id."""


def numbered(rows: Sequence[T], query: Parameters, show: Callable[[T], Any], limit: int | None = None) -> Response:
    """Answer a v3 page by its number; `limit` is the number of rows on it, unless that is to be taken from `query`."""
    number, limit = query.number("page", least=1) or 1, limit or _limit(query)
    query.finish()
    part = rows[(number - 1) * limit : number * limit]
    return json({"data": [show(row) for row in part], "meta": pagination(len(rows), number, limit, len(part))})


def cursored(
    rows: Sequence[T],
    query: Parameters,
    show: Callable[[T], Any],
    place: Callable[[T], Place],
    *,
    descending: bool = False,
) -> Response:
    """Answer a v3 page by its number or behind a cursor; `rows` rise by `place`, whichever way they are shown.

    The first page has both metas, a page by cursor only the cursor's, any other only the number's.
    """
    number, limit, after = query.number("page", least=1) or 1, _limit(query), query.text("after")
    query.finish()
    start = (number - 1) * limit
    if after is not None:
        # The number of rows, in the order shown, that stand before or at the cursor.
        cursor = _read(after)
        behind = len(rows) - bisect_left(rows, cursor, key=place)
        start = behind if descending else bisect_right(rows, cursor, key=place)
    part = (rows[::-1] if descending else rows)[start : start + limit]
    meta: dict[str, Any] = {} if after is not None else pagination(len(rows), number, limit, len(part))
    if after is not None or number == 1:
        more = start + limit < len(rows)
        meta["cursor_pagination"] = _cursors([place(row) for row in part], limit, more=more)
    return json({"data": [show(row) for row in part], "meta": meta})


def bare(rows: Sequence[T], query: Parameters, show: Callable[[T], Any]) -> Response:
    """Answer a v2 page: a bare array, or 204 when it is empty."""
    number, limit = query.number("page", least=1) or 1, query.number("limit", least=1) or DEFAULT
    if limit > MOST:
        raise Refused(v2(413, "The specified limit exceeds the maximum allowed.", {"max_limit": MOST}))
    query.finish()
    part = rows[(number - 1) * limit : number * limit]
    return json([show(row) for row in part]) if part else Response(status=204)


def _limit(query: Parameters) -> int:
    return min(query.number("limit", least=1) or DEFAULT, MOST)


def _cursors(positions: Sequence[Place], limit: int, *, more: bool) -> dict[str, Any]:
    meta: dict[str, Any] = {"count": len(positions), "per_page": limit, "links": {}}
    if positions:
        meta |= {"start_cursor": _written(positions[0]), "end_cursor": _written(positions[-1])}
    if more:
        meta["links"] = {"next": f"?limit={limit}&after={meta['end_cursor']}"}
    return meta


def _written(place: Place) -> str:
    return base64.urlsafe_b64encode(encode(place)).decode().rstrip("=")


def _read(cursor: str) -> Place:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=tuple[Any, int])
    except (msgspec.DecodeError, binascii.Error, ValueError):
        raise invalid("after", "not a cursor") from None
