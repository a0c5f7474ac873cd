"""Serves the operators of the daemon: liveness, readiness, metrics, and the admin operations.

Everything below /admin needs `Authorization: Bearer <token>` of an operator, and so does /metrics unless it is open.
Without a configured token no caller has access. A loopback address is no credential, since behind a reverse proxy every
caller seems local. The operations decide what a role may do.

An operation takes its parameters as a dict, from the query (GET) or a JSON object (POST). It returns JSON values, or a
whole response, and raises CallerError for the caller's mistakes.
"""

import contextlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import Factory, evolve, field, frozen

from daemon.errors import StorageTrouble
from daemon.listener.access import Entrance, TooManyGuesses
from daemon.listener.http.messages import RETRY_LATER, Request, Response, json_response, problem
from daemon.listener.openapi import NO_OPERATOR, AnswerDescription, RouteDescription, problems
from daemon.listener.routes import Handler, Route, json_object
from daemon.model import Secret
from daemon.model.operators import NamedToken, Operator
from daemon.observability.metrics import CONTENT_TYPE, Metrics

Operation = Callable[[dict[str, Any], Operator], Awaitable[Any]]

OK = Response(200, b"ok\n", b"text/plain; charset=utf-8")
ALIVE = RouteDescription(
    summary="The process answers",
    access="none",
    answers={200: AnswerDescription("It does.", None, OK.content_type.decode())},
)
READY = RouteDescription(
    summary="Changes can be taken and worked on",
    access="none",
    answers={
        200: AnswerDescription("They can.", None, OK.content_type.decode()),
        **problems(s503="The reasons why not."),
    },
)
METRICS = RouteDescription(
    summary="Metrics for Prometheus",
    access="admin",
    answers={200: AnswerDescription("The series.", None, CONTENT_TYPE), **NO_OPERATOR},
)
DOCUMENT = RouteDescription(
    summary="This document",
    access="admin",
    answers={200: AnswerDescription("OpenAPI 3.1.", dict[str, Any]), **NO_OPERATOR},
)
CHALLENGE = ((b"www-authenticate", b"Bearer"),)


@frozen(kw_only=True)
class Admin:
    """The handlers. `why_not_ready` returns reasons, one line each; `refresh` updates the gauges before a scrape."""

    tokens: Sequence[NamedToken]
    metrics_open: bool
    metrics: Metrics
    why_not_ready: Callable[[], Awaitable[Sequence[str]]]
    refresh: Callable[[], Awaitable[None]]
    operations: Mapping[tuple[str, str], Operation]
    described: Mapping[tuple[str, str], RouteDescription] = field(factory=dict)
    """Both by method and path."""
    document: Callable[[], Mapping[str, Any]] = dict
    """Returns the OpenAPI document of all routes."""
    _entrance: Entrance = field(
        init=False, default=Factory(lambda self: Entrance(self.tokens, "admin"), takes_self=True)
    )

    def routes(self) -> list[Route]:
        """Return the routes: the probes, the metrics, and the operations behind the token."""
        return [
            Route("GET", "/healthz", healthz, about=ALIVE),
            Route("GET", "/readyz", self.readyz, about=READY),
            Route(
                "GET",
                "/metrics",
                self.show_metrics if self.metrics_open else self._guarded(self.show_metrics),
                about=evolve(METRICS, access="none") if self.metrics_open else METRICS,
            ),
            Route("GET", "/openapi.json", self._guarded(self._show_document), about=DOCUMENT),
            *(
                Route(method, path, self._guarded(partial(_run, operation)), about=self.described.get((method, path)))
                for (method, path), operation in self.operations.items()
            ),
        ]

    async def readyz(self, _request: Request) -> Response:
        """Answer 200 while the daemon can take and work on changes, else 503 with the reasons."""
        reasons = await self.why_not_ready()
        return problem(503, "; ".join(reasons)) if reasons else OK

    async def show_metrics(self, *_asked: object) -> Response:
        """Answer the metrics. While the database cannot be read, the gauges keep their values."""
        with contextlib.suppress(StorageTrouble):  # the counters of this answer show it, and /readyz
            await self.refresh()
        return Response(200, self.metrics.render(), CONTENT_TYPE.encode())

    async def _show_document(self, _operator: Operator, _request: Request) -> Response:
        return json_response(self.document())

    def _guarded(self, handler: Callable[[Operator, Request], Awaitable[Response]]) -> Handler:
        """Return a handler that passes on the operator of a request."""

        async def guarded(request: Request) -> Response:
            if not self.tokens:
                return problem(401, "No admin token is configured: set listener.admin_token.", CHALLENGE)
            try:
                holder = await self._entrance.holder(bearer(request))
            except TooManyGuesses:
                return problem(429, "Too many wrong tokens were sent; send this again.", RETRY_LATER)
            if holder is None:
                return problem(401, "The admin token is missing or wrong.", CHALLENGE)
            return await handler(holder.operator, request)

        return guarded


async def healthz(_request: Request) -> Response:
    """Answer 200, which shows that the event loop runs."""
    return OK


def bearer(request: Request) -> bytes:
    """Return the token of `Authorization: Bearer <token>`; empty without one."""
    scheme, _, given = request.headers.get(b"authorization", b"").partition(b" ")
    return given.strip() if scheme.lower() == b"bearer" else b""


def bears(request: Request, token: Secret) -> bool:
    """Return whether a request carries `Authorization: Bearer <token>`, in constant time."""
    return hmac.compare_digest(bearer(request), token.reveal().encode()) and bool(token)


async def _run(operation: Operation, operator: Operator, request: Request) -> Response:
    reads = request.method in {"GET", "HEAD"}
    answer = await operation(dict(request.query) if reads else json_object(request), operator)
    return answer if isinstance(answer, Response) else json_response(answer)
