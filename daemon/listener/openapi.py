"""The HTTP interface as an OpenAPI document, made from the routes and from the types of their bodies.

Each route says what it takes and answers (`RouteDescription`); the schemas are msgspec's of those types. Nothing is
written twice: a path and its words stand in the route's pattern, the fields of a body in its type.

Beside the answers that a route names, each may be 500 (our own bug) and 503 (the database cannot be used, or the daemon
has no memory for the body).
"""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal, TypedDict, get_type_hints

import msgspec
from attrs import field, frozen

WORD = re.compile(r"\{(\w+)\}")

HTML = "text/html; charset=utf-8"

Access = Literal["admin", "ignite", "session", "none"]
"""The caller of a route: an operator, SparkLayer, an operator's browser, or one that the handler checks."""

SECURITY: Mapping[Access, dict[str, Any]] = {
    "admin": {"type": "http", "scheme": "bearer", "description": "A token of an operator: listener.admin_token."},
    "ignite": {"type": "http", "scheme": "bearer", "description": "SparkLayer's token: listener.ignite_token."},
    "session": {"type": "apiKey", "in": "cookie", "name": "ignite-sync", "description": "A login on the page."},
}


class ProblemDetails(TypedDict):
    """A refusal or a failure (RFC 7807)."""

    title: str
    status: int
    detail: str


@frozen
class AnswerDescription:
    """An answer: why it is given, and its body. `schema` is the type of a JSON body."""

    why: str
    schema: Any = None
    content_type: str = "application/json"


def problems(**by_status: str) -> dict[int, AnswerDescription]:
    """Return refusals by their status; names are written `s404`."""
    return {
        int(name[1:]): AnswerDescription(why, ProblemDetails, "application/problem+json")
        for name, why in by_status.items()
    }


@frozen(kw_only=True)
class RouteDescription:
    """The description of a route. `query` is a TypedDict of texts, `body` the type of a JSON body."""

    summary: str
    access: Access
    answers: Mapping[int, AnswerDescription]
    query: type | None = None
    body: Any = None
    form: bool = field(default=False)
    """True for a form of the page instead of a JSON body."""


FAILURES = problems(s500="Our own bug; the log has it.", s503="The database or the store cannot be used now.")
NO_OPERATOR = problems(s401="The admin token is missing or wrong.", s429="Too many wrong tokens were sent.")


def document(routes: Iterable[tuple[str, str, RouteDescription]], version: str) -> dict[str, Any]:
    """Return the document of these routes: (method, pattern, about)."""
    known = list(routes)
    types = {ProblemDetails}
    for _, _, about in known:
        types |= {answer.schema for answer in about.answers.values() if answer.schema is not None}
        types |= {about.body} - {None}
    ordered = sorted(types, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for method, pattern, about in known:
        paths.setdefault(pattern, {})[method.lower()] = _operation(pattern, about, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Ignite Sync", "version": version},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": dict(SECURITY)},
    }


def _operation(pattern: str, about: RouteDescription, schema_of: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
    words = [
        {"name": word, "in": "path", "required": True, "schema": {"type": "string"}} for word in WORD.findall(pattern)
    ]
    given = get_type_hints(about.query) if about.query else {}
    query = [{"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in given]
    operation: dict[str, Any] = {
        "summary": about.summary,
        "security": [] if about.access == "none" else [{about.access: []}],
        "parameters": [*words, *query],
        "responses": {
            str(status): _response(answer, schema_of)
            for status, answer in sorted((FAILURES | dict(about.answers)).items())
        },
    }
    if about.body is not None or about.form:
        kind = "application/x-www-form-urlencoded" if about.form else "application/json"
        schema = {"type": "object"} if about.form else schema_of[about.body]
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": schema}}}
    return operation


def _response(answer: AnswerDescription, schema_of: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
    if answer.schema is None and answer.content_type == "application/json":  # no body
        return {"description": answer.why}
    schema = {} if answer.schema is None else {"schema": schema_of[answer.schema]}
    return {"description": answer.why, "content": {answer.content_type: schema}}


def page(summary: str, access: Access, *, form: bool = False, **others: str) -> RouteDescription:
    """Return the description of a page for browsers: HTML with 200, and with the other statuses that are named."""
    answers = {200: AnswerDescription("The page.", None, HTML)} | {
        int(name[1:]): AnswerDescription(
            why, None, HTML if int(name[1:]) != HTTPStatus.SEE_OTHER else "application/json"
        )
        for name, why in others.items()
    }
    return RouteDescription(summary=summary, access=access, answers=answers, form=form)
