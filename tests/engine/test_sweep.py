"""The sweep finds changes without a webhook, the daily read those without a date; neither harms a full sync."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from daemon.engine.full_sync import FullSyncs
from daemon.engine.sweep import DAY, OVERLAP, Sweep
from daemon.errors import Rejected
from daemon.model import Kind, Lane
from daemon.sandbox.faults import answer
from daemon.storage import full_syncs
from daemon.storage.states import RunMode
from tests.engine.fakes import EPOCH, Bench, open_bench
from tests.engine.running import fill, running, until
from tests.storage.harness import TABLES

pytestmark = pytest.mark.usefixtures("both_engines")

PRODUCTS = Kind.PRODUCTS
EVERY = 900.0


async def test_what_changed_silently_is_found_once_and_from_the_page_itself(
    autojump_clock: MockClock, bench: Bench
) -> None:
    fill(bench, 3)
    async with running(bench, sweep=True):
        await trio.sleep(1.5 * EVERY)
        bench.shop.change("2", title="Quietly renamed")
        bench.shop.changed = {"2"}
        await trio.sleep(1.2 * EVERY)
        bench.shop.changed = set()
    assert bench.site.state.comparable()["products"]["2"]["title"] == "Quietly renamed"
    assert bench.shop.calls["read"] == 0, "the sweep's page has it"
    assert (
        b'ignite_sync_webhooks_missed_total{kind="products",site="test/sandbox"} 1.0' in bench.context.metrics.render()
    )


async def _cancelled(_bench: Bench, runs: FullSyncs) -> None:
    await runs.cancel()


async def _replaced(bench: Bench, runs: FullSyncs) -> None:
    bench.shop.unlisted = {"1", "2", "3"}  # or the next run would ask for them
    await runs.start(RunMode.NORMAL)


async def _given_up(bench: Bench, _runs: FullSyncs) -> None:
    bench.shop.broken = {"1", "2", "3"}
    await bench.once(Lane.BACKFILL)
    bench.shop.broken.clear()
    await bench.context.storage.write(full_syncs.give_up, (await bench.harness.newest()).id)


@pytest.mark.parametrize("lose", [_cancelled, _replaced, _given_up])
async def test_what_a_run_has_found_is_no_missed_webhook_when_its_row_leaves_the_run(
    autojump_clock: MockClock, bench: Bench, lose: Callable[[Bench, FullSyncs], Awaitable[None]]
) -> None:
    fill(bench, 3)
    async with running(bench, actor=False) as runs:
        await runs.start(RunMode.DAILY if lose is _replaced else RunMode.NORMAL)
        await until(bench, "draining")
        await lose(bench, runs)
        assert {row["full_sync_id"] for row in await bench.harness.everything(TABLES["outbox"])} == {None}
        await bench.work()
    assert bench.skus().keys() == {"S1", "S2", "S3"}
    assert b"ignite_sync_webhooks_missed_total{" not in bench.context.metrics.render()
    assert not bench.context.kind_states[PRODUCTS].swept


async def test_a_change_that_a_sweep_has_found_counts_once_also_after_a_retry(
    autojump_clock: MockClock, bench: Bench
) -> None:
    fill(bench, 3)
    async with running(bench, sweep=True):
        await trio.sleep(1.5 * EVERY)
        bench.site.faults.add("* */products/*", answer(503), times=3)
        bench.shop.change("2", title="Quietly renamed")
        bench.shop.changed = {"2"}
        await trio.sleep(5 * EVERY)
    assert bench.site.state.comparable()["products"]["2"]["title"] == "Quietly renamed"
    assert (
        b'ignite_sync_webhooks_missed_total{kind="products",site="test/sandbox"} 1.0' in bench.context.metrics.render()
    )
    assert not bench.context.kind_states[PRODUCTS].swept


async def test_each_sweep_begins_where_the_last_one_began(autojump_clock: MockClock, bench: Bench) -> None:
    async with running(bench, sweep=True):
        await trio.sleep(5 * EVERY)
    assert bench.shop.since[0] == EPOCH - OVERLAP
    steps = [later - earlier for earlier, later in zip(bench.shop.since, bench.shop.since[1:], strict=False)]
    assert len(steps) >= 3
    assert all(0.9 * EVERY - 1 <= step <= 1.1 * EVERY + 1 for step in steps)


async def test_a_sweep_goes_on_during_a_full_sync(autojump_clock: MockClock, bench: Bench) -> None:
    """A page of the full sync was read before the change, and the change's webhook is lost."""
    fill(bench, 5)
    stuck = trio.Event()

    async def hold(method: str) -> None:
        if method == "page" and bench.shop.calls["page"] == 2:
            bench.shop.change("1", title="Changed behind its page")
            bench.shop.changed = {"1"}
            bench.shop.before = _let_pass
            stuck.set()

    bench.shop.before = hold
    async with running(bench, sweep=True):
        await stuck.wait()
        bench.context.kind_states[PRODUCTS].sweep.set()
        await trio.sleep(60)
    assert bench.site.state.comparable()["products"]["1"]["title"] == "Changed behind its page"


