"""The removal brake for every kind and cause of a removal: live, by a sweep and in every mode of full sync.

Each test has a store of `MANY` entities of which `LOST` are lost: more than 50, more than a tenth, half of all.
"""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from daemon.admin.status import connection_status
from daemon.engine.explanation import HELD
from daemon.engine.writers.job import Step
from daemon.entities import Issue
from daemon.model import ExternalId, Kind
from daemon.sandbox.faults import answer
from daemon.storage import connections
from daemon.storage.states import RunMode
from tests.engine import losses
from tests.engine.fakes import Bench
from tests.engine.losses import (
    CASES,
    CAUSES,
    GOING,
    HOUR,
    IDS,
    KINDS_AND_VARIANTS,
    LARGE,
    LIMIT,
    LOST,
    MAKE,
    MANY,
    REMOVING,
    RUNS,
    WAYS,
)


@pytest.mark.holds("B1", "B3")
@pytest.mark.parametrize(("kind", "cause", "way"), LARGE)
async def test_too_many_are_held_named_and_announced_until_allowed_or_back(
    autojump_clock: MockClock, kind: Kind, cause: str, way: str
) -> None:
    async with losses.filled(kind) as (bench, syncs):
        before = dict(bench.shop.products)
        CAUSES[cause](bench, GOING)
        with capture_logs() as logs:
            await losses.go(bench, syncs, way, GOING)
        held = await losses.held(bench)
        ids = [one["id"] for one in held]
        assert ids == GOING
        assert losses.there(bench) == losses.left(bench, cause, [])
        assert {one["cause"] for one in held} == {"excluded" if cause == "unlisted" else cause}
        assert cause == "deleted" or all(one["name"].startswith(f"N{one['id']}") for one in held)
        assert [context["held"] for context in logs if context["event"] == "removals are held"][-1:] == [len(held)]
        if way in RUNS:
            run = await bench.harness.newest()
            assert (run.held_removals, run.succeeded) == (LOST, False)
        steps = (await bench.pipeline.explain(ExternalId("1"))).steps
        assert steps == ([] if cause == "variant" else [Step("remove nothing", HELD)])
        allowed = ids[:5]
        assert await bench.allow_removals(*allowed) == 5
        await losses.idle(bench)
        assert losses.there(bench) == losses.left(bench, cause, allowed)
        assert [one["id"] for one in await losses.held(bench)] == ids[5:]
        bench.shop.products, bench.shop.excluded, bench.shop.unlisted = before, set(), set()
        await losses.go(bench, syncs, way)
        assert await losses.held(bench) == []
        assert losses.there(bench) == losses.left(bench, cause, [])


@pytest.mark.holds("B2", "B3")
@pytest.mark.parametrize("way", ["live", "normal"])
@pytest.mark.parametrize("kind", MAKE)
async def test_what_is_held_stays_so_while_the_store_tells_of_it_oddly(
    autojump_clock: MockClock, kind: Kind, way: str
) -> None:
    async with losses.filled(kind) as (bench, syncs):
        losses.exclude(bench, GOING)
        await losses.go(bench, syncs, "live", GOING)
        there = losses.there(bench)
        odd = Issue(code="odd", message="An odd value.")
        bench.shop.issues = dict.fromkeys(GOING[:30], (odd,))
        await losses.go(bench, syncs, way, GOING[:30])
        assert [one["id"] for one in await losses.held(bench)] == GOING
        assert losses.there(bench) == there


@pytest.mark.holds("B3")
@pytest.mark.parametrize("kind", MAKE)
async def test_a_permission_lasts_until_the_removal_is_done(autojump_clock: MockClock, kind: Kind) -> None:
    async with losses.filled(kind) as (bench, syncs):
        losses.exclude(bench, GOING)
        await losses.go(bench, syncs, "live", GOING)
        refusal = bench.site.faults.add(REMOVING[kind], answer(400, '{"title": "No", "status": 400}'))
        assert await bench.allow_removals(*GOING) == LOST
        await losses.idle(bench)
        bench.site.faults.remove(refusal)
        assert losses.there(bench) >= set(GOING)
        await losses.go(bench, syncs, "live", GOING)
        assert losses.there(bench) == losses.left(bench, "excluded", GOING)


