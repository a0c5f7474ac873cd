"""Known gaps in the webhooks are closed by one reading: soon, at most once an hour, beside no full sync."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from daemon.engine.deliveries import LONGEST_OUTAGE, SILENCE, Deliveries
from daemon.engine.gaps import note_gaps
from daemon.engine.runner import ConnectionRunner
from daemon.storage.gaps import HOUR
from tests.engine.fakes import EPOCH, Bench
from tests.engine.missed import (
    ACTIVE_AFTER,
    MADE,
    MENDED,
    PRODUCTS,
    RETRIED_FOR,
    RIGHT,
    SOON,
    failing,
    gap,
    is_found,
    lose,
    open_wide,
    readings,
    settled,
    working,
)
from tests.storage.harness import TABLES


@pytest.fixture
async def wide() -> AsyncIterator[Bench]:
    async with open_wide() as bench:
        yield bench


Cause = Callable[[Bench, ConnectionRunner], Awaitable[None]]


async def _mended(bench: Bench, _runners: ConnectionRunner) -> None:
    """Come to know at the next hourly look that webhooks were switched off; then all is right."""
    bench.shop.registration = MENDED

    async def look(method: str) -> None:
        if method == "ensure_webhooks":
            looked.set()

    looked = trio.Event()
    bench.shop.before = look
    await looked.wait()
    await trio.sleep(1)
    bench.shop.registration = RIGHT


async def _failing_at_what_nobody_knows(bench: Bench, _runners: ConnectionRunner) -> None:
    for _ in range(3):
        bench.context.deliveries.failed(())
        await trio.sleep(0.6 * LONGEST_OUTAGE)


async def _silent(bench: Bench, _runners: ConnectionRunner) -> None:
    bench.context.deliveries.taken()
    bench.shop.change("7", title="Found by a sweep")
    bench.shop.changed = {"7"}
    await trio.sleep(SILENCE)


@pytest.mark.holds("E16")
@pytest.mark.parametrize("cause", [_mended, failing, _failing_at_what_nobody_knows, _silent])
async def test_what_was_missed_in_a_gap_is_found_soon_after_it_is_known(
    autojump_clock: MockClock, wide: Bench, cause: Cause
) -> None:
    async with working(wide) as runner:
        await settled(wide)
        before = wide.writes
        lose(wide)
        await trio.sleep(2 * SOON)
        assert not is_found(wide), "otherwise the test shows nothing"
        await cause(wide, runner)
        await trio.sleep(SOON)
        assert is_found(wide)
        assert await gap(wide) is None
        titles = int(cause is _silent)
        assert (wide.writes[0] - before[0], wide.writes[2] - before[2]) == (1 + titles, 1), "the deletion alone"
        assert await readings(wide) == 1
        await trio.sleep(2 * HOUR)
        assert await readings(wide) == 1, "it is closed"


@pytest.mark.holds("E16")
@pytest.mark.parametrize(("away", "lost"), [(RETRIED_FOR - 3600, False), (RETRIED_FOR + 60, True)])
async def test_after_longer_than_webhooks_are_sent_again_everything_is_read(
    autojump_clock: MockClock, wide: Bench, *, away: float, lost: bool
) -> None:
    async with working(wide):
        await settled(wide)
    lose(wide)
    await trio.sleep(away)
    known: list[bool] = []

    async def look(method: str) -> None:
        if method == "page":
            known.append(await gap(wide) is not None)

    wide.shop.before = look
    async with working(wide):
        await trio.sleep(SOON)
    assert known[0] == lost
    assert is_found(wide), "by the daily reading, if not for the gap"
    assert await readings(wide) == 1


@pytest.mark.holds("E16")
@pytest.mark.parametrize("first_sync", [1.0, 500.0])
async def test_a_new_registration_is_followed_by_a_reading(
    autojump_clock: MockClock, wide: Bench, first_sync: float
) -> None:
    """70 s later or after the first sync: what happens before webhooks work is found."""
    wide.shop.registration = MADE

    async def slow(method: str) -> None:
        if method == "page" and wide.shop.calls["page"] == 8:
            lose(wide)  # behind the page that they were on
            await trio.sleep(first_sync)

    wide.shop.before = slow
    async with working(wide):
        await trio.sleep(0.5)
        wide.shop.registration = RIGHT
        earliest = max(ACTIVE_AFTER, first_sync)
        await trio.sleep(earliest - 1)
        assert not is_found(wide)
        await trio.sleep(62)
        assert is_found(wide)
    begun = [row["started_at"] - EPOCH for row in await wide.harness.everything(TABLES["full_syncs"])]
    assert len(begun) == 2
    assert begun[1] >= earliest


async def test_a_second_gap_waits_for_the_end_of_the_hour(autojump_clock: MockClock, wide: Bench) -> None:
    async with working(wide) as runner:
        await settled(wide)
        await failing(wide, runner)
        await trio.sleep(SOON)
        assert await readings(wide) == 1
        lose(wide)
        await failing(wide, runner)
        await trio.sleep(HOUR - SOON - 60)
        assert await readings(wide) == 1
        assert not is_found(wide)
        await trio.sleep(120)
        assert is_found(wide)
        assert await readings(wide) == 2


async def test_a_new_registration_does_not_wait_for_the_end_of_the_hour(autojump_clock: MockClock, wide: Bench) -> None:
    async with working(wide) as runner:
        await settled(wide)
        await failing(wide, runner)
        await trio.sleep(HOUR - 700)
        assert await readings(wide) == 1
        lose(wide)
        await note_gaps(wide.context, [PRODUCTS], ACTIVE_AFTER, at_once=True)
        await trio.sleep(SOON)
        assert is_found(wide)


@pytest.mark.parametrize("failures", [[0.0], [0.0, LONGEST_OUTAGE]])
async def test_a_short_outage_is_no_gap(autojump_clock: MockClock, wide: Bench, failures: list[float]) -> None:
    async with working(wide):
        await settled(wide)
        began = trio.current_time()
        for at in failures:
            await trio.sleep_until(began + at)
            wide.context.deliveries.failed({PRODUCTS})
        wide.context.deliveries.taken()
        await trio.sleep(60)
        wide.context.deliveries.failed({PRODUCTS})
        await trio.sleep(SOON)
        assert await readings(wide) == 0


@pytest.mark.parametrize("ours", [False, True])
async def test_an_hour_with_a_delivery_or_without_a_find_is_no_gap(
    autojump_clock: MockClock, wide: Bench, *, ours: bool
) -> None:
    async with working(wide):
        await settled(wide)
        for _ in range(5):
            await trio.sleep(SILENCE / 2)
            if ours:
                wide.context.deliveries.taken()
                wide.shop.change("7", title=f"Found at {trio.current_time()}")
                wide.shop.changed = {"7"}
        assert await readings(wide) == 0


async def test_a_find_before_a_delivery_does_not_count_after_it(autojump_clock: MockClock) -> None:
    reported: list[object] = []
    deliveries = Deliveries(reported.append)
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


async def test_without_webhooks_there_are_no_gaps(autojump_clock: MockClock, wide: Bench) -> None:
    """Nobody expects any: sweeps and the daily reading do it all."""
    async with working(wide, None):
        await settled(wide)
        wide.shop.change("7", title="Found by a sweep")
        wide.shop.changed = {"7"}
        await trio.sleep(2 * HOUR)
    assert await readings(wide) == 0
    await trio.sleep(RETRIED_FOR)
    async with working(wide, None):
        await trio.sleep(0.01)
        assert await gap(wide) is None


async def test_a_gap_outlives_the_daemon(autojump_clock: MockClock, wide: Bench) -> None:
    async with working(wide):
        await settled(wide)
        lose(wide)
        wide.shop.registration = MENDED
        await note_gaps(wide.context, [PRODUCTS], ACTIVE_AFTER)
    wide.shop.registration = RIGHT
    await trio.sleep(3600)
    async with working(wide):
        await trio.sleep(SOON)
        assert is_found(wide)