async def test_a_sweep_waits_for_room(autojump_clock: MockClock) -> None:
    async with open_bench(backfill_depth=4, full_sync_on_start=False) as bench:
        fill(bench, 40)
        bench.shop.changed = set(bench.shop.products)
        async with running(bench, actor=False, sweep=True):
            await trio.sleep(3 * EVERY)
        assert len(await bench.harness.rows()) <= 4 + bench.shop.page_size


async def test_a_day_after_the_last_run_everything_is_read(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 4)
    async with running(bench, sweep=True):
        await trio.sleep(EVERY)
        before = len(bench.site.state.sync_log.calls)
        del bench.shop.products["3"]
        await trio.sleep(DAY + 1.2 * EVERY)
    run = await bench.harness.newest()
    assert (run.mode, run.state, run.succeeded) == ("daily", "ended", True)
    assert "S3" not in bench.skus()
    assert not any("last_full_sync" in call.body for call in bench.site.state.sync_log.calls[before:])


@pytest.mark.parametrize("moment", ["enumerating", "draining"])
async def test_a_full_sync_takes_the_place_of_a_daily_read(
    autojump_clock: MockClock, bench: Bench, moment: str
) -> None:
    fill(bench, 6)
    async with running(bench, sweep=True) as runs:
        await trio.sleep(EVERY)
        if moment == "draining":
            bench.shop.failures["read"] = []
            bench.shop.broken = {"2"}
        await runs.start(RunMode.DAILY)
        await until(bench, moment, within=10)
        assert await runs.start(RunMode.NORMAL) is not None
        bench.shop.broken = set()
        await trio.sleep(EVERY)
    run = await bench.harness.newest()
    assert (run.mode, run.state, run.seen, run.done) == ("normal", "ended", 6, 6)


async def test_a_price_list_that_was_lost_is_made_and_filled_again(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 3)
    async with running(bench, sweep=True):
        await trio.sleep(60)
        before = bench.prices()
        assert len(before) == 3
        lists = bench.site.state.price_lists.lists
        del lists["fake-price"], bench.site.state.prices.prices["fake-price"]
        bench.shop.change("1", prices={**bench.shop.products["1"].prices, "S1": 77})
        await bench.change("1", lane=Lane.LIVE)
        await trio.sleep(EVERY)
    assert bench.prices() == {**before, "S1": 77.0}


async def test_a_lost_price_list_is_not_forgotten_when_the_set_up_fails_on_the_way(
    autojump_clock: MockClock, bench: Bench
) -> None:
    fill(bench, 3)
    async with running(bench, sweep=True):
        await trio.sleep(60)
        before = bench.prices()
        del bench.site.state.price_lists.lists["fake-price"], bench.site.state.prices.prices["fake-price"]
        bench.site.faults.add("* */stock-locations", answer(503), times=4)
        bench.shop.change("1", prices={**bench.shop.products["1"].prices, "S1": 77})
        await bench.change("1", lane=Lane.LIVE)
        await trio.sleep(EVERY)
    assert bench.prices() == {**before, "S1": 77.0}


async def test_a_sweep_that_a_full_sync_makes_needless_does_not_spin(autojump_clock: MockClock, bench: Bench) -> None:
    """The run has not read its first page: it waits for its turn or a right for longer than the sweep interval."""
    await bench.harness.start(RunMode.NORMAL, now=EPOCH)
    looks = 0

    def now() -> float:
        nonlocal looks
        looks += 1
        assert looks < 1000, "it looks without a rest"
        return EPOCH + trio.current_time()

    bench.context.now = now
    with trio.move_on_after(1.2 * EVERY):
        await Sweep(bench.context, PRODUCTS, FullSyncs(bench.context, PRODUCTS)).run()
    assert bench.shop.calls["changed_since"] == 0


async def _let_pass(_method: str) -> None:
    pass


@pytest.mark.holds("C2")
async def test_a_full_sync_whose_pages_are_refused_stops_no_sweep(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 3)
    async with running(bench, sweep=True) as runs:
        await trio.sleep(EVERY / 2)

        async def refuse(method: str) -> None:
            if method == "page":
                raise Rejected("no such page", reason="http_422")

        bench.shop.before = refuse
        await runs.start(RunMode.NORMAL)
        bench.shop.change("2", title="Changed meanwhile")
        bench.shop.changed = {"2"}
        await trio.sleep(4 * EVERY)
    assert bench.site.state.comparable()["products"]["2"]["title"] == "Changed meanwhile"


@pytest.mark.holds("C2")
async def test_a_cursor_of_a_sweep_that_is_refused_twice_leads_back_to_its_first_page(
    autojump_clock: MockClock, bench: Bench
) -> None:
    fill(bench, 3)
    async with running(bench, sweep=True):
        await trio.sleep(EVERY / 2)
        bench.shop.changed = {"1", "2", "3"}
        for number in (1, 2, 3):
            bench.shop.change(str(number), title="New")
        calls = bench.shop.calls["changed_since"]

        async def refuse(method: str) -> None:
            if method == "changed_since" and bench.shop.calls[method] - calls in {2, 3}:
                raise Rejected("the cursor is not valid", reason="http_422")

        bench.shop.before = refuse
        await trio.sleep(1.2 * EVERY)
    titles = {one["title"] for one in bench.site.state.comparable()["products"].values()}
    assert titles == {"New"}
    assert len(set(bench.shop.since[calls : calls + 5])) == 1, "it is one sweep"
