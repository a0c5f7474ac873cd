"""A bad entity stays alone: a call that hangs, fails or is refused for it delays no other entity of its kind."""

import contextlib
import datetime as dt
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon.engine.actor import Actor
from daemon.entities import Mapped, StoreFacts
from daemon.errors import Forbidden, Rejected, Side
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.base import Entity
from daemon.sandbox.faults import answer, delay
from daemon.transport.throttle.scopes import LONGEST_PAUSE
from tests.engine.fakes import Bench, open_bench, product
from tests.engine.writers.customers.people import customer
from tests.engine.writers.test_orders import PLACED, order

COUNT = 12
LATEST = 9.0
"""Seconds; the debounce adds one more."""


def _cart(external_id: str) -> str:
    return f"4217ba4f-7618-4e3b-b1af-{int(external_id):012}"


def _product(external_id: str) -> Any:
    return product(external_id, {f"{external_id}1": f"S{external_id}"})


def _order(external_id: str) -> Any:
    return order(external_id, _cart(external_id))


MAKERS: dict[Kind, Callable[[str], Any]] = {
    Kind.PRODUCTS: _product,
    Kind.CUSTOMERS: customer,
    Kind.ORDERS: _order,
}
EDITS: dict[Kind, Callable[[], dict[str, Any]]] = {
    Kind.PRODUCTS: lambda: {"title": "New"},
    Kind.CUSTOMERS: lambda: {"first_name": "New"},
    Kind.ORDERS: lambda: {"placed": PLACED + dt.timedelta(days=1)},
}


def _edit(bench: Bench, external_id: str) -> None:
    bench.shop.change(external_id, **EDITS[bench.kind]())


@contextlib.asynccontextmanager
async def _opened(kind: Kind, count: int = COUNT) -> AsyncIterator[Bench]:
    """Open a bench whose entities are in SparkLayer, with an actor at work."""
    async with open_bench(kind=kind) as bench:
        bench.shop.put(*(MAKERS[kind](str(number)) for number in range(1, count + 1)))
        await bench.change(*bench.shop.products)
        await bench.work()
        probes = {Side.PLATFORM: bench.shop.probe, Side.SPARKLAYER: bench.context.sparklayer.probe}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Actor(bench.context, bench.pipeline).run)
            nursery.start_soon(bench.context.pause.run_prober, probes)
            nursery.start_soon(bench.context.kind_states[kind].pause.run_prober, {})
            yield bench
            nursery.cancel_scope.cancel()


async def _arrive(bench: Bench, *ids: str, within: float = LATEST) -> None:
    async def arrived() -> bool:
        return not (await bench.harness.rows()).keys() & set(ids)

    with trio.fail_after(within):
        await bench.until(arrived, 0.1)


def _moved(*entities: Any) -> tuple[Any, ...]:
    return tuple(evolve(one, **EDITS[_kind_of(one)]()) for one in entities)


def _kind_of(entity: Any) -> Kind:
    return {"Product": Kind.PRODUCTS, "Customer": Kind.CUSTOMERS, "Order": Kind.ORDERS}[type(entity).__name__]


UPDATE: dict[Kind, Callable[[str], str]] = {
    Kind.PRODUCTS: lambda external_id: f"PATCH */products/{external_id}",
    Kind.CUSTOMERS: lambda external_id: f"PUT */customers/platform/{external_id}",
    Kind.ORDERS: lambda external_id: f"PUT *{_cart(external_id)}*",
}
"""The write of an entity that SparkLayer has."""

HANGING: dict[str, tuple[Kind, str, dict[str, Any] | None]] = {
    "product": (Kind.PRODUCTS, "PATCH */products/1", {}),
    "customer read": (Kind.CUSTOMERS, "GET */customers/platform/1", {}),
    "customer": (Kind.CUSTOMERS, "PUT */customers/platform/1", {}),
    "customer removed": (Kind.CUSTOMERS, "DELETE */customers/platform/1", None),
    "purchase read": (Kind.ORDERS, f"GET *{_cart('1')}*", {}),
    "purchase": (Kind.ORDERS, f"PUT *{_cart('1')}*", {}),
    "purchase cancelled": (Kind.ORDERS, f"PUT *{_cart('1')}*", None),
}
"""Hanging calls by name: the kind, the call, and the entity's edit (None deletes it)."""


