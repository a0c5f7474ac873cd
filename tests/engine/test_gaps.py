"""Known gaps in the webhooks are closed by one reading: soon, at most once an hour, and beside no full sync.

What is missed here moves no date, so that a sweep cannot find it: a stock level, and a deletion.
"""

import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon.engine.deliveries import LONGEST_OUTAGE, SILENCE, Deliveries
from daemon.engine.gaps import AT_ONCE, GapReader, note_gaps
from daemon.engine.works import Works
from daemon.errors import Blocked, Retry, Side
from daemon.model import Kind, Lane, Stock
from daemon.platforms.base import Registration, WebhookTimes
from daemon.storage import full_syncs, gaps, registrations
from daemon.storage.full_syncs import Start
from daemon.storage.gaps import HOUR, Note
from tests.engine.fakes import EPOCH, Bench, open_bench, product
from tests.storage.house import TABLES

PRODUCTS = Kind.PRODUCTS
HERE = "https://here.test/webhooks/test/sandbox"
ACTIVE_AFTER, RETRIED_FOR = 70.0, 48 * 3600.0
DAY = 86400.0
SOON = 180.0
"""Seconds after a gap is known in which it is closed."""

RIGHT = Registration(registered=1)
MADE = Registration(registered=1, kinds=frozenset({PRODUCTS}), mended=1, fresh=True)
MENDED = evolve(MADE, fresh=False)


@pytest.fixture
async def wide() -> AsyncIterator[Bench]:
    """Open a store of twenty products, synced, of a platform that sends again for two days."""
    async with open_bench() as bench:
        bench.line.platform_type = evolve(
            bench.line.platform_type, webhooks=WebhookTimes(active_after=ACTIVE_AFTER, retried_for=RETRIED_FOR)
        )
        bench.shop.put(*(product(str(n), {f"{n}1": f"S{n}"}) for n in range(1, 21)))
        yield bench


@contextlib.asynccontextmanager
async def working(bench: Bench, destination: str | None = HERE) -> AsyncIterator[Works]:
    works = Works(bench.line, destination)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(works.run)
        yield works
        works.finish()


def lose(bench: Bench) -> None:
    """Change what moves no date, and tell nobody."""
    bench.shop.change("3", stock={next(iter(bench.shop.products["3"].stock)): evolve(_stock(bench, "3"), level=77)})
    del bench.shop.products["4"]


def _stock(bench: Bench, external_id: str) -> Stock:
    found: Stock = next(iter(bench.shop.products[external_id].stock.values()))
    return found


def is_found(bench: Bench) -> bool:
    return bench.stock().get("S3") == 77 and "S4" not in bench.skus()


async def readings(bench: Bench) -> int:
    """Return how often everything was read because of gaps."""
    rows = await bench.house.everything(TABLES["full_syncs"])
    return sum(row["mode"] == "daily" for row in rows)


async def gap(bench: Bench) -> gaps.Gap | None:
    return await bench.line.storage.read(gaps.open_gap, bench.house.connection_id, PRODUCTS)


async def settled(bench: Bench, works_for: float = 300.0) -> None:
    """Let the first sync end, and the reading after it if there is one."""
    await trio.sleep(works_for)
    assert bench.skus().keys() == {f"S{n}" for n in range(1, 21)}


Cause = Callable[[Bench, Works], Awaitable[None]]


async def _mended(bench: Bench, _works: Works) -> None:
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


async def _failing(bench: Bench, _works: Works) -> None:
    for _ in range(3):
        bench.line.deliveries.failed({PRODUCTS})
        await trio.sleep(0.6 * LONGEST_OUTAGE)
    bench.line.deliveries.taken()


async def _failing_at_what_nobody_knows(bench: Bench, _works: Works) -> None:
    for _ in range(3):
        bench.line.deliveries.failed(())
        await trio.sleep(0.6 * LONGEST_OUTAGE)


async def _silent(bench: Bench, _works: Works) -> None:
    bench.line.deliveries.taken()
    bench.shop.change("7", title="Found by a sweep")
    bench.shop.changed = {"7"}
    await trio.sleep(SILENCE)


