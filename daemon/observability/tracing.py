"""Traces of a change's way, for a collector of OpenTelemetry. Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set.

    webhook KIND    a delivery: received -> its row is in the outbox
    sync KIND       an attempt: claimed -> settled, with the spans read, push and settle inside

The spans of a change share a trace, whose id is derived from the outbox row: the entity, and when the row was made. So
the row carries nothing, and the trace goes on after a restart or on another node. A webhook that finds its entity
waiting makes no row, and so has a trace of its own.

The SDK is an extra, and is imported only if it is used. Attributes name the entity by its id and have fixed words.
"""

import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import structlog
import trio

from daemon.model import Change, ExternalId, Kind, Lane, Site

if TYPE_CHECKING:
    from daemon.observability.otel import OpenTelemetry

CLOSE_SECONDS = 3.0
"""Longest time that the end of the process waits for the last spans to be sent."""

SWITCHES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")

log = structlog.get_logger()


class Tracing:
    """Makes spans of what has happened. Called in trio's thread; never waits for the collector.

    Times are seconds since the epoch.
    """

    def __init__(self, exporter: "OpenTelemetry") -> None:
        self._exporter = exporter

    def recorded(self, site: Site, changes: Sequence[Change], began: float, ended: float) -> None:
        """Note a delivery whose changes were put into the outbox at `began` and were on disk at `ended`."""
        for change in changes:
            attributes = _entity(site, change.kind, Lane.LIVE, change.external_id)
            trace = trace_id(site, change.kind, change.external_id, began)
            self._exporter.span(f"webhook {change.kind.value}", trace, began, ended, attributes, is_server=True)

    def attempted(
        self,
        *,
        site: Site,
        kind: Kind,
        lane: Lane,
        external_id: ExternalId,
        queued_at: float,
        number: int,
        outcome: str,
        failed: bool,
        reason: str | None,
        claimed_at: float,
        push_at: float | None,
        settle_at: float,
        settled_at: float,
    ) -> None:
        """Note an entity's way through one batch, which is settled.

        Its outbox row was made at `queued_at`, its read was over at `push_at`; None if it was never read. `reason` is a
        fixed word.
        """
        attributes = _entity(site, kind, lane, external_id) | {
            "ignite_sync.attempt": number,
            "ignite_sync.outcome": outcome,
            "ignite_sync.waited_seconds": max(claimed_at - queued_at, 0.0),
        }
        if reason is not None:
            attributes["ignite_sync.reason"] = reason
        parts = [("read", claimed_at, push_at or settle_at), ("settle", settle_at, settled_at)]
        if push_at is not None:
            parts.insert(1, ("push", push_at, settle_at))
        trace = trace_id(site, kind, external_id, queued_at)
        self._exporter.span(f"sync {kind.value}", trace, claimed_at, settled_at, attributes, parts, failed=failed)


def trace_id(site: Site, kind: Kind, external_id: ExternalId, queued_at: float) -> int:
    """Return the trace id of an outbox row: the same at every attempt, and on every node."""
    row = f"{site} {kind.value} {external_id} {queued_at!r}"
    return int.from_bytes(hashlib.blake2b(row.encode(), digest_size=16).digest())


def _entity(site: Site, kind: Kind, lane: Lane, external_id: ExternalId) -> dict[str, str | float]:
    return {
        "ignite_sync.site": str(site),
        "ignite_sync.kind": kind.value,
        "ignite_sync.external_id": external_id,
        "ignite_sync.lane": lane.name.lower(),
    }


@contextlib.asynccontextmanager
async def open_tracing() -> AsyncIterator[Tracing | None]:
    """Lend the traces; None if they are off. The SDK reads the variables of OpenTelemetry itself."""
    if not _is_wanted():
        yield None
        return
    exporter = None
    if (fault := _fault()) is None:
        try:
            from daemon.observability.otel import OpenTelemetry  # noqa: PLC0415  an extra

            exporter = OpenTelemetry()
        except ImportError:
            fault = "it is not installed: pip install 'ignite-sync[otel]'"
        except (ValueError, OSError) as error:
            fault = str(error)
    if exporter is None:
        # The variables may be another program's, so they never keep the daemon from its start.
        log.warning("tracing is off", reason=fault)
        yield None
        return
    try:
        yield Tracing(exporter)
    finally:
        # A collector that hangs must not delay the stop.
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            await trio.to_thread.run_sync(exporter.close, abandon_on_cancel=True)


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
