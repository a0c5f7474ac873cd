"""The full-sync runner: pages from the stored cursor, retries after platform failures, and a stored end."""

import pytest
import structlog
import trio
from trio.testing import MockClock

from daemon.admin.status import connection_status
from daemon.cli.client import latest_run
from daemon.cli.status import describe
from daemon.engine.actor import Actor
from daemon.errors import Blocked, Rejected, Retry, Side
from daemon.model import Kind
from daemon.platforms.base import Page
from daemon.sandbox.faults import answer
from daemon.sandbox.message import Request, Response
from daemon.storage import connections
from daemon.storage.states import RunMode
from tests.engine.fakes import EPOCH, Bench, open_bench
from tests.engine.running import fill, running, until
from tests.storage.harness import TABLES

pytestmark = pytest.mark.usefixtures("both_engines")

RUNS = TABLES["full_syncs"]


async def test_the_first_start_makes_a_full_sync(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 5)
    async with running(bench):
        await until(bench)
    assert set(bench.skus()) == {"S1", "S2", "S3", "S4", "S5"}
    run = await bench.harness.newest()
    assert (run.seen, run.done, run.succeeded) == (5, 5, True)
    assert (bench.shop.calls["page"], bench.shop.calls["read"]) == (3, 0), "contents of pages are used"
    methods = [call.method for call in bench.site.state.sync_log.calls]
    assert (methods[0], methods[-1]) == ("PUT", "PATCH")
    assert "last_full_sync" in bench.sync_calls("PATCH")[-1]
    before = bench.shop.calls["page"]
    async with running(bench):
        await trio.sleep(100)
    assert bench.shop.calls["page"] == before, "it ran already"


async def test_the_start_may_be_told_not_to(autojump_clock: MockClock) -> None:
    async with open_bench(full_sync_on_start=False) as bench, running(bench):
        await trio.sleep(100)
        assert bench.shop.calls["page"] == 0


async def test_a_second_run_reads_everything_and_writes_nothing(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 5)
    async with running(bench) as syncs:
        await until(bench)
        before = bench.writes
        assert await syncs.start(RunMode.NORMAL) is not None
        assert await syncs.start(RunMode.NORMAL) is None
        await until(bench)
        assert bench.writes == before
        await syncs.start(RunMode.REFRESH)
        await until(bench)
        assert bench.writes == tuple(2 * number for number in before)


async def test_a_run_goes_on_from_its_cursor(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 6)
    run = await bench.harness.started(now=EPOCH)
    await bench.harness.page(run, "1", "2", "3", "4", cursor="4", now=EPOCH)
    async with running(bench):
        await until(bench)
    assert bench.shop.calls["page"] == 1
    assert set(bench.skus()) == {f"S{n}" for n in range(1, 7)}
    assert sum(len(ids) for ids in bench.shop.asked) == 4, "after a crash entities are read by their ids"


async def test_a_page_that_fails_is_asked_for_again(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 4)
    failures: list[Exception] = [
        Retry("busy", reason="http_503", after=50.0),
        Rejected("odd", reason="http_400"),
        Blocked("no", reason="credentials", side=Side.PLATFORM),
    ]
    bench.shop.failures["page"] = failures
    async with running(bench):
        await until(bench)
    assert bench.shop.calls["page"] == 5
    assert bench.shop.calls["probe"] == 1
    assert trio.current_time() > 50
    assert len(bench.skus()) == 4


async def test_reading_stops_while_the_outbox_is_deep(autojump_clock: MockClock) -> None:
    async with open_bench(backfill_depth=3) as bench:
        fill(bench, 12)
        async with running(bench, actor=False):
            await trio.sleep(50)
            assert bench.shop.calls["page"] == 2
            assert len(await bench.harness.rows()) == 4
            async with trio.open_nursery() as nursery:
                nursery.start_soon(Actor(bench.context, bench.pipeline).run)
                await until(bench)
                nursery.cancel_scope.cancel()
        assert len(bench.skus()) == 12


async def test_a_page_that_was_overtaken_is_not_believed(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 1)
    arrived, released = trio.Event(), trio.Event()
    real = bench.shop.page

    async def slow(kind: Kind, cursor: str | None) -> Page:
        page = await real(kind, cursor)
        arrived.set()
        await released.wait()
        return page

    bench.context.platform.page = slow  # type: ignore[method-assign]
    async with running(bench):
        await arrived.wait()
        bench.shop.change("1", title="Newer")
        await bench.change("1")
        await bench.emptied(0.1)
        released.set()
        await until(bench)
    assert bench.site.state.comparable()["products"]["1"]["title"] == "Newer"
    assert bench.writes[0] == 1, "the old state was never written"


