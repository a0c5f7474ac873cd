"""No single answer of SparkLayer removes anything: a second one, two seconds later, must agree."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
import trio
from attrs import evolve, field, frozen
from trio.testing import MockClock

from daemon.model import Kind
from daemon.sandbox.faults import Act, answer, delay, html, reset
from daemon.storage.settle import settle
from tests.engine.fakes import PRICE_LIST, Bench, open_bench, product
from tests.engine.writers.customers.people import customer
from tests.engine.writers.customers.people import held as customers
from tests.engine.writers.test_orders import CART, OTHER, order, purchase, types

pytestmark = pytest.mark.holds("A3")

NOT_FOUND = '{"title": "Not found", "status": 404}'
ODD: dict[str, Act] = {"its own": answer(404, NOT_FOUND), "without a body": answer(404), "a page": html(404)}


async def _put(bench: Bench, *entities: Any) -> None:
    bench.shop.put(*entities)
    await bench.change(*(one.external_id for one in entities))
    await bench.work()


async def _drop(bench: Bench) -> None:
    bench.shop.products.clear()
    await bench.change("1")
    await bench.work()


async def _order(bench: Bench) -> None:
    bench.site.state.purchases.place(CART, customer="cu_5", reference="PO-77")
    await _put(bench, order("1"))


async def _unknown_purchase(bench: Bench) -> None:
    bench.site.state.purchases.place(CART, customer="cu_5", reference="PO-77")


async def _customer(bench: Bench) -> None:
    await _put(bench, customer("1"))
    bench.site.state.customers.edit("1", price_lists=["by-hand"])


async def _product(bench: Bench) -> None:
    await _put(bench, product("1", {"11": "A"}))


async def _lost_product(bench: Bench) -> None:
    bench.site.faults.add("POST */products", reset(), after_effect=True, times=1)
    bench.shop.put(product("1", {"11": "A"}))
    await bench.change("1")
    await bench.once()


async def _uncounted(bench: Bench) -> None:
    await _put(bench, evolve(product("1", {"11": "A"}), stock={}))


async def _terms(bench: Bench) -> None:
    bench.terms.forget()
    bench.shop.change("1", title="New")
    await _put(bench)
    await bench.change("1")
    await bench.work()


def _stays(bench: Bench) -> bool:
    now = purchase(bench)
    return (now["customer_reference"], now["total_paid"]["number"]) == ("PO-77", "5.00")


def _list_stays(bench: Bench) -> bool:
    return bench.prices() == {"A": 9.5} and bench.calls["POST /api/v1/price-lists"] == 1


@frozen(kw_only=True)
class Case:
    """After `before`, the API answers `route` wrongly during `act`; `holds` must be true in the end."""

    kind: Kind = Kind.PRODUCTS
    before: Callable[[Bench], Awaitable[None]]
    route: str
    act: Callable[[Bench], Awaitable[None]] = _drop
    holds: Callable[[Bench], bool]
    odd: dict[str, Act] = field(default=ODD)


CASES = {
    "a purchase is replaced": Case(
        kind=Kind.ORDERS,
        before=_order,
        route="GET */purchases/*",
        act=lambda bench: _put(bench, order("1", paid=Decimal(5))),
        holds=_stays,
    ),
    "a purchase that the ledger does not know is replaced": Case(
        kind=Kind.ORDERS,
        before=_unknown_purchase,
        route="GET */purchases/*",
        act=lambda bench: _put(bench, order("1", paid=Decimal(5))),
        holds=_stays,
        # Where nothing is known yet, a repeated empty 404 looks the same as the API's own.
        odd={name: act for name, act in ODD.items() if name != "without a body"},
    ),
    "a purchase is cancelled": Case(
        kind=Kind.ORDERS,
        before=_order,
        route="GET */purchases/*",
        holds=lambda bench: types(bench) == ["cancelled"],
    ),
    "a purchase is left": Case(
        kind=Kind.ORDERS,
        before=_order,
        route=f"GET */purchases/sparklayer/{CART}",
        act=lambda bench: _put(bench, order("1", cart=OTHER)),
        holds=lambda bench: (types(bench), types(bench, OTHER)) == (["cancelled"], ["incoming"]),
    ),
    "a customer is replaced": Case(
        kind=Kind.CUSTOMERS,
        before=_customer,
        route="GET */customers/*",
        act=lambda bench: _put(bench, customer("1", first_name="Ann")),
        holds=lambda bench: (
            (customers(bench)["1"]["price_lists"], customers(bench)["1"]["first_name"]) == (["by-hand"], "Ann")
        ),
    ),
    "a customer is deleted, said to be gone before": Case(
        kind=Kind.CUSTOMERS, before=_customer, route="GET */customers/*", holds=lambda bench: customers(bench) == {}
    ),
    "a customer is deleted, said to be gone then": Case(
        kind=Kind.CUSTOMERS, before=_customer, route="DELETE */customers/*", holds=lambda bench: customers(bench) == {}
    ),
    "a product is discontinued": Case(
        before=_product, route="PATCH */products/1", holds=lambda bench: bench.skus() == {}
    ),
    "a product is discontinued whose creation was not confirmed": Case(
        before=_lost_product, route="* */products/1", holds=lambda bench: bench.skus() == {}
    ),
    "a product is written": Case(
        before=_product,
        route="PATCH */products/1",
        act=lambda bench: _put(bench, product("1", {"11": "A"}, title="New")),
        holds=lambda bench: bench.site.state.comparable()["products"]["1"]["title"] == "New",
    ),
    "a stock row is deleted": Case(
        before=_product,
        route="POST */batch-fetch-stock",
        act=_uncounted,
        holds=lambda bench: bench.stock() == {},
        odd={"a list without what the ledger has": answer(200, "[]", {"content-type": "application/json"})},
    ),
    "a price list is given up": Case(
        before=_product, route=f"GET */price-lists/{PRICE_LIST}", act=_terms, holds=_list_stays
    ),
    "a stock location is given up": Case(
        before=_product,
        route="GET */stock-locations",
        act=_terms,
        holds=lambda bench: bench.calls["POST /api/v1/stock-locations"] == 0,
        odd={"an empty list": answer(200, "[]", {"content-type": "application/json"})},
    ),
}


TIMES = {"a page": (1, 9), "without a body": (1, 9), "a list without what the ledger has": (1, 3)}
"""Repetitions of each answer; the API's own answer is believed if it comes twice."""


