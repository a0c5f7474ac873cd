"""Deliveries that nobody sends again are made up for by a sweep and a look, once the database can be written."""

from collections.abc import AsyncIterator

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon.engine.deliveries import MOST_EXPECTED, REST, Deliveries
from daemon.errors import StorageTrouble
from daemon.model import Change, ExternalId, Kind
from daemon.platforms.base import WebhookTimes
from daemon.platforms.bigcommerce import PLATFORM
from tests.databases import InlineDatabase
from tests.engine.missed import PRODUCTS, GapBench, open_gap_bench

EVERY = 900.0


@pytest.fixture
async def once_only() -> AsyncIterator[GapBench]:
    """Open a bench of a platform that sends no webhook twice."""
    async with open_gap_bench(webhooks=WebhookTimes(active_after=1)) as bench:
        yield bench


class Disk:
    """A disk that is full from the beginning until it is `emptied`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(InlineDatabase, "write", self._fail)

    async def _fail(self, _fn: object, _call: object) -> None:
        await trio.lowlevel.checkpoint()
        raise StorageTrouble("the disk is full", reason="storage")

    def emptied(self) -> None:
        self._monkeypatch.undo()


def catch_ups(bench: GapBench) -> tuple[int, int]:
    """Return the number of sweeps, and of looks at the webhooks."""
    return bench.shop.calls["changed_since"], bench.shop.calls["ensure_webhooks"]


@pytest.mark.parametrize("outage", [0.0, 5.0, 300.0])
async def test_what_could_not_be_recorded_is_swept_as_soon_as_the_database_works(
    autojump_clock: MockClock, once_only: GapBench, monkeypatch: pytest.MonkeyPatch, outage: float
) -> None:
    async with once_only.working():
        await once_only.synced()
        await trio.sleep(EVERY)
        sweeps, looks = catch_ups(once_only)
        disk = Disk(monkeypatch)
        once_only.shop.change("5", title="Its delivery was answered 503")
        once_only.shop.changed = {"5"}
        once_only.context.deliveries.failed({PRODUCTS})
        await trio.sleep(outage)
        assert catch_ups(once_only) == (sweeps, looks), "the store is left alone while nothing can be stored"
        disk.emptied()
        await trio.sleep(5)
        assert once_only.site.state.comparable()["products"]["5"]["title"] == "Its delivery was answered 503"
        assert catch_ups(once_only)[1] == looks + 1


async def test_a_sweep_that_met_a_full_disk_is_made_again(
    autojump_clock: MockClock, once_only: GapBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with once_only.working():
        await once_only.synced()
        await trio.sleep(EVERY)
        once_only.shop.change("5", title="Found the second time")
        once_only.shop.changed = {"5"}
        disk = Disk(monkeypatch)
        once_only.context.kind_states[PRODUCTS].sweep.set()
        await trio.sleep(1)
        disk.emptied()
        await trio.sleep(10)
        assert once_only.site.state.comparable()["products"]["5"]["title"] == "Found the second time"


async def test_where_the_platform_sends_again_only_what_is_too_large_is_made_up_for(
    autojump_clock: MockClock, wide: GapBench
) -> None:
    async with wide.working():
        await wide.synced()
        await trio.sleep(30)
        before = catch_ups(wide)
        wide.context.deliveries.failed({PRODUCTS})
        wide.context.deliveries.lost(for_good=False)
        await trio.sleep(10)
        assert catch_ups(wide) == before
        wide.context.deliveries.lost(for_good=True)
        await trio.sleep(10)
        assert catch_ups(wide) == (before[0] + 1, before[1] + 1)


async def test_strangers_cannot_have_the_store_swept_all_the_time(
    autojump_clock: MockClock, once_only: GapBench
) -> None:
    """Anyone can send what is too large. The last one is made up for too."""
    async with once_only.working():
        await once_only.synced()
        await trio.sleep(2 * REST)
        sweeps, looks = catch_ups(once_only)
        for _ in range(100):
            once_only.context.deliveries.lost(for_good=True)
            await trio.sleep(0.1)
        assert catch_ups(once_only) == (sweeps + 1, looks + 1)
        await trio.sleep(1.5 * REST)
        assert catch_ups(once_only) == (sweeps + 2, looks + 2)


LATE = 120.0


def missed(bench: GapBench) -> float:
    labels = {"kind": "products", "site": str(bench.context.connection.site)}
    return bench.context.metrics.registry.get_sample_value("ignite_sync_webhooks_missed_total", labels) or 0.0


@pytest.mark.parametrize(
    ("arrives", "counted"),
    [("never", 1.0), ("while it is read", 0.0), ("soon after", 0.0), ("just in time", 0.0), ("too late", 1.0)],
)
async def test_what_is_swept_before_its_delivery_is_due_was_not_missed(
    autojump_clock: MockClock, arrives: str, counted: float
) -> None:
    times = WebhookTimes(delivered_within=LATE, retried_for=1e6)
    async with open_gap_bench(webhooks=times, sweep_every=1e6) as bench, bench.working():
        await bench.synced()
        change = Change(PRODUCTS, ExternalId("5"))

        async def arrive(method: str) -> None:
            if method == "changed_since" and arrives == "while it is read":
                bench.context.deliveries.arrived([change])

        bench.shop.before = arrive
        bench.shop.change("5", title="Swept before it was told of")
        bench.shop.changed = {"5"}
        bench.context.kind_states[PRODUCTS].sweep.set()
        await trio.sleep(5)
        assert bench.site.state.comparable()["products"]["5"]["title"] == "Swept before it was told of"
        assert missed(bench) == 0
        await trio.sleep({"soon after": 1, "just in time": LATE - 6, "too late": LATE + 1}.get(arrives, 0))
        if arrives not in {"never", "while it is read"}:
            bench.context.deliveries.arrived([change])
        await trio.sleep(2 * LATE)
        assert missed(bench) == counted


async def test_what_has_no_webhook_is_swept_and_not_missed(autojump_clock: MockClock) -> None:
    silent = {"webhook_kinds": frozenset[Kind]()}
    async with open_gap_bench(platform=silent, sweep_every=1e6) as bench, bench.working():
        await bench.synced()
        bench.shop.change("5", title="Nothing tells of it")
        bench.shop.changed = {"5"}
        bench.context.kind_states[PRODUCTS].sweep.set()
        await trio.sleep(60)
        assert bench.site.state.comparable()["products"]["5"]["title"] == "Nothing tells of it"
        assert missed(bench) == 0


async def test_a_delivery_says_nothing_of_later_changes(autojump_clock: MockClock) -> None:
    times = WebhookTimes(delivered_within=LATE, retried_for=1e6)
    async with open_gap_bench(webhooks=times, sweep_every=1e6) as bench, bench.working():
        await bench.synced()
        bench.context.deliveries.arrived([Change(PRODUCTS, ExternalId("5"))])
        await trio.sleep(LATE + 1)
        bench.shop.change("5", title="Later")
        bench.shop.changed = {"5"}
        bench.context.kind_states[PRODUCTS].sweep.set()
        await trio.sleep(2 * LATE)
        assert missed(bench) == 1


async def test_what_is_remembered_of_deliveries_is_limited(autojump_clock: MockClock) -> None:
    platform = evolve(PLATFORM, webhooks=WebhookTimes(delivered_within=LATE))
    deliveries = Deliveries(lambda _kinds: None, platform, lambda _kind: None)
    for number in range(MOST_EXPECTED + 10):
        deliveries.arrived([Change(PRODUCTS, ExternalId(str(number)))])
        deliveries.swept(Change(PRODUCTS, ExternalId(f"other {number}")))
    assert (len(deliveries._arrived), len(deliveries._due)) == (MOST_EXPECTED, MOST_EXPECTED)
    await trio.sleep(LATE + 1)
    deliveries.arrived([])
    assert len(deliveries._arrived) == 0


@pytest.mark.parametrize(("away", "readings"), [(60.0, 0), (3 * 3600.0, 1)])
async def test_after_a_restart_the_changes_meanwhile_are_swept_at_once(
    autojump_clock: MockClock, once_only: GapBench, *, away: float, readings: int
) -> None:
    """A restart alone causes no read of everything; a long absence does."""
    async with once_only.working():
        await once_only.synced()
    once_only.shop.change("5", title="While it was away")
    once_only.shop.changed = {"5"}
    await trio.sleep(away)
    before = await once_only.readings()
    async with once_only.working():
        await trio.sleep(10)
        assert once_only.site.state.comparable()["products"]["5"]["title"] == "While it was away"
        await trio.sleep(300)
    assert await once_only.readings() == before + readings
