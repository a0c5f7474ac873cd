"""The failure that an unsuccessful answer of SparkLayer means. Pure.

Classified per operation: the same 409 is a duplicate, a concurrent update to be retried, or a
refusal. Errors are RFC 7807 (`title`, `detail`, `errors[]`), but pricing answers a bare list of
`{line, field, message}`, and some errors have no body (sparklayer.md 0). What a proxy in between says is none of them:
`own_words` tells it from what SparkLayer does, before anything here is believed. That of a refusal without a body is
believed only when `empty_refusals` says so.
"""

import enum
from collections.abc import Hashable, Iterator
from http import HTTPStatus
from typing import Any

import msgspec
from attrs import frozen

from daemon.errors import Blocked, Duplicate, Failure, Missing, Rejected, Retry, Side
from daemon.sparklayer.empty_refusals import PRICE_LIST, Control
from daemon.sparklayer.inferred import DUPLICATE_STATUSES, DUPLICATE_WORDS, FIRST_LINE, SUSPENDED
from daemon.sparklayer.own_words import Shape, content_of, foreign
from daemon.transport.http import Answer, temporary

LONGEST_WORDS = 300


class About(enum.Enum):
    """The subject of a call, and so of its 403 if no right is missing."""

    SITE = enum.auto()
    """No entity."""
    PATH = enum.auto()
    """The one whose id is in the path."""
    BODY = enum.auto()
    """Those in the body."""


@frozen(kw_only=True)
class Operation:
    """One operation of the API, and how its refusals are read."""

    name: str
    """As SparkLayer's documents call it; a label in metrics."""
    method: str
    answers: Shape
    """The shape of its success."""
    names_nothing: bool = False
    """It names nothing that could be missing, as what creates or wipes does: its 404 is about the way there."""
    keyed: bool = False
    """It writes an id or a SKU that may be taken."""
    concurrent: bool = False
    """Its 409 means that someone else writes at the same time."""
    conflicting: bool = False
    """Its 409 means that an id or an e-mail address is taken."""
    forbidding: bool = False
    """Its 403 is about what was sent, not about who sent it."""
    by_line: bool = False
    """Its 400 may be a list of refused lines."""
    bulk: bool = False
    """It is about many things at once, others each time: a success says nothing of the refusal before it."""
    control: Control = PRICE_LIST
    """Control question that shows if its empty 404 is the API's own."""
    about: About = About.SITE
    """The subject of its 403."""


def entities_of(operation: Operation, path: str, body: bytes | None) -> frozenset[Hashable]:
    """Return what a call is about, by its path or by what names entities in its body."""
    if operation.about is About.SITE:
        return frozenset()
    return frozenset({path} if operation.about is About.PATH else _named(msgspec.json.decode(body or b"{}")))


def _named(content: Any) -> Iterator[str]:
    """Yield what identifies an entity in a body, however deep."""
    if isinstance(content, dict):
        yield from (value for name in ("external_id", "sku") if isinstance(value := content.get(name), str))
    for part in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from _named(part)


def failure_of(operation: Operation, answer: Answer) -> Failure | None:
    """Return what an answer other than 401 means; None: success."""
    passing = temporary(answer) or foreign(operation.name, operation.answers, answer, by_line=operation.by_line)
    if passing is not None or answer.ok:
        return passing
    return _obstacle(operation, answer) or _refusal(operation, answer)


def _obstacle(operation: Operation, answer: Answer) -> Blocked | None:
    """Name what no request of this connection will get past."""
    if answer.status < HTTPStatus.BAD_REQUEST:
        words = f"the API has moved to {answer.headers.get('location', 'an unknown place')}"
        return Blocked(words, reason="redirected", side=Side.SPARKLAYER)
    if answer.status in SUSPENDED and not (operation.forbidding and answer.status == HTTPStatus.FORBIDDEN):
        return Blocked(words_of(answer), reason="forbidden", side=Side.SPARKLAYER)
    return None


def _refusal(operation: Operation, answer: Answer) -> Failure:
    words = words_of(answer)
    if answer.status == HTTPStatus.NOT_FOUND:
        return Retry(words, reason="missing") if operation.names_nothing else Missing(words, reason="missing")
    if operation.keyed and answer.status in DUPLICATE_STATUSES and DUPLICATE_WORDS.search(words):
        return Duplicate(words, reason="duplicate")
    if operation.conflicting and answer.status == HTTPStatus.CONFLICT:
        return Duplicate(words, reason="duplicate")
    if operation.concurrent and answer.status == HTTPStatus.CONFLICT:
        return Retry(words, reason="conflict")
    return Rejected(words, reason=f"http_{answer.status}", lines=lines_of(answer), properties=properties_of(answer))


def words_of(answer: Answer) -> str:
    """Return SparkLayer's own words in one line, or the status when it said nothing a person can read."""
    content = content_of(answer)
    texts = _list_words(content) if isinstance(content, list) else _problem_words(content)
    line = " ".join("; ".join(texts).split()) or f"HTTP status {answer.status}"
    return line if len(line) <= LONGEST_WORDS else line[: LONGEST_WORDS - 1] + "…"


def properties_of(answer: Answer) -> frozenset[str]:
    """Return the names of the fields that a refusal is about."""
    content = content_of(answer)
    errors = content.get("errors") if isinstance(content, dict) else None
    named = [row.get("property") for row in errors if isinstance(row, dict)] if isinstance(errors, list) else []
    return frozenset(name for name in named if isinstance(name, str))


def lines_of(answer: Answer) -> dict[int, str]:
    """Return the refused rows of a pricing write as {index in the request: words}."""
    content = content_of(answer)
    found: dict[int, str] = {}
    for row in content if isinstance(content, list) else ():
        line = row.get("line") if isinstance(row, dict) else None
        if isinstance(line, int) and not isinstance(line, bool):
            found[line - FIRST_LINE] = _one_line(row, "field")[:LONGEST_WORDS]
    return found


def _problem_words(content: Any) -> list[str]:
    if not isinstance(content, dict):
        return []
    errors = content.get("errors")
    said = content.get("detail") or content.get("title")
    details = _list_words(errors) if isinstance(errors, list) else []
    return [said, *details] if isinstance(said, str) else details


def _list_words(rows: list[Any]) -> list[str]:
    texts = [_one_line(row, "property" if "property" in row else "field") for row in rows if isinstance(row, dict)]
    return [text for text in texts if text]


def _one_line(row: dict[str, Any], name: str) -> str:
    where, message = row.get(name), row.get("message")
    return f"{where}: {message}" if where and message else str(message or "")