@pytest.mark.parametrize(
    ("case", "odd", "times"),
    [
        pytest.param(case, odd, times, id=f"{name}-{words}-{times}")
        for name, case in CASES.items()
        for words, odd in case.odd.items()
        for times in TIMES.get(words, (1,))
    ],
)
async def test_a_wrong_answer_takes_nothing_away(autojump_clock: MockClock, case: Case, odd: Act, times: int) -> None:
    async with open_bench(kind=case.kind) as bench:
        await case.before(bench)
        bench.site.faults.add(case.route, odd, times=times)
        await case.act(bench)
        assert case.holds(bench)
        assert await bench.issues() == {}
        assert (await bench.harness.ledger() == {}) is (case.act is _drop)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, case in CASES.items()
        if case.act is _drop and name != "a customer is deleted, said to be gone then"
    ],
)
async def test_two_answers_that_agree_are_believed(autojump_clock: MockClock, name: str) -> None:
    case = CASES[name]
    async with open_bench(kind=case.kind) as bench:
        await case.before(bench)
        began = bench.context.now()
        bench.site.faults.add(case.route, ODD["its own"])
        await case.act(bench)
        assert 2 <= bench.context.now() - began < 10
        assert await bench.harness.ledger() == {}


async def test_entities_wait_for_their_second_answers_together(autojump_clock: MockClock) -> None:
    """A first sync of orders whose purchases are missing must not write a few in each two seconds."""
    async with open_bench(kind=Kind.ORDERS) as bench:
        carts = {str(number): f"{number:08}{CART[8:]}" for number in range(1, 61)}
        bench.shop.batch_size = len(carts)
        began = bench.context.now()
        await _put(bench, *(order(external_id, cart) for external_id, cart in carts.items()))
        assert bench.site.state.purchases.comparable().keys() == set(carts.values())
        assert bench.context.now() - began < 5


async def test_an_entity_that_comes_in_while_others_are_settled_is_settled_too(autojump_clock: MockClock) -> None:
    async with open_bench(kind=Kind.ORDERS) as bench:
        write = bench.context.storage.write

        async def slowly(operation: Any, call: Any) -> Any:
            if operation is settle:
                await trio.sleep(0.5)
            return await write(operation, call)

        bench.context.storage.write = slowly  # type: ignore[assignment]
        bench.site.faults.add(f"PUT */{OTHER}", delay(0.2))
        await _put(bench, order("1"), order("2", OTHER))
        assert bench.site.state.purchases.writes == 2