@pytest.mark.holds("A4")
@pytest.mark.parametrize("known", [True, False])
async def test_one_empty_list_hides_nothing_from_a_run(autojump_clock: MockClock, bench: Bench, *, known: bool) -> None:
    """It would wait for the next run, a day later."""
    fill(bench, 3)
    async with running(bench) as syncs:
        if known:
            await until(bench)
            bench.shop.change("2", title="Renamed")
            await syncs.start(RunMode.NORMAL)
        bench.shop.unlisted = {*bench.shop.products}
        pages = bench.shop.calls["page"]

        async def list_all_after_one(method: str) -> None:
            if method == "page":
                bench.shop.unlisted.clear()

        bench.shop.before = list_all_after_one
        await trio.sleep(30)
        await until(bench)
        assert bench.shop.calls["page"] == pages + 1 + 2, "the second list has two pages"
        assert (await bench.harness.newest()).seen == 3
        titles = {key: held["title"] for key, held in bench.site.state.comparable()["products"].items()}
        assert titles == {key: product.title for key, product in bench.shop.products.items()}


@pytest.mark.holds("C9")
async def test_status_says_that_the_store_refuses_what_a_run_asks_for(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 3)
    bench.shop.failures["page"] = [Retry("a web page", reason="foreign_answer")] * 8
    async with running(bench):
        await trio.sleep(90)
        (stored,) = await bench.context.storage.read(connections.everyone)
        context = bench.context
        status = await connection_status(context.storage, context.vault, stored, context, context.now())
        first, *lines = describe({"connections": [status]})
        assert "the full sync of products cannot go on" in first
        assert f"the store has refused its next page for {trio.current_time():.0f} s: foreign_answer" in map(
            str.strip, lines
        )
        bench.shop.failures.clear()
        await until(bench)
        status = await connection_status(context.storage, context.vault, stored, context, context.now())
        assert next(iter(describe({"connections": [status]}))) == "1 connection; all is well"


@pytest.mark.holds("C9", "E03")
async def test_status_and_log_name_what_a_run_waits_for(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 13)
    bench.shop.page_size = 250
    bench.site.faults.add("POST */products", answer(409, '{"title": "try later", "detail": "try later"}'))
    with structlog.testing.capture_logs() as logged:
        async with running(bench):
            await trio.sleep(900)
            (stored,) = await bench.context.storage.read(connections.everyone)
            context = bench.context
            status = await connection_status(context.storage, context.vault, stored, context, context.now())
            shown = {"connections": [status]}
            bench.site.faults.clear()
            await until(bench)
    latest = latest_run(shown, str(stored.site), "products")
    assert (latest["held_up"], len(latest["held_up_by"])) == (13, 10)
    assert {entity["error"] for entity in latest["held_up_by"]} == {"try later"}
    assert min(entity["attempts"] for entity in latest["held_up_by"]) > 3
    lines = [" ".join(line.split()) for line in describe(shown)]
    named = latest["held_up_by"][0]
    assert f"waits for {named['id']}, tried {named['attempts']} times: try later" in lines
    assert "and 3 more" in lines
    warnings = [entry for entry in logged if entry["event"] == "full sync waits for entities that fail"]
    assert len(warnings) >= 2, "and again, but seldom"
    assert (warnings[0]["kind"], warnings[0]["more"], len(warnings[0]["entities"])) == ("products", 3, 10)
    assert {entity.partition(": ")[2] for entity in warnings[0]["entities"]} == {"conflict"}
    after = await connection_status(context.storage, context.vault, stored, None, context.now())
    assert latest_run({"connections": [after]}, str(stored.site), "products")["held_up_by"] == []


async def test_blocked_time_does_not_count_for_stragglers(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 1)
    run = await bench.harness.started(now=EPOCH)
    await bench.harness.page(run, "1", now=EPOCH)
    await bench.harness.enumerated(run, EPOCH)
    bench.shop.failures["probe"] = [Blocked("no", reason="credentials", side=Side.PLATFORM)] * 30
    bench.shop.failures["read"] = [Blocked("no", reason="credentials", side=Side.PLATFORM)]
    async with running(bench):
        await until(bench, within=120_000)
    ended = await bench.harness.newest()
    assert trio.current_time() > 3600
    assert (ended.failed, ended.succeeded) == (0, True)
    assert "S1" in bench.skus()


async def test_a_wish_during_a_run_makes_another(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 2)
    first = await bench.harness.started(now=EPOCH)
    assert await bench.harness.start(internal=True) is None
    async with running(bench):

        async def is_another() -> bool:
            return (await bench.harness.newest()).id != first

        await bench.until(is_another)
        await until(bench)
        await trio.sleep(100)
    assert len(await bench.harness.everything(RUNS)) == 2


