"""The removal brake: every cause of a removal, live, by a sweep and in every sort of full sync, of every kind.

Each test has a store of `MANY` entities of which `LOST` are lost: more than 50, more than a tenth, half of all.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest
import trio
from attrs import evolve
from structlog.testing import capture_logs
from trio.testing import MockClock

from daemon.engine.actor import Actor
from daemon.engine.explanation import HELD, Step
from daemon.engine.full_sync import FullSyncs
from daemon.inspection import held_removals
from daemon.model import ExternalId, Kind, Lane, Problem
from daemon.sandbox.faults import answer
from daemon.sandbox.sparklayer.api import SparkLayerOptions
from daemon.status import connection_status
from daemon.storage import connections
from tests.engine.customers.people import customer
from tests.engine.fakes import Bench, open_bench, product
from tests.engine.test_orders import order

MANY, LOST, LIMIT = 120, 60, 50
HOUR = 3600.0
IDS = [str(number) for number in range(1, MANY + 1)]
GOING = IDS[:LOST]

CART = "00000000-0000-4000-8000-"

MAKE: Mapping[Kind, Callable[[str], Any]] = {
    Kind.PRODUCTS: lambda key: product(key, {f"{key}1": f"S{key}", f"{key}2": f"T{key}"}),
    Kind.CUSTOMERS: customer,
    Kind.ORDERS: lambda key: order(key, f"{CART}{int(key):012d}"),
}


def _deleted(bench: Bench, ids: Sequence[str]) -> None:
    bench.shop.products = {key: one for key, one in bench.shop.products.items() if key not in ids}


def _excluded(bench: Bench, ids: Sequence[str]) -> None:
    bench.shop.excluded |= set(ids)


def _excluded_and_unlisted(bench: Bench, ids: Sequence[str]) -> None:
    bench.shop.excluded |= set(ids)
    bench.shop.unlisted |= set(ids)


def _variant(bench: Bench, ids: Sequence[str]) -> None:
    for key in ids:
        bench.shop.put(product(key, {f"{key}1": f"S{key}"}, title="Still here"))


CAUSES = {"deleted": _deleted, "excluded": _excluded, "unlisted": _excluded_and_unlisted, "variant": _variant}
REMOVING = {
    Kind.PRODUCTS: "PATCH */products/*",
    Kind.CUSTOMERS: "DELETE */customers/*",
    Kind.ORDERS: "PUT */purchases/*",
}
CASES = [(kind, cause) for kind in MAKE for cause in CAUSES if cause != "variant" or kind is Kind.PRODUCTS]
WAYS = ["live", "sweep", "normal", "refresh", "daily"]
RUNS = WAYS[2:]
LARGE = [
    (kind, cause, way) for kind, cause in CASES for way in WAYS if way in {"live", "normal"} or cause == "excluded"
]


def _there(bench: Bench) -> set[str]:
    """Return what SparkLayer has: ids of entities, and of products those of variants."""
    site = bench.site.state.comparable()
    if bench.kind is Kind.PRODUCTS:
        return {sku[1:] + {"S": "", "T": "-T"}[sku[0]] for sku in bench.skus()}
    if bench.kind is Kind.CUSTOMERS:
        return set(site["customers"])
    purchases = site["purchases"].items()
    return {str(int(cart.removeprefix(CART))) for cart, one in purchases if one["packages"][0]["type"] != "cancelled"}


def _left(bench: Bench, cause: str, ids: Sequence[str], number: int = MANY) -> set[str]:
    """Return what SparkLayer has once `ids` have lost what they lose."""
    rest = {key for key in IDS[:number] if key not in ids}
    whole = set(IDS[:number]) if cause == "variant" else rest
    return whole | ({f"{key}-T" for key in rest} if bench.kind is Kind.PRODUCTS else set())


@contextlib.asynccontextmanager
async def _filled(
    kind: Kind, number: int = MANY, options: SparkLayerOptions | None = None
) -> AsyncIterator[tuple[Bench, FullSyncs]]:
    """Open a bench that works, with the first `number` of everything in SparkLayer."""
    async with open_bench(options, kind=kind, full_sync_on_start=False) as bench, trio.open_nursery() as nursery:
        bench.shop.page_size = 250
        syncs = FullSyncs(bench.line, kind)
        bench.shop.put(*(MAKE[kind](key) for key in IDS[:number]))
        nursery.start_soon(syncs.run)
        nursery.start_soon(Actor(bench.line, bench.pipeline).run)
        await _go(bench, syncs, "normal")
        assert len(_there(bench)) == number * (2 if kind is Kind.PRODUCTS else 1)
        yield bench, syncs
        nursery.cancel_scope.cancel()


async def _go(bench: Bench, syncs: FullSyncs, way: str, ids: Sequence[str] = IDS, **wish: bool) -> None:
    """Have the daemon learn of everything, or of changes of `ids`, and wait until it has worked that off."""
    if way in RUNS:
        assert await syncs.start(way, **wish) is not None
        await _until_ended(bench)
    else:
        await bench.change(*ids, lane=Lane.LIVE if way == "live" else Lane.BACKFILL)
        await _idle(bench)


async def _until_ended(bench: Bench) -> None:
    """Wait for the end; nobody here tells the sync-log of it."""
    with trio.fail_after(5000):
        while (await bench.house.newest()).state not in {"ending", "ended"}:  # noqa: ASYNC110  the clock is a mock
            await trio.sleep(1)


async def _idle(bench: Bench) -> None:
    with trio.fail_after(5000):
        while await bench.house.rows():  # noqa: ASYNC110  the clock is a mock
            await trio.sleep(1)


async def _held(bench: Bench) -> list[dict[str, Any]]:
    [stored] = await bench.line.storage.read(connections.everyone)
    return await held_removals(bench.line.storage, bench.line.vault, stored, [bench.kind])


@pytest.mark.holds("B1", "B3")
@pytest.mark.parametrize(("kind", "cause", "way"), LARGE)
async def test_too_many_are_held_named_and_announced_until_allowed_or_back(
    autojump_clock: MockClock, kind: Kind, cause: str, way: str
) -> None:
    async with _filled(kind) as (bench, syncs):
        before = dict(bench.shop.products)
        CAUSES[cause](bench, GOING)
        with capture_logs() as logs:
            await _go(bench, syncs, way, GOING)
        held = await _held(bench)
        ids = [one["id"] for one in held]
        assert ids == GOING
        assert _there(bench) == _left(bench, cause, [])
        assert {one["cause"] for one in held} == {"excluded" if cause == "unlisted" else cause}
        assert cause == "deleted" or all(one["name"].startswith(f"N{one['id']}") for one in held)
        assert [line["held"] for line in logs if line["event"] == "removals are held"][-1:] == [len(held)]
        if way in RUNS:
            run = await bench.house.newest()
            assert (run.held_removals, run.succeeded) == (LOST, False)
        steps = (await bench.pipeline.explain(ExternalId("1"))).steps
        assert steps == ([] if cause == "variant" else [Step("remove nothing", HELD)])
        allowed = ids[:5]
        assert await bench.allow_removals(*allowed) == 5
        await _idle(bench)
        assert _there(bench) == _left(bench, cause, allowed)
        assert [one["id"] for one in await _held(bench)] == ids[5:]
        bench.shop.products, bench.shop.excluded, bench.shop.unlisted = before, set(), set()
        await _go(bench, syncs, way)
        assert await _held(bench) == []
        assert _there(bench) == _left(bench, cause, [])


@pytest.mark.holds("B2", "B3")
@pytest.mark.parametrize("way", ["live", "normal"])
@pytest.mark.parametrize("kind", MAKE)
async def test_what_is_held_stays_so_while_the_store_tells_of_it_oddly(
    autojump_clock: MockClock, kind: Kind, way: str
) -> None:
    async with _filled(kind) as (bench, syncs):
        _excluded(bench, GOING)
        await _go(bench, syncs, "live", GOING)
        there = _there(bench)
        odd = Problem(code="odd", message="An odd value.")
        bench.shop.problems = dict.fromkeys(GOING[:30], (odd,))
        await _go(bench, syncs, way, GOING[:30])
        assert [one["id"] for one in await _held(bench)] == GOING
        assert _there(bench) == there


@pytest.mark.holds("B3")
@pytest.mark.parametrize("kind", MAKE)
async def test_a_permission_lasts_until_the_removal_is_done(autojump_clock: MockClock, kind: Kind) -> None:
    async with _filled(kind) as (bench, syncs):
        _excluded(bench, GOING)
        await _go(bench, syncs, "live", GOING)
        refusal = bench.site.faults.add(REMOVING[kind], answer(400, '{"title": "No", "status": 400}'))
        assert await bench.allow_removals(*GOING) == LOST
        await _idle(bench)
        bench.site.faults.remove(refusal)
        assert _there(bench) >= set(GOING)
        await _go(bench, syncs, "live", GOING)
        assert _there(bench) == _left(bench, "excluded", GOING)


@pytest.mark.holds("B1")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("kind", "cause"), CASES)
async def test_few_go_by_themselves(autojump_clock: MockClock, kind: Kind, cause: str, way: str) -> None:
    few = IDS[:5]
    async with _filled(kind, 12) as (bench, syncs):
        CAUSES[cause](bench, few)
        await _go(bench, syncs, way, few)
        assert _there(bench) == _left(bench, cause, few, 12)
        assert await _held(bench) == []
        if way in RUNS:
            run = await bench.house.newest()
            assert (run.held_removals, run.succeeded, run.failed) == (0, True, 0)


@pytest.mark.holds("B3")
@pytest.mark.parametrize(("kind", "cause"), CASES)
async def test_a_run_that_allows_removals_releases_what_was_held(
    autojump_clock: MockClock, kind: Kind, cause: str
) -> None:
    async with _filled(kind) as (bench, syncs):
        CAUSES[cause](bench, GOING)
        await _go(bench, syncs, "normal")
        assert len(await _held(bench)) == LOST
        await _go(bench, syncs, "normal", allow_removals=True)
        assert _there(bench) == _left(bench, cause, GOING)
        run = await bench.house.newest()
        assert (run.held_removals, run.succeeded) == (0, True)


@pytest.mark.holds("B1")
@pytest.mark.parametrize("mode", RUNS)
@pytest.mark.parametrize("kind", MAKE)
async def test_a_run_that_saw_nothing_removes_nothing_of_a_small_store_either(
    autojump_clock: MockClock, kind: Kind, mode: str
) -> None:
    async with open_bench(kind=kind, full_sync_on_start=False) as bench, trio.open_nursery() as nursery:
        syncs = FullSyncs(bench.line, kind)
        nursery.start_soon(syncs.run)
        nursery.start_soon(Actor(bench.line, bench.pipeline).run)
        bench.shop.put(*(MAKE[kind](key) for key in IDS[:3]))
        await _go(bench, syncs, "normal")
        before, bench.shop.products = bench.shop.products, {}
        await _go(bench, syncs, mode)
        assert [(one["id"], one["cause"]) for one in await _held(bench)] == [(key, "absent") for key in IDS[:3]]
        assert _there(bench) >= set(IDS[:3])
        bench.shop.products = before
        await _go(bench, syncs, mode)
        assert await _held(bench) == []
        nursery.cancel_scope.cancel()


@pytest.mark.holds("B1")
@pytest.mark.parametrize("kind", MAKE)
async def test_causes_are_counted_together(autojump_clock: MockClock, kind: Kind) -> None:
    """In a run all go together, or are held together."""
    async with _filled(kind) as (bench, syncs):
        _deleted(bench, IDS[:30])
        _excluded(bench, IDS[30:45])
        _excluded_and_unlisted(bench, IDS[45:60])
        await _go(bench, syncs, "normal")
        assert _there(bench) == _left(bench, "", [])
        assert {one["id"] for one in await _held(bench)} == set(GOING)


@pytest.mark.holds("B1")
@pytest.mark.parametrize(("kind", "cause"), CASES)
async def test_of_live_removals_the_first_beyond_the_limit_and_all_after_it_are_held(
    autojump_clock: MockClock, kind: Kind, cause: str
) -> None:
    async with _filled(kind) as (bench, syncs):
        for part in (IDS[:LIMIT], IDS[LIMIT : LIMIT + 1], IDS[LIMIT + 1 : LOST]):
            CAUSES[cause](bench, part)
            await _go(bench, syncs, "live", part)
        assert _there(bench) == _left(bench, cause, IDS[:LIMIT])
        assert [one["id"] for one in await _held(bench)] == IDS[LIMIT:LOST]


@pytest.mark.holds("A3")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("kind", "cause"), CASES)
async def test_one_answer_removes_nothing(autojump_clock: MockClock, kind: Kind, cause: str, way: str) -> None:
    """The second one, at least 2 s later, says that all is there."""
    async with _filled(kind, 12) as (bench, syncs):
        before = dict(bench.shop.products)
        CAUSES[cause](bench, IDS[:3])
        writes, pushed = bench.site.state.writes, {("normal", "variant"), ("daily", "variant")}

        async def back(_method: str) -> None:
            rows = await bench.house.everything_of("removals")
            if rows and bench.line.now() - rows[0]["decided_at"] > 1.9:
                bench.shop.products, bench.shop.excluded, bench.shop.unlisted = before, set(), set()

        bench.shop.before = back
        await _go(bench, syncs, way, IDS[:3])
        assert bench.shop.products == before
        assert _there(bench) == _left(bench, "", [], 12)
        assert await bench.house.everything_of("removals") == []
        assert way == "refresh" or (way, cause) in pushed or bench.site.state.writes == writes


@pytest.mark.holds("B1")
@pytest.mark.parametrize("kind", MAKE)
async def test_an_hour_later_live_removals_are_counted_again_from_none(autojump_clock: MockClock, kind: Kind) -> None:
    async with _filled(kind) as (bench, syncs):
        _deleted(bench, IDS[:LIMIT])
        await _go(bench, syncs, "live", IDS[:LIMIT])
        await trio.sleep(HOUR - 60)
        _deleted(bench, IDS[LIMIT : LIMIT + 3])
        await _go(bench, syncs, "live", IDS[LIMIT : LIMIT + 3])
        assert {one["id"] for one in await _held(bench)} == set(IDS[LIMIT : LIMIT + 3])
        await trio.sleep(HOUR)
        _deleted(bench, IDS[LIMIT + 3 : LIMIT + 6])
        await _go(bench, syncs, "live", IDS[LIMIT : LIMIT + 6])
        assert {one["id"] for one in await _held(bench)} == set(IDS[LIMIT : LIMIT + 3]), "held is held"


async def test_a_retry_is_counted_once(autojump_clock: MockClock) -> None:
    lost = IDS[: LIMIT // 2 + 1]
    async with _filled(Kind.CUSTOMERS) as (bench, syncs):
        _deleted(bench, lost)
        bench.site.faults.add("DELETE *", answer(503), times=3)
        await _go(bench, syncs, "live", lost)
        assert await _held(bench) == []
        assert _there(bench) == _left(bench, "deleted", lost)


@pytest.mark.holds("B1")
@pytest.mark.parametrize("mode", ["merge", "replace"])
@pytest.mark.parametrize("way", WAYS)
async def test_all_but_the_vanished_variants_of_a_held_product_is_pushed(
    autojump_clock: MockClock, way: str, mode: Any
) -> None:
    async with _filled(Kind.PRODUCTS, options=SparkLayerOptions(variants=mode)) as (bench, syncs):
        before = bench.site.state.comparable()
        for key in GOING:
            bench.shop.put(product(key, {f"{key}1": f"S{key}"}, title="New", stock=7, price="1.00"))
        await _go(bench, syncs, way, GOING)
        held = {one["id"]: one["variant"] for one in await _held(bench)}
        assert list(held) == GOING
        now = bench.site.state.comparable()
        assert {now["products"][key]["title"] for key in GOING} == {"New"}
        assert {bench.stock()[f"S{key}"] for key in GOING} == {7}
        for key, variant in held.items():
            assert now["products"][key]["variants"][variant] == before["products"][key]["variants"][variant]
            assert now["stock"][f"T{key}"] == before["stock"][f"T{key}"]
            assert bench.prices()[f"T{key}"] == 9.5
        writes = bench.writes
        await _go(bench, syncs, "normal")
        assert bench.writes == writes, "a pass that finds nothing new writes nothing"


async def test_a_sku_that_moves_to_another_variant_is_no_removal(autojump_clock: MockClock) -> None:
    async with _filled(Kind.PRODUCTS) as (bench, syncs):
        for key in GOING:
            old = bench.shop.products[key]
            moved = tuple(evolve(one, external_id=f"{one.external_id}9") for one in old.variants)
            bench.shop.put(evolve(old, variants=moved))
        await _go(bench, syncs, "live", GOING)
        assert await _held(bench) == []
        assert _there(bench) == _left(bench, "", [])
        state = bench.site.state.comparable()["products"]
        assert all(state[key]["variants"][f"{key}19"]["status"] == "live" for key in GOING)


async def test_one_that_retries_holds_up_no_removal(autojump_clock: MockClock) -> None:
    async with _filled(Kind.CUSTOMERS) as (bench, syncs):
        bench.site.faults.add("PUT */customers/platform/120", answer(503), times=50)
        bench.shop.change("120", first_name="Hangs")
        _deleted(bench, ["1", "2"])
        await syncs.start("normal")
        await trio.sleep(60)
        assert (await bench.house.newest()).state == "draining"
        assert not {"1", "2"} & _there(bench)
        _deleted(bench, ["3"])
        await bench.change("3")
        await trio.sleep(10)
        assert "3" not in _there(bench), "a live removal waits for no run"


@pytest.mark.parametrize(("number", "state"), [(LIMIT, None), (LOST, "held")])
async def test_a_cancelled_run_leaves_nothing_waiting(
    autojump_clock: MockClock, number: int, state: str | None
) -> None:
    async with _filled(Kind.CUSTOMERS) as (bench, syncs):
        _excluded(bench, IDS[:number])
        bench.shop.page_size = MANY - 1
        pages = 0

        async def stick(method: str) -> None:
            """Never answer with the second page."""
            nonlocal pages
            pages += method == "page"
            if method == "page" and pages > 1:
                await trio.sleep_forever()

        bench.shop.before = stick
        await syncs.start("normal")
        await trio.sleep(30)
        assert _there(bench) == set(IDS), "all wait for the end of the enumeration"
        await syncs.cancel()
        await trio.sleep(60)
        assert len(await _held(bench)) == (number if state else 0)
        assert _there(bench) == (set(IDS) if state else set(IDS[number:]))


@pytest.mark.holds("B3")
async def test_the_status_shows_what_the_daily_read_holds(autojump_clock: MockClock) -> None:
    async with _filled(Kind.PRODUCTS) as (bench, syncs):
        assert await _shown(bench) == 0
        _deleted(bench, GOING)
        await _go(bench, syncs, "daily")
        assert await _shown(bench) == LOST
        await bench.allow_removals(*GOING[:10])
        await _idle(bench)
        assert await _shown(bench) == LOST - 10


async def _shown(bench: Bench) -> int:
    """Return what the status says of how many removals are held."""
    line = bench.line
    [stored] = await line.storage.read(connections.everyone)
    status = await connection_status(line.storage, stored, line, line.now())
    held: int = status["kinds"][bench.kind.value]["held_removals"]
    return held
