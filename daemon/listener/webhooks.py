"""Takes webhooks: verifies, reads, records and answers them. The answer is 2xx only after the changes are committed.

The platform's reader checks the sender's secrets, on the raw bytes and before anything is parsed. It also recognises
the platform's pings: they are unsigned, change nothing and are answered 200. A sender that does not prove itself learns
no reason, and the log has nothing of a delivery except the name of an unknown scope. The number of refusals is logged
once a minute for each connection and reason.

A request that was too large, or was cut off before it was complete, may have been a delivery. Its sender is not known,
so it changes nothing either: it only causes a sweep, at most now and then. So does a delivery that cannot be read.
"""

from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Protocol

import structlog
from attrs import define, field, frozen

from daemon.errors import StorageTrouble
from daemon.listener.http.messages import Request, Response, problem
from daemon.listener.openapi import AnswerDescription, RouteDescription, problems
from daemon.listener.routes import Route, Uploads
from daemon.model import Change, ConnectionId, Kind, Site
from daemon.observability.metrics import Metrics
from daemon.observability.series import WebhookOutcome
from daemon.observability.tally import Tally
from daemon.platforms.base import Delivery, WebhookReader, WebhookTimes

log = structlog.get_logger(__name__)

DELIVERY = RouteDescription(
    summary="A delivery of a platform, which carries its own secret or signature; its body is the platform's",
    access="none",
    answers={
        200: AnswerDescription("The changes are on disk, or it told of nothing to sync, as a ping does."),
        **problems(
            s400="The delivery is malformed.",
            s401="The secret or the signature is wrong.",
            s404="No such connection.",
            s413="The delivery is too large; a sweep finds the change.",
        ),
    },
)

RECORDED = Response()
SCOPES_NAMED = 100
"""Unknown scopes that are logged, once each. More are only counted, since their names come from outside."""


@frozen(kw_only=True)
class Endpoint:
    """Destination of a connection's webhooks. Changes of other `kinds` are ignored; for the seconds see `Record`.

    `times` are the platform's. `paused`: an operator wants no calls made for the connection.
    """

    connection_id: ConnectionId
    site: Site
    reader: WebhookReader
    kinds: Collection[Kind]
    max_delivery_bytes: int
    debounce: float
    debounce_max: float
    times: WebhookTimes = field(factory=WebhookTimes)
    paused: bool = False


class WebhookIntake(Protocol):
    """Receives what is read of webhooks."""

    def find(self, site: Site) -> Endpoint | None:
        """Return where a site's webhooks go; None when it is not known to be connected."""

    async def look_again(self, site: Site) -> Endpoint | None:
        """Return the same by the database: another process may have connected the site, or changed its credentials."""

    async def record(self, endpoint: Endpoint, changes: Sequence[Change]) -> None:
        """Return when the changes are durable. Raises StorageTrouble, so that the platform sends them again."""

    def taken(self, endpoint: Endpoint) -> None:
        """Note that a verified delivery was answered 2xx."""

    def failed(self, endpoint: Endpoint, kinds: Collection[Kind]) -> None:
        """Note that a verified delivery about these kinds (none: about unknown ones) was answered 5xx."""

    def lost(self, endpoint: Endpoint, *, for_good: bool) -> None:
        """Note that changes were lost: a delivery was not read, or says so. `for_good`: a repetition would not help."""


@define
class Webhooks:
    """The handler of `POST /webhooks/{site_env}/{site_id}`."""

    _intake: WebhookIntake
    _metrics: Metrics
    _scopes_named: set[str] = field(init=False, factory=set)
    _tally: Tally = field(init=False, factory=Tally)

    def routes(self) -> list[Route]:
        """Return the route to serve."""
        uploads = Uploads(largest=self.largest, lost=self.lost)
        return [Route("POST", "/webhooks/{site_env}/{site_id}", self.receive, uploads, DELIVERY)]

    def largest(self, site_env: str, site_id: str) -> int:
        """Return the size of the largest delivery of a site's platform; 0 for a site that is not connected."""
        endpoint = self._intake.find(Site(site_env, site_id))
        return endpoint.max_delivery_bytes if endpoint else 0

    def lost(self, status: int, site_env: str, site_id: str) -> None:
        """Note that a request was refused with `status` before it was complete."""
        site = Site(site_env, site_id)
        endpoint = self._intake.find(site)
        if endpoint is None:
            return
        too_large = status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        outcome: WebhookOutcome = "too_large" if too_large else "cut_off"
        self._metrics.webhook(outcome, site)
        self._tally.log("webhooks not read", site=str(site), reason=outcome)
        self._intake.lost(endpoint, for_good=too_large)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # there was no memory for it
            self._intake.failed(endpoint, ())

    async def receive(self, request: Request, site_env: str, site_id: str) -> Response:
        """Answer one delivery. Raises StorageTrouble when it could not be recorded."""
        site = Site(site_env, site_id)
        endpoint = self._intake.find(site)
        if endpoint is None or not endpoint.reader.verify(request.headers, request.body):
            endpoint = await self._intake.look_again(site)
            if endpoint is None:
                return self._refuse(None, "unknown_site", problem(404, "No such connection."))
            if not endpoint.reader.verify(request.headers, request.body):
                if endpoint.reader.is_ping(request.headers, request.body):
                    self._metrics.webhook("ping", site)
                    return RECORDED
                return self._refuse(site, "refused", problem(401))
        delivery: Delivery | None = None
        try:
            delivery = endpoint.reader.read(request.headers, request.body)
            response = await self._take(site, endpoint, delivery)
        except Exception as error:  # noted as a possible gap, and raised again for the routes to answer
            if isinstance(error, ValueError) and delivery is None:
                # Its sender has proven itself, and no repetition of it can be read either.
                self._intake.lost(endpoint, for_good=True)
                return self._refuse(site, "malformed", problem(400, str(error)))
            self._intake.failed(endpoint, {change.kind for change in delivery.changes} if delivery else ())
            raise
        self._intake.taken(endpoint)
        return response

    def _refuse(self, site: Site | None, outcome: WebhookOutcome, answer: Response) -> Response:
        """Count and log a refusal. An unknown site is not named, since anyone may ask for any."""
        self._metrics.webhook(outcome, site)
        self._tally.log("webhooks refused", **({"site": str(site)} if site else {}), reason=outcome)
        return answer

    async def _take(self, site: Site, endpoint: Endpoint, delivery: Delivery) -> Response:
        if delivery.stale:
            self._metrics.count("webhooks_stale_total")
        if delivery.registration_broken:
            self._metrics.webhook("broken", site)
            self._intake.lost(endpoint, for_good=True)
            return RECORDED
        if not delivery.known:
            if delivery.scope not in self._scopes_named and len(self._scopes_named) < SCOPES_NAMED:
                self._scopes_named.add(delivery.scope)
                log.debug("unknown webhook scope", scope=delivery.scope)
            self._metrics.webhook("unknown_scope", site)
            return RECORDED
        try:
            await self._intake.record(endpoint, delivery.changes)
        except StorageTrouble:
            self._metrics.webhook("unavailable", site)
            raise
        self._metrics.webhook("recorded", site)
        return RECORDED
