"""The actor: lanes do not wait for each other, an entity is worked on once at a time, bugs park only their entity."""

# ruff: noqa: ASYNC110  the clock is a mock: looking again costs nothing

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.engine.actor import Actor
from daemon.errors import Blocked, Side, StorageTrouble
from daemon.model import ExternalId, Lane
from daemon.sandbox import answer
from daemon.sandbox.message import Request, Response
from daemon.sparklayer.pricing import Pricing
from daemon.storage import ledger
from daemon.storage.outbox import Claim
from tests.engine.fakes import Bench, product

pytestmark = pytest.mark.usefixtures("both_engines")


async def _until_empty(bench: Bench) -> None:
    """Run the actor until no work is left."""
    actor = Actor(bench.context, bench.pipeline)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        while any(row["state"] == "pending" for row in (await bench.harness.rows()).values()):
            await trio.sleep(1.0)
        actor.finish()


def _held(bench: Bench, *ids: str) -> trio.Event:
    """Make the store delay its answers about `ids` until the event is set."""
    released = trio.Event()

    async def hold(method: str) -> None:
        if method == "read" and set(bench.shop.asked[-1]) & set(ids):
            await released.wait()

    bench.shop.before = hold
    return released


async def test_a_change_is_worked_on_when_it_is_due(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    actor = Actor(bench.context, bench.pipeline)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        await wait_all_tasks_blocked()
        await bench.harness.record("1", now=bench.context.now(), debounce=1.0, debounce_max=10.0)
        bench.context.kind_states[bench.pipeline.kind].wake()
        began = trio.current_time()
        await bench.emptied(0.01)
        assert 1.0 <= trio.current_time() - began < 1.5
        actor.finish()
    assert bench.skus() == {"A": "1"}


async def test_nobody_needs_to_wake_it(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    actor = Actor(bench.context, bench.pipeline)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        await wait_all_tasks_blocked()
        await bench.harness.record("1", now=bench.context.now())
        await trio.sleep(31)
        assert bench.skus() == {"A": "1"}
        actor.finish()


async def test_live_changes_are_not_behind_a_backfill_batch(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}), product("2", {"21": "B"}))
    await bench.terms.get()
    released = _held(bench, "1")
    actor = Actor(bench.context, bench.pipeline)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        await bench.change("1", lane=Lane.BACKFILL)
        await wait_all_tasks_blocked()
        await bench.change("2")
        await trio.sleep(0.5)
        assert bench.skus() == {"B": "2"}
        released.set()
        await trio.sleep(0.5)
        assert bench.skus() == {"A": "1", "B": "2"}
        actor.finish()


