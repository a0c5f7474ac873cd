"""Finds the handler of a request: literal paths by one look-up, templates such as `/products/{id}` by segment.

A parameter matches exactly one segment and is percent-decoded afterwards, so an id or SKU with a slash in it works.
A route's name is its method and template; statistics count by it.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

from attrs import frozen

from daemon.sandbox.message import Response

Handler = Callable[..., Response]
H = TypeVar("H", bound=Callable[..., Any])


def route(method: str, template: str) -> Callable[[H], H]:
    """Mark a method as what answers `method` on paths like `template`: `handler(request, **parameters)`."""

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
    """The routes of one server."""

    def __init__(self) -> None:
        self._literal: dict[str, dict[str, Match]] = {}
        self._templates: dict[int, list[tuple[list[str], dict[str, Match]]]] = {}

    def include(self, part: object) -> None:
        """Add the routes that the methods of a part are marked with."""
        for name in dir(type(part)):
            for method, template in getattr(getattr(type(part), name), "routes", ()):
                self._add(method, template, getattr(part, name))

    def _add(self, method: str, template: str, handler: Handler) -> None:
        match = Match(f"{method} {template}", handler, {})
        if "{" not in template:
            self._literal.setdefault(template, {})[method] = match
            return
        segments = template.split("/")
        siblings = self._templates.setdefault(len(segments), [])
        for known, methods in siblings:
            if known == segments:
                methods[method] = match
                return
        siblings.append((segments, {method: match}))

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
        known = [*self._literal.values(), *(methods for some in self._templates.values() for _, methods in some)]
        return frozenset(match.name for methods in known for match in methods.values())

    def _methods(self, path: str) -> tuple[Mapping[str, Match], Mapping[str, str]]:
        if methods := self._literal.get(path):
            return methods, {}
        segments = path.split("/")
        for template, methods in self._templates.get(len(segments), ()):
            parameters = _parameters(template, segments)
            if parameters is not None:
                return methods, parameters
        return {}, {}


def _parameters(template: list[str], segments: list[str]) -> dict[str, Any] | None:
    found = {}
    for wanted, segment in zip(template, segments, strict=True):
        if wanted.startswith("{") and segment:
            found[wanted[1:-1]] = unquote(segment)
        elif wanted != segment:
            return None
    return found
