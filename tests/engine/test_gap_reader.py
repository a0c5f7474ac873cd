"""A run that closes a gap waits for running full syncs, and another run may close the gap first."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from daemon.engine.full_sync import STALLED, FullSyncs
from daemon.engine.gaps import AT_ONCE, GapReader, note_gaps
from daemon.engine.runner import ConnectionRunner
from daemon.errors import Blocked, Failure, Rejected, Retry, Side
from daemon.model import Kind, RunId
from daemon.platforms.base import Page
from daemon.storage import gaps
from daemon.storage.gaps import HOUR, GapNote
from daemon.storage.overview import overview
from daemon.storage.states import RunMode
from tests.engine.missed import ACTIVE_AFTER, PRODUCTS, SOON, GapBench, open_gap_bench

WITH_CUSTOMERS = frozenset({PRODUCTS, Kind.CUSTOMERS})
REVOKED = Blocked("no", reason="credentials", side=Side.PLATFORM)


@contextlib.asynccontextmanager
async def reading(bench: GapBench, slots: int | trio.Semaphore = AT_ONCE) -> AsyncIterator[ConnectionRunner]:
    """Run the gap reader, and the full syncs that it starts, for a due gap."""
    await note_gaps(bench.context, [PRODUCTS])
    runner = ConnectionRunner(bench.context, None)
    runs = runner.full_syncs[PRODUCTS]
    slots = slots if isinstance(slots, trio.Semaphore) else trio.Semaphore(slots)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(GapReader(bench.context, PRODUCTS, runs, slots).run)
        nursery.start_soon(runs.run)
        yield runner
        nursery.cancel_scope.cancel()


async def _synced_once(bench: GapBench, *kinds: Kind) -> None:
    """Put kinds into the state after a full sync that a person ended."""
    runner = ConnectionRunner(bench.context, None)
    for kind in kinds:
        await bench.start(kind)
        await runner.full_syncs[kind].cancel()
    await trio.sleep(1)


@pytest.mark.parametrize("kind", [PRODUCTS, Kind.CUSTOMERS])
async def test_no_reading_is_beside_a_full_sync_of_the_connection(autojump_clock: MockClock, kind: Kind) -> None:
    async with open_gap_bench(WITH_CUSTOMERS, full_sync_on_start=False) as bench:
        await _synced_once(bench, *WITH_CUSTOMERS)
        await bench.start(kind)
        held = trio.Event()

        async def hold(method: str) -> None:
            if method == "page":
                await held.wait()

        bench.shop.before = hold
        async with reading(bench) as runner:
            await trio.sleep(300)
            assert await bench.readings() == 0
            held.set()
            await runner.full_syncs[kind].cancel()
            await trio.sleep(1)
            assert await bench.readings() == 1


async def test_a_full_sync_of_another_kind_ends_a_reading_which_is_made_after_it(autojump_clock: MockClock) -> None:
    """It does so at any page, and the place in the process is free meanwhile."""
    slots = trio.Semaphore(1)
    async with open_gap_bench(WITH_CUSTOMERS, full_sync_on_start=False) as bench:
        await _synced_once(bench, *WITH_CUSTOMERS)
        begun, going_on = trio.Event(), trio.Event()

        async def hold(method: str) -> None:
            if method == "page" and bench.shop.calls["page"] == 3:
                begun.set()
                await going_on.wait()

        bench.shop.before = hold
        async with reading(bench, slots) as runner:
            await begun.wait()
            await runner.full_syncs[Kind.CUSTOMERS].start(RunMode.NORMAL)
            going_on.set()
            await trio.sleep(300)
            assert bench.shop.calls["page"] == 3
            assert slots.value == 1
            assert await bench.gap() is not None
            await runner.full_syncs[Kind.CUSTOMERS].cancel()
            await trio.sleep(60)
            assert bench.shop.calls["page"] == 3 + 10
            assert await bench.gap() is None


async def test_a_full_sync_that_begins_in_the_moment_before_a_reading_goes_first(autojump_clock: MockClock) -> None:
    async with open_gap_bench(WITH_CUSTOMERS, full_sync_on_start=False) as bench:
        await _synced_once(bench, *WITH_CUSTOMERS)

        class Late(FullSyncs):
            async def start(self, mode: RunMode, **how: Any) -> RunId | None:
                if not await bench.readings() and await bench.running(Kind.CUSTOMERS) is None:
                    await bench.start(Kind.CUSTOMERS)
                return await super().start(mode, **how)

        await note_gaps(bench.context, [PRODUCTS])
        ConnectionRunner(bench.context, None)
        runs = Late(bench.context, PRODUCTS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(GapReader(bench.context, PRODUCTS, runs, trio.Semaphore(1)).run)
            await trio.sleep(300)
            assert await bench.running(Kind.CUSTOMERS) is not None
            assert await bench.readings() == 0
            nursery.cancel_scope.cancel()


async def test_a_daily_run_of_another_kind_that_closes_no_gap_goes_on(autojump_clock: MockClock) -> None:
    async with open_gap_bench(WITH_CUSTOMERS, full_sync_on_start=False) as bench:
        await _synced_once(bench, *WITH_CUSTOMERS)
        for noted in (False, True):
            if noted:
                await note_gaps(bench.context, [PRODUCTS], 60.0)
            runs = FullSyncs(bench.context, PRODUCTS)
            assert await runs.start(RunMode.DAILY) is not None
            await bench.start(Kind.CUSTOMERS)
            assert await bench.running(PRODUCTS) is not None
            for kind in WITH_CUSTOMERS:
                await FullSyncs(bench.context, kind).cancel()


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (Rejected("no such page", reason="http_422"), STALLED),
        (Retry("try later", reason="http_503"), STALLED),
        (Blocked("no", reason="scope_missing", side=Side.PLATFORM), 0),
    ],
)
async def test_a_full_sync_that_cannot_go_on_keeps_no_gap_open(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, failure: Failure, seconds: float
) -> None:
    async with open_gap_bench(WITH_CUSTOMERS, full_sync_on_start=False) as bench:
        await _synced_once(bench, *WITH_CUSTOMERS)
        page = bench.shop.page

        async def refuse(kind: Kind, cursor: str | None) -> Page:
            if kind is Kind.CUSTOMERS:
                raise failure
            return await page(kind, cursor)

        monkeypatch.setattr(bench.shop, "page", refuse)
        await bench.start(Kind.CUSTOMERS)
        async with reading(bench) as runner, trio.open_nursery() as nursery:
            nursery.start_soon(runner.full_syncs[Kind.CUSTOMERS].run)
            await trio.sleep(max(0, seconds - 60))
            assert await bench.readings() == 0
            await trio.sleep(180)
            assert await bench.gap() is None
            nursery.cancel_scope.cancel()


async def test_a_reading_that_a_person_ends_is_not_begun_again_within_the_hour(autojump_clock: MockClock) -> None:
    async with open_gap_bench(WITH_CUSTOMERS, full_sync_on_start=False) as bench:
        await _synced_once(bench, *WITH_CUSTOMERS)
        begun = trio.Event()

        async def hold(method: str) -> None:
            if method == "page":
                begun.set()
                await trio.sleep_forever()

        bench.shop.before = hold
        async with reading(bench) as runner:
            await begun.wait()
            await runner.full_syncs[PRODUCTS].cancel()
            await trio.sleep(HOUR - 60)
            assert await bench.readings() == 1
            await trio.sleep(120)
            assert await bench.readings() == 2


async def test_at_most_two_readings_of_a_process_are_on_their_way(autojump_clock: MockClock) -> None:
    slots = trio.Semaphore(AT_ONCE)
    at_work, most = 0, 0

    async def slow(method: str) -> None:
        nonlocal at_work, most
        if method == "page":
            at_work += 1
            most = max(most, at_work)
            await trio.sleep(50)
            at_work -= 1

    async with contextlib.AsyncExitStack() as stack:
        benches = [await stack.enter_async_context(open_gap_bench(full_sync_on_start=False)) for _ in range(5)]
        for bench in benches:
            bench.shop.products.clear()
            bench.shop.before = slow
            await _synced_once(bench, PRODUCTS)
        # Connections without a runner must not delay the others.
        for bench in benches[:AT_ONCE]:
            bench.shop.failures["page"] = [REVOKED]
        for bench in benches:
            await stack.enter_async_context(reading(bench, slots))
        await trio.sleep(400)
        assert most == AT_ONCE
        assert [await bench.gap() is None for bench in benches] == [False, False, True, True, True]


@pytest.mark.parametrize(
    "failure", [Rejected("no such page", reason="http_422"), Retry("try later", reason="http_503")]
)
async def test_a_reading_without_progress_gives_its_slot_to_others_and_is_closed_when_it_can_be(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    slots = trio.Semaphore(1)
    async with (
        open_gap_bench(full_sync_on_start=False) as stuck,
        open_gap_bench(full_sync_on_start=False) as other,
    ):
        for bench in (stuck, other):
            bench.shop.products.clear()  # no actor works off the rows
            await _synced_once(bench, PRODUCTS)

        async def refuse(_kind: Kind, _cursor: str | None) -> Page:
            raise failure

        with monkeypatch.context() as patch:
            patch.setattr(stuck.shop, "page", refuse)
            async with reading(stuck, slots):
                await trio.sleep(1)
                async with reading(other, slots):
                    await trio.sleep(STALLED + 300)
                    assert (await other.gap(), slots.value) == (None, 1)
                    assert await stuck.gap() is not None
                patch.undo()
                await trio.sleep(HOUR)
                assert await stuck.gap() is None


async def test_a_kind_that_never_was_synced_is_not_read_and_shows_no_gap(autojump_clock: MockClock) -> None:
    async with open_gap_bench(full_sync_on_start=False) as bench, reading(bench) as runner:
        shown = partial(bench.context.storage.read, overview, bench.harness.connection_id, PRODUCTS)
        await trio.sleep(2 * HOUR)
        assert bench.shop.calls["page"] == 0
        assert (await shown()).gap is None
        await note_gaps(bench.context, [PRODUCTS], 600.0)
        await runner.full_syncs[PRODUCTS].start(RunMode.NORMAL)
        assert (await shown()).gap is not None, "from here on it is waited for"


async def test_a_full_sync_that_begins_when_a_gap_is_due_closes_it(autojump_clock: MockClock, wide: GapBench) -> None:
    async with wide.working() as runner:
        await wide.synced()
        await note_gaps(wide.context, [PRODUCTS], 50.0)
        await runner.full_syncs[PRODUCTS].start(RunMode.NORMAL)
        await trio.sleep(40)
        assert await wide.gap() is not None, "it began too early"
        wide.context.pause.start(Blocked("no", reason="credentials", side=Side.PLATFORM, after=20.0))
        await trio.sleep(15)
        await runner.full_syncs[PRODUCTS].start(RunMode.NORMAL)
        await trio.sleep(100)
        assert await wide.gap() is None
        assert await wide.readings() == 0


@pytest.mark.parametrize("by", [365 * 86400.0, -365 * 86400.0])
async def test_a_clock_that_was_wrong_delays_nothing(autojump_clock: MockClock, wide: GapBench, by: float) -> None:
    right = wide.context.now
    async with wide.working():
        await wide.synced()
        wide.lose()
        wide.context.now = lambda: right() + by
        await note_gaps(wide.context, [PRODUCTS], ACTIVE_AFTER)
        wide.context.now = right
        await trio.sleep(SOON)
        assert wide.is_found()
        assert await wide.gap() is None


async def test_of_two_gaps_the_later_is_waited_for(autojump_clock: MockClock, wide: GapBench) -> None:
    now = wide.context.now()
    for due_in, maybe, then in ((50, False, 50), (70, False, 70), (20, False, 70), (90, True, 70)):
        entry = GapNote(connection_id=wide.harness.connection_id, kinds=[PRODUCTS], due_at=now + due_in, maybe=maybe)
        await wide.context.storage.write(gaps.note, entry)
        found = await wide.gap()
        assert found is not None
        assert found.due_at == now + then
    await wide.context.storage.write(gaps.withdraw, entry)
    assert await wide.gap() is not None
