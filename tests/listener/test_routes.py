"""The table of routes keeps where paths lead, within limits."""

from daemon.errors import CallerError, Conflict, Invalid, NoConnection, NotAllowed, NotFound, Paused
from daemon.listener.http.messages import Request, Response
from daemon.listener.routes import LONGEST_KNOWN, MOST_KNOWN, NotJson, Route, Routes, status_of
from daemon.model import Site
from daemon.observability.metrics import Metrics


def served(routes: Routes, path: str) -> str:
    place, _ = routes._find(path)
    return place.pattern if place else ""


async def _answer(_request: Request, name: str) -> Response:
    return Response(200, name.encode(), b"text/plain")


def test_only_so_many_paths_are_kept_and_none_that_is_long_or_leads_nowhere() -> None:
    routes = Routes.of([Route("GET", "/named/{name}", _answer)], Metrics())
    for number in range(2 * MOST_KNOWN + 1):
        assert served(routes, f"/named/{number}") == "/named/{name}"
        assert len(routes._known) <= MOST_KNOWN
    for path, pattern in ((f"/named/{'x' * LONGEST_KNOWN}", "/named/{name}"), ("/nothing", "")):
        assert served(routes, path) == pattern
        assert path not in routes._known


def test_other_routes_are_served_at_once_also_for_paths_that_were_asked_for() -> None:
    routes = Routes.of([Route("GET", "/named/{name}", _answer)], Metrics())
    assert served(routes, "/named/x") == "/named/{name}"
    routes.replace([Route("GET", "/named/x", _answer)])
    assert (served(routes, "/named/x"), served(routes, "/named/y")) == ("/named/x", "")


STATUSES = {
    CallerError: 400,
    Invalid: 400,
    Paused: 400,
    NotJson: 415,
    NotFound: 404,
    NoConnection: 404,
    Conflict: 409,
    NotAllowed: 403,
}


def test_an_error_of_the_caller_has_the_status_of_its_class_or_of_that_above() -> None:
    assert _every(CallerError) == STATUSES.keys()
    site = Site("live", "a")
    for kind, status in STATUSES.items():
        assert status_of(kind(site) if kind in {Paused, NoConnection} else kind("no")) == status, kind


def _every(kind: type[CallerError]) -> set[type[CallerError]]:
    return {kind}.union(*map(_every, kind.__subclasses__()))
