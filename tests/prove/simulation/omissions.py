"""Omissions from the store's lists, like those of a platform with a cache or a lagging replica."""

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import msgspec

from daemon.sandbox.message import Request, Response
from tests.prove.simulation.stores.base import StoreType


def by_ids(store: StoreType, request: Request) -> bool:
    """Return true if a request names its entities."""
    return store.naming in unquote(request.query)


def enumerates(store: StoreType, request: Request) -> bool:
    """Return true if a request wants a page of all products, customers or orders, or of changed ones."""
    listed = request.path.removeprefix(store.root) in store.lists
    return request.method == "GET" and listed and not by_ids(store, request)


def shortened(response: Response | None, chance: random.Random) -> Response | None:
    """Return a list without its end, which it says that it has; None for what is no list."""

    def cut(rows: list[Any], _pagination: dict[str, int]) -> None:
        # A customer's absence is proved by a second one that is there: those come both, or neither.
        del rows[0 if len(rows) <= 2 else chance.randrange(len(rows)) :]

    return _without(response, cut)


def without_one(response: Response, chance: random.Random) -> Response:
    """Return a page that knows nothing of one entity on it, unless it has no other."""

    def overlook(rows: list[Any], pagination: dict[str, int]) -> None:
        if len(rows) > 1:
            del rows[chance.randrange(len(rows))]
            pagination["total"] = pagination.get("total", 0) - 1

    return _without(response, overlook) or response


def _without(response: Response | None, cut: Callable[[list[Any], dict[str, int]], None]) -> Response | None:
    if response is None or response.status != 200 or not response.body.startswith((b"{", b"[")):
        return None
    content = msgspec.json.decode(response.body)
    rows = content.get("data") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not rows:
        return None
    meta = content.get("meta", {}) if isinstance(content, dict) else {}
    cut(rows, meta.get("pagination", {}))
    return Response(status=200, headers=response.headers, body=msgspec.json.encode(content))
