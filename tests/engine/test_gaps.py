"""Known gaps in the webhooks are closed by one full read: soon, at most hourly, and not during a full sync."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from daemon.engine.deliveries import LONGEST_OUTAGE, SILENCE, Deliveries
from daemon.engine.gaps import note_gaps
from daemon.platforms.bigcommerce import PLATFORM
from daemon.storage.gaps import HOUR
from tests.engine.fakes import EPOCH
from tests.engine.missed import ACTIVE_AFTER, MADE, MENDED, PRODUCTS, RETRIED_FOR, RIGHT, SOON, GapBench
from tests.storage.harness import TABLES

Cause = Callable[[GapBench], Awaitable[None]]


async def _mended(bench: GapBench) -> None:
    """Find at the next hourly look that webhooks were switched off, and repair them."""
    looked, bench.shop.registration = trio.Event(), MENDED

    async def look(method: str) -> None:
        if method == "ensure_webhooks":
            looked.set()

    bench.shop.before = look
    await looked.wait()
    await trio.sleep(1)
    bench.shop.registration = RIGHT


async def _failing(bench: GapBench) -> None:
    await bench.fail_deliveries(PRODUCTS)


async def _failing_without_kinds(bench: GapBench) -> None:
    await bench.fail_deliveries()


async def _silent(bench: GapBench) -> None:
    bench.context.deliveries.taken()
    bench.shop.change("7", title="Found by a sweep")
    bench.shop.changed = {"7"}
    await trio.sleep(SILENCE)


@pytest.mark.holds("E16")
@pytest.mark.parametrize("cause", [_mended, _failing, _failing_without_kinds, _silent])
async def test_what_was_missed_in_a_gap_is_found_soon_after_it_is_known(
    autojump_clock: MockClock, wide: GapBench, cause: Cause
) -> None:
    async with wide.working():
        await wide.synced()
        before = wide.writes
        wide.lose()
        await trio.sleep(2 * SOON)
        assert not wide.is_found(), "otherwise the test shows nothing"
        await cause(wide)
        await trio.sleep(SOON)
        assert wide.is_found()
        assert await wide.gap() is None
        titles = int(cause is _silent)
        assert (wide.writes[0] - before[0], wide.writes[2] - before[2]) == (1 + titles, 1), "the deletion alone"
        assert await wide.readings() == 1
        await trio.sleep(2 * HOUR)
        assert await wide.readings() == 1, "it is closed"


@pytest.mark.holds("E16")
@pytest.mark.parametrize(("away", "lost"), [(RETRIED_FOR - 3600, False), (RETRIED_FOR + 60, True)])
async def test_after_longer_than_webhooks_are_sent_again_everything_is_read(
    autojump_clock: MockClock, wide: GapBench, *, away: float, lost: bool
) -> None:
    async with wide.working():
        await wide.synced()
    wide.lose()
    await trio.sleep(away)
    known: list[bool] = []

    async def look(method: str) -> None:
        if method == "page":
            known.append(await wide.gap() is not None)

    wide.shop.before = look
    async with wide.working():
        await trio.sleep(SOON)
    assert known[0] == lost
    assert wide.is_found(), "by the daily reading, if not for the gap"
    assert await wide.readings() == 1


@pytest.mark.holds("E16")
@pytest.mark.parametrize("first_sync", [1.0, 500.0])
async def test_a_new_registration_is_followed_by_a_reading(
    autojump_clock: MockClock, wide: GapBench, first_sync: float
) -> None:
    """It begins 70 s later, or after the first sync, and finds all changes made before webhooks worked."""
    wide.shop.registration = MADE

    async def slow(method: str) -> None:
        if method == "page" and wide.shop.calls["page"] == 8:
            wide.lose()  # Behind the page that had them.
            await trio.sleep(first_sync)

    wide.shop.before = slow
    async with wide.working():
        await trio.sleep(0.5)
        wide.shop.registration = RIGHT
        earliest = max(ACTIVE_AFTER, first_sync)
        await trio.sleep(earliest - 1)
        assert not wide.is_found()
        await trio.sleep(62)
        assert wide.is_found()
    begun = [row["started_at"] - EPOCH for row in await wide.harness.everything(TABLES["full_syncs"])]
    assert len(begun) == 2
    assert begun[1] >= earliest


async def test_a_second_gap_waits_for_the_end_of_the_hour(autojump_clock: MockClock, wide: GapBench) -> None:
    async with wide.working():
        await wide.synced()
        await wide.fail_deliveries(PRODUCTS)
        await trio.sleep(SOON)
        assert await wide.readings() == 1
        wide.lose()
        await wide.fail_deliveries(PRODUCTS)
        await trio.sleep(HOUR - SOON - 60)
        assert await wide.readings() == 1
        assert not wide.is_found()
        await trio.sleep(120)
        assert wide.is_found()
        assert await wide.readings() == 2


async def test_a_new_registration_does_not_wait_for_the_end_of_the_hour(
    autojump_clock: MockClock, wide: GapBench
) -> None:
    async with wide.working():
        await wide.synced()
        await wide.fail_deliveries(PRODUCTS)
        await trio.sleep(HOUR - 700)
        assert await wide.readings() == 1
        wide.lose()
        await note_gaps(wide.context, [PRODUCTS], ACTIVE_AFTER, at_once=True)
        await trio.sleep(SOON)
        assert wide.is_found()


@pytest.mark.parametrize("failures", [[0.0], [0.0, LONGEST_OUTAGE]])
async def test_a_short_outage_is_no_gap(autojump_clock: MockClock, wide: GapBench, failures: list[float]) -> None:
    async with wide.working():
        await wide.synced()
        began = trio.current_time()
        for at in failures:
            await trio.sleep_until(began + at)
            wide.context.deliveries.failed({PRODUCTS})
        wide.context.deliveries.taken()
        await trio.sleep(60)
        wide.context.deliveries.failed({PRODUCTS})
        await trio.sleep(SOON)
        assert await wide.readings() == 0


@pytest.mark.parametrize("ours", [False, True])
async def test_an_hour_with_a_delivery_or_without_a_find_is_no_gap(
    autojump_clock: MockClock, wide: GapBench, *, ours: bool
) -> None:
    async with wide.working():
        await wide.synced()
        for _ in range(5):
            await trio.sleep(SILENCE / 2)
            if ours:
                wide.context.deliveries.taken()
                wide.shop.change("7", title=f"Found at {trio.current_time()}")
                wide.shop.changed = {"7"}
        assert await wide.readings() == 0


async def test_a_find_before_a_delivery_does_not_count_after_it(autojump_clock: MockClock) -> None:
    reported: list[object] = []
    deliveries = Deliveries(reported.append, PLATFORM, lambda _kind: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(deliveries.watch)
        for _ in range(2):
            deliveries.missed()
            await trio.sleep(10)
        deliveries.taken()
        await trio.sleep(3 * SILENCE)
        assert reported == []
        deliveries.missed()
        await trio.sleep(1)
        assert reported == [()]
        nursery.cancel_scope.cancel()


async def test_without_webhooks_there_are_no_gaps(autojump_clock: MockClock, wide: GapBench) -> None:
    """No webhooks are expected: sweeps and the daily read find all changes."""
    async with wide.working(None):
        await wide.synced()
        wide.shop.change("7", title="Found by a sweep")
        wide.shop.changed = {"7"}
        await trio.sleep(2 * HOUR)
    assert await wide.readings() == 0
    await trio.sleep(RETRIED_FOR)
    async with wide.working(None):
        await trio.sleep(0.01)
        assert await wide.gap() is None
