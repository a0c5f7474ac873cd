"""The traces of `tracing`, made with the SDK of OpenTelemetry. Imported only if they are on.

Spans go to a queue, from which a thread of the SDK sends them. What does not fit is dropped: nothing waits for a
collector. All settings are the SDK's own variables.
"""

import hashlib
import logging
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import INVALID_TRACE_ID, Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.util.types import AttributeValue

from daemon import __version__
from daemon.model import Change, ExternalId, Kind, Lane, Site
from daemon.observability.tracing import Attempt

NAME = "ignite-sync"
NANOSECONDS = 1_000_000_000


class _TraceIds(RandomIdGenerator):
    """Gives the next root span the trace id that was set for it."""

    next = INVALID_TRACE_ID

    def generate_trace_id(self) -> int:
        return self.next


class OpenTelemetry:
    """See `daemon.observability.tracing.Tracing`."""

    def __init__(self) -> None:
        self._ids = _TraceIds()
        self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(NAME, __version__)
        # A failed attempt to reach the collector is not worth a line; lost spans are.
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)

    def recorded(self, site: Site, changes: Sequence[Change], began: float, ended: float) -> None:
        """Note a delivery whose changes were put into the outbox at `began` and were on disk at `ended`."""
        for change in changes:
            entity = _entity(site, change.kind, Lane.LIVE, change.external_id)
            self._ids.next = trace_id(site, change.kind, change.external_id, began)
            span = self._root(f"webhook {change.kind.value}", SpanKind.SERVER, began, entity)
            span.end(_nanoseconds(ended))

    def attempted(self, attempt: Attempt) -> None:
        """Note an attempt that is settled."""
        entity = _entity(attempt.site, attempt.kind, attempt.lane, attempt.external_id)
        self._ids.next = trace_id(attempt.site, attempt.kind, attempt.external_id, attempt.queued_at)
        span = self._root(f"sync {attempt.kind.value}", SpanKind.INTERNAL, attempt.claimed_at, entity)
        if span.is_recording():
            span.set_attribute("ignite_sync.attempt", attempt.number)
            span.set_attribute("ignite_sync.outcome", attempt.outcome)
            span.set_attribute("ignite_sync.waited_seconds", max(attempt.claimed_at - attempt.queued_at, 0.0))
            if attempt.reason is not None:
                span.set_attribute("ignite_sync.reason", attempt.reason)
            if attempt.failed:
                span.set_status(Status(StatusCode.ERROR, attempt.reason))
            self._part(span, "read", attempt.claimed_at, attempt.push_at or attempt.settle_at)
            if attempt.push_at is not None:
                self._part(span, "push", attempt.push_at, attempt.settle_at)
            self._part(span, "settle", attempt.settle_at, attempt.settled_at)
        span.end(_nanoseconds(attempt.settled_at))

    def close(self) -> None:
        """Send what is left. Blocks."""
        self._provider.shutdown()

    def _root(self, name: str, kind: SpanKind, began: float, attributes: dict[str, AttributeValue]) -> Span:
        return self._tracer.start_span(name, None, kind, attributes, start_time=_nanoseconds(began))

    def _part(self, parent: Span, name: str, began: float, ended: float) -> None:
        kind = SpanKind.INTERNAL if name == "settle" else SpanKind.CLIENT
        part = self._tracer.start_span(name, set_span_in_context(parent), kind, start_time=_nanoseconds(began))
        part.end(_nanoseconds(ended))


def trace_id(site: Site, kind: Kind, external_id: ExternalId, queued_at: float) -> int:
    """Return the trace id of an outbox row: the same at every attempt, and on every node."""
    row = f"{site} {kind.value} {external_id} {queued_at!r}"
    return int.from_bytes(hashlib.blake2b(row.encode(), digest_size=16).digest())


def _entity(site: Site, kind: Kind, lane: Lane, external_id: ExternalId) -> dict[str, AttributeValue]:
    return {
        "ignite_sync.site": str(site),
        "ignite_sync.kind": kind.value,
        "ignite_sync.external_id": external_id,
        "ignite_sync.lane": lane.name.lower(),
    }


def _resource() -> Resource:
    """Return the description of this process; a name in the environment counts more than ours."""
    detected = Resource.create({SERVICE_VERSION: __version__})
    if str(detected.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return detected.merge(Resource({SERVICE_NAME: NAME}))
    return detected


def _nanoseconds(seconds: float) -> int:
    return int(seconds * NANOSECONDS)
