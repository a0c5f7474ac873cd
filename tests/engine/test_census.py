"""The census finds silent removals, proves none by itself, and leaves a slow store more time."""

from array import array
from collections.abc import AsyncIterator

import pytest
import structlog
import trio
from trio.testing import MockClock

from daemon.engine.census import Census, lacking
from daemon.engine.full_sync import FullSyncs
from daemon.errors import Blocked, Retry, Side
from daemon.model import ExternalId, Sku
from daemon.platforms.base import WebhookTimes
from daemon.storage import sweeps
from daemon.storage.leftovers import LeftoverRows, leftover, note
from tests.engine.missed import PRODUCTS, GapBench, open_gap_bench
from tests.storage.harness import row

HOUR = 3600.0
SILENT = {"census_kinds": frozenset({PRODUCTS})}


@pytest.fixture
async def silent() -> AsyncIterator[GapBench]:
    """Open a bench of a platform that tells nobody of a removal."""
    async with open_gap_bench(webhooks=WebhookTimes(), platform=SILENT) as bench:
        bench.shop.page_size = 6
        yield bench


async def taken(bench: GapBench) -> sweeps.PastCensus | None:
    return await bench.context.storage.read(sweeps.last_census, bench.harness.connection_id, PRODUCTS)


async def test_what_was_removed_without_a_word_is_removed_one_census_later(
    autojump_clock: MockClock, silent: GapBench
) -> None:
    """It is read by its id and confirmed; nothing else is read. It is no missed webhook, and no gap."""
    async with silent.working():
        await silent.synced()
        reads = len(silent.shop.asked)
        del silent.shop.products["4"], silent.shop.products["17"]
        await trio.sleep(HOUR)
        assert silent.skus().keys() == {f"S{n}" for n in range(1, 21)} - {"S4", "S17"}
        assert {one for ids in silent.shop.asked[reads:] for one in ids} == {"4", "17"}
        assert silent.shop.calls["read_one"] == 4, "each by its id, twice"
        assert silent.shop.calls["ids"] == 3
        assert (await silent.gap(), await silent.readings()) == (None, 0)
    labels = {"kind": "products", "site": "test/sandbox"}
    assert not silent.context.metrics.registry.get_sample_value("ignite_sync_webhooks_missed_total", labels)


async def test_without_silent_removals_there_is_no_census(autojump_clock: MockClock, wide: GapBench) -> None:
    async with wide.working():
        await trio.sleep(3 * HOUR)
    assert wide.shop.calls["ids"] == 0


async def test_what_only_the_list_lacks_stays(autojump_clock: MockClock, silent: GapBench) -> None:
    """A list may be wrong; the entity itself decides."""
    async with silent.working():
        await silent.synced()
        silent.shop.unlisted = {"3", "5"}
        await trio.sleep(HOUR)
        assert silent.shop.calls["ids"] > 0
    assert silent.skus().keys() == {f"S{n}" for n in range(1, 21)}


async def test_a_list_of_nothing_removes_nothing(autojump_clock: MockClock, silent: GapBench) -> None:
    async with silent.working():
        await silent.synced()
        reads = silent.shop.calls["read"]
        silent.shop.products.clear()
        with structlog.testing.capture_logs() as lines:
            await trio.sleep(1.5 * HOUR)
    assert "census listed nothing, so nothing is removed" in {line["event"] for line in lines}
    assert (silent.shop.calls["read"], len(silent.skus())) == (reads, 20)


async def test_many_silent_removals_wait_for_a_person(autojump_clock: MockClock, silent: GapBench) -> None:
    """More than half of a small kind at once: the brake holds."""
    async with silent.working():
        await silent.synced()
        for number in range(1, 15):
            del silent.shop.products[str(number)]
        await trio.sleep(1.5 * HOUR)
        assert len(silent.skus()) >= 10
        assert await silent.allow_removals() > 0
        silent.context.kind_states[PRODUCTS].wake()
        await trio.sleep(60)
        assert silent.skus().keys() == {f"S{n}" for n in range(15, 21)}


async def test_it_goes_on_after_trouble_and_a_pause(autojump_clock: MockClock, silent: GapBench) -> None:
    """A page that fails is read again; blocked time does not count for its length."""
    async with silent.working():
        await silent.synced()
        del silent.shop.products["4"]
        silent.shop.failures["ids"] = [
            Retry("busy", reason="http_503"),
            Blocked("the key is void", reason="credentials", side=Side.PLATFORM),
        ]
        silent.shop.failures["probe"] = [Blocked("still", reason="credentials", side=Side.PLATFORM)] * 8
        await trio.sleep(2 * HOUR)
        assert "S4" not in silent.skus()
        census = await taken(silent)
        assert census is not None
        assert census.seconds < 60


async def test_a_slow_list_makes_the_census_rarer_and_says_so(autojump_clock: MockClock, silent: GapBench) -> None:
    """At most a tenth of the time is spent on it, also by a daemon that was started again."""
    began: list[float] = []

    async def slow(method: str) -> None:
        if method == "ids":
            began.append(trio.current_time())
            await trio.sleep(300)

    silent.shop.before = slow
    with structlog.testing.capture_logs() as lines:
        async with silent.working():
            await trio.sleep(HOUR + 1500)
        async with silent.working():
            await trio.sleep(2.9 * HOUR)
            assert len(began) == 4, "1,200 s of four pages, so none for 12,000 s"
            await trio.sleep(HOUR)
            assert len(began) > 4
    told, *_ = [line for line in lines if line["event"] == "census takes long, so it is taken less often"]
    assert (told["log_level"], told["every"], told["listed"]) == ("warning", 12_000, 20)


async def test_a_read_of_everything_is_a_census_too(autojump_clock: MockClock, silent: GapBench) -> None:
    async with silent.working() as runner:
        await silent.synced()
        await trio.sleep(HOUR / 2)
        await silent.start()
        runner.full_syncs[PRODUCTS]._kind_state.run_started()
        await trio.sleep(0.8 * HOUR)
        assert silent.shop.calls["ids"] == 0
        await trio.sleep(0.4 * HOUR)
        assert silent.shop.calls["ids"] == 4


async def test_while_everything_is_read_there_is_no_census(autojump_clock: MockClock, silent: GapBench) -> None:
    async with silent.working() as runner:
        await silent.synced()
        await silent.start()
        census = Census(silent.context, PRODUCTS, FullSyncs(silent.context, PRODUCTS))
        assert await census._rest() > 10 * HOUR
        runner.full_syncs[PRODUCTS]._kind_state.run_started()


async def test_a_leftover_of_a_lost_database_is_none_of_its_business(
    autojump_clock: MockClock, silent: GapBench
) -> None:
    """Its id is not the platform's, so only a read of everything removes it."""
    async with silent.working():
        await silent.synced()
        rows = [row(leftover(Sku("LOST")))]
        call = LeftoverRows(connection_id=silent.harness.connection_id, kind=PRODUCTS, rows=rows)
        assert await silent.context.storage.write(note, call) == 1
        reads = silent.shop.calls["read"]
        await trio.sleep(1.2 * HOUR)
        assert (silent.shop.calls["ids"], silent.shop.calls["read"]) == (4, reads)


def test_a_list_knows_what_it_lacks() -> None:
    seen = array("q", sorted(hash(str(number)) for number in range(0, 1000, 3)))
    every = [ExternalId(str(number)) for number in range(1003)]
    assert lacking(seen, every) == [one for one in every if int(one) % 3 or int(one) > 999]
    assert lacking(array("q"), every[:2]) == every[:2]
