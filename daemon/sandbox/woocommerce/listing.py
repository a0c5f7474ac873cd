"""Pages of a list: order, offset, `_fields`, and the headers that count (recorded).

There is no cursor: a row that goes from an earlier page moves all later ones up, and one that comes moves them down.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from daemon.sandbox.message import Refused, Request, Response
from daemon.sandbox.woocommerce.answers import NAMESPACE, answer, page
from daemon.sandbox.woocommerce.query import Query

DEFAULT, MOST = 10, 100
LONGEST_LINE = 8192
"""Longest request line that nginx takes by default (large_client_header_buffers)."""
TOO_MANY_IDS = 300
"""Ids in `include` that made a `Link` header too large for nginx's buffer; where it begins was not measured."""

R = TypeVar("R")
Keys = Mapping[str, Callable[[R], Any]]
"""The sort key of each word of `orderby`."""


def listed(
    request: Request,
    rows: Sequence[R],
    show: Callable[[R], dict[str, Any]],
    *,
    home: str,
    orderby: Keys[R],
    default: tuple[str, str],
    count: bool = True,
) -> Response:
    """Answer a page of `rows` in the asked order; `default` is the word and direction that count otherwise."""
    query = Query(request.query)
    size = query.number("per_page", DEFAULT, 1, MOST)
    number = query.number("page", 1, 1)
    offset = query.number("offset", None, 0)
    word = query.choice("orderby", tuple(orderby), default[0])
    falling = query.choice("order", ("asc", "desc"), default[1]) == "desc"
    # The order that was asked for with `include` is that of the ids, whichever direction is named.
    ordered = sorted(rows, key=orderby[word], reverse=falling and word != "include")
    start = (number - 1) * size if offset is None else offset
    pages = -(-len(ordered) // size)
    headers = {"x-wp-total": str(len(ordered)), "x-wp-totalpages": str(pages)} if count else {}
    if links := _links(request, home, number, pages):
        if len(query.ids("include")) >= TOO_MANY_IDS:
            raise Refused(page("502 Bad Gateway", "<center><h1>502 Bad Gateway</h1></center>", 502))
        headers["link"] = links
    part = ordered[start : start + size]
    return answer([fields(query, show(row)) for row in part], headers=headers)


def fields(query: Query, shown: dict[str, Any]) -> dict[str, Any]:
    """Return only the fields that `_fields` names; a dot leads into an object."""
    names = [name.strip() for name in query.text("_fields").split(",") if name.strip()]
    if not names:
        return shown
    inner: dict[str, list[str]] = {}
    for name in names:
        head, _, rest = name.partition(".")
        inner.setdefault(head, []).append(rest)
    return {name: _within(value, inner[name]) for name, value in shown.items() if name in inner}


def meta_cut(query: Query, shown: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the meta data that `include_meta` and `exclude_meta` leave (woocommerce-more.md)."""
    wanted, unwanted = (query.text(name) for name in ("include_meta", "exclude_meta"))
    if not wanted and not unwanted:
        return shown
    keys = (wanted or unwanted).split(",")
    return shown | {"meta_data": [row for row in shown["meta_data"] if (row["key"] in keys) is bool(wanted)]}


def by_position(query: Query) -> Callable[[Any], int]:
    """Return the sort key of the words that follow `include`."""
    positions = {row_id: place for place, row_id in enumerate(query.ids("include"))}
    return lambda row: positions.get(row.id, 0)


def _within(value: Any, names: list[str]) -> Any:
    if "" in names or not isinstance(value, dict):
        return value
    return {name: part for name, part in value.items() if name in names}


def _links(request: Request, home: str, number: int, pages: int) -> str:
    given = dict(parse_qsl(request.query, keep_blank_values=True))
    base = f"{home}{NAMESPACE}{request.path.removeprefix(NAMESPACE)}"

    def link(target: int, relation: str) -> str:
        return f'<{base}?{urlencode(given | {"page": str(target)})}>; rel="{relation}"'

    links = [link(min(number - 1, pages), "prev")] if number > 1 and pages else []
    links += [link(number + 1, "next")] if number < pages else []
    return ", ".join(links)