@pytest.mark.holds("E16")
@pytest.mark.parametrize("cause", [_mended, _failing, _failing_at_what_nobody_knows, _silent])
async def test_what_was_missed_in_a_gap_is_found_soon_after_it_is_known(
    autojump_clock: MockClock, wide: Bench, cause: Cause
) -> None:
    async with working(wide) as works:
        await settled(wide)
        before = wide.writes
        lose(wide)
        await trio.sleep(2 * SOON)
        assert not is_found(wide), "otherwise the test shows nothing"
        await cause(wide, works)
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
    begun = [row["started_at"] - EPOCH for row in await wide.house.everything(TABLES["full_syncs"])]
    assert len(begun) == 2
    assert begun[1] >= earliest


async def test_a_second_gap_waits_for_the_end_of_the_hour(autojump_clock: MockClock, wide: Bench) -> None:
    async with working(wide) as works:
        await settled(wide)
        await _failing(wide, works)
        await trio.sleep(SOON)
        assert await readings(wide) == 1
        lose(wide)
        await _failing(wide, works)
        await trio.sleep(HOUR - SOON - 60)
        assert await readings(wide) == 1
        assert not is_found(wide)
        await trio.sleep(120)
        assert is_found(wide)
        assert await readings(wide) == 2


async def test_a_new_registration_does_not_wait_for_the_end_of_the_hour(autojump_clock: MockClock, wide: Bench) -> None:
    async with working(wide) as works:
        await settled(wide)
        await _failing(wide, works)
        await trio.sleep(HOUR - 700)
        assert await readings(wide) == 1
        lose(wide)
        await note_gaps(wide.line, [PRODUCTS], ACTIVE_AFTER, at_once=True)
        await trio.sleep(SOON)
        assert is_found(wide)


@pytest.mark.parametrize("failures", [[0.0], [0.0, LONGEST_OUTAGE]])
async def test_a_short_outage_is_no_gap(autojump_clock: MockClock, wide: Bench, failures: list[float]) -> None:
    async with working(wide):
        await settled(wide)
        began = trio.current_time()
        for at in failures:
            await trio.sleep_until(began + at)
            wide.line.deliveries.failed({PRODUCTS})
        wide.line.deliveries.taken()
        await trio.sleep(60)
        wide.line.deliveries.failed({PRODUCTS})
        await trio.sleep(SOON)
        assert await readings(wide) == 0


@pytest.mark.parametrize("heard", [False, True])
async def test_an_hour_with_a_delivery_or_without_a_find_is_no_gap(
    autojump_clock: MockClock, wide: Bench, *, heard: bool
) -> None:
    async with working(wide):
        await settled(wide)
        for _ in range(5):
            await trio.sleep(SILENCE / 2)
            if heard:
                wide.line.deliveries.taken()
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
        await note_gaps(wide.line, [PRODUCTS], ACTIVE_AFTER)
    wide.shop.registration = RIGHT
    await trio.sleep(3600)
    async with working(wide):
        await trio.sleep(SOON)
        assert is_found(wide)


async def test_a_daemon_that_dies_while_it_registers_has_noted_the_gap(autojump_clock: MockClock, wide: Bench) -> None:
    """What it did not come to do is mended by the next one, to which all that was done looks right."""
    async with working(wide):
        await settled(wide)
    announced = trio.Event()

    async def ensure_webhooks(_destination: str, announce: Callable[[Registration], Awaitable[None]]) -> Registration:
        await announce(MENDED)
        announced.set()
        await trio.sleep_forever()
        raise AssertionError

    looks, wide.shop.ensure_webhooks = wide.shop.ensure_webhooks, ensure_webhooks  # type: ignore[method-assign,assignment]
    async with working(wide):
        await announced.wait()
    wide.shop.ensure_webhooks = looks  # type: ignore[method-assign]
    lose(wide)
    async with working(wide):
        await trio.sleep(SOON)
        assert is_found(wide)


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("failure", [None, Retry("busy", reason="http_503"), "raised"])
async def test_what_was_announced_and_not_done_is_no_gap(
    autojump_clock: MockClock, wide: Bench, failure: object, *, earlier: bool
) -> None:
    """But a gap that was known before stays. Otherwise a scope that is refused each hour has all read each hour."""
    if earlier:
        await note_gaps(wide.line, [PRODUCTS], 500.0)

    async def ensure_webhooks(_destination: str, announce: Callable[[Registration], Awaitable[None]]) -> Registration:
        await announce(evolve(MENDED, missing={"scope": ""}, mended=0))
        if failure == "raised":
            raise Retry("busy", reason="http_503")
        return Registration(registered=0, missing={"scope": "No."}, failure=failure)  # type: ignore[arg-type]

    wide.shop.ensure_webhooks = ensure_webhooks  # type: ignore[method-assign,assignment]
    async with working(wide):
        await trio.sleep(400)
        assert (await gap(wide) is not None) == earlier
        assert await readings(wide) == 0


