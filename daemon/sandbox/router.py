"""Finds the handler of a request: literal paths by one look-up, templates such as `/products/{id}` by patterns.

A parameter matches exactly one segment and is percent-decoded afterwards, so an id or SKU with a slash in it works.
A route's name is its method and template; statistics count by it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

from attrs import frozen

from daemon.sandbox.message import Response

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
