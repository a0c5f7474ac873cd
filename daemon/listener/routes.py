"""Finds the handler of a request, and turns its failures into responses.

A pattern is a path such as `/webhooks/{site_env}/{site_id}`. The handler gets the words in braces as keyword arguments,
percent-decoded. `Routes` answers every exception of a handler: a refusal with its status, trouble with the database
with 503 so that a platform sends again, and our own bug with 500, logged and counted. HEAD uses the handler of GET.
"""

import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import msgspec
import structlog
from attrs import define, field, frozen

from daemon import __version__
from daemon.errors import CallerError, Conflict, Invalid, NotAllowed, NotFound, StorageTrouble
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


class NotJson(Invalid):
    """The body is not declared as JSON."""


STATUSES: Mapping[type[CallerError], int] = {NotFound: 404, Conflict: 409, NotAllowed: 403, NotJson: 415}
"""Statuses of the callers' errors that are not 400."""


def status_of(error: CallerError) -> int:
    """Return the status of the answer to a caller's error."""
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 400)


def json_object(request: Request) -> dict[str, Any]:
    """Return the body of a request as a JSON object; a missing body is an empty one. Raises Invalid."""
    if request.body and request.media_type != b"application/json":
        raise NotJson("The body must be application/json.")
    try:
        return msgspec.json.decode(without_mark(request.body) or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The body must be a JSON object: {error}") from error
    except RecursionError:
        raise Invalid("The body must be a JSON object that is not nested so deeply.") from None


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


@define
class _PatternPlace:
    """A pattern with its words, and its handlers by method."""

    pattern: str
    words: list[str]
    handlers: dict[str, Handler] = field(factory=dict)
    uploads: Uploads | None = None

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """Return the values of the words in braces; None when the path is another one. Raises UnicodeDecodeError.

        There are as many segments as words.
        """
        pairs = list(zip(self.words, segments, strict=True))
        if any(word != segment and word[:1] != "{" for word, segment in pairs):
            return None
        return {word[1:-1]: unquote(segment, errors="strict") for word, segment in pairs if word[:1] == "{"}

    def allow(self) -> bytes:
        methods = {*self.handlers, *(["HEAD"] if "GET" in self.handlers else [])}
        return ", ".join(sorted(methods)).encode()


_Found = tuple[_PatternPlace | None, Mapping[str, str]]
_NOWHERE: _Found = (None, {})


@define
class Routes:
    """Answers every request; raises nothing except Cancelled.

    `logged`: each answer has a line in the log, at the level debug. It has the method, the pattern, the status, and the
    seconds that the handler took. The path itself, its query and the caller's address are left out: they may name a
    person or hold a secret.
    """

    _metrics: Metrics
    _logged: bool = False
    _places: dict[int, list[_PatternPlace]] = field(init=False, factory=dict)
    """Places by their number of segments, so that few are compared."""
    _known: dict[str, _Found] = field(init=False, factory=dict)
    _replaced: list[Callable[[], None]] = field(init=False, factory=list)

    @classmethod
    def of(cls, routes: Iterable[Route], metrics: Metrics, *, logged: bool = False) -> "Routes":
        """Build the table."""
        table = cls(metrics, logged)
        table.replace(routes)
        return table

    def replace(self, routes: Iterable[Route]) -> None:
        """Serve these routes from now on; running requests keep their handlers."""
        served, places = list(routes), dict[str, _PatternPlace]()
        for route in served:
            place = places.setdefault(route.pattern, _PatternPlace(route.pattern, route.pattern.split("/")))
            place.handlers[route.method] = route.handler
            place.uploads = place.uploads or route.uploads
            self._metrics.route(route.pattern)
        self._metrics.route("")
        former, self._replaced = self._replaced, [route.replaced for route in served if route.replaced]
        self._places, self._known = {}, {}
        for place in places.values():
            self._places.setdefault(len(place.words), []).append(place)
        for replaced in former:
            replaced()

    async def answer(self, request: Request) -> Response:
        """Answer a request, and count it by its pattern."""
        began = time.perf_counter() if self._logged else 0.0
        try:
            place, words = self._find(request.path)
        except UnicodeDecodeError:
            place, response = None, problem(400, "The path is not UTF-8.")
        else:
            if place is None:
                response = problem(404, "There is nothing here.")
            elif handler := place.handlers.get("GET" if request.method == "HEAD" else request.method):
                try:
                    response = await handler(request, **words)
                except Exception as error:  # noqa: BLE001  the edge: answered, logged and counted
                    response = _failed(error, place.pattern)
            else:
                response = problem(405, "This method is not served here.", ((b"allow", place.allow()),))
        pattern = "" if place is None else place.pattern
        self._metrics.count("http_requests_total", pattern, str(response.status))
        if self._logged:
            status, seconds = response.status, round(time.perf_counter() - began, 6)
            log.debug("request answered", method=request.method, route=pattern, status=status, seconds=seconds)
        return response

    def refuse(self, fault: Fault) -> Response:
        """Answer a request that reaches no handler, and count it under no route."""
        self._metrics.count("http_requests_total", "", str(fault.status))
        place, words = self._served(fault.path)
        if place and place.uploads:
            place.uploads.lost(fault.status, **words)
        if self._logged:
            log.debug("request refused", route=place.pattern if place else "", status=fault.status)
        return problem(
            fault.status, fault.detail, RETRY_LATER if fault.status == HTTPStatus.SERVICE_UNAVAILABLE else ()
        )

    def largest(self, path: str) -> int:
        """Return the size of the largest body that a path allows beyond the server's limit; 0 for most paths."""
        place, words = self._served(path)
        return place.uploads.largest(**words) if place and place.uploads else 0

    def _served(self, path: str) -> _Found:
        """Return the place of a path with its words; None if there is none."""
        with contextlib.suppress(UnicodeDecodeError):
            return self._find(path)
        return _NOWHERE

    def _find(self, path: str) -> _Found:
        """Return the same. Raises UnicodeDecodeError."""
        found = self._known.get(path)
        if found is None:
            segments = path.split("/")
            matches = ((place, place.match(segments)) for place in self._places.get(len(segments), ()))
            found = next(((place, words) for place, words in matches if words is not None), _NOWHERE)
            if found[0] is not None and len(path) <= LONGEST_KNOWN:  # not each path that is tried
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[path] = found
        return found


def described(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the OpenAPI document of these routes."""
    return document(((route.method, route.pattern, route.about) for route in routes if route.about), __version__)


def _failed(error: Exception, pattern: str) -> Response:
    """Answer for a handler that raised an error."""
    if isinstance(error, CallerError):
        return problem(status_of(error), str(error))
    if isinstance(error, StorageTrouble):
        log.warning("storage trouble", route=pattern, reason=error.reason)
        return problem(503, "The database cannot be written now; send again.", RETRY_LATER)
    log.error("handler failed", route=pattern, exc_info=error)
    return problem(500)
