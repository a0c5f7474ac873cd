"""Tells an answer of SparkLayer itself from one of something in between: a proxy, a firewall, a page to log in. Pure.

Only what the API documents is believed, whatever the status: a refusal is a problem of RFC 7807, for writes of prices
a list of `{line, field, message}`, or empty, which takes more than one answer (see `empty_refusals`); a success is of
the shape that its operation documents (sparklayer.md 0).
A `Content-Type` decides only against an answer: the API never answers HTML, but JSON counts under any other type.
"""

from http import HTTPStatus
from typing import Any

import msgspec
from attrs import frozen

from daemon.errors import Retry
from daemon.transport.http import Answer

FOREIGN = "foreign_answer"
"""The reason of the Retry that says: not SparkLayer answered."""


@frozen(kw_only=True)
class Shape:
    """The shape of an operation's success; `names`: an object, or each row of a list, has one of them."""

    empty: bool = False
    one: bool = False
    many: bool = False
    names: frozenset[str] = frozenset()


NOTHING = Shape(empty=True)
UNSEEN = Shape(empty=True, one=True, many=True)
"""That of an operation whose answer was not seen, or only in old pages: no body; JSON only if it is always so."""


def one_with(*names: str) -> Shape:
    """Return the shape of an object that has one of the names."""
    return Shape(one=True, names=frozenset(names))


def many_with(*names: str) -> Shape:
    """Return the shape of a list of objects that each have one of the names."""
    return Shape(many=True, names=frozenset(names))


def foreign(name: str, shape: Shape, answer: Answer, *, by_line: bool = False) -> Retry | None:
    """Return the Retry for an answer to the operation `name` that is not SparkLayer's own; None: it is.

    `by_line`: the operation may be refused line by line.
    """
    if not is_html(answer) and (_succeeds(shape, answer) if answer.ok else _refuses(answer, by_line=by_line)):
        return None
    text = f"{name} was answered by something in between, with HTTP status {answer.status}"
    return Retry(text, reason=FOREIGN, effect_unknown=True)


def content_of(answer: Answer) -> Any:
    """Decode the body, or return None for anything but JSON."""
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_html(answer: Answer) -> bool:
    """Return whether an answer says that it is a page: the API has none."""
    return answer.headers.get("content-type", "").strip().lower().startswith("text/html")


def _is_empty(answer: Answer) -> bool:
    return not answer.body.strip()


def _succeeds(shape: Shape, answer: Answer) -> bool:
    if _is_empty(answer):
        return shape.empty
    content = content_of(answer)
    if isinstance(content, list):
        return shape.many and all(_has(row, shape.names) for row in content)
    return shape.one and _has(content, shape.names)


def _has(content: Any, names: frozenset[str]) -> bool:
    return isinstance(content, dict) and (not names or not names.isdisjoint(content))


def _refuses(answer: Answer, *, by_line: bool) -> bool:
    if _is_empty(answer):
        return True
    content = content_of(answer)
    if isinstance(content, list):
        return by_line and answer.status == HTTPStatus.BAD_REQUEST and bool(content) and all(map(_is_line, content))
    return isinstance(content, dict) and _is_problem(content, answer.status)


def _is_problem(content: dict[str, Any], status: int) -> bool:
    """Return True for a problem with the documented names; a number alone, or another one, is a gateway's."""
    kinds = {"title": str, "detail": str, "errors": list}
    says = any(content.get(name) and isinstance(content[name], kind) for name, kind in kinds.items())
    return says and content.get("status") in (None, status)


def _is_line(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("line"), int) and isinstance(row.get("message"), str)
