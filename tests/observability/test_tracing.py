"""The switch of the traces, and what keeps them off. `tests/prove/process/test_tracing.py` has the spans."""

import sys
from collections.abc import Mapping

import pytest
import structlog

from daemon.model import ExternalId, Kind, Site
from daemon.observability.tracing import open_tracing, trace_id

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
ON = {ENDPOINT: "http://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def _without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ON, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


async def opened(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> tuple[bool, list[str]]:
    """Return whether the traces are on, and the reasons that the log gives."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)  # the SDK reads the process's own
    with structlog.testing.capture_logs() as lines:
        async with open_tracing() as tracing:
            return tracing is not None, [line["reason"] for line in lines]


@pytest.mark.parametrize(
    "variables",
    [ON, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}, ON | {"OTEL_TRACES_EXPORTER": "otlp"}],
)
async def test_an_endpoint_switches_them_on(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    assert await opened(monkeypatch, variables) == (True, [])


@pytest.mark.parametrize(
    "variables",
    [{}, {ENDPOINT: ""}, ON | {"OTEL_SDK_DISABLED": "true"}, ON | {"OTEL_TRACES_EXPORTER": "none"}],
)
async def test_without_one_they_are_off_silently(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    assert await opened(monkeypatch, variables) == (False, [])


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({ENDPOINT: "collector:4318"}, "the endpoint is no http or https URL"),
        (ON | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "the protocol is not http/protobuf"),
        (ON | {"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "max_queue_size"),
    ],
)
async def test_wrong_variables_keep_them_off_and_say_why(
    monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], reason: str
) -> None:
    is_on, reasons = await opened(monkeypatch, variables)
    assert not is_on
    assert [reason in said for said in reasons] == [True], reasons


async def test_without_the_extra_they_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "daemon.observability.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)  # as if it were not installed
    is_on, reasons = await opened(monkeypatch, ON)
    assert not is_on
    assert reasons == ["it is not installed: pip install 'ignite-sync[otel]'"]


def test_each_row_has_a_trace_of_its_own() -> None:
    site, time = Site("live", "jones"), 1_800_000_000.25
    rows = [
        (site, Kind.PRODUCTS, ExternalId("1"), time),
        (Site("test", "jones"), Kind.PRODUCTS, ExternalId("1"), time),
        (site, Kind.ORDERS, ExternalId("1"), time),
        (site, Kind.PRODUCTS, ExternalId("2"), time),
        (site, Kind.PRODUCTS, ExternalId("1"), time + 2e-7),
    ]
    assert len({trace_id(*row) for row in rows}) == len(rows)
    assert trace_id(*rows[0]) == trace_id(*rows[0])
    assert 0 < trace_id(*rows[0]) < 2**128