@pytest.mark.holds("B1")
@pytest.mark.parametrize(("kind", "cause", "way"), LARGE)
async def test_few_go_by_themselves(autojump_clock: MockClock, kind: Kind, cause: str, way: str) -> None:
    few = IDS[:5]
    async with losses.filled(kind, 12) as (bench, syncs):
        CAUSES[cause](bench, few)
        await losses.go(bench, syncs, way, few)
        assert losses.there(bench) == losses.left(bench, cause, few, 12)
        assert await losses.held(bench) == []
        if way in RUNS:
            run = await bench.harness.newest()
            assert (run.held_removals, run.succeeded, run.failed) == (0, True, 0)


@pytest.mark.holds("B3")
@pytest.mark.parametrize(("kind", "cause"), [*KINDS_AND_VARIANTS, *((kind, "deleted") for kind in MAKE)])
async def test_a_run_that_allows_removals_releases_what_was_held(
    autojump_clock: MockClock, kind: Kind, cause: str
) -> None:
    async with losses.filled(kind) as (bench, syncs):
        CAUSES[cause](bench, GOING)
        await losses.go(bench, syncs, RunMode.NORMAL)
        assert len(await losses.held(bench)) == LOST
        await losses.go(bench, syncs, RunMode.NORMAL, allow_removals=True)
        assert losses.there(bench) == losses.left(bench, cause, GOING)
        run = await bench.harness.newest()
        assert (run.held_removals, run.succeeded) == (0, True)


@pytest.mark.holds("B1")
@pytest.mark.parametrize("mode", RUNS)
@pytest.mark.parametrize("kind", MAKE)
async def test_a_run_that_saw_nothing_removes_nothing_of_a_small_store_either(
    autojump_clock: MockClock, kind: Kind, mode: str
) -> None:
    async with losses.filled(kind, 3) as (bench, syncs):
        before, bench.shop.products = bench.shop.products, {}
        await losses.go(bench, syncs, mode)
        assert [(one["id"], one["cause"]) for one in await losses.held(bench)] == [(key, "absent") for key in IDS[:3]]
        assert losses.there(bench) >= set(IDS[:3])
        bench.shop.products = before
        await losses.go(bench, syncs, mode)
        assert await losses.held(bench) == []


@pytest.mark.holds("B1")
@pytest.mark.parametrize("kind", MAKE)
async def test_causes_are_counted_together(autojump_clock: MockClock, kind: Kind) -> None:
    """A run removes all of them, or holds all of them."""
    async with losses.filled(kind) as (bench, syncs):
        losses.delete(bench, IDS[:30])
        losses.exclude(bench, IDS[30:45])
        losses.exclude_unlisted(bench, IDS[45:LOST])
        await losses.go(bench, syncs, RunMode.NORMAL)
        assert losses.there(bench) == losses.left(bench, "", [])
        assert {one["id"] for one in await losses.held(bench)} == set(GOING)


@pytest.mark.holds("B1")
@pytest.mark.parametrize(("kind", "cause"), KINDS_AND_VARIANTS)
async def test_of_live_removals_the_first_beyond_the_limit_and_all_after_it_are_held(
    autojump_clock: MockClock, kind: Kind, cause: str
) -> None:
    async with losses.filled(kind) as (bench, syncs):
        for part in (
            IDS[:LIMIT],
            IDS[LIMIT : LIMIT + 1],
            IDS[LIMIT + 1 : LOST],
        ):
            CAUSES[cause](bench, part)
            await losses.go(bench, syncs, "live", part)
        assert losses.there(bench) == losses.left(bench, cause, IDS[:LIMIT])
        assert [one["id"] for one in await losses.held(bench)] == IDS[LIMIT:LOST]


@pytest.mark.holds("A3")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("kind", "cause"), CASES)
async def test_one_answer_removes_nothing(autojump_clock: MockClock, kind: Kind, cause: str, way: str) -> None:
    """The second answer, at least 2 s later, has all entities."""
    async with losses.filled(kind, 12) as (bench, syncs):
        before = dict(bench.shop.products)
        CAUSES[cause](bench, IDS[:3])
        writes, pushed = bench.site.state.writes, {("normal", "variant"), ("daily", "variant")}

        async def back(_method: str) -> None:
            rows = await bench.harness.everything_of("removals")
            if rows and bench.context.now() - rows[0]["decided_at"] > 1.9:
                bench.shop.products, bench.shop.excluded, bench.shop.unlisted = before, set(), set()

        bench.shop.before = back
        await losses.go(bench, syncs, way, IDS[:3])
        assert bench.shop.products == before
        assert losses.there(bench) == losses.left(bench, "", [], 12)
        assert await bench.harness.everything_of("removals") == []
        assert way == "refresh" or (way, cause) in pushed or bench.site.state.writes == writes


