"""The traces of the real process, at a collector on loopback."""

from daemon.sandbox import answer
from tests.e2e.collector import Collector, Span, open_collector
from tests.e2e.harness import OpenHarness
from tests.e2e.process import ADMIN_TOKEN, WEBHOOK_SECRET

JUMPER = 1
TITLE = "Pullover of Mrs Smith"

COMMON = {"ignite_sync.site", "ignite_sync.kind", "ignite_sync.external_id", "ignite_sync.lane"}
OF_AN_ATTEMPT = COMMON | {"ignite_sync.attempt", "ignite_sync.outcome", "ignite_sync.waited_seconds"}
ALLOWED = OF_AN_ATTEMPT | {"ignite_sync.reason"}


def attempts(collector: Collector, outcome: str) -> list[Span]:
    """Return the attempts on the jumper by webhook that ended so."""
    wanted = {"ignite_sync.outcome": outcome, "ignite_sync.external_id": str(JUMPER), "ignite_sync.lane": "live"}
    return [span for span in collector.spans if wanted.items() <= span.attributes.items()]


async def test_a_change_is_one_trace_also_over_failures_and_a_crash(harness: OpenHarness) -> None:
    async with open_collector() as collector, harness(environment=collector.environment) as h:
        await h.first_sync()
        h.site.faults.add("PATCH */products/*", answer(503))
        h.store.set_title(JUMPER, TITLE)
        await collector.until(lambda: attempts(collector, "retried"))
        await h.process.kill()
        h.site.faults.clear()
        await h.process.start()
        await collector.until(lambda: attempts(collector, "written"))
        await h.settle()
        await h.process.terminate()

    (written,) = attempts(collector, "written")
    trace = [span for span in collector.spans if span.trace == written.trace]
    (webhook,) = [span for span in trace if span.name == "webhook products"]
    tries = sorted((span for span in trace if span.name == "sync products"), key=lambda span: span.start)
    # An attempt whose spans were not sent yet when the process was killed is missing.
    numbers = [span.attributes["ignite_sync.attempt"] for span in tries]
    assert (numbers[0], numbers) == (1, sorted(set(numbers)))
    assert [span.attributes["ignite_sync.outcome"] for span in tries] == ["retried"] * (len(tries) - 1) + ["written"]
    assert [span.failed for span in tries] == [True] * (len(tries) - 1) + [False]
    assert tries[0].attributes["ignite_sync.reason"] == "http_503"
    for span in tries:
        assert webhook.start <= span.start
        waited = span.attributes["ignite_sync.waited_seconds"]
        assert abs(waited - (span.start - webhook.start) / 1e9) < 1e-3
        read, push, settle = sorted((part for part in trace if part.parent == span.id), key=lambda part: part.start)
        assert [part.name for part in (read, push, settle)] == ["read", "push", "settle"]
        assert (span.start, read.end, push.end, settle.end) == (read.start, push.start, settle.start, span.end)
    assert len(trace) == 1 + 4 * len(tries)

    for span in collector.spans:
        assert span.attributes.keys() <= ALLOWED
        assert span.resource["service.name"] == "ignite-sync"
        if span.parent:
            assert not span.attributes
        else:
            assert span.attributes.keys() >= (COMMON if span.name.startswith("webhook") else OF_AN_ATTEMPT)
    assert {span.name for span in collector.spans if not span.parent} >= {"sync store", "sync products"}
    sent = b"".join(collector.bodies)
    for secret in (TITLE, "Jumper", ADMIN_TOKEN, WEBHOOK_SECRET, h.site.client_secret, h.shop.access_token):
        assert secret.encode() not in sent


async def test_a_collector_that_does_not_answer_stops_nothing(harness: OpenHarness) -> None:
    async with (
        open_collector() as collector,
        collector.faults.hold("POST *") as held,
        harness(environment=collector.environment) as h,
    ):
        await h.first_sync()
        await held.arrived()
        h.store.set_title(JUMPER, TITLE)
        await h.settle()
        h.assert_equal()
        assert await h.process.terminate() == 0
