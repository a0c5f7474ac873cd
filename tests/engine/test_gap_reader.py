"""When a reading that closes a gap may begin, and what else closes one."""

import contextlib
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from daemon.engine.gaps import AT_ONCE, GapReader, note_gaps
from daemon.engine.runner import ConnectionRunner
from daemon.errors import Blocked, Side
from daemon.model import Kind, Lane
from daemon.storage import full_syncs, gaps
from daemon.storage.full_syncs import Start
from daemon.storage.gaps import HOUR, GapNote
from tests.engine.fakes import Bench, open_bench
from tests.engine.missed import (
    ACTIVE_AFTER,
    PRODUCTS,
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


@pytest.fixture
async def wide() -> AsyncIterator[Bench]:
    async with open_wide() as bench:
        yield bench


@contextlib.asynccontextmanager
async def reading(bench: Bench, slots: trio.Semaphore) -> AsyncIterator[None]:
    """Have a gap's reader at work, and what carries out its runs."""
    runner = ConnectionRunner(bench.context, None)
    runs = runner.full_syncs[PRODUCTS]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(GapReader(bench.context, PRODUCTS, runs, slots).run)
        nursery.start_soon(runs.run)
        yield
        nursery.cancel_scope.cancel()


def _wish(bench: Bench, kind: Kind, mode: str = "normal") -> Start:
    return Start(connection_id=bench.harness.connection_id, kind=kind, mode=mode, now=bench.context.now())


@pytest.mark.parametrize("kind", [PRODUCTS, Kind.CUSTOMERS])
async def test_no_reading_is_beside_a_full_sync_of_the_connection(autojump_clock: MockClock, kind: Kind) -> None:
    async with open_bench(kinds=frozenset({PRODUCTS, Kind.CUSTOMERS}), full_sync_on_start=False) as bench:
        for each in (PRODUCTS, Kind.CUSTOMERS):
            await bench.context.storage.write(full_syncs.start, _wish(bench, each))
            await bench.context.storage.write(
                full_syncs.cancel, (bench.harness.connection_id, each, bench.context.now())
            )
        await trio.sleep(1)
        run = await bench.context.storage.write(full_syncs.start, _wish(bench, kind))
        assert run is not None
        await trio.sleep(1)
        held = trio.Event()

        async def hold(method: str) -> None:
            if method == "page" and not held.is_set():
                await held.wait()

        bench.shop.before = hold
        await note_gaps(bench.context, [PRODUCTS])
        async with reading(bench, trio.Semaphore(AT_ONCE)):
            await trio.sleep(300)
            assert await readings(bench) == 0
            held.set()
            if kind is not PRODUCTS:
                await bench.context.storage.write(
                    full_syncs.cancel, (bench.harness.connection_id, kind, bench.context.now())
                )
            await trio.sleep(100)
            assert await readings(bench) == 1


async def test_at_most_two_readings_of_a_process_are_on_their_way(autojump_clock: MockClock) -> None:
    slots, stack = trio.Semaphore(AT_ONCE), contextlib.AsyncExitStack()
    at_work, most = 0, 0

    async def slow(method: str) -> None:
        nonlocal at_work, most
        if method == "page":
            at_work += 1
            most = max(most, at_work)
            await trio.sleep(50)
            at_work -= 1

    async with stack:
        benches = [await stack.enter_async_context(open_bench(full_sync_on_start=False)) for _ in range(5)]
        for bench in benches:
            bench.shop.before = slow
            await bench.context.storage.write(full_syncs.start, _wish(bench, PRODUCTS))
            await bench.context.storage.write(
                full_syncs.cancel, (bench.harness.connection_id, PRODUCTS, bench.context.now())
            )
        await trio.sleep(1)
        # Connections that cannot be worked on do not keep the others waiting.
        for bench in benches[:AT_ONCE]:
            bench.shop.failures["page"] = [Blocked("no", reason="credentials", side=Side.PLATFORM)]
        for bench in benches:
            await note_gaps(bench.context, [PRODUCTS])
            await stack.enter_async_context(reading(bench, slots))
        await trio.sleep(400)
        assert most == AT_ONCE
        assert [await gap(bench) is None for bench in benches] == [False, False, True, True, True]


async def test_a_kind_that_never_was_synced_is_not_read(autojump_clock: MockClock) -> None:
    async with open_bench(full_sync_on_start=False) as bench:
        await note_gaps(bench.context, [PRODUCTS])
        async with reading(bench, trio.Semaphore(AT_ONCE)):
            await trio.sleep(2 * HOUR)
            assert bench.shop.calls["page"] == 0


async def test_a_full_sync_that_begins_when_a_gap_is_due_closes_it(autojump_clock: MockClock, wide: Bench) -> None:
    async with working(wide) as runner:
        await settled(wide)
        await note_gaps(wide.context, [PRODUCTS], 50.0)
        await runner.full_syncs[PRODUCTS].start("normal")
        await trio.sleep(40)
        assert await gap(wide) is not None, "it began too early"
        wide.context.pause.start(Blocked("no", reason="credentials", side=Side.PLATFORM, after=20.0))
        await trio.sleep(15)
        await runner.full_syncs[PRODUCTS].start("normal")
        await trio.sleep(100)
        assert await gap(wide) is None
        assert await readings(wide) == 0


@pytest.mark.parametrize("by", [365 * 86400.0, -365 * 86400.0])
async def test_a_clock_that_was_wrong_delays_nothing(autojump_clock: MockClock, wide: Bench, by: float) -> None:
    right = wide.context.now
    async with working(wide):
        await settled(wide)
        lose(wide)
        wide.context.now = lambda: right() + by
        await note_gaps(wide.context, [PRODUCTS], ACTIVE_AFTER)
        wide.context.now = right
        await trio.sleep(SOON)
        assert is_found(wide)
        assert await gap(wide) is None


async def test_of_two_gaps_the_later_is_waited_for(autojump_clock: MockClock, wide: Bench) -> None:
    now = wide.context.now()
    for due_in, maybe, then in ((50, False, 50), (70, False, 70), (20, False, 70), (90, True, 70)):
        entry = GapNote(connection_id=wide.harness.connection_id, kinds=[PRODUCTS], due_at=now + due_in, maybe=maybe)
        await wide.context.storage.write(gaps.note, entry)
        found = await gap(wide)
        assert found is not None
        assert found.due_at == now + then
    await wide.context.storage.write(gaps.withdraw, entry)
    assert await gap(wide) is not None


async def test_a_live_change_goes_before_a_reading(autojump_clock: MockClock, wide: Bench) -> None:
    async with working(wide) as runner:
        await settled(wide)
        await failing(wide, runner)
        await wide.change("1", lane=Lane.LIVE)
        wide.shop.change("1", title="Live")
        await trio.sleep(5)
        assert wide.site.state.comparable()["products"]["1"]["title"] == "Live"
