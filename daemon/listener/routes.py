"""Finds the handler of a request, and turns its failures into responses.

A pattern is a path such as `/webhooks/{site_env}/{site_id}`. The handler gets the words in braces as keyword arguments,
percent-decoded. `Routes` answers every exception of a handler: a refusal with its status, trouble with the database
with 503 so that a platform sends again, and our own bug with 500, logged and counted. HEAD uses the handler of GET.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import msgspec
import structlog
from attrs import define, field, frozen

from daemon import __version__
from daemon.errors import Conflict, Invalid, NotAllowed, NotFound, StorageTrouble
from daemon.listener.http.messages import RETRY_LATER, Fault, Request, Response, problem
from daemon.listener.openapi import RouteDescription, document
from daemon.model.byte_order_mark import without_mark
from daemon.observability.metrics import Metrics

log = structlog.get_logger(__name__)

MOST_KNOWN = 1000
"""Paths whose places are kept: nearly all webhooks of a site have the same one."""

LONGEST_KNOWN = 200
"""Characters of a path that is kept; anyone may send long ones."""

Handler = Callable[..., Awaitable[Response]]
"""`async (request, **words of the pattern) -> Response`"""


STATUSES = {NotFound: 404, Invalid: 400, Conflict: 409, NotAllowed: 403}
"""Statuses of the callers' errors."""


class Refused(Exception):
    """A handler refuses the request: `status` is 400, 404, 409 or 415, `detail` one line for the sender."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def json_object(request: Request) -> dict[str, Any]:
    """Return the body of a request as a JSON object; a missing body is an empty one. Raises Refused."""
    if request.body and not request.is_json:
        raise Refused(415, "The body must be application/json.")
    try:
        return msgspec.json.decode(without_mark(request.body) or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"The body must be a JSON object: {error}") from error
    except RecursionError:
        raise Refused(400, "The body must be a JSON object that is not nested so deeply.") from None


@frozen
class Route:
    """The handler of a method on a pattern. `uploads`: its bodies may be larger than those of other routes.

    `about` is what /openapi.json says of it. `replaced` is called once other routes are served.
    """

    method: str
    pattern: str
    handler: Handler
    uploads: "Uploads | None" = None
    about: RouteDescription | None = None
    replaced: Callable[[], None] | None = None


@frozen
class Uploads:
    """The bodies of a pattern. Both functions get the words of the pattern.

    `largest` returns the size in bytes of the largest one. `lost` gets the status of a request that no handler has
    seen, because it was larger, too slow, or there was no memory for it.
    """

    largest: Callable[..., int]
    lost: Callable[..., None]


@frozen
class _PatternPlace:
    """A pattern's words, with its handlers by method."""

    pattern: str
    words: tuple[str, ...]
    fixed: tuple[tuple[int, str], ...]
    """The words without braces, with their places."""
    named: tuple[tuple[int, str], ...]
    """The names in braces, with their places."""
    handlers: dict[str, Handler] = field(factory=dict, eq=False)
    uploads: list[Uploads] = field(factory=list, eq=False)

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """Return the values of the words in braces; None when the path is another one. Raises UnicodeDecodeError.

        There are as many segments as words.
        """
        for number, word in self.fixed:
            if segments[number] != word:
                return None
        values = {}
        for number, name in self.named:
            segment = segments[number]
            values[name] = unquote(segment, errors="strict") if "%" in segment else segment
        return values

    def allow(self) -> bytes:
        methods = {*self.handlers, *(["HEAD"] if "GET" in self.handlers else [])}
        return ", ".join(sorted(methods)).encode()


_Found = tuple[_PatternPlace | None, Mapping[str, str]]


