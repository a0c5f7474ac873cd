"""Serves the operators of the daemon: liveness, readiness, metrics, and the admin operations.

Everything below /admin needs `Authorization: Bearer <admin_token>`, compared in constant time, and so does /metrics
unless it is open. Without a configured token no caller has access. A loopback address is no credential, since behind a
reverse proxy every caller seems local.

An operation takes its parameters as a dict, from the query (GET) or a JSON object (POST). It returns JSON values, or a
whole response, and raises CallerError for the caller's mistakes.
"""

import contextlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import frozen

from daemon.errors import StorageTrouble
from daemon.listener.http.messages import Request, Response, json_response, problem
from daemon.listener.routes import Handler, Route, json_object
from daemon.model import Secret
from daemon.observability.metrics import CONTENT_TYPE, Metrics

Operation = Callable[[dict[str, Any]], Awaitable[Any]]

OK = Response(200, b"ok\n", b"text/plain; charset=utf-8")
CHALLENGE = ((b"www-authenticate", b"Bearer"),)


@frozen(kw_only=True)
class Admin:
    """The handlers. `why_not_ready` returns reasons, one line each; `refresh` updates the gauges before a scrape."""

    token: Secret | None
    metrics_open: bool
    metrics: Metrics
    why_not_ready: Callable[[], Awaitable[Sequence[str]]]
    refresh: Callable[[], Awaitable[None]]
    operations: Mapping[tuple[str, str], Operation]
    """By method and path."""

    def routes(self) -> list[Route]:
        """Return the routes: the probes, the metrics, and the operations behind the token."""
        guard: Callable[[Handler], Handler] = self._guarded
        return [
            Route("GET", "/healthz", healthz),
            Route("GET", "/readyz", self.readyz),
            Route("GET", "/metrics", self.show_metrics if self.metrics_open else guard(self.show_metrics)),
            *(
                Route(method, path, guard(partial(_run, operation)))
                for (method, path), operation in self.operations.items()
            ),
        ]

    async def readyz(self, _request: Request) -> Response:
        """Answer 200 while the daemon can take and work on changes, else 503 with the reasons."""
        reasons = await self.why_not_ready()
        return problem(503, "; ".join(reasons)) if reasons else OK

    async def show_metrics(self, _request: Request) -> Response:
        """Answer the metrics. While the database cannot be read, the gauges keep their values."""
        with contextlib.suppress(StorageTrouble):  # the counters of this answer show it, and /readyz
            await self.refresh()
        return Response(200, self.metrics.render(), CONTENT_TYPE.encode())

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request, **words: str) -> Response:
            if self.token is None or not self.token:
                return problem(401, "No admin token is configured: set listener.admin_token.", CHALLENGE)
            if not bears(request, self.token):
                return problem(401, "The admin token is missing or wrong.", CHALLENGE)
            return await handler(request, **words)

        return guarded


async def healthz(_request: Request) -> Response:
    """Answer 200, which shows that the event loop runs."""
    return OK


def bears(request: Request, token: Secret) -> bool:
    """Return whether a request carries `Authorization: Bearer <token>`, in constant time."""
    scheme, _, given = request.headers.get(b"authorization", b"").partition(b" ")
    known = hmac.compare_digest(given.strip(), token.reveal().encode())
    return known and scheme.lower() == b"bearer"


async def _run(operation: Operation, request: Request) -> Response:
    reads = request.method in {"GET", "HEAD"}
    answer = await operation(dict(request.query) if reads else json_object(request))
    return answer if isinstance(answer, Response) else json_response(answer)
