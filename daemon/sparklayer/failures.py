"""Turns an answer of SparkLayer other than success into a failure. Pure.

The operation decides: a 409 may mean a duplicate, a concurrent update to be retried, or a refusal. Errors are RFC 7807
(`title`, `detail`, `errors[]`), but pricing answers a bare list of `{line, field, message}`, and some errors have no
body (sparklayer.md 0). `own_words` first recognises the answers of proxies, which become Retry. The failure of a
refusal without a body counts only if `empty_refusals` believes it.
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
from daemon.sparklayer.own_words import AnswerShape, content_of, foreign
from daemon.transport.http import Answer, temporary

LONGEST_WORDS = 300


class About(enum.Enum):
    """The entities of a call, to which its 403 may be due if the right to the operation is there."""

    SITE = enum.auto()
    """No entity."""
    PATH = enum.auto()
    """The entity whose id is in the path."""
    BODY = enum.auto()
    """The entities in the body."""


@frozen(kw_only=True)
class Operation:
    """One operation of the API, with the meaning of its refusals."""

    name: str
    """Its name in SparkLayer's documentation; a label in metrics."""
    method: str
    answers: AnswerShape
    """Shape of its success."""
    names_nothing: bool = False
    """It addresses no entity that could be missing, since it creates or wipes: its 404 is about the path."""
    creating: bool = False
    """It creates the entity that it addresses if there is none: its 404 is about the path too."""
    keyed: bool = False
    """It writes an id or a SKU that may be taken."""
    concurrent: bool = False
    """Its 409 means a concurrent write."""
    conflicting: bool = False
    """Its 409 means that an id or an e-mail address is taken."""
    forbidding: bool = False
    """Its 403 is about the content of the request, not about the key."""
    by_line: bool = False
    """Its 400 may be a list of refused lines."""
    bulk: bool = False
    """It is about many entities, different ones each time: a success does not void an earlier refusal."""
    control: Control = PRICE_LIST
    """The read that shows if its empty 404 is the API's own."""
    about: About = About.SITE
    """Entities to which its 403 may be due."""

    @property
    def may_miss(self) -> bool:
        """True if its 404 may be about an entity, not only about the path."""
        return not (self.names_nothing or self.creating)


def entities_of(operation: Operation, path: str, body: bytes | None) -> frozenset[Hashable]:
    """Return the entities of a call: its path, or the external ids and SKUs in its body."""
    if operation.about is About.SITE:
        return frozenset()
    return frozenset({path} if operation.about is About.PATH else _named(msgspec.json.decode(body or b"{}")))


def _named(content: Any) -> Iterator[str]:
    """Yield the external ids and SKUs in a body, at any depth."""
    if isinstance(content, dict):
        yield from (value for name in ("external_id", "sku") if isinstance(value := content.get(name), str))
    for part in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from _named(part)


def failure_of(operation: Operation, answer: Answer) -> Failure | None:
    """Return the failure of an answer other than 401; None for success."""
    passing = temporary(answer) or foreign(operation.name, operation.answers, answer, by_line=operation.by_line)
    if passing is not None or answer.ok:
        return passing
    words = words_of(answer)
    if answer.status in SUSPENDED and not (operation.forbidding and answer.status == HTTPStatus.FORBIDDEN):
        return Blocked(words, reason="forbidden", side=Side.SPARKLAYER)  # it concerns every request of the connection
    if answer.status == HTTPStatus.NOT_FOUND:
        return Missing(words, reason="missing") if operation.may_miss else Retry(words, reason="missing")
    is_conflict = answer.status == HTTPStatus.CONFLICT
    is_taken = operation.keyed and answer.status in DUPLICATE_STATUSES and DUPLICATE_WORDS.search(words)
    if is_taken or (operation.conflicting and is_conflict):
        return Duplicate(words, reason="duplicate")
    if operation.concurrent and is_conflict:
        return Retry(words, reason="conflict")
    return Rejected(words, reason=f"http_{answer.status}", lines=lines_of(answer), properties=properties_of(answer))


def words_of(answer: Answer) -> str:
    """Return SparkLayer's own words in one line, or the status if it sent no readable text."""
    content = content_of(answer)
    texts: list[str] = []
    if isinstance(content, dict):
        said = content.get("detail") or content.get("title")
        texts = [said] if isinstance(said, str) else []
        content = content.get("errors")
    for row in content if isinstance(content, list) else ():
        if isinstance(row, dict) and (text := _one_line(row, "property" if "property" in row else "field")):
            texts.append(text)
    line = " ".join("; ".join(texts).split()) or f"HTTP status {answer.status}"
    return line if len(line) <= LONGEST_WORDS else line[: LONGEST_WORDS - 1] + "…"


def properties_of(answer: Answer) -> frozenset[str]:
    """Return the names of the refused fields."""
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


def _one_line(row: dict[str, Any], name: str) -> str:
    where, message = row.get(name), row.get("message")
    return f"{where}: {message}" if where and message else str(message or "")
