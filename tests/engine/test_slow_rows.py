"""A product whose stock or price hangs or fails delays no other: neither in the same bulk call nor in later ones."""

# ruff: noqa: ASYNC110  the clock is a mock: looking again costs nothing

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest
import trio
from attrs import evolve, frozen
from trio.testing import MockClock

from daemon.engine.actor import Actor
from daemon.entities import StockLevel
from daemon.errors import Side
from daemon.model import Lane, Sku
from daemon.sandbox.faults import Act, answer, delay, html, reset
from daemon.sandbox.message import Request, Response
from tests.engine.fakes import Bench, open_bench, product

COUNT = 12
LATEST = 10.0
HANGS = delay(600.0)
FAULTS: dict[str, Act] = {"hangs": HANGS, "500": answer(500), "502 HTML": html(), "cut": reset()}


@frozen
class Change:
    """A sort of change of a product's rows, and the call that carries it out; removals need two answers."""

    route: str
    removes: bool = False
    stock: bool = True


CHANGES = {
    "stock set": Change("POST */batch-update-stock"),
    "stock removed, reading": Change("POST */batch-fetch-stock", removes=True),
    "stock removed": Change("POST */batch-delete-stock", removes=True),
    "price set": Change("PATCH */pricing", stock=False),
    "price removed": Change("PATCH */pricing", removes=True, stock=False),
}


def poisoned(act: Act, *skus: str) -> Act:
    """Strike only requests that name one of `skus`."""

    async def strike(request: Request, response: Response | None) -> Response | None:
        named = any(f'"{sku}"'.encode() in request.body for sku in skus)
        return await act(request, response) if named else None

    return strike


@contextlib.asynccontextmanager
async def opened(count: int = COUNT) -> AsyncIterator[Bench]:
    """Open a bench whose products are in SparkLayer, with an actor at work."""
    async with open_bench() as bench:
        bench.shop.put(*(product(str(n), {f"{n}1": f"S{n}"}) for n in range(1, count + 1)))
        await bench.change(*bench.shop.products)
        await bench.work()
        await trio.sleep(60.0)
        probes = {Side.PLATFORM: bench.shop.probe, Side.SPARKLAYER: bench.context.sparklayer.probe}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Actor(bench.context, bench.pipeline).run)
            nursery.start_soon(bench.context.pause.run_prober, probes)
            yield bench
            nursery.cancel_scope.cancel()


def edit(bench: Bench, number: int, change: Change, level: int) -> None:
    """Change stock or price of a product in the shop; each keeps its other row."""
    sku = Sku(f"S{number}")
    stock = {} if change.removes else {sku: StockLevel(level)}
    prices = {} if change.removes else {sku: Decimal(level)}
    bench.shop.change(str(number), **({"stock": stock} if change.stock else {"prices": prices}))


def arrived(bench: Bench, *numbers: int) -> bool:
    """Return True if SparkLayer has stock and prices of these products as the shop has them."""
    products = [bench.shop.products[str(number)] for number in numbers]
    stock, prices = bench.stock(), bench.prices()
    return all(
        stock.get(variant.sku) == (one.stock[variant.sku].level if variant.sku in one.stock else None)
        and prices.get(variant.sku) == (float(one.prices[variant.sku]) if variant.sku in one.prices else None)
        for one in products
        for variant in one.variants
    )


async def arrive(bench: Bench, *numbers: int, within: float) -> None:
    """Wait until SparkLayer has these products as the shop has them."""
    with trio.fail_after(within):
        while not arrived(bench, *numbers):
            await trio.sleep(within / 100)


def calls_for_rows(calls: Counter[str]) -> int:
    """Return the number of calls for stock and prices."""
    return sum(number for route, number in calls.items() if "stock" in route or "pricing" in route)


@pytest.mark.holds("C4")
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (change, fault)
        for change in CHANGES
        for fault in FAULTS
        if fault == "hangs" or change in {"stock set", "price removed"}
    ],
)
async def test_live_changes_arrive_beside_a_live_change_that_does_not(
    autojump_clock: MockClock, change: str, fault: str
) -> None:
    what = CHANGES[change]
    async with opened() as bench:
        bench.site.faults.add(what.route, poisoned(FAULTS[fault], "S1"))
        for number in (1, 3, 4, 5):
            edit(bench, number, what, 7)
        await bench.change("1", "3", "4", "5")
        await trio.sleep(0.5)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_arrive_in_time, bench, 3, 4, 5)
            for number in range(6, COUNT + 1):
                edit(bench, number, what, 8)
                await bench.change(str(number))
                await _arrive_in_time(bench, number)
        for number in (3, 4, 6):
            edit(bench, number, CHANGES["stock set"], 9)
        before = calls_for_rows(bench.calls)
        await bench.change("3", "4", "6")
        await _arrive_in_time(bench, 3, 4, 6)
        assert not arrived(bench, 1)
        await trio.sleep(600)
        assert calls_for_rows(bench.calls) - before < 100, "and it costs no storm of calls"
        assert bench.context.blocked(bench.kind) is None
        bench.site.faults.clear()
        await arrive(bench, *range(1, COUNT + 1), within=1800)
        await _emptied(bench)
        assert await bench.issues() == {}


async def _arrive_in_time(bench: Bench, *numbers: int) -> None:
    await arrive(bench, *numbers, within=LATEST)


