"""Serves SparkLayer's calls: connect and disconnect a site, start a full sync, read a page of entities or one entity.

    POST   /v1/{env}/{site}                  {store_id, spark_api_client_id, spark_api_client_secret, extra_config?}:
                                             204, or 201
    DELETE /v1/{env}/{site}                  204, whether there was a connection or not
    POST   /v1/{env}/{site}/status/{type}    201, or 400 while a full sync of that type runs
    GET    /v1/{env}/{site}/sync/{type}      {"entities": [...], "next_page": "..." or null}
    POST   /v1/{env}/{site}/sync/{type}/{id} the entity as the pages have it; its body is ignored. 404 where the store
                                             has none, or it must not be in SparkLayer (inferred)

`extra_config` may have credentials of the store; the platform says which of its fields it reads. Other fields of a
connect are ignored: those for other platforms (magento_*), and unknown ones.

Every call must carry `Authorization: Bearer <ignite_token>`, compared in constant time before anything else of the call
is read. Without a configured token every call is refused; a refusal has no body. The bearer token is inferred: how
SparkLayer authenticates was not found (sparklayer.md section 9).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import msgspec
from attrs import frozen

from daemon.entities import PulledPage
from daemon.errors import Failure, Invalid, NotFound, Rejected, Retry, StorageTrouble
from daemon.listener.admin import CHALLENGE, bears
from daemon.listener.http.messages import RETRY_LATER, Request, Response, json_response, problem
from daemon.listener.openapi import AnswerDescription, RouteDescription, problems
from daemon.listener.routes import Handler, Route, json_object
from daemon.model import ApiKey, Kind, Secret, Site
from daemon.model.identifiers import credential_fault, segment_fault, trimmed
from daemon.sparklayer.inferred import PULLED_ENTITIES

ENVIRONMENTS = frozenset({"live", "test"})

TRIGGERED: Mapping[str, Kind] = {
    "customers": Kind.CUSTOMERS,
    "products": Kind.PRODUCTS,
    "purchases": Kind.ORDERS,
    "merchant": Kind.STORE,
    "customer_groups": Kind.CUSTOMERS,
}
"""Kinds by SparkLayer's names of them. A full sync of customers also reads their groups."""


class IgniteConnectOrder(TypedDict):
    """A site to connect; other fields are ignored."""

    store_id: str
    spark_api_client_id: str
    spark_api_client_secret: str
    extra_config: NotRequired[dict[str, Any]]


class IgniteConnectAnswer(TypedDict):
    """The place at which a merchant installs the app, or lets us in."""

    redirect_url: str


class PullQuery(TypedDict):
    """The `next_page` of the answer before."""

    page: str


class PullAnswer(TypedDict):
    """A page of entities, as SparkLayer's API takes them."""

    entities: list[dict[str, Any]]
    next_page: str | None


NO_TOKEN = {401: AnswerDescription("The token is missing or wrong; the answer has no body.")}
NO_TYPE = problems(s400="The store refuses this.", s404="There is no such site, type or entity.")
CONNECT = RouteDescription(
    summary="Connect a site",
    access="ignite",
    body=IgniteConnectOrder,
    answers={
        204: AnswerDescription("Connected."),
        201: AnswerDescription("The merchant must let us in first.", IgniteConnectAnswer),
        **NO_TOKEN,
        **problems(
            s400="Each wrong field, or what refuses the credentials.",
            s404="There can be no such site.",
            s409="The settings describe this connection.",
            s415="The body is not JSON.",
        ),
    },
)
DISCONNECT = RouteDescription(
    summary="Disconnect a site",
    access="ignite",
    answers={
        204: AnswerDescription("Disconnected, or it never was connected."),
        **NO_TOKEN,
        **problems(s404="There can be no such site.", s409="The settings describe this connection."),
    },
)
TRIGGER = RouteDescription(
    summary="Start a full sync that writes everything",
    access="ignite",
    answers={
        201: AnswerDescription("Started."),
        **NO_TOKEN,
        **problems(s400="A full sync of that type is under way.", s404="There is no such site or type."),
    },
)
PULL = RouteDescription(
    summary="Pull a page of entities",
    access="ignite",
    query=PullQuery,
    answers={200: AnswerDescription("The page.", PullAnswer), **NO_TOKEN, **NO_TYPE},
)
FETCH = RouteDescription(
    summary="Fetch one entity, as the pages have it",
    access="ignite",
    answers={200: AnswerDescription("The entity.", dict[str, Any]), **NO_TOKEN, **NO_TYPE},
)


