"""Takes webhooks: verify, read, record, answer. Answered 2xx only after the changes are committed.

The platform's reader says whether the sender knows the secrets, on the raw bytes and before anything is parsed.
A refusal tells nothing, and nothing of a delivery is ever logged but the name of an unknown scope. That some are
refused is: once a minute for each connection and reason, with how many.

`record` returns when the changes are durable. It raises StorageTrouble when that cannot be now; `Routes` makes
that 503, and the platform sends again.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence

import structlog
from attrs import define, field, frozen

from daemon.errors import StorageTrouble
from daemon.listener.http.messages import Request, Response, problem
from daemon.listener.routes import Route
from daemon.model import Change, ConnectionId, Kind, Site
from daemon.observability.metrics import Metrics, WebhookOutcome
from daemon.observability.tally import Tally
from daemon.platforms.base import Delivery, WebhookReader

log = structlog.get_logger(__name__)

RECORDED = Response()
SCOPES_NAMED = 100
"""So many unknown scopes are logged once each; more are only counted, since their names come from outside."""


@frozen(kw_only=True)
class Endpoint:
    """Where the webhooks of a connection go."""

    connection_id: ConnectionId
    reader: WebhookReader


Directory = Callable[[Site], Endpoint | None]
Record = Callable[[ConnectionId, Sequence[Change]], Awaitable[None]]
Taken = Callable[[ConnectionId], None]
Failed = Callable[[ConnectionId, Collection[Kind]], None]


def _tell_nobody(*_: object) -> None:
    """Tell of a delivery's fate."""


@define
class Webhooks:
    """The handler of `POST /webhooks/{site_env}/{site_id}`.

    It tells of each verified delivery whether it was `taken`, or `failed` by our own fault and with which kinds.
    """

    _directory: Directory
    _record: Record
    _metrics: Metrics
    _taken: Taken = _tell_nobody
    _failed: Failed = _tell_nobody
    _scopes_named: set[str] = field(init=False, factory=set)
    _tally: Tally = field(init=False, factory=Tally)

    def routes(self) -> list[Route]:
        """Return what to serve."""
        return [Route("POST", "/webhooks/{site_env}/{site_id}", self.receive)]

    async def receive(self, request: Request, site_env: str, site_id: str) -> Response:
        """Answer one delivery. Raises StorageTrouble when it could not be recorded."""
        site = Site(site_env, site_id)
        endpoint = self._directory(site)
        if endpoint is None:
            return self._refuse(None, "unknown_site", problem(404, "No such connection."))
        if not request.is_json:
            return self._refuse(site, "unsupported", problem(415, "Webhooks are application/json."))
        if not endpoint.reader.verify(request.headers, request.body):
            return self._refuse(site, "refused", problem(401))
        delivery: Delivery | None = None
        try:
            delivery = endpoint.reader.read(request.headers, request.body)
            response = await self._take(site, endpoint.connection_id, delivery)
        except Exception as error:  # noted as a possible gap, and raised again for the routes to answer
            if isinstance(error, ValueError) and delivery is None:
                return self._refuse(site, "malformed", problem(400, str(error)))
            self._failed(endpoint.connection_id, {change.kind for change in delivery.changes} if delivery else ())
            raise
        self._taken(endpoint.connection_id)
        return response

    def _refuse(self, site: Site | None, outcome: WebhookOutcome, answer: Response) -> Response:
        """Count and log a refusal. A site that is none of ours is not named: anybody may ask for any."""
        self._metrics.webhook(outcome, site)
        self._tally.log("webhooks are refused", **({"site": str(site)} if site else {}), reason=outcome)
        return answer

    async def _take(self, site: Site, connection_id: ConnectionId, delivery: Delivery) -> Response:
        if delivery.stale:
            self._metrics.webhook_stale()
        if not delivery.known:
            self._name_once(delivery.scope)
            self._metrics.webhook("unknown_scope", site)
            return RECORDED
        try:
            await self._record(connection_id, delivery.changes)
        except StorageTrouble:
            self._metrics.webhook("unavailable", site)
            raise
        self._metrics.webhook("recorded", site)
        return RECORDED

    def _name_once(self, scope: str) -> None:
        if scope not in self._scopes_named and len(self._scopes_named) < SCOPES_NAMED:
            self._scopes_named.add(scope)
            log.debug("a webhook's scope is unknown", scope=scope)