@pytest.mark.parametrize("mode", [RunMode.DAILY, RunMode.NORMAL])
async def test_sync_log_of_a_run(autojump_clock: MockClock, mode: RunMode) -> None:
    async with open_bench(full_sync_on_start=False) as bench:
        fill(bench, 2)
        async with running(bench) as syncs:
            await syncs.start(mode)
            await until(bench)
        assert len(bench.sync_calls("PUT")) == (0 if mode == "daily" else 1)


CANCELLED_WHILE: dict[str, str] = {"the first page is refused": "page", "an item is refused": "read_one"}


@pytest.mark.holds("C9")
@pytest.mark.parametrize("refused", CANCELLED_WHILE.values(), ids=CANCELLED_WHILE)
async def test_a_person_ends_a_run_that_cannot_end(autojump_clock: MockClock, bench: Bench, refused: str) -> None:
    """SparkLayer learns that the run failed, the next run starts at once, and the queued entities are synced."""
    fill(bench, 3)

    async def refuse(method: str) -> None:
        if method == refused:
            raise Retry("out of order", reason="http_500")

    async with running(bench) as syncs:
        await until(bench)
        bench.shop.before = refuse
        if refused == "read_one":
            del bench.shop.products["3"]
        run = await syncs.start(RunMode.NORMAL)
        await trio.sleep(600)
        assert (await bench.harness.newest()).state in {"enumerating", "draining"}
        assert await syncs.cancel() == run
        await until(bench)
        assert bench.sync_calls("PATCH")[-1]["last_full_sync_succeeded"] is False
        assert await syncs.cancel() is None
        bench.shop.before = _pass
        assert await syncs.start(RunMode.NORMAL) is not None
        await until(bench)
    assert (await bench.harness.newest()).succeeded
    assert set(bench.skus()) == ({"S1", "S2"} if refused == "read_one" else {"S1", "S2", "S3"})


async def _pass(_method: str) -> None:
    pass


@pytest.mark.holds("C2")
async def test_a_cursor_that_is_refused_twice_leads_back_to_the_first_page(
    autojump_clock: MockClock, bench: Bench
) -> None:
    fill(bench, 6)
    asked: list[str | None] = []
    page = bench.shop.page

    async def listen(_kind: Kind, cursor: str | None) -> Page:
        asked.append(cursor)
        if cursor == "2" and asked.count("2") <= 2:
            raise Rejected("the cursor is not valid", reason="http_422")
        return await page(_kind, cursor)

    bench.shop.page = listen  # type: ignore[method-assign]
    async with running(bench):
        await until(bench)
    assert asked == [None, "2", "2", None, "2", "4"]
    assert set(bench.skus()) == {f"S{n}" for n in range(1, 7)}


COUNT, POISONED = 60, ("7", "55")
REFUSAL = Response(
    status=400,
    headers={"content-type": "application/problem+json"},
    body=b'{"title": "Invalid", "status": 400, "detail": "This title is not accepted."}',
)


@pytest.mark.holds("C8")
async def test_two_poisoned_titles_block_nothing(autojump_clock: MockClock, bench: Bench) -> None:
    """SparkLayer refuses two titles: both become issues, and all others arrive in one run."""

    async def refuse(request: Request, _response: Response | None) -> Response | None:
        return REFUSAL if b'"Poisoned"' in request.body else None

    fill(bench, COUNT)
    bench.shop.page_size = 250
    for external_id in POISONED:
        bench.shop.change(external_id, title="Poisoned")
    bench.site.faults.add("* */products*", refuse)
    async with running(bench):
        await until(bench)
    run = await bench.harness.newest()
    assert (run.seen, run.done, run.failed, run.succeeded) == (COUNT, COUNT, 0, True)
    arrived = {f"S{number}" for number in range(1, COUNT + 1)} - {f"S{external_id}" for external_id in POISONED}
    assert set(bench.skus()) == arrived
    assert bench.stock().keys() == bench.prices().keys() == arrived
    assert await bench.issues() == {external_id: ["refused_by_sparklayer"] for external_id in POISONED}
    assert bench.context.blocked(bench.kind) is None
    assert await bench.harness.rows() == {}
    assert len([one for one in bench.refused if " 400 " in one]) == len(POISONED), "each is tried once"
    calls = sum(number for route, number in bench.calls.items() if "sync-log" not in route)
    assert calls <= COUNT + 20, "one call each, and stock and prices in bulk"
    synced = bench.sync_calls("PATCH")
    assert "last_full_sync" in synced[-1]
    assert {error["external_id"] for call in synced for error in call.get("errors", ())} == set(POISONED)
    for external_id in POISONED:
        bench.shop.change(external_id, title="Cured")
    async with running(bench):
        await bench.change(*POISONED)
        await bench.emptied(0.1)
    assert await bench.issues() == {}
    assert len(bench.skus()) == COUNT