async def test_failures_of_registering_are_tried_again_soon_and_no_longer_than_asked(
    autojump_clock: MockClock, wide: Bench
) -> None:
    looked: list[float] = []
    asked: list[Registration | Exception] = [
        Retry("busy", reason="http_503"),
        Registration(registered=3, missing={"a": "busy"}, failure=Retry("busy", reason="http_429", after=7.0)),
        Registration(registered=3, missing={"a": "No."}, failure=Blocked("no", reason="creds", side=Side.PLATFORM)),
        Registration(registered=3, missing={"a": "No right."}),
    ]

    async def ensure_webhooks(_destination: str, _announce: object) -> Registration:
        await trio.lowlevel.checkpoint()
        looked.append(trio.current_time())
        answer = asked.pop(0) if asked else RIGHT
        if isinstance(answer, Exception):
            raise answer
        return answer

    wide.shop.ensure_webhooks = ensure_webhooks  # type: ignore[method-assign,assignment]
    async with working(wide):
        await trio.sleep(100)
        found = await wide.line.storage.read(registrations.found, wide.house.connection_id)
        await trio.sleep(3600)
    pauses = [later - earlier for earlier, later in itertools.pairwise(looked)]
    assert pauses[0] < 3
    assert 7 <= pauses[1] < 10
    assert pauses[2] < 3, "the gate's own"
    assert pauses[3] == pytest.approx(3600)
    assert found is not None
    assert (found.registered, found.missing) == (3, 1)
    assert wide.line.vault.open(found.sealed) == {"missing": {"a": "No right."}, "trouble": None}


async def test_a_look_that_fails_keeps_what_was_found_last(autojump_clock: MockClock, wide: Bench) -> None:
    wide.shop.registration = Registration(registered=3, missing={"a": "No right."})
    async with working(wide):
        await trio.sleep(10)
        wide.shop.failures["ensure_webhooks"] = [Retry("Busy, says the store", reason="http_503")] * 100
        await trio.sleep(3700)
    found = await wide.line.storage.read(registrations.found, wide.house.connection_id)
    assert found is not None
    assert (found.registered, found.missing) == (3, 1)
    assert found.looked_at is not None
    assert found.looked_at < wide.line.now() - 3600
    told = {"missing": {"a": "No right."}, "trouble": "Busy, says the store"}
    assert wide.line.vault.open(found.sealed) == told
    async with working(wide, None):
        await trio.sleep(1)
    assert await wide.line.storage.read(registrations.found, wide.house.connection_id) is None


# When a reading may begin


@contextlib.asynccontextmanager
async def reading(bench: Bench, slots: trio.Semaphore) -> AsyncIterator[None]:
    """Have a gap's reader at work, and what carries out its runs."""
    works = Works(bench.line, None)
    runs = works.full_syncs[PRODUCTS]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(GapReader(bench.line, PRODUCTS, runs, slots).run)
        nursery.start_soon(runs.run)
        yield
        nursery.cancel_scope.cancel()


def _wish(bench: Bench, kind: Kind, mode: str = "normal") -> Start:
    return Start(connection_id=bench.house.connection_id, kind=kind, mode=mode, now=bench.line.now())


