"""Judges the answers of SparkLayer: its own, or those of a proxy, a firewall or a login page; and its refusals. Pure.

Only documented answers are believed, at any status. A refusal is an RFC 7807 problem, for price writes a list of
`{line, field, message}`, or empty, which needs more than one answer (`empty_refusals`), as does a problem with members
of its own (`is_doubtful`). A success has the shape that its operation documents (sparklayer.md 0). A `Content-Type` of
HTML rules an answer out, since the API never sends HTML; JSON counts under any other type. Any other answer is a Retry.

The operation decides what a refusal means: a 409 may mean a duplicate, a concurrent update to be retried, or a refusal.
"""

from http import HTTPStatus
from typing import Any

import msgspec

from daemon.errors import Blocked, Duplicate, Failure, Missing, Rejected, Retry, Side
from daemon.sparklayer.inferred import DUPLICATE_STATUSES, DUPLICATE_WORDS, FIRST_LINE, SUSPENDED
from daemon.sparklayer.operation import AnswerShape, Operation
from daemon.transport.http import Answer, temporary

LONGEST_WORDS = 300

FOREIGN = "foreign_answer"
"""Reason of the Retry for an answer that is not SparkLayer's."""


class _Error(msgspec.Struct):
    """One of a problem's errors. A `status` is not documented: it is a gateway's."""

    code: str | None = None
    message: str | None = None
    property: str | None = None
    status: Any = None


class _Refusal(msgspec.Struct):
    """A refusal (RFC 7807), as documented (sparklayer.md 0)."""

    title: str
    status: int | None = None
    detail: str | None = None
    errors: list[_Error] | None = None


MEMBERS = frozenset({"type", "title", "status", "detail", "instance", "errors"})
"""Members of a problem: those of RFC 7807, and SparkLayer's `errors`."""


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


def foreign(name: str, shape: AnswerShape, answer: Answer, *, by_line: bool = False) -> Retry | None:
    """Return a Retry if an answer to the operation `name` is not SparkLayer's own, else None.

    `by_line` is True for an operation that may be refused line by line.
    """
    if not answer.is_html and (_succeeds(shape, answer) if answer.ok else _refuses(answer, by_line=by_line)):
        return None
    text = f"{name} was not answered by SparkLayer itself (HTTP status {answer.status})"
    return Retry(text, reason=FOREIGN, effect_unknown=True)


def is_doubtful(answer: Answer) -> bool:
    """Return True for a 4xx answer that may be a proxy's as well: without a body, or a problem with other members.

    RFC 7807 lets every program add members to its problems: gateways and frameworks add trace ids and codes.
    """
    if not HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    content = content_of(answer)
    return not answer.body.strip() or (isinstance(content, dict) and not content.keys() <= MEMBERS)


def is_undocumented(shape: AnswerShape, answer: Answer) -> bool:
    """Return True for a success of `shape` that may be a proxy's as well: a body, or a status other than 204.

    It is the API's own only if the operation always answers like that. JSON of a documented shape speaks for itself.
    """
    if not shape.empty:
        return False
    return bool(answer.body.strip()) or not (shape.any_status or answer.status == HTTPStatus.NO_CONTENT)


def content_of(answer: Answer) -> Any:
    """Return the decoded JSON body, or None for any other body."""
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _succeeds(shape: AnswerShape, answer: Answer) -> bool:
    if not answer.body.strip():
        return shape.empty
    content = content_of(answer)
    rows = content if isinstance(content, list) else [content]
    return (shape.many if isinstance(content, list) else shape.one) and all(
        isinstance(row, dict) and (not shape.names or not shape.names.isdisjoint(row)) for row in rows
    )


def _refuses(answer: Answer, *, by_line: bool) -> bool:
    if answer.status < HTTPStatus.BAD_REQUEST:
        return False  # no redirect is documented
    if not answer.body.strip():
        return True
    content = content_of(answer)
    if not isinstance(content, list):
        return isinstance(content, dict) and _is_problem(content, answer.status)
    return by_line and answer.status == HTTPStatus.BAD_REQUEST and bool(content) and all(map(_is_line, content))


def _is_problem(content: dict[str, Any], status: int) -> bool:
    """Return True for the documented problem: a title, and a status, a detail or errors besides.

    Frameworks and gateways send a detail, a list of errors or a status of their own, without a title.
    """
    try:
        refusal = msgspec.convert(content, _Refusal)
    except msgspec.ValidationError:
        return False
    if not refusal.title or not (refusal.status or refusal.detail or refusal.errors):
        return False
    return all(
        own in (None, status) for own in (refusal.status, *(error.status for error in refusal.errors or ()))
    ) and all(error.code or error.message for error in refusal.errors or ())


def _is_line(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("line"), int) and isinstance(row.get("message"), str)