@define
class Routes:
    """Answers every request; raises nothing except Cancelled."""

    _metrics: Metrics
    _places: dict[int, list[_PatternPlace]] = field(init=False, factory=dict)
    """Places by their number of segments, so that few are compared."""
    _known: dict[str, _Found] = field(init=False, factory=dict)
    _replaced: list[Callable[[], None]] = field(init=False, factory=list)

    @classmethod
    def of(cls, routes: Iterable[Route], metrics: Metrics) -> "Routes":
        """Build the table."""
        table = cls(metrics)
        table.replace(routes)
        return table

    def replace(self, routes: Iterable[Route]) -> None:
        """Serve these routes from now on; running requests keep their handlers."""
        table: dict[int, list[_PatternPlace]] = {}
        served = list(routes)
        for route in served:
            place = _place(table, route.pattern)
            place.handlers[route.method] = route.handler
            place.uploads.extend([route.uploads] if route.uploads else [])
            self._metrics.route(route.pattern)
        self._metrics.route("")
        former, self._replaced = self._replaced, [route.replaced for route in served if route.replaced]
        self._places, self._known = table, {}
        for replaced in former:
            replaced()

    async def answer(self, request: Request) -> Response:
        """Answer a request, and count it by its pattern."""
        try:
            place, words = self._find(request.path)
        except UnicodeDecodeError:
            return self.refuse(Fault(400, "The path is not UTF-8."))
        if place is None:
            return self.refuse(Fault(404, "There is nothing here."))
        handler = place.handlers.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            response = problem(405, "This method is not served here.", ((b"allow", place.allow()),))
        else:
            try:
                response = await handler(request, **words)
            except Exception as error:  # noqa: BLE001  the edge: answered, logged and counted
                response = _failed(error, place.pattern)
        self._metrics.count("http_requests_total", place.pattern, str(response.status))
        return response

    def refuse(self, fault: Fault) -> Response:
        """Answer a request that reaches no handler, and count it under no route."""
        self._metrics.count("http_requests_total", "", str(fault.status))
        for uploads, words in self._uploads(fault.path):
            uploads.lost(fault.status, **words)
        return problem(
            fault.status, fault.detail, RETRY_LATER if fault.status == HTTPStatus.SERVICE_UNAVAILABLE else ()
        )

    def largest(self, path: str) -> int:
        """Return the size of the largest body that a path allows beyond the server's limit; 0 for most paths."""
        return max((uploads.largest(**words) for uploads, words in self._uploads(path)), default=0)

    def pattern(self, path: str) -> str:
        """Return the pattern that serves a path; empty if none does."""
        with contextlib.suppress(UnicodeDecodeError):
            place, _ = self._find(path)
            return place.pattern if place else ""
        return ""

    def _uploads(self, path: str) -> Iterator[tuple[Uploads, Mapping[str, str]]]:
        with contextlib.suppress(UnicodeDecodeError):
            place, words = self._find(path)
            for uploads in place.uploads if place else ():
                yield uploads, words

    def _find(self, path: str) -> _Found:
        """Return the place of a path with its words; None if there is none. Raises UnicodeDecodeError."""
        found = self._known.get(path)
        if found is None:
            found = self._look_for(path)
            if found[0] is not None and len(path) <= LONGEST_KNOWN:  # not each path that is tried
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[path] = found
        return found

    def _look_for(self, path: str) -> _Found:
        segments = path.split("/")
        for place in self._places.get(len(segments), ()):
            if (words := place.match(segments)) is not None:
                return place, words
        return None, {}


def described(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the OpenAPI document of these routes."""
    return document(((route.method, route.pattern, route.about) for route in routes if route.about), __version__)


def _place(table: dict[int, list[_PatternPlace]], pattern: str) -> _PatternPlace:
    words = tuple(pattern.split("/"))
    places = table.setdefault(len(words), [])
    for place in places:
        if place.words == words:
            return place
    fixed = tuple((number, word) for number, word in enumerate(words) if word[:1] != "{")
    named = tuple((number, word[1:-1]) for number, word in enumerate(words) if word[:1] == "{")
    places.append(_PatternPlace(pattern, words, fixed, named))
    return places[-1]


def _failed(error: Exception, pattern: str) -> Response:
    """Answer for a handler that raised an error."""
    if isinstance(error, Refused):
        return problem(error.status, error.detail)
    for kind, status in STATUSES.items():
        if isinstance(error, kind):
            return problem(status, str(error))
    if isinstance(error, StorageTrouble):
        log.warning("storage trouble", route=pattern, reason=error.reason)
        return problem(503, "The database cannot be written now; send again.", RETRY_LATER)
    log.error("handler failed", route=pattern, exc_info=error)
    return problem(500)
