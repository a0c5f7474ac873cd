"""A collector of OpenTelemetry on loopback: takes what the process exports by OTLP over HTTP, and keeps it decoded.

async with open_collector() as collector:
    collector.environment                   # the variables that send a process's spans here
    collector.spans, collector.bodies       # all spans so far, and the bytes that brought them
    await collector.until(lambda: ...)      # looks whenever an export came; fails after TIMEOUT
    async with collector.faults.hold("POST *"): ...
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import trio
from attrs import frozen
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from daemon.sandbox.control import StandIn
from daemon.sandbox.message import Request, Response, route
from daemon.sandbox.server import listening, serve
from tests.e2e.process import TIMEOUT


@frozen(kw_only=True)
class Span:
    """A span as it came. Times are nanoseconds since the epoch."""

    name: str
    trace: bytes
    id: bytes
    parent: bytes
    start: int
    end: int
    failed: bool
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]


class Collector(StandIn):
    """Answers `POST /v1/traces`."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.spans: list[Span] = []
        self.bodies: list[bytes] = []
        self.environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        self._came = trio.lowlevel.ParkingLot()

        self.routes.include(self)

    @route("POST", "/v1/traces")
    def _export(self, request: Request) -> Response:
        self.bodies.append(request.body)
        self.spans += _spans(ExportTraceServiceRequest.FromString(request.body))
        self._came.unpark_all()
        return Response(status=200)

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until `holds()`."""
        with trio.fail_after(TIMEOUT):
            while not holds():
                await self._came.park()


def _spans(request: Any) -> list[Span]:
    return [
        Span(
            name=span.name,
            trace=span.trace_id,
            id=span.span_id,
            parent=span.parent_span_id,
            start=span.start_time_unix_nano,
            end=span.end_time_unix_nano,
            failed=span.status.code == span.status.STATUS_CODE_ERROR,
            attributes=_plain(span.attributes),
            resource=_plain(of_resource.resource.attributes),
        )
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def _plain(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextlib.asynccontextmanager
async def open_collector() -> AsyncIterator[Collector]:
    """Serve a collector for as long as the block lasts."""
    async with listening("127.0.0.1", 0) as (listeners, url), trio.open_nursery() as nursery:
        collector = Collector(url)
        nursery.start_soon(serve, collector, listeners)
        yield collector
        nursery.cancel_scope.cancel()
