"""Reads JSON bodies, and carries out batches: up to 100 items, refusals of single items inside a 200 (recorded)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from daemon.sandbox.message import Refused, Request, Response
from daemon.sandbox.woocommerce.answers import answer, no_route, refused, wrong_type

MOST = 100
KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
"""JSON types by their names in refusals."""

Body = dict[str, Any]


def decoded(request: Request) -> Body:
    """Return the body, an empty one as an empty object. Raises Refused."""
    try:
        return msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
    except msgspec.DecodeError:
        raise refused(
            "rest_invalid_json",
            "Invalid JSON body passed.",
            400,
            json_error_code=4,
            json_error_message="Syntax error",
        ) from None


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


def batched(
    request: Request,
    *,
    create: Callable[[Body], Body],
    update: Callable[[int, Body], Body],
    delete: Callable[[int], Body],
) -> Response:
    """Carry out a batch in the order create, update, delete. Raises Refused for one that is too large."""
    body = decoded(request)
    items = {name: body.get(name) or [] for name in ("create", "update", "delete")}
    if sum(map(len, items.values())) > MOST:
        words = f"Unable to accept more than {MOST} items for this request."
        raise refused("woocommerce_rest_request_entity_too_large", words, 413)
    results = {
        "create": [_item(0, partial(create, item)) for item in items["create"]],
        "update": [
            _item(item.get("id", 0), partial(update, item.get("id", 0), item), unknown=400) for item in items["update"]
        ],
        "delete": [_item(item_id, partial(delete, item_id)) for item_id in items["delete"]],
    }
    return answer({name: shown for name, shown in results.items() if items[name]})


def _item(item_id: int, act: Callable[[], Body], unknown: int = 404) -> Body:
    try:
        return act()
    except Refused as refusal:
        error = msgspec.json.decode(refusal.response.body)
        # An unknown id is told with 400 in an update and with 404 in a deletion (recorded).
        if error["data"]["status"] == 404:  # noqa: PLR2004  the status of an unknown id
            error["data"]["status"] = unknown
        return {"id": item_id, "error": error}
