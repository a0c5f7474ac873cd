"""Traces of a change's way, for a collector of OpenTelemetry. Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set.

    webhook KIND    a delivery: received -> its row is in the outbox
    sync KIND       an attempt: claimed -> settled, with the spans read, push and settle inside

The spans of a change share a trace, whose id is derived from the outbox row: the entity, and when the row was made. So
the row carries nothing, and the trace goes on after a restart or on another node. A webhook that finds its entity
waiting makes no row, and so has a trace of its own.

The SDK is an extra, and is imported only if it is used. Attributes name the entity by its id and have fixed words.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import structlog
import trio
from attrs import frozen

from daemon.model import Change, ExternalId, Kind, Lane, Site

CLOSE_SECONDS = 3.0
"""Longest time that the end of the process waits for the last spans to be sent."""

SWITCHES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")

log = structlog.get_logger()


@frozen(kw_only=True)
class Attempt:
    """One entity's way through one batch. Times are seconds since the epoch; `reason` is a fixed word."""

    site: Site
    kind: Kind
    lane: Lane
    external_id: ExternalId
    queued_at: float
    """Time at which the outbox row was made."""
    number: int
    outcome: str
    failed: bool
    reason: str | None
    claimed_at: float
    push_at: float | None
    """Time at which the read was over; None if the entity was never read."""
    settle_at: float
    settled_at: float


class Tracing(Protocol):
    """Makes spans of what has happened. Called in trio's thread; never waits for the collector."""

    def recorded(self, site: Site, changes: Sequence[Change], began: float, ended: float) -> None:
        """Note a delivery whose changes were put into the outbox at `began` and were on disk at `ended`."""

    def attempted(self, attempt: Attempt) -> None:
        """Note an attempt that is settled."""

    def close(self) -> None:
        """Send what is left. Blocks."""


@contextlib.asynccontextmanager
async def open_tracing() -> AsyncIterator[Tracing | None]:
    """Lend the traces; None if they are off. The SDK reads the variables of OpenTelemetry itself."""
    if not _is_wanted():
        yield None
        return
    tracing: Tracing | None = None
    if (fault := _fault()) is None:
        try:
            from daemon.observability.otel import OpenTelemetry  # noqa: PLC0415  an extra

            tracing = OpenTelemetry()
        except ImportError:
            fault = "it is not installed: pip install 'ignite-sync[otel]'"
        except (ValueError, OSError) as error:
            fault = str(error)
    if tracing is None:
        # The variables may be another program's, so they never keep the daemon from its start.
        log.warning("tracing is off", reason=fault)
        yield None
        return
    try:
        yield tracing
    finally:
        # A collector that hangs must not delay the stop.
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            await trio.to_thread.run_sync(tracing.close, abandon_on_cancel=True)


def _is_wanted() -> bool:
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    return any(os.environ.get(name) for name in SWITCHES) and not disabled and exporter in {"", "otlp"}


def _fault() -> str | None:
    """Return the fault of variables that the SDK would not notice, None if they have none."""
    urls = [url for name in SWITCHES if (url := os.environ.get(name))]
    if not all(url.lower().startswith(("http://", "https://")) for url in urls):
        return "the endpoint is no http or https URL"
    if any((os.environ.get(name) or "http/protobuf") != "http/protobuf" for name in PROTOCOLS):
        return "the protocol is not http/protobuf"
    return None