@pytest.mark.holds("C4")
@pytest.mark.parametrize(("kind", "pattern", "fields"), HANGING.values(), ids=HANGING)
async def test_others_arrive_beside_an_entity_whose_call_hangs(
    autojump_clock: MockClock, kind: Kind, pattern: str, fields: dict[str, Any] | None
) -> None:
    async with _opened(kind) as bench:
        rule = bench.site.faults.add(pattern, delay(25.0))
        if fields is None:
            del bench.shop.products["1"]
        else:
            bench.shop.change("1", **{**EDITS[kind](), **fields})
        for number in range(3, 6):
            _edit(bench, str(number))
        await bench.change("1", "3", "4", "5")
        with trio.fail_after(5.0):  # A removal needs a second answer.
            while not rule.used:  # noqa: ASYNC110  the clock is a mock
                await trio.sleep(0.1)
        await _others_arrive(bench)
        await _arrive(bench, "1", within=30.0)
        assert rule.used == 1, "it is not given up, nor begun again"
        assert await bench.issues() == {}


MOVES = {
    Kind.PRODUCTS: ("PATCH */products/1", _moved(product("1", {"11": "T"}), product("2", {"21": "S1", "22": "S2"}))),
    Kind.CUSTOMERS: (
        "PUT */customers/platform/1",
        _moved(customer("1", email="new@example.com"), customer("2", email="buyer1@example.com")),
    ),
    Kind.ORDERS: (f"PUT *{_cart('1')}*", _moved(order("1", _cart("900")), order("2", _cart("1")))),
}
"""By kind: the hanging call with which entity 1 gives up a key, and the entities that move the key from 1 to 2."""


@pytest.mark.parametrize(("kind", "seconds"), [*((kind, 40.0) for kind in MOVES), (Kind.PRODUCTS, 12.0)])
async def test_what_moves_waits_for_the_entity_that_hangs_and_nothing_else_does(
    autojump_clock: MockClock, kind: Kind, seconds: float
) -> None:
    pattern, moved = MOVES[kind]
    async with _opened(kind) as bench:
        rule = bench.site.faults.add(pattern, delay(seconds))
        bench.shop.put(*moved)
        for number in range(3, 6):
            _edit(bench, str(number))
        await bench.change("1", "2", "3", "4", "5")
        await trio.sleep(0.5)
        assert rule.used == 1
        await _others_arrive(bench)
        bench.site.faults.clear()
        await _arrive(bench, "1", "2", within=900)
        assert await bench.issues() == {}
        after = bench.site.state.comparable()
    async with open_bench(kind=kind) as fresh:
        fresh.shop.put(*bench.shop.products.values())
        await fresh.change(*fresh.shop.products)
        await fresh.work()
        assert _live(after, kind) == _live(fresh.site.state.comparable(), kind)