@pytest.mark.holds("B1")
@pytest.mark.parametrize("kind", MAKE)
async def test_an_hour_later_live_removals_are_counted_again_from_none(autojump_clock: MockClock, kind: Kind) -> None:
    async with losses.filled(kind) as (bench, syncs):
        losses.delete(bench, IDS[:LIMIT])
        await losses.go(bench, syncs, "live", IDS[:LIMIT])
        await trio.sleep(HOUR - 60)
        losses.delete(bench, IDS[LIMIT : LIMIT + 3])
        await losses.go(bench, syncs, "live", IDS[LIMIT : LIMIT + 3])
        assert {one["id"] for one in await losses.held(bench)} == set(IDS[LIMIT : LIMIT + 3])
        await trio.sleep(HOUR)
        losses.delete(bench, IDS[LIMIT + 3 : LIMIT + 6])
        await losses.go(bench, syncs, "live", IDS[LIMIT : LIMIT + 6])
        assert {one["id"] for one in await losses.held(bench)} == set(IDS[LIMIT : LIMIT + 3]), "held is held"


async def test_a_retry_is_counted_once(autojump_clock: MockClock) -> None:
    lost = IDS[: LIMIT // 2 + 1]
    async with losses.filled(Kind.CUSTOMERS) as (bench, syncs):
        losses.delete(bench, lost)
        bench.site.faults.add("DELETE *", answer(503), times=3)
        await losses.go(bench, syncs, "live", lost)
        assert await losses.held(bench) == []
        assert losses.there(bench) == losses.left(bench, "deleted", lost)


@pytest.mark.parametrize(
    ("kind", "route", "edit"),
    [
        (Kind.CUSTOMERS, f"PUT */customers/platform/{MANY}", {"first_name": "Hangs"}),
        (Kind.PRODUCTS, f"PATCH */products/{MANY}", {"title": "Hangs"}),
    ],
)
async def test_one_that_retries_holds_up_no_removal(
    autojump_clock: MockClock, kind: Kind, route: str, edit: dict[str, str]
) -> None:
    async with losses.filled(kind) as (bench, syncs):
        bench.site.faults.add(route, answer(503), times=50)
        bench.shop.change(IDS[-1], **edit)
        losses.delete(bench, ["1", "2"])
        await syncs.start(RunMode.NORMAL)
        await trio.sleep(60)
        assert (await bench.harness.newest()).state == "draining"
        assert not {"1", "2"} & losses.there(bench)
        losses.delete(bench, ["3"])
        await bench.change("3")
        await trio.sleep(10)
        assert "3" not in losses.there(bench), "a live removal waits for no run"


@pytest.mark.parametrize(("number", "state"), [(LIMIT, None), (LOST, "held")])
async def test_a_cancelled_run_leaves_nothing_waiting(
    autojump_clock: MockClock, number: int, state: str | None
) -> None:
    async with losses.filled(Kind.CUSTOMERS) as (bench, syncs):
        losses.exclude(bench, IDS[:number])
        bench.shop.page_size = MANY - 1
        pages = 0

        async def stick(method: str) -> None:
            """Never answer with the second page."""
            nonlocal pages
            pages += method == "page"
            if method == "page" and pages > 1:
                await trio.sleep_forever()

        bench.shop.before = stick
        await syncs.start(RunMode.NORMAL)
        await trio.sleep(30)
        assert losses.there(bench) == set(IDS), "all wait for the end of the enumeration"
        await syncs.cancel()
        await trio.sleep(60)
        assert len(await losses.held(bench)) == (number if state else 0)
        assert losses.there(bench) == (set(IDS) if state else set(IDS[number:]))


@pytest.mark.holds("B3")
async def test_the_status_shows_what_the_daily_read_holds(autojump_clock: MockClock) -> None:
    async with losses.filled(Kind.PRODUCTS) as (bench, syncs):
        assert await _shown(bench) == 0
        losses.delete(bench, GOING)
        await losses.go(bench, syncs, RunMode.DAILY)
        assert await _shown(bench) == LOST
        await bench.allow_removals(*GOING[:10])
        await losses.idle(bench)
        assert await _shown(bench) == LOST - 10


async def _shown(bench: Bench) -> int:
    """Return the number of held removals in the status."""
    context = bench.context
    [stored] = await context.storage.read(connections.everyone)
    status = await connection_status(context.storage, context.vault, stored, context, context.now())
    held: int = status["kinds"][bench.kind.value]["held_removals"]
    return held
