"""Customers who have more than one answer holds, and families that are spread over the pages of a full sync."""

import itertools
from typing import Any

import pytest

from daemon.sandbox import Store
from daemon.sandbox.company import WHOLESALE
from daemon.sandbox.message import Request
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.trade import BRANCH, BUYER, HEAD, HOME, PARENT, asked, problems, trade_store
from tests.prove.process.watch import Barrier

MANY = 260
"""Customers: two pages of the store."""
INCLUDED = 10
"""So many addresses and attributes the store puts into a customer; the others are listed apart."""
EVERY_ATTRIBUTE = {
    "sparklayer_accounting_id": "A-1",
    "sparklayer_discount_percentage": "12.5",
    "sparklayer_price_lists": "trade, spring",
    "sparklayer_sales_agent_groups": "north",
    "sparklayer_company_name": "Attributed Ltd",
    "sparklayer_group": "gold",
}


def _many(store: Store) -> list[int]:
    return [
        store.customers.add(f"c{number}@example.com", group_id=WHOLESALE, addresses=[HOME]) for number in range(MANY)
    ]


def _held(h: ProcessHarness, customer_id: int) -> dict[str, Any]:
    found: dict[str, Any] = h.state.comparable()["customers"][str(customer_id)]
    return found


async def test_more_addresses_and_attributes_than_an_answer_holds(harness: OpenHarness) -> None:
    """What SparkLayer needs stands behind as many attributes of somebody else as the answer has room for."""
    store = trade_store()
    many = _many(store)
    rich, housed = many[3], many[-1]
    for number in range(INCLUDED + 2):
        store.customers.set_attribute(rich, f"loyalty {number}", "x")
    for name, value in EVERY_ATTRIBUTE.items():
        store.customers.set_attribute(rich, name, value)
    for number in range(2 * INCLUDED):
        store.customers.add_address(housed, **HOME | {"address2": f"Pause {number}"})
    async with harness(store) as h:
        await h.first_sync()
        assert len(_held(h, housed)["addresses"]) == 2 * INCLUDED + 1
        assert (_held(h, rich)["group"], _held(h, rich)["accounting_id"]) == ("gold", "A-1")
        assert sorted(_held(h, rich)["price_lists"]) == ["spring", "trade"]
        assert problems(h, "customers") == {}
        h.store.customers.add_address(housed, **HOME | {"address2": "The last"})
        await h.settle()
        assert len(_held(h, housed)["addresses"]) == 2 * INCLUDED + 2
        h.assert_equal()


@pytest.mark.holds("F4")
async def test_grandparents_of_a_page_that_is_not_read_yet_come_before_their_grandchildren(
    harness: OpenHarness,
) -> None:
    """SparkLayer refuses a parent that it does not have: who names one waits until it may be read no more."""
    store = trade_store()
    many = _many(store)
    chain = [many[0], many[-1], many[1], many[-2]]
    for child, parent in itertools.pairwise(chain):
        store.customers.set_attribute(child, PARENT, str(parent))
    async with harness(store, start=False) as h:
        second_page = Barrier(passing=1, concerns=_is_enumeration).stand(h.shop.faults, "GET */v3/customers")
        await h.process.start()
        await second_page.reached()
        await h.until(lambda: str(many[2]) in h.state.comparable()["customers"])
        assert not {str(one) for one in chain} & h.state.comparable()["customers"].keys()
        second_page.release()
        await h.first_sync()
        assert _parents(h) == {str(child): str(parent) for child, parent in itertools.pairwise(chain)} | {
            str(BRANCH): str(HEAD)
        }
        assert problems(h, "customers") == {}
        assert h.state.customers.writes == MANY + 3, "nobody is written twice"
        run = (await h.process.status("customers"))["full_sync"]
        assert (run["seen"], run["succeeded"], run["failed"]) == (MANY + 3, True, 0)


SIXTY = 60
GONE = 90_000
"""An id that no customer has, nor one of those after it."""


@pytest.mark.holds("F4")
async def test_sixty_children_of_a_parent_outside_the_groups_cost_no_reads(harness: OpenHarness) -> None:
    """An unchanged full sync asks the store at most twice more than it does once they name nobody."""
    store = trade_store()
    children = [
        store.customers.add(f"child{number}@example.com", group_id=WHOLESALE, silent=True) for number in range(SIXTY)
    ]
    for number, child in enumerate(children):
        store.customers.set_attribute(child, PARENT, str(BUYER if number % 2 else GONE + number))
    async with harness(store) as h:
        await h.first_sync()
        assert problems(h, "customers").keys() == {str(child) for child in children}
        with_parents = await _reads_of_a_full_sync(h)
        assert problems(h, "customers").keys() == {str(child) for child in children}
        for child in children:
            store.customers.set_attribute(child, PARENT, None)
        assert (await h.process.full_sync("customers"))["succeeded"]
        assert problems(h, "customers") == {}
        assert with_parents <= await _reads_of_a_full_sync(h) + 2


async def _reads_of_a_full_sync(h: ProcessHarness) -> int:
    """Return how often an unchanged full sync of customers asks the store for something; it must write nothing."""
    await h.settle()
    before, written = asked(h, "GET */v3/customers*"), h.state.customers.writes
    assert (await h.process.full_sync("customers"))["succeeded"]
    await h.settle()
    assert h.state.customers.writes == written
    return asked(h, "GET */v3/customers*") - before


def _is_enumeration(request: Request) -> bool:
    return "customer_group_id" in request.query


def _parents(h: ProcessHarness) -> dict[str, str]:
    held = h.state.comparable()["customers"].items()
    return {key: customer["parent_customer_id"] for key, customer in held if customer.get("parent_customer_id")}