def _live(state: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Return a site's state without traces of its history."""
    if kind is Kind.ORDERS:
        named = {cart: one["purchase_identifiers"].get("platform") for cart, one in state["purchases"].items()}
        return {cart: order for cart, order in named.items() if order}
    if kind is Kind.CUSTOMERS:
        return {key: one["email"] for key, one in state["customers"].items()}
    return {"stock": state["stock"], "prices": state["prices"]}


async def _others_arrive(bench: Bench) -> None:
    """Check that changes arrive: those of the same batch, and others one by one."""
    began = trio.current_time()
    for number in range(6, COUNT + 1):
        _edit(bench, str(number))
        await bench.change(str(number))
        await _arrive(bench, str(number))
    await _arrive(bench, "3", "4", "5", within=max(0.0, began + LATEST - trio.current_time()))


@pytest.mark.holds("C4")
@pytest.mark.parametrize("method", ["read", "read_one"])
@pytest.mark.parametrize("kind", MAKERS)
async def test_others_arrive_beside_an_entity_whose_reading_hangs(
    autojump_clock: MockClock, kind: Kind, method: str
) -> None:
    async with _opened(kind) as bench:
        last: list[str] = []

        async def hang(called: str) -> None:
            last[:] = [called]
            if called == method and (method == "read_one" or "1" in bench.shop.asked[-1]):
                await trio.sleep(60.0)

        if method == "read_one":
            bench.shop.left_out.add("1")
        bench.shop.before = hang
        for number in (1, 3, 4, 5):
            _edit(bench, str(number))
        await bench.change("1", "3", "4", "5")
        await trio.sleep(0.5)
        await _others_arrive(bench)
        await _arrive(bench, "1", within=900)
        assert await bench.issues() == {}


@pytest.mark.holds("C4")
@pytest.mark.parametrize("kind", MAKERS)
async def test_many_arrive_beside_an_entity_whose_reading_hangs(autojump_clock: MockClock, kind: Kind) -> None:
    many = [str(number) for number in range(1, 61)]
    async with _opened(kind, len(many)) as bench:

        async def hang(_method: str) -> None:
            if "1" in bench.shop.asked[-1]:
                await trio.sleep(60.0)

        bench.shop.before = hang
        for external_id in many:
            _edit(bench, external_id)
        reads = len(bench.shop.asked)
        await bench.change(*many)
        await _arrive(bench, *many[1:], within=LATEST + 1.0)
        assert len(bench.shop.asked) - reads <= 25
        await _arrive(bench, "1", within=900)


REFUSED = {name: one for name, one in HANGING.items() if not name.startswith("purchase") or name == "purchase read"}
"""All writes except those of purchases, whose 403 is always about the content."""

MISSING = {
    "product": (Kind.PRODUCTS, "PATCH */products/*"),
    "customer read": (Kind.CUSTOMERS, "GET */customers/platform/*"),
    "customer": (Kind.CUSTOMERS, "PUT */customers/platform/*"),
    "purchase read": (Kind.ORDERS, "GET */purchases/*"),
}
PROBLEM = {"content-type": "application/problem+json"}
IN_FLIGHT = 7
FORBIDDEN = answer(403, '{"title": "Forbidden", "status": 403, "detail": "This one has open invoices."}', PROBLEM)


@pytest.mark.holds("C3")
@pytest.mark.parametrize(("kind", "pattern", "fields"), REFUSED.values(), ids=REFUSED)
async def test_a_403_of_one_entity_is_its_own(
    autojump_clock: MockClock, kind: Kind, pattern: str, fields: dict[str, Any] | None
) -> None:
    async with _opened(kind) as bench:
        bench.site.faults.add(pattern, FORBIDDEN)
        if fields is None:
            del bench.shop.products["1"], bench.shop.products["2"]
        else:
            bench.shop.change("1", **{**EDITS[kind](), **fields})
        await bench.change("1")
        await trio.sleep(900)
        assert bench.context.blocked(kind) is None, "nothing else shows yet whose the 403 is"
        await _others_arrive(bench)
        if fields is None:
            await bench.change("2")
        await _arrive(bench, "1", "2", within=1800)
        assert await bench.issues() == {"1": ["refused_by_sparklayer"]}
        assert bench.context.blocked(kind) is None
        tries = len([one for one in bench.refused if " 403 " in one])
        await bench.change("1")
        await _arrive(bench, "1")
        assert len([one for one in bench.refused if " 403 " in one]) == tries + 1


@pytest.mark.holds("C3")
@pytest.mark.parametrize(("kind", "pattern"), MISSING.values(), ids=MISSING)
async def test_a_missing_right_costs_three_calls_and_those_in_flight(
    autojump_clock: MockClock, kind: Kind, pattern: str
) -> None:
    async with _opened(kind, 60) as bench:
        rule = bench.site.faults.add(pattern, FORBIDDEN)
        for external_id in bench.shop.products:
            _edit(bench, external_id)
        await bench.change(*bench.shop.products)
        await trio.sleep(0.9)
        assert 3 <= rule.used <= 3 + IN_FLIGHT
        cause = bench.context.kind_states[kind].pause.cause
        assert cause is not None
        assert (cause.side, cause.reason) == (Side.SPARKLAYER, "forbidden")
        assert bench.context.pause.cause is None
        before, steps = rule.used, 14
        await trio.sleep(sum(min(2.0**step, LONGEST_PAUSE) for step in range(steps)))
        assert steps - 4 <= rule.used - before <= steps, "one probe per step of the backoff"
        probed = [one.split(" 403 ")[0] for one in bench.refused if " 403 " in one][before:]
        assert all(one != other for one, other in itertools.pairwise(probed)), "each for another entity"
        assert max(row["attempts"] for row in (await bench.harness.rows()).values()) <= 1
        bench.site.faults.clear()
        await _arrive(bench, *bench.shop.products, within=2 * LONGEST_PAUSE)
        assert await bench.issues() == {}


@pytest.mark.holds("C3")
@pytest.mark.parametrize("kind", MAKERS)
async def test_what_the_store_alone_does_not_show_is_told_if_it_may_be_ours(
    autojump_clock: MockClock, kind: Kind
) -> None:
    async with _opened(kind) as bench:
        refusal = Rejected("BigCommerce answered 403", reason="scope_missing")
        undecided = Forbidden("BigCommerce answered 403", reason="scope_missing", side=Side.PLATFORM)
        for external_id in ("1", "99"):
            bench.shop.failures["read"] = [undecided, refusal]
            await bench.change(external_id)
            await _arrive(bench, external_id)
        assert bench.context.blocked(kind) is None
        told = {"1": ["not_shown"], "99": ["not_shown"]}
        if kind is Kind.ORDERS:
            del told["99"]  # Nothing shows that it is SparkLayer's.
        assert await bench.issues() == told
        assert "1" in {row["external_id"] for row in await bench.harness.everything_of("ledger")}


@pytest.mark.holds("C3")
@pytest.mark.parametrize("kind", MAKERS)
async def test_a_refusal_of_what_belongs_to_an_entity_is_told_as_its_own(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """The adapter finds the fault while it reads a batch, and raises it when the entity is mapped."""
    async with _opened(kind) as bench:
        real = bench.shop.map

        def refuse(kind: Kind, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
            if entity.external_id == "1":
                raise Rejected("BigCommerce answered 403", reason="scope_missing")
            return real(kind, entity, facts)

        monkeypatch.setattr(bench.shop, "map", refuse)
        for number in (1, 2):
            _edit(bench, str(number))
        await bench.change("1", "2")
        await _arrive(bench, "1", "2")
        assert bench.context.blocked(kind) is None
        assert await bench.issues() == {"1": ["not_shown"]}


@pytest.mark.holds("C3")
@pytest.mark.parametrize("kind", MAKERS)
async def test_one_that_is_not_shown_keeps_no_other_of_its_batch(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    async with _opened(kind) as bench:
        read = bench.shop.read

        async def refuse(kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
            if "1" in ids:
                raise Rejected("BigCommerce answered 403", reason="scope_missing")
            return await read(kind, ids, lane)

        monkeypatch.setattr(bench.shop, "read", refuse)
        for number in range(1, 6):
            _edit(bench, str(number))
        await bench.change("1", "2", "3", "4", "5")
        await _arrive(bench, "1", "2", "3", "4", "5")
        assert await bench.issues() == {"1": ["not_shown"]}


@pytest.mark.holds("C8", "E09")
@pytest.mark.parametrize("kind", MAKERS)
async def test_two_poisoned_entities_block_nothing(autojump_clock: MockClock, kind: Kind) -> None:
    async with _opened(kind) as bench:
        for poisoned in ("1", "2"):
            bench.site.faults.add(UPDATE[kind](poisoned), answer(500))
            _edit(bench, poisoned)
        await bench.change("1", "2")
        for _ in range(600):
            await trio.sleep(3)
            assert bench.context.blocked(kind) is None
        await _others_arrive(bench)
        assert bench.context.sparklayer.limiter.statistics().opened == 0
