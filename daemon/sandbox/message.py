"""HTTP requests and responses as values, for the stand-ins of both APIs.

A handler is a plain function from a `Request` to a `Response`: it never awaits, so its effect on the state is
atomic and a fault can stand cleanly before or after it. What a handler refuses, it raises as `Refused`.

A route is found by one look-up where its path is literal, by a pattern where it is a template such as `/products/{id}`.
A parameter matches exactly one segment and is percent-decoded afterwards, so an id or SKU with a slash in it works. A
route's name is its method and template; statistics count by it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec
from attrs import define, field, frozen

encode = msgspec.json.encode


@frozen(kw_only=True)
class Request:
    """One request. `path` is raw (still percent-encoded, without the query), header names are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = b""


@define(kw_only=True)
class Response:
    """One answer. `cut` makes the server hang up in the middle of the body."""

    status: int
    headers: dict[str, str] = field(factory=dict)
    body: bytes = b""
    cut: bool = False


class Refused(Exception):
    """The API refuses the request with `response`."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status, response.body)
        self.response = response


def json(content: Any, status: int = 200, media_type: str = "application/json") -> Response:
    """Answer with `content` as JSON."""
    return Response(status=status, headers={"content-type": media_type}, body=encode(content))


def text(words: str, status: int, media_type: str = "text/plain") -> Response:
    """Answer with plain words, as both APIs do where one expects JSON."""
    return Response(status=status, headers={"content-type": media_type}, body=words.encode())


Handler = Callable[..., Response]
H = TypeVar("H", bound=Callable[..., Any])


def route(method: str, template: str) -> Callable[[H], H]:
    """Mark a method as what answers `method` on paths like `template`: `handler(request, **parameters)`.

    A template may begin with `{collection}`, which is the part's own.
    """

    def mark(handler: H) -> H:
        handler.__dict__.setdefault("routes", []).append((method, template))
        return handler

    return mark


@frozen
class Match:
    """A handler, the name of its route, and what the template's parameters stand for."""

    name: str
    handler: Handler
    parameters: Mapping[str, str]


class Router:
    """The routes of one server: the matches by path and method, with a pattern for each path that has parameters."""

    def __init__(self) -> None:
        self._matches: dict[str, dict[str, Match]] = {}
        self._patterns: dict[str, re.Pattern[str]] = {}

    def include(self, part: object, prefix: str = "") -> None:
        """Add the routes that the methods of a part are marked with; their paths begin with `prefix`."""
        for name in dir(type(part)):
            for method, marked in getattr(getattr(type(part), name), "routes", ()):
                template = marked.replace("{collection}", getattr(part, "collection", ""))
                path = prefix + template
                self._matches.setdefault(path, {})[method] = Match(f"{method} {template}", getattr(part, name), {})
                if "{" in path:
                    self._patterns[path] = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))

    def find(self, method: str, path: str) -> Match | None:
        """Return the match, or None where there is no such path or the path has no such method."""
        methods, parameters = self._methods(path)
        match = methods.get(method)
        return Match(match.name, match.handler, parameters) if match and parameters else match

    def allowed(self, path: str) -> tuple[str, ...]:
        """Return the methods of `path`; empty when there is no such path."""
        return tuple(self._methods(path)[0])

    def names(self) -> frozenset[str]:
        """Return the names of all routes."""
        return frozenset(match.name for methods in self._matches.values() for match in methods.values())

    def _methods(self, path: str) -> tuple[Mapping[str, Match], Mapping[str, str]]:
        if path in self._matches and path not in self._patterns:
            return self._matches[path], {}
        for template, pattern in self._patterns.items():
            if found := pattern.fullmatch(path):
                return self._matches[template], {name: unquote(text) for name, text in found.groupdict().items()}
        return {}, {}
