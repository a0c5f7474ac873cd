"""The spans of `tracing`, made with the SDK of OpenTelemetry. Imported only if they are on.

Spans go to a queue, from which a thread of the SDK sends them. What does not fit is dropped: nothing waits for a
collector. All settings are the SDK's own variables.
"""

import logging
from collections.abc import Mapping, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import INVALID_TRACE_ID, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.util.types import AttributeValue

from daemon import __version__

NAME = "ignite-sync"
NANOSECONDS = 1_000_000_000


class _TraceIds(RandomIdGenerator):
    """Gives the next root span the trace id that was set for it."""

    next = INVALID_TRACE_ID

    def generate_trace_id(self) -> int:
        return self.next


class OpenTelemetry:
    """The SDK's exporter."""

    def __init__(self) -> None:
        self._ids = _TraceIds()
        self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(NAME, __version__)
        # A failed attempt to reach the collector is not worth a line; lost spans are.
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)

    def span(
        self,
        name: str,
        trace_id: int,
        began: float,
        ended: float,
        attributes: Mapping[str, AttributeValue],
        parts: Sequence[tuple[str, float, float]] = (),
        *,
        is_server: bool = False,
        failed: bool = False,
    ) -> None:
        """Export a span, with its `parts` inside: the name, beginning and end of each."""
        self._ids.next = trace_id
        kind = SpanKind.SERVER if is_server else SpanKind.INTERNAL
        span = self._tracer.start_span(name, None, kind, attributes, start_time=_nanoseconds(began))
        if failed:
            span.set_status(Status(StatusCode.ERROR, str(attributes.get("ignite_sync.reason", "")) or None))
        for part, part_began, part_ended in parts if span.is_recording() else ():
            of_part = SpanKind.INTERNAL if part == "settle" else SpanKind.CLIENT
            inside = set_span_in_context(span)
            inner = self._tracer.start_span(part, inside, of_part, start_time=_nanoseconds(part_began))
            inner.end(_nanoseconds(part_ended))
        span.end(_nanoseconds(ended))

    def close(self) -> None:
        """Send what is left. Blocks."""
        self._provider.shutdown()


def _resource() -> Resource:
    """Return the description of this process; a name in the environment counts more than ours."""
    detected = Resource.create({SERVICE_VERSION: __version__})
    if str(detected.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return detected.merge(Resource({SERVICE_NAME: NAME}))
    return detected


def _nanoseconds(seconds: float) -> int:
    return int(seconds * NANOSECONDS)
