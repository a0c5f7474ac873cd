"""The routes that all kinds of objects share: lists, single objects, edits, batches (recorded).

A list has an order, an offset, `_fields`, and headers that count. There is no cursor: a row that goes from an earlier
page moves all later ones up, and one that comes moves them down. A batch has up to 100 items; refusals of single items
are inside a 200.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec

from daemon.sandbox.message import Refused, Request, Response, route
from daemon.sandbox.woocommerce.answers import NAMESPACE, Query, answer, no_route, page, refused, wrong_type
from daemon.sandbox.woocommerce.catalogue import TRASH
from daemon.sandbox.woocommerce.shop import Shop

DEFAULT, MOST = 10, 100
"""Items of a page. A batch has no more than the most."""
LONGEST_LINE = 8192
"""Longest request line that nginx takes by default (large_client_header_buffers)."""
TOO_MANY_IDS = 300
"""Ids in `include` that made a `Link` header too large for nginx's buffer; where it begins was not measured."""
KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
"""JSON types by their names in refusals."""

Body = dict[str, Any]
R = TypeVar("R")
SortKeys = Mapping[str, Callable[[Any], Any]]
"""The sort key of each word of `orderby`."""


class Resource(ABC, Generic[R]):
    """The objects below the path `collection`. `parents` are the ids in that path.

    A subclass says which there are (`rows`), how one is shown, made, changed and deleted, and by which words a list is
    ordered.
    """

    collection: ClassVar[str]
    plural: ClassVar[str]
    missing: ClassVar[tuple[str, str]]
    """Code and message of the refusal of an unknown id."""
    default: ClassVar[tuple[str, str]] = ("date", "desc")
    """The word and direction that order a list unless others are asked for."""
    trashes: ClassVar[bool] = False
    """False: an object is deleted with `force` only, and permanently."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    @abstractmethod
    def rows(self, **parents: int) -> Mapping[int, R]:
        """Return the objects by id."""

    @abstractmethod
    def chosen(self, query: Query, **parents: int) -> Sequence[R]:
        """Return the objects of a list, before `include` and `exclude`."""

    @abstractmethod
    def orderby(self, query: Query) -> SortKeys:
        """Return the words of `orderby`, in the recorded order."""

    @abstractmethod
    def shown(self, item: R, query: Query | None = None) -> Body:
        """Return an object as the API shows it."""

    @abstractmethod
    def create(self, body: Body, **parents: int) -> Body:
        """Make an object."""

    @abstractmethod
    def update(self, item: R, body: Body) -> Body:
        """Change an object."""

    @abstractmethod
    def remove(self, item: R) -> None:
        """Delete an object permanently."""

    def trash(self, item: R) -> None:
        """Move an object to the trash."""

    def find(self, item_id: int, **parents: int) -> R:
        """Return an object. Raises Refused."""
        item = self.rows(**parents).get(item_id)
        if item is None:
            raise refused(*self.missing, 404)
        return item

    def delete(self, item: R, *, forced: bool) -> Body:
        """Delete an object, or move it to the trash. Raises Refused."""
        before = self.shown(item)
        if forced:
            self.remove(item)
            return before
        if not self.trashes:
            raise refused("woocommerce_rest_trash_not_supported", f"{self.plural} do not support trashing.", 501)
        if getattr(item, "status", "") == TRASH:
            words = f"The {self.plural.lower().removesuffix('s')} has already been deleted."
            raise refused("woocommerce_rest_already_trashed", words, 410)
        self.trash(item)
        return self.shown(item)

    @route("GET", "{collection}")
    @route("HEAD", "{collection}")
    def _list(self, request: Request, **parents: str) -> Response:
        query = Query(request.query)
        rows, keys = self.chosen(query, **_numbers(parents)), self.orderby(query)
        return listed(request, self._shop.home, rows, lambda row: self.shown(row, query), keys, self.default)

    @route("GET", "{collection}/{item_id}")
    @route("HEAD", "{collection}/{item_id}")
    def _get(self, request: Request, item_id: str, **parents: str) -> Response:
        query = Query(request.query)
        return answer(fields(query, self.shown(self.find(number(item_id), **_numbers(parents)), query)))

    @route("POST", "{collection}")
    def _post(self, request: Request, **parents: str) -> Response:
        return answer(self.create(decoded(request), **_numbers(parents)), 201)

    @route("PUT", "{collection}/{item_id}")
    @route("POST", "{collection}/{item_id}")
    @route("PATCH", "{collection}/{item_id}")
    def _put(self, request: Request, item_id: str, **parents: str) -> Response:
        return answer(self.update(self.find(number(item_id), **_numbers(parents)), decoded(request)))

    @route("DELETE", "{collection}/{item_id}")
    def _remove(self, request: Request, item_id: str, **parents: str) -> Response:
        item = self.find(number(item_id), **_numbers(parents))
        return answer(self.delete(item, forced=bool(Query(request.query).flag("force"))))

    @route("POST", "{collection}/batch")
    @route("PUT", "{collection}/batch")
    @route("PATCH", "{collection}/batch")
    def _batch(self, request: Request, **parents: str) -> Response:
        """Carry out a batch in the order create, update, delete. Raises Refused for one that is too large."""
        body, ids = decoded(request), _numbers(parents)
        items = {name: body.get(name) or [] for name in ("create", "update", "delete")}
        if sum(map(len, items.values())) > MOST:
            words = f"Unable to accept more than {MOST} items for this request."
            raise refused("woocommerce_rest_request_entity_too_large", words, 413)
        forced = not self.trashes or bool(Query(request.query).flag("force"))
        # An unknown id is told with 400 in an update and with 404 in a deletion (recorded).
        acts: dict[str, tuple[int, Callable[[Any], Body]]] = {
            "create": (404, lambda item: self.create(item, **ids)),
            "update": (400, lambda item: self.update(self.find(item.get("id", 0), **ids), item)),
            "delete": (404, lambda item_id: self.delete(self.find(item_id, **ids), forced=forced)),
        }
        results = {name: [_tried(act, item, unknown) for item in items[name]] for name, (unknown, act) in acts.items()}
        return answer({name: shown for name, shown in results.items() if shown})


def _tried(act: Callable[[Any], Body], item: Any, unknown: int) -> Body:
    try:
        return act(item)
    except Refused as refusal:
        error = msgspec.json.decode(refusal.response.body)
        if error["data"]["status"] == 404:  # noqa: PLR2004  the status of an unknown id
            error["data"]["status"] = unknown
        return {"id": item.get("id", 0) if isinstance(item, dict) else item, "error": error}


def listed(
    request: Request,
    home: str,
    rows: Sequence[Any],
    show: Callable[[Any], Body],
    orderby: SortKeys,
    default: tuple[str, str],
) -> Response:
    """Answer a page of `rows` in the asked order; `default` is the word and direction that count otherwise."""
    query = Query(request.query)
    size = query.number("per_page", DEFAULT, 1, MOST)
    number = query.number("page", 1, 1)
    offset = query.number("offset", None, 0)
    word = query.choice("orderby", tuple(orderby), default[0])
    falling = query.choice("order", ("asc", "desc"), default[1]) == "desc"
    # Only what was asked for is looked at row by row: a large shop is paged through many times.
    if included := set(query.ids("include")):
        rows = [row for row in rows if row.id in included]
    if excluded := set(query.ids("exclude")):
        rows = [row for row in rows if row.id not in excluded]
    # The order that was asked for with `include` is that of the ids, whichever direction is named.
    ordered = sorted(rows, key=orderby[word], reverse=falling and word != "include")
    start = (number - 1) * size if offset is None else offset
    pages = -(-len(ordered) // size)
    headers = {"x-wp-total": str(len(ordered)), "x-wp-totalpages": str(pages)}
    if links := _links(request, home, number, pages):
        if len(included) >= TOO_MANY_IDS:
            raise Refused(page("502 Bad Gateway", "<center><h1>502 Bad Gateway</h1></center>", 502))
        headers["link"] = links
    return answer([fields(query, show(row)) for row in ordered[start : start + size]], headers=headers)


def _links(request: Request, home: str, number: int, pages: int) -> str:
    given = dict(parse_qsl(request.query, keep_blank_values=True))
    base = f"{home}{NAMESPACE}{request.path.removeprefix(NAMESPACE)}"

    def link(target: int, relation: str) -> str:
        return f'<{base}?{urlencode(given | {"page": str(target)})}>; rel="{relation}"'

    links = [link(min(number - 1, pages), "prev")] if number > 1 and pages else []
    links += [link(number + 1, "next")] if number < pages else []
    return ", ".join(links)


def fields(query: Query, shown: Body) -> Body:
    """Return only the fields that `_fields` names; a dot leads into an object."""
    names = [name.strip() for name in query.text("_fields").split(",") if name.strip()]
    if not names:
        return shown
    inner: dict[str, list[str]] = {}
    for name in names:
        head, _, rest = name.partition(".")
        inner.setdefault(head, []).append(rest)
    return {name: _within(value, inner[name]) for name, value in shown.items() if name in inner}


def _within(value: Any, names: list[str]) -> Any:
    if "" in names or not isinstance(value, dict):
        return value
    return {name: part for name, part in value.items() if name in names}


def meta_cut(query: Query | None, shown: Body) -> Body:
    """Return an object with the meta data that `include_meta` and `exclude_meta` leave (woocommerce-more.md)."""
    wanted, unwanted = (query.text(name) if query else "" for name in ("include_meta", "exclude_meta"))
    if not wanted and not unwanted:
        return shown
    keys = (wanted or unwanted).split(",")
    return shown | {"meta_data": [row for row in shown["meta_data"] if (row["key"] in keys) is bool(wanted)]}


def by_position(query: Query) -> Callable[[Any], int]:
    """Return the sort key of the words that follow `include`."""
    positions = {row_id: place for place, row_id in enumerate(query.ids("include"))}
    return lambda row: positions.get(row.id, 0)


def decoded(request: Request) -> Body:
    """Return the body, an empty one as an empty object. Raises Refused."""
    try:
        return msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
    except msgspec.DecodeError:
        more = {"json_error_code": 4, "json_error_message": "Syntax error"}
        raise refused("rest_invalid_json", "Invalid JSON body passed.", 400, **more) from None


def typed(body: Body, kinds: Mapping[str, str]) -> Body:
    """Return the fields of `body` that have a kind; others are ignored. Raises Refused for another type."""
    for name, kind in kinds.items():
        value = body.get(name)
        mistaken = isinstance(value, bool) and kind != "boolean"
        if name in body and value is not None and (mistaken or not isinstance(value, KINDS[kind])):
            raise wrong_type(name, kind)
    return {name: body[name] for name in kinds if name in body}


def number(text: str) -> int:
    """Return an id of a path; a path with anything else is another route. Raises Refused."""
    if not text.isdecimal():
        raise no_route()
    return int(text)


def _numbers(parents: Mapping[str, str]) -> dict[str, int]:
    return {name: number(text) for name, text in parents.items()}