async def test_what_is_in_flight_in_one_lane_is_not_claimed_by_the_other(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    await bench.terms.get()
    released = _held(bench, "1")
    actor = Actor(bench.context, bench.pipeline)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        await bench.change("1", lane=Lane.BACKFILL)
        await trio.sleep(0.5)
        await bench.change("1")
        await trio.sleep(0.5)
        assert len(bench.shop.asked) == 1
        released.set()
        await trio.sleep(0.5)
        assert len(bench.shop.asked) == 2, "and worked on again afterwards, at once"
        assert await bench.harness.rows() == {}
        actor.finish()


async def test_a_batch_is_as_large_as_the_platform_can_read(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.batch_size = 3
    bench.shop.put(*(product(str(n), {f"{n}1": f"S{n}"}) for n in range(1, 8)))
    await bench.change(*bench.shop.products)
    await _until_empty(bench)
    assert [len(ids) for ids in bench.shop.asked] == [3, 3, 1]


@pytest.mark.parametrize("route", ["POST */batch-update-stock", "PATCH */pricing"])
async def test_a_bulk_call_that_waits_for_its_retry_after_keeps_no_other_batch(
    autojump_clock: MockClock, bench: Bench, route: str
) -> None:
    bench.shop.batch_size = 3
    bench.shop.put(*(product(str(n), {f"{n}1": f"S{n}"}) for n in range(1, 7)))
    await bench.terms.get()
    bench.site.faults.add(route, answer(429, headers={"retry-after": "3"}), times=1)
    await bench.change(*bench.shop.products, lane=Lane.BACKFILL)
    actor = Actor(bench.context, bench.pipeline)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        await trio.sleep(1.0)
        assert bench.site.state.products.writes == 6
        await trio.sleep(3.0)
        assert await bench.harness.rows() == {}
        actor.finish()


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("first", ["1", "2"])
@pytest.mark.parametrize("route", ["POST */batch-fetch-stock", "POST */batch-delete-stock", "PATCH */pricing"])
async def test_products_of_two_batches_in_flight_swap_their_skus(
    autojump_clock: MockClock, bench: Bench, route: str, first: str, lane: Lane
) -> None:
    """The first batch waits for a Retry-After when the second one is claimed; no SKU leaves its owner too early."""
    bench.shop.put(product("1", {"11": "A"}, stock=1), product("2", {"21": "B"}, stock=2))
    await bench.change("1", "2")
    await bench.work()
    bench.shop.put(product("1", {"11": "B"}, stock=3, price="3.00"), product("2", {"21": "A"}, stock=4, price="4.00"))
    bench.shop.batch_size = 1
    too_early: list[str] = []

    async def watch(request: Request, _response: Response | None) -> None:
        owners = await bench.context.storage.read(ledger.owners, bench.harness.connection_id, bench.kind, ["A", "B"])
        external_id = request.path.rsplit("/", 1)[1]
        too_early.extend(
            sku
            for sku, holder in bench.skus().items()
            if f'"sku":"{sku}"'.encode() in request.body and (owners[sku], holder) != (external_id,) * 2
        )

    bench.site.faults.add("PATCH */products/*", watch)
    waits = bench.site.faults.add(route, answer(429, headers={"retry-after": "3"}), times=1)
    actor = Actor(bench.context, bench.pipeline)
    second = "2" if first == "1" else "1"
    async with trio.open_nursery() as nursery:
        await bench.change(first, lane=lane)
        nursery.start_soon(actor.run)
        with trio.fail_after(60):
            while not waits.used:
                await trio.sleep(0.1)
        await bench.change(second, lane=lane)
        bench.shop.asked.clear()
        await trio.sleep(1.0)
        assert (second,) in bench.shop.asked, "both batches are in flight"
        assert first in await bench.harness.rows()
        with trio.fail_after(60):
            await bench.emptied(0.1)
        actor.finish()
    assert bench.skus() == {"B": "1", "A": "2"}
    assert (bench.stock(), bench.prices()) == ({"B": 3, "A": 4}, {"B": 3.0, "A": 4.0})
    assert too_early == []
    assert [one for one in bench.refused if " 409 " in one] == []
    assert await bench.issues() == {}


async def test_a_bug_in_a_batch_is_pinned_to_its_entity(
    autojump_clock: MockClock, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.shop.put(*(product(str(n), {f"{n}1": f"S{n}"}) for n in range(1, 4)))
    await bench.change("1", "2", "3")
    real = bench.pipeline.work

    async def work(claims: Sequence[Claim], lane: Lane) -> None:
        if any(claim.external_id == "2" for claim in claims):
            raise ZeroDivisionError
        await real(claims, lane)

    monkeypatch.setattr(bench.pipeline, "work", work)
    await _until_empty(bench)
    assert set(bench.skus()) == {"S1", "S3"}
    row = await bench.harness.row("2")
    assert (row["state"], row["attempts"]) == ("parked", 10)


async def test_a_bug_while_pushing_is_settled_as_broken(
    autojump_clock: MockClock, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Pricing, "set", broken)
    bench.shop.put(product("1", {"11": "A"}))
    await bench.change("1")
    await _until_empty(bench)
    assert (await bench.harness.row("1"))["state"] == "parked"
    assert bench.stock() == {"A": 1}


async def test_a_closed_gate_stops_it_and_opening_wakes_it(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    bench.shop.failures["read"] = [Blocked("no", reason="credentials", side=Side.PLATFORM)]
    actor = Actor(bench.context, bench.pipeline)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        await bench.change("1")
        await trio.sleep(100)
        assert len(bench.shop.asked) == 1
        await bench.probed()
        await trio.sleep(0.5)
        assert bench.skus() == {"A": "1"}
        actor.finish()


async def test_trouble_with_the_database_is_waited_out(
    autojump_clock: MockClock, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    real, troubles = bench.pipeline.work, [StorageTrouble("full", reason="storage")] * 3

    async def work(claims: Sequence[Claim], lane: Lane) -> None:
        if troubles:
            raise troubles.pop()
        await real(claims, lane)

    monkeypatch.setattr(bench.pipeline, "work", work)
    await bench.change("1")
    await _until_empty(bench)
    assert bench.skus() == {"A": "1"}
    assert trio.current_time() >= 3


async def test_finishing_lets_the_batch_in_flight_end(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}), product("2", {"21": "B"}))
    await bench.terms.get()
    released = _held(bench, "1")
    actor = Actor(bench.context, bench.pipeline)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        await bench.change("1")
        await trio.sleep(0.5)
        actor.finish()
        await bench.change("2")
        await trio.sleep(50)
        released.set()
    assert bench.skus() == {"A": "1"}
    assert set(await bench.harness.rows()) == {ExternalId("2")}
