"""The sync-log (sparklayer.md section 8).

PUT begins anew: what it omits is cleared, its errors replace all others. PATCH keeps, adds and resolves. Until the
first PUT there is nothing to read or patch: 404. At most 5,000 errors stand in a log, each external id once. Every
call is kept in `calls` in its order, refused ones with their status. The list of data types could be read only in
part (products, customers, ...), so any is taken unless the site is told which there are.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from attrs import define, field, frozen
from msgspec import UNSET, Meta, UnsetType

from daemon.sandbox.message import Refused, Request, Response, json
from daemon.sandbox.router import Router
from daemon.sandbox.sparklayer.body import Text, Written, decode
from daemon.sandbox.sparklayer.problems import Detail, problem

MOST = 5000
_PATH = "/api/v1/sync-log/{integration}/{data_type}"

Moment = Annotated[datetime, Meta(tz=True)]


class SyncError(Written):
    """What stands in the log about one entity; the names below `external_url` are inferred."""

    external_id: Text
    external_url: str | UnsetType = UNSET
    visible_id: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    message: str | UnsetType = UNSET


class _Full(Written):
    started_full_sync: Moment | UnsetType = UNSET
    last_full_sync: Moment | UnsetType = UNSET
    last_full_sync_succeeded: bool | UnsetType = UNSET
    errors: list[SyncError] | UnsetType = UNSET


class _Partial(Written):
    last_full_sync: Moment | UnsetType = UNSET
    last_full_sync_succeeded: bool | UnsetType = UNSET
    errors: list[SyncError] | UnsetType = UNSET
    synced_external_ids: list[Text] | UnsetType = UNSET


@define
class Log:
    """The log of one integration and data type."""

    started_full_sync: datetime | UnsetType = UNSET
    last_full_sync: datetime | UnsetType = UNSET
    last_full_sync_succeeded: bool | UnsetType = UNSET
    errors: dict[str, SyncError] = field(factory=dict)

    def status(self) -> dict[str, Any]:
        """Return timestamps and the number of errors; the name of the number is inferred."""
        names = ("started_full_sync", "last_full_sync", "last_full_sync_succeeded")
        known = {name: value for name in names if (value := getattr(self, name)) is not UNSET}
        return known | {"errors_count": len(self.errors)}


@frozen
class Call:
    """One PUT or PATCH as it came; `body` is None when it was not JSON."""

    method: str
    integration: str
    data_type: str
    body: Any
    status: int


@define(eq=False)
class SyncLog:
    """All logs of the site by (integration, data type), their routes, and the calls that came."""

    resolved_field: str
    data_types: Collection[str] | None = None
    """The data types that have a log; None is any."""
    logs: dict[tuple[str, str], Log] = field(factory=dict)
    calls: list[Call] = field(factory=list, repr=False)
    wipes: int = 0
    """How often everything was forgotten."""
    refused_ids: set[str] = field(factory=set)
    """Errors of these entities are refused, for a reason that nobody documented."""

    def route(self, router: Router) -> None:
        """Add the routes."""
        router.add("PUT", _PATH, self.put)
        router.add("PATCH", _PATH, self.patch)
        router.add("GET", _PATH, self.get)
        router.add("GET", f"{_PATH}/errors", self.get_errors)
        router.add("DELETE", "/api/v1/sync-log", self.wipe)

    def put(self, request: Request, integration: str, data_type: str) -> Response:
        """Record the state of a full sync."""
        return self._recorded(request, integration, data_type, self._put)

    def patch(self, request: Request, integration: str, data_type: str) -> Response:
        """Record what happened since."""
        return self._recorded(request, integration, data_type, self._patch)

    def get(self, _request: Request, integration: str, data_type: str) -> Response:
        """Answer timestamps and the number of errors."""
        return json(self._existing(integration, data_type).status())

    def get_errors(self, _request: Request, integration: str, data_type: str) -> Response:
        """Answer the same with the errors."""
        log = self._existing(integration, data_type)
        return json(log.status() | {"errors": list(log.errors.values())})

    def wipe(self, _request: Request) -> Response:
        """Forget every log of the site."""
        self.logs.clear()
        self.wipes += 1
        return Response(status=204)

    def _recorded(self, request: Request, integration: str, data_type: str, act: Any) -> Response:
        try:
            if self.data_types is not None and data_type not in self.data_types:
                raise problem(400, f"data_type must be one of {', '.join(self.data_types)}")
            act(request, integration, data_type)
            response = Response(status=200)
        except Refused as refused:
            response = refused.response
        self.calls.append(Call(request.method, integration, data_type, _parsed(request), response.status))
        return response

    def _put(self, request: Request, integration: str, data_type: str) -> None:
        full = decode(request, _Full)
        errors = self._accepted(full.errors)
        times = full.started_full_sync, full.last_full_sync, full.last_full_sync_succeeded
        self.logs[integration, data_type] = Log(*times, errors)

    def _patch(self, request: Request, integration: str, data_type: str) -> None:
        log = self._existing(integration, data_type)
        partial = decode(self._renamed(request), _Partial)
        errors, resolved = self._accepted(partial.errors), set(partial.synced_external_ids or ())
        if both := errors.keys() & resolved:
            raise problem(400, f"both synced and in error: {', '.join(sorted(both))}")
        left = {key: error for key, error in log.errors.items() if key not in resolved} | errors
        if len(left) > MOST:
            raise problem(400, f"more than {MOST} errors")
        log.errors = left
        for name in ("last_full_sync", "last_full_sync_succeeded"):
            if (value := getattr(partial, name)) is not UNSET:
                setattr(log, name, value)

    def _accepted(self, errors: list[SyncError] | UnsetType) -> dict[str, SyncError]:
        found = _unique(errors)
        if odd := found.keys() & self.refused_ids:
            raise problem(400, f"the error of {', '.join(sorted(odd))} is not acceptable")
        return found

    def _renamed(self, request: Request) -> Request:
        """Put the list of resolved ids under the name that `_Partial` knows; any other name is unknown."""
        body = _parsed(request)
        if self.resolved_field == "synced_external_ids" or not isinstance(body, dict):
            return request
        if "synced_external_ids" in body:
            raise problem(400, "Object contains unknown field `synced_external_ids`")
        if self.resolved_field in body:
            body["synced_external_ids"] = body.pop(self.resolved_field)
        return Request(
            method=request.method, path=request.path, headers=request.headers, body=msgspec.json.encode(body)
        )

    def _existing(self, integration: str, data_type: str) -> Log:
        log = self.logs.get((integration, data_type))
        if log is None:
            raise problem(404, f"No full sync of {integration} {data_type} was recorded")
        return log


def _unique(errors: Iterable[SyncError] | UnsetType) -> dict[str, SyncError]:
    listed = [] if errors is UNSET else list(errors)
    if len(listed) > MOST:
        raise problem(400, f"at most {MOST} errors")
    unique: dict[str, SyncError] = {}
    for index, error in enumerate(listed):
        if error.external_id in unique:
            words = f"external_id {error.external_id} is given twice"
            raise problem(400, words, [Detail("repeated", words, f"errors[{index}].external_id")])
        unique[error.external_id] = error
    return unique


def _parsed(request: Request) -> Any:
    try:
        return msgspec.json.decode(request.body)
    except msgspec.DecodeError:
        return None
