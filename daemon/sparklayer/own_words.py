"""Distinguishes SparkLayer's own answers from those of a proxy, a firewall or a login page. Pure.

Only documented answers are believed, at any status. A refusal is an RFC 7807 problem, for price writes a list of
`{line, field, message}`, or empty, which needs more than one answer (`empty_refusals`), as does a problem with members
of its own (`is_doubtful`). A success has the shape that
its operation documents (sparklayer.md 0). A `Content-Type` of HTML rules an answer out, since the API never sends HTML;
JSON counts under any other type.
"""

from http import HTTPStatus
from typing import Any

import msgspec
from attrs import frozen

from daemon.errors import Retry
from daemon.transport.http import Answer

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


@frozen(kw_only=True)
class AnswerShape:
    """Shape of an operation's success: no body, an object, or a list; each object has at least one of `names`."""

    empty: bool = False
    any_status: bool = False
    """Without a body, any status of success may be SparkLayer's, since none is documented."""
    one: bool = False
    many: bool = False
    names: frozenset[str] = frozenset()


NOTHING = AnswerShape(empty=True)
OF_OLD_PAGES = AnswerShape(empty=True, one=True, many=True)
"""Shape for answers that only old pages document: 204 without a body; JSON if the operation always sends it."""
UNSEEN = AnswerShape(empty=True, one=True, many=True, any_status=True)
"""Shape for undocumented answers: no body; JSON if the operation always sends it."""


def one_with(*names: str) -> AnswerShape:
    """Return the shape of an object with at least one of the names."""
    return AnswerShape(one=True, names=frozenset(names))


def many_with(*names: str) -> AnswerShape:
    """Return the shape of a list of objects, each with at least one of the names."""
    return AnswerShape(many=True, names=frozenset(names))


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
