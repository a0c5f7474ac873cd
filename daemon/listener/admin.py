"""What the people who run the daemon ask it: is it alive, is it ready, its numbers, and the admin verbs.

Everything below /admin needs `Authorization: Bearer <admin_token>`, compared in constant time, and so does
/metrics unless it is open. Without a token configured nothing is let in: being on loopback is never a credential,
since a reverse proxy makes everybody look local.

The verbs are handed in as a table. A verb takes its parameters as a dict, from the query (GET) or a JSON object
(POST), and returns what to answer as JSON, or the answer itself; it raises `Refused` for what the caller got wrong.
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

Verb = Callable[[dict[str, Any]], Awaitable[Any]]

OK = Response(200, b"ok\n", b"text/plain; charset=utf-8")
CHALLENGE = ((b"www-authenticate", b"Bearer"),)


@frozen(kw_only=True)
class Admin:
    """Handlers of the routes that are not the business itself.

    `why_not_ready` returns the reasons, one line each; `refresh` brings the gauges up to date before a scrape.
    """

    token: Secret | None
    metrics_open: bool
    metrics: Metrics
    why_not_ready: Callable[[], Awaitable[Sequence[str]]]
    refresh: Callable[[], Awaitable[None]]
    operations: Mapping[tuple[str, str], Verb]

    def routes(self) -> list[Route]:
        """Return what to serve: the three probes, and each verb behind the token."""
        guard: Callable[[Handler], Handler] = self._guarded
        return [
            Route("GET", "/healthz", healthz),
            Route("GET", "/readyz", self.readyz),
            Route("GET", "/metrics", self.show_metrics if self.metrics_open else guard(self.show_metrics)),
            *(Route(method, path, guard(partial(_run, verb))) for (method, path), verb in self.operations.items()),
        ]

    async def readyz(self, _request: Request) -> Response:
        """Answer 200 when the daemon can take and work on changes, else 503 with the reasons."""
        reasons = await self.why_not_ready()
        return problem(503, "; ".join(reasons)) if reasons else OK

    async def show_metrics(self, _request: Request) -> Response:
        """Answer the numbers. While the database is in trouble the gauges stand still, the counters go on."""
        with contextlib.suppress(StorageTrouble):  # it shows in the counters of this answer, and in /readyz
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
    """Answer that the event loop runs."""
    return OK


def bears(request: Request, token: Secret) -> bool:
    """Whether a request carries `Authorization: Bearer <token>`. Constant time."""
    scheme, _, given = request.headers.get(b"authorization", b"").partition(b" ")
    known = hmac.compare_digest(given.strip(), token.reveal().encode())
    return known and scheme.lower() == b"bearer"


async def _run(verb: Verb, request: Request) -> Response:
    answer = await verb(_parameters(request))
    return answer if isinstance(answer, Response) else json_response(answer)


def _parameters(request: Request) -> dict[str, Any]:
    if request.method in {"GET", "HEAD"}:
        return dict(request.query)
    return json_object(request)
