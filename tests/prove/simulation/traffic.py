"""The entities that the daemon's requests read and write."""

import re
from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, unquote

import msgspec

from daemon.sandbox.message import Request, Response
from tests.prove.simulation.faults import SITE
from tests.prove.simulation.network import Call
from tests.prove.simulation.stores.base import StoreType

Key = tuple[str, str]
"""Kind and id of an entity; a purchase has its cart's."""

_WRITES = re.compile(
    r"(?:POST|PATCH|PUT|DELETE) /api/v\d/"
    r"(products|customers|purchases)(?:/(sparklayer|platform|email))?(?:/([^/]+))?$"
)


def written_kind(request: Request) -> str | None:
    """Return what sort of thing a request writes at SparkLayer; None when it writes nothing that counts."""
    path = request.path
    if request.method == "GET" or "/sync-log" in path or "/auth/" in path or "fetch" in path:
        return None
    return path.split("/")[3]


def written(call: Call) -> Key | None:
    """Return which product, customer or order a request writes."""
    if call.side != SITE:
        return None
    found = _WRITES.match(f"{call.request.method} {call.request.path}")
    if found is None:
        return None
    kind, lookup, external_id = found.groups()
    if external_id is None or lookup == "email":
        external_id = str(msgspec.json.decode(call.request.body).get("external_id", ""))
    return kind, unquote(external_id)


def seconds_asked_for(refusal: Response) -> float:
    """Return how long the API wants to be left alone, in seconds or until a moment by its own clock."""
    text = refusal.headers.get("retry-after") or refusal.headers.get("x-retry-after") or "0"
    if "date" in refusal.headers:
        until, sent = parsedate_to_datetime(text), parsedate_to_datetime(refusal.headers["date"])
        return (until - sent).total_seconds()
    return float(text)


def seconds_left_without_quota(response: Response) -> float:
    """Return how long the store's window still lasts when its quota is used up; 0 while some is left."""
    left = response.headers.get("x-rate-limit-requests-left")
    return float(response.headers["x-rate-limit-time-reset-ms"]) / 1000 if left == "0" else 0.0


def read(store: StoreType, request: Request, response: Response) -> Iterator[Key]:
    """Return which entities an answer of the store tells of, also by not having them."""
    path = request.path.removeprefix(store.root)
    kind = store.lists.get(path)
    if kind is not None:
        asked = parse_qs(request.query)
        for name in store.ids:
            for text in asked.get(name, ()):
                yield from ((kind.value, one) for one in text.split(","))
        for external_id in listed(response):
            yield kind.value, external_id
    parent, _, last = path.rpartition("/")
    single = store.lists.get(parent)
    if single is not None:
        yield single.value, last


def listed(response: Response) -> Iterable[str]:
    """Return the ids of what a list of the store has."""
    content = msgspec.json.decode(response.body or b"[]")
    rows = content.get("data", []) if isinstance(content, dict) else content
    return [str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row]