async def _emptied(bench: Bench) -> None:
    with trio.fail_after(1800):
        await bench.emptied(10.0)


@pytest.mark.holds("C4")
@pytest.mark.parametrize(("change", "fault"), [*((change, "hangs") for change in CHANGES), ("stock set", "502 HTML")])
async def test_live_changes_arrive_beside_a_product_of_a_full_sync_that_does_not(
    autojump_clock: MockClock, change: str, fault: str
) -> None:
    """Changes of products that share the call of the full sync, and of others."""
    what = CHANGES[change]
    async with opened(40) as bench:
        bench.site.faults.add(what.route, poisoned(FAULTS[fault], "S1"))
        for number in range(1, 21):
            edit(bench, number, what, 7)
        await bench.change(*map(str, range(1, 21)), lane=Lane.BACKFILL)
        await trio.sleep(0.5)
        async with trio.open_nursery() as nursery:
            for number in (*range(11, 21), *range(31, 41)):
                edit(bench, number, CHANGES["stock set"] if what.stock else CHANGES["price set"], 8)
                await bench.change(str(number))
                nursery.start_soon(_arrive_in_time, bench, number)
                await trio.sleep(0.5)
        assert arrived(bench, *range(2, 41))
        bench.site.faults.clear()
        await arrive(bench, 1, within=1800)
        await _emptied(bench)
        assert await bench.issues() == {}


@frozen
class _CarriedOutLate:
    """Carries requests out some seconds after they came, though the client has gone, and answers none of them."""

    bench: Bench
    nursery: trio.Nursery
    seconds: float

    async def __call__(self, request: Request, _response: Response | None) -> Response | None:
        self.nursery.start_soon(self._carry_out, request)
        await trio.sleep(600.0)
        return None

    async def _carry_out(self, request: Request) -> None:
        await trio.sleep(self.seconds)
        match = self.bench.site.find(request)
        self.bench.site.answer(request, match)


@pytest.mark.parametrize("change", ["stock set", "price set", "stock removed"])
@pytest.mark.parametrize("seconds", [4.0, 25.0])
async def test_an_earlier_value_that_arrives_late_does_not_stay(
    autojump_clock: MockClock, change: str, seconds: float
) -> None:
    what = CHANGES[change]
    async with opened() as bench, trio.open_nursery() as nursery:
        late = _CarriedOutLate(bench, nursery, seconds)
        bench.site.faults.add(what.route, poisoned(late, "S1"))
        for number in (1, 3, 4, 5):
            edit(bench, number, what, 7)
        await bench.change("1", "3", "4", "5")
        await arrive(bench, 3, 4, 5, within=LATEST)
        for level in (8, 9):
            edit(bench, 3, CHANGES["stock set"] if what.stock else CHANGES["price set"], level)
            await bench.change("3")
            await arrive(bench, 3, within=LATEST)
        bench.site.faults.clear()
        await trio.sleep(120.0)
        assert arrived(bench, *range(1, COUNT + 1))
        await _emptied(bench)


@contextlib.contextmanager
def _at_most(bench: Bench, number: int) -> Iterator[None]:
    before = calls_for_rows(bench.calls)
    yield
    assert calls_for_rows(bench.calls) - before <= number


@pytest.mark.parametrize("fault", ["500", "502 HTML", "cut"])
async def test_an_outage_is_not_met_with_many_calls(autojump_clock: MockClock, fault: str) -> None:
    async with opened(100) as bench:
        for route in ("POST */batch-update-stock", "PATCH */pricing"):
            bench.site.faults.add(route, FAULTS[fault])
        for number in range(1, 101):
            edit(bench, number, CHANGES["stock set"], 7)
            edit(bench, number, CHANGES["price set"], 7)
        with _at_most(bench, 2 * 12):
            await bench.change(*bench.shop.products)
            await trio.sleep(4.0)
        bench.site.faults.clear()
        await arrive(bench, *range(1, 101), within=600)


async def test_what_is_slow_as_a_whole_arrives_and_is_not_met_with_many_calls(autojump_clock: MockClock) -> None:
    async with opened(100) as bench:
        bench.site.faults.add("POST */batch-update-stock", delay(8.0))
        for level in (7, 8, 9):
            for number in range(1, 101):
                edit(bench, number, CHANGES["stock set"], level)
            with _at_most(bench, 40):
                await bench.change(*bench.shop.products)
                await arrive(bench, *range(1, 101), within=60)
        await _emptied(bench)


@pytest.mark.holds("C8")
async def test_a_product_with_many_rows_that_hang_is_one_product(autojump_clock: MockClock) -> None:
    skus = {f"1{number:03}": f"S1-{number}" for number in range(100)}
    async with opened() as bench:
        bench.shop.put(product("1", skus))
        await bench.change("1")
        await arrive(bench, 1, within=60)
        bench.site.faults.add("POST */batch-update-stock", poisoned(HANGS, "S1-50"))
        bench.shop.put(evolve(bench.shop.products["1"], stock={Sku(sku): StockLevel(7) for sku in skus.values()}))
        for number in range(3, 6):
            edit(bench, number, CHANGES["stock set"], 7)
        with _at_most(bench, 12):
            await bench.change("1", "3", "4", "5")
            await arrive(bench, 3, 4, 5, within=LATEST)
