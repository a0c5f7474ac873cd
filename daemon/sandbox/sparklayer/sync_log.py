"""The sync-log (sparklayer.md section 8).

PUT begins anew: what it omits is cleared, its errors replace all others. PATCH keeps, adds and resolves. Until the
first PUT there is nothing to read or patch: 404. At most 5,000 errors stand in a log, each external id once. Every
call is kept in `calls` in its order, refused ones with their status. The list of data types could be read only in
part (products, customers, ...), so any is taken unless the site is told which there are.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
from attrs import define, evolve, field

from daemon.sandbox import record as records
from daemon.sandbox.message import Refused, Request, Response, json, route
from daemon.sandbox.sparklayer.contract import decode
from daemon.sandbox.sparklayer.record import Detail, Record, problem

MOST = 5000
_PATH = "/api/v1/sync-log/{integration}/{data_type}"
TIMES = ("started_full_sync", "last_full_sync", "last_full_sync_succeeded")
RESOLVED = "synced_external_ids"
"""The contract's name for the list of resolved ids."""


@records.record("method integration data_type body status")
class Call(records.Record):
    """One PUT or PATCH as it came; `body` is None when it was not JSON."""


@define(eq=False)
class SyncLog:
    """All logs of the site by (integration, data type), their routes, and the calls that came."""

    resolved_field: str
    data_types: Collection[str] | None = None
    """The data types that have a log; None is any."""
    logs: dict[tuple[str, str], Record] = field(factory=dict)
    calls: list[Call] = field(factory=list, repr=False)
    wipes: int = 0
    """Number of times that all logs were lost."""
    refused_ids: set[str] = field(factory=set)
    """Errors of these entities are refused, for a reason that nobody documented."""

    @route("PUT", _PATH)
    @route("PATCH", _PATH)
    def record(self, request: Request, integration: str, data_type: str) -> Response:
        """Record the state of a full sync, or what happened since."""
        response = Response(status=200)
        try:
            if self.data_types is not None and data_type not in self.data_types:
                raise problem(400, f"data_type must be one of {', '.join(self.data_types)}")
            act = self._put if request.method == "PUT" else self._patch
            act(request, integration, data_type)
        except Refused as refused:
            response = refused.response
        self.calls.append(Call(request.method, integration, data_type, _parsed(request), response.status))
        return response

    @route("GET", _PATH)
    def _get(self, _request: Request, integration: str, data_type: str) -> Response:
        return json(_status(self._existing(integration, data_type)))

    @route("GET", f"{_PATH}/errors")
    def _get_errors(self, _request: Request, integration: str, data_type: str) -> Response:
        log = self._existing(integration, data_type)
        return json(_status(log) | {"errors": list(log.errors.values())})

    @route("DELETE", "/api/v1/sync-log")
    def _wipe(self, _request: Request) -> Response:
        """Forget every log of the site."""
        self.logs.clear()
        self.wipes += 1
        return Response(status=204)

    def _put(self, request: Request, integration: str, data_type: str) -> None:
        full = decode(request, "updateFullLoggingStatus")
        self.logs[integration, data_type] = Record(full, errors=self._accepted(full.errors or ()))

    def _patch(self, request: Request, integration: str, data_type: str) -> None:
        log = self._existing(integration, data_type)
        partial = decode(self._renamed(request), "updatePartialLoggingStatus")
        errors, resolved = self._accepted(partial.errors or ()), set(partial.get(RESOLVED, ()))
        if both := errors.keys() & resolved:
            raise problem(400, f"both synced and in error: {', '.join(sorted(both))}")
        left = {key: error for key, error in log.errors.items() if key not in resolved} | errors
        if len(left) > MOST:
            raise problem(400, f"more than {MOST} errors")
        log.update(partial.without(RESOLVED), errors=left)

    def _accepted(self, errors: Iterable[Mapping[str, Any]]) -> dict[str, Record]:
        found: dict[str, Record] = {}
        for index, error in enumerate(errors):
            key = error["external_id"]
            if key in found:
                words = f"external_id {key} is given twice"
                raise problem(400, words, [Detail("repeated", words, f"errors[{index}].external_id")])
            found[key] = Record(error)
        if odd := found.keys() & self.refused_ids:
            raise problem(400, f"the error of {', '.join(sorted(odd))} is not acceptable")
        return found

    def _renamed(self, request: Request) -> Request:
        """Put the list of resolved ids under the name that the contract knows; any other name is unknown."""
        body = _parsed(request)
        if self.resolved_field == RESOLVED or not isinstance(body, dict):
            return request
        if RESOLVED in body:
            raise problem(400, f"Object contains unknown field `{RESOLVED}`")
        if self.resolved_field in body:
            body[RESOLVED] = body.pop(self.resolved_field)
        return evolve(request, body=msgspec.json.encode(body))

    def _existing(self, integration: str, data_type: str) -> Record:
        log = self.logs.get((integration, data_type))
        if log is None:
            raise problem(404, f"No full sync of {integration} {data_type} was recorded")
        return log


def _status(log: Record) -> dict[str, Any]:
    """Return timestamps and the number of errors; the name of the number is inferred."""
    return {name: log[name] for name in TIMES if name in log} | {"errors_count": len(log.errors)}


def _parsed(request: Request) -> Any:
    try:
        return msgspec.json.decode(request.body)
    except msgspec.DecodeError:
        return None