@frozen(kw_only=True)
class Ignite:
    """The handlers. `connect` returns where the merchant installs the app, or None when the connection is active.

    `trigger`, `pull` and `fetch` raise NotFound for a site that is not connected. `pull` and `fetch` may raise the
    failures of the platform; they take the type, and the earlier `next_page` or the entity's id.
    """

    token: Secret | None
    connect: Callable[[Site, str, ApiKey, Mapping[str, object]], Awaitable[str | None]]
    disconnect: Callable[[Site], Awaitable[None]]
    trigger: Callable[[Site, Kind], Awaitable[None]]
    pull: Callable[[Site, str, str | None], Awaitable[PulledPage]]
    fetch: Callable[[Site, str, str], Awaitable[bytes]]

    def routes(self) -> list[Route]:
        """Return the routes to serve."""
        site = "/v1/{env}/{site_id}"
        entities = f"{site}/sync/{{data_type}}"
        return [
            Route("POST", site, self._guarded(self._connect), about=CONNECT),
            Route("DELETE", site, self._guarded(self._disconnect), about=DISCONNECT),
            Route("POST", f"{site}/status/{{data_type}}", self._guarded(self._trigger), about=TRIGGER),
            Route("GET", entities, self._guarded(_reading(self._pull)), about=PULL),
            Route(
                "POST", f"{site}/sync/{{data_type}}/{{entity_id}}", self._guarded(_reading(self._fetch)), about=FETCH
            ),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request, env: str, site_id: str, **words: str) -> Response:
            if not self.token or not bears(request, self.token):
                return Response(401, headers=CHALLENGE)
            site = site_named(env, site_id)
            if site is None:
                raise NotFound("There can be no such site.")
            return await handler(request, site, **words)

        return guarded

    async def _connect(self, request: Request, site: Site) -> Response:
        given = json_object(request)
        names = ("store_id", "spark_api_client_id", "spark_api_client_secret")
        store_id, client_id, client_secret = credentials(given, names)
        key, extra_config = ApiKey(client_id=client_id, client_secret=Secret(client_secret)), given.get("extra_config")
        if extra_config in (None, "", []):  # PHP writes an empty object as an empty list
            extra_config = {}
        if not isinstance(extra_config, dict):
            raise Invalid("extra_config: must be an object")
        redirect = await self.connect(site, store_id, key, extra_config)
        return Response(204) if redirect is None else json_response({"redirect_url": redirect}, 201)

    async def _disconnect(self, _request: Request, site: Site) -> Response:
        await self.disconnect(site)
        return Response(204)

    async def _trigger(self, _request: Request, site: Site, data_type: str) -> Response:
        if data_type not in TRIGGERED:
            raise NotFound(f"There is no such type; known are: {', '.join(TRIGGERED)}.")
        await self.trigger(site, TRIGGERED[data_type])
        return Response(201)

    async def _pull(self, request: Request, site: Site, data_type: str) -> Response:
        page = await self.pull(site, data_type, request.query.get("page") or None)
        return json_response(
            {PULLED_ENTITIES: [msgspec.Raw(one) for one in page.entities], "next_page": page.next_page}
        )

    async def _fetch(self, _request: Request, site: Site, data_type: str, entity_id: str) -> Response:
        if not entity_id:
            raise NotFound("The id is missing.")
        return json_response(msgspec.Raw(await self.fetch(site, data_type, entity_id)))


def _reading(handler: Handler) -> Handler:
    """Return `handler` with the failures of the platform answered as 400 or 503."""

    async def reading(request: Request, site: Site, **words: str) -> Response:
        try:
            return await handler(request, site, **words)
        except StorageTrouble:
            raise
        except Rejected as error:
            raise Invalid(f"The store refuses this ({error.reason}).") from error
        except Failure as error:
            after = error.after if isinstance(error, Retry) else None
            headers = ((b"retry-after", b"%d" % max(1, round(after))),) if after else RETRY_LATER
            return problem(503, f"The store cannot be read now ({error.reason}).", headers)

    return reading


def site_named(env: str, site_id: str) -> Site | None:
    """Return the site of that name; None when the name is invalid."""
    return Site(env, site_id) if env in ENVIRONMENTS and not segment_fault(site_id) else None


def credentials(given: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return the trimmed texts of these fields. Raises Invalid, which names the faulty ones."""
    faults = [
        f"{name}: {credential_fault(given[name]) if name in given else 'is missing'}"
        for name in names
        if name not in given or credential_fault(given[name])
    ]
    if faults:
        raise Invalid("; ".join(faults))
    return [trimmed(given[name]) for name in names]
