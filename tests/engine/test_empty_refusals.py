"""Refusals of SparkLayer without a body are understood, but one such answer proves nothing."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from daemon.model import Kind
from daemon.sandbox.faults import answer
from daemon.sandbox.sparklayer.api import SparkLayerOptions
from daemon.sparklayer.empty_refusals import BELIEVED_SECONDS
from tests.engine.fakes import Bench, open_bench, product
from tests.engine.writers.customers.people import customer
from tests.engine.writers.test_orders import CART, OTHER, THIRD, order

pytestmark = pytest.mark.holds("A2")

WORDLESS = SparkLayerOptions(problem_bodies=False)
SOME: dict[Kind, list[Any]] = {
    Kind.PRODUCTS: [product(str(number), {f"{number}1": f"S{number}"}) for number in range(1, 4)],
    Kind.CUSTOMERS: [customer(str(number)) for number in range(1, 4)],
    Kind.ORDERS: [order(str(number), cart=cart) for number, cart in enumerate((CART, OTHER, THIRD), 1)],
}
CHANGES = {Kind.PRODUCTS: {"title": "New"}, Kind.CUSTOMERS: {"first_name": "Ann"}, Kind.ORDERS: {"visible": "X-2"}}


def _held(bench: Bench, kind: Kind) -> set[str]:
    state = bench.site.state.comparable()
    return set(bench.skus()) if kind is Kind.PRODUCTS else set(state[_part(kind)])


def _part(kind: Kind) -> str:
    return {Kind.CUSTOMERS: "customers", Kind.ORDERS: "purchases"}[kind]


def _delete_by_hand(bench: Bench, kind: Kind) -> None:
    state = bench.site.state
    if kind is Kind.PRODUCTS:
        products = state.products
        held = products.find("2")
        assert held is not None
        del products.products[held.id], products._ids["2"], products._variant_ids["21"], products._skus["S2"]
        del products._owners[held.variants[0].id]
    elif kind is Kind.CUSTOMERS:
        state.customers.remove("2")
    else:
        purchase = state.purchases.find("sparklayer", OTHER)
        assert purchase is not None
        state.purchases.purchases.remove(purchase)


@pytest.mark.parametrize("kind", SOME)
async def test_a_site_that_refuses_without_a_body_gets_everything(autojump_clock: MockClock, kind: Kind) -> None:
    async with open_bench(WORDLESS, kind=kind) as bench:
        bench.shop.put(*SOME[kind])
        await bench.change("1", "2", "3")
        await bench.work()
        everything = _held(bench, kind)
        assert len(everything) == 3
        _delete_by_hand(bench, kind)
        bench.shop.change("2", **CHANGES[kind])
        await bench.change("2")
        began = bench.context.now()
        await bench.work()
        assert bench.context.now() - began < 60
        assert _held(bench, kind) == everything
        _delete_by_hand(bench, kind)
        bench.shop.products.clear()
        await bench.change("1", "2", "3")
        await bench.work()
        # A customer whom SparkLayer does not show may only be hidden, so a deletion is tried for longer.
        assert bench.context.now() - began < (3600 if kind is Kind.CUSTOMERS else 120)
        assert (await bench.harness.ledger(), await bench.issues()) == ({}, {})


async def test_a_customer_who_is_the_only_one_is_believed_to_be_gone_after_ten_minutes(
    autojump_clock: MockClock,
) -> None:
    async with open_bench(WORDLESS, kind=Kind.CUSTOMERS) as bench:
        bench.shop.put(customer("1"))
        await bench.change("1")
        await bench.work()
        bench.site.state.customers.remove("1")
        bench.shop.change("1", first_name="Ann")
        await trio.sleep(BELIEVED_SECONDS)
        await bench.change("1")
        began = bench.context.now()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.work)
            await trio.sleep(300)
            await bench.context.sparklayer.stock.locations()
        assert 600 <= bench.context.now() - began < 3600
        assert set(_held(bench, Kind.CUSTOMERS)) == {"1"}


@pytest.mark.parametrize("status", [400, 403, 409, 422])
async def test_a_refusal_without_a_body_that_goes_on_becomes_an_issue_or_a_pause(
    autojump_clock: MockClock, status: int
) -> None:
    async with open_bench(kind=Kind.ORDERS) as bench:
        bench.shop.put(*SOME[Kind.ORDERS])
        bench.site.faults.add(f"PUT */purchases/sparklayer/{OTHER}", answer(status))
        await bench.change("1", "2", "3")
        began = bench.context.now()
        await bench.work()
        assert 600 <= bench.context.now() - began < 3600
        assert set(await bench.issues()) == {"2"}