@pytest.mark.parametrize("kind", [PRODUCTS, Kind.CUSTOMERS])
async def test_no_reading_is_beside_a_full_sync_of_the_connection(autojump_clock: MockClock, kind: Kind) -> None:
    async with open_bench(kinds=frozenset({PRODUCTS, Kind.CUSTOMERS}), full_sync_on_start=False) as bench:
        for each in (PRODUCTS, Kind.CUSTOMERS):
            await bench.line.storage.write(full_syncs.start, _wish(bench, each))
            await bench.line.storage.write(full_syncs.cancel, (bench.house.connection_id, each, bench.line.now()))
        await trio.sleep(1)
        run = await bench.line.storage.write(full_syncs.start, _wish(bench, kind))
        assert run is not None
        await trio.sleep(1)
        held = trio.Event()

        async def hold(method: str) -> None:
            if method == "page" and not held.is_set():
                await held.wait()

        bench.shop.before = hold
        await note_gaps(bench.line, [PRODUCTS])
        async with reading(bench, trio.Semaphore(AT_ONCE)):
            await trio.sleep(300)
            assert await readings(bench) == 0
            held.set()
            if kind is not PRODUCTS:
                await bench.line.storage.write(full_syncs.cancel, (bench.house.connection_id, kind, bench.line.now()))
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
            await bench.line.storage.write(full_syncs.start, _wish(bench, PRODUCTS))
            await bench.line.storage.write(full_syncs.cancel, (bench.house.connection_id, PRODUCTS, bench.line.now()))
        await trio.sleep(1)
        # Connections that cannot be worked on do not keep the others waiting.
        for bench in benches[:AT_ONCE]:
            bench.shop.failures["page"] = [Blocked("no", reason="credentials", side=Side.PLATFORM)]
        for bench in benches:
            await note_gaps(bench.line, [PRODUCTS])
            await stack.enter_async_context(reading(bench, slots))
        await trio.sleep(400)
        assert most == AT_ONCE
        assert [await gap(bench) is None for bench in benches] == [False, False, True, True, True]


async def test_a_kind_that_never_was_synced_is_not_read(autojump_clock: MockClock) -> None:
    async with open_bench(full_sync_on_start=False) as bench:
        await note_gaps(bench.line, [PRODUCTS])
        async with reading(bench, trio.Semaphore(AT_ONCE)):
            await trio.sleep(2 * HOUR)
            assert bench.shop.calls["page"] == 0


async def test_a_full_sync_that_begins_when_a_gap_is_due_closes_it(autojump_clock: MockClock, wide: Bench) -> None:
    async with working(wide) as works:
        await settled(wide)
        await note_gaps(wide.line, [PRODUCTS], 50.0)
        await works.full_syncs[PRODUCTS].start("normal")
        await trio.sleep(40)
        assert await gap(wide) is not None, "it began too early"
        wide.line.gate.close(Blocked("no", reason="credentials", side=Side.PLATFORM, after=20.0))
        await trio.sleep(15)
        await works.full_syncs[PRODUCTS].start("normal")
        await trio.sleep(100)
        assert await gap(wide) is None
        assert await readings(wide) == 0


@pytest.mark.parametrize("by", [DAY * 365, -DAY * 365])
async def test_a_clock_that_was_wrong_delays_nothing(autojump_clock: MockClock, wide: Bench, by: float) -> None:
    right = wide.line.now
    async with working(wide):
        await settled(wide)
        lose(wide)
        wide.line.now = lambda: right() + by
        await note_gaps(wide.line, [PRODUCTS], ACTIVE_AFTER)
        wide.line.now = right
        await trio.sleep(SOON)
        assert is_found(wide)
        assert await gap(wide) is None


async def test_of_two_gaps_the_later_is_waited_for(autojump_clock: MockClock, wide: Bench) -> None:
    now = wide.line.now()
    for due_in, maybe, then in ((50, False, 50), (70, False, 70), (20, False, 70), (90, True, 70)):
        note = Note(connection_id=wide.house.connection_id, kinds=[PRODUCTS], due_at=now + due_in, maybe=maybe)
        await wide.line.storage.write(gaps.note, note)
        found = await gap(wide)
        assert found is not None
        assert found.due_at == now + then
    await wide.line.storage.write(gaps.withdraw, note)
    assert await gap(wide) is not None


async def test_a_live_change_goes_before_a_reading(autojump_clock: MockClock, wide: Bench) -> None:
    async with working(wide) as works:
        await settled(wide)
        await _failing(wide, works)
        await wide.change("1", lane=Lane.LIVE)
        wide.shop.change("1", title="Live")
        await trio.sleep(5)
        assert wide.site.state.comparable()["products"]["1"]["title"] == "Live"
