"""Customers who have more than one answer holds, and families that are spread over the pages of a full sync."""

import itertools
from typing import Any

from daemon.sandbox import Store
from daemon.sandbox.message import Request
from daemon.sandbox.samples.groups import WHOLESALE
from tests.e2e.harness import House, OpenHouse
from tests.e2e.trade import BRANCH, HEAD, HOME, PARENT, problems, trade_store
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


def _held(h: House, customer_id: int) -> dict[str, Any]:
    found: dict[str, Any] = h.state.comparable()["customers"][str(customer_id)]
    return found


async def test_more_addresses_and_attributes_than_an_answer_holds(house: OpenHouse) -> None:
    """What SparkLayer needs stands behind as many attributes of somebody else as the answer has room for."""
    store = trade_store()
    many = _many(store)
    rich, housed = many[3], many[-1]
    for number in range(INCLUDED + 2):
        store.customers.set_attribute(rich, f"loyalty {number}", "x")
    for name, value in EVERY_ATTRIBUTE.items():
        store.customers.set_attribute(rich, name, value)
    for number in range(2 * INCLUDED):
        store.customers.add_address(housed, **HOME | {"address2": f"Gate {number}"})
    async with house(store) as h:
        await h.first_sync()
        assert len(_held(h, housed)["addresses"]) == 2 * INCLUDED + 1
        assert (_held(h, rich)["group"], _held(h, rich)["accounting_id"]) == ("gold", "A-1")
        assert sorted(_held(h, rich)["price_lists"]) == ["spring", "trade"]
        assert problems(h, "customers") == {}
        h.store.customers.add_address(housed, **HOME | {"address2": "The last"})
        await h.settle()
        assert len(_held(h, housed)["addresses"]) == 2 * INCLUDED + 2
        h.assert_equal()


async def test_grandparents_of_a_page_that_is_not_read_yet_come_before_their_grandchildren(house: OpenHouse) -> None:
    """SparkLayer refuses a parent that it does not have: whoever is named as one is read at once, and so forth."""
    store = trade_store()
    many = _many(store)
    chain = [many[0], many[-1], many[1], many[-2]]
    for child, parent in itertools.pairwise(chain):
        store.customers.set_attribute(child, PARENT, str(parent))
    async with house(store, start=False) as h:
        second_page = Barrier(passing=1, concerns=_is_enumeration).stand(h.shop.faults, "GET */v3/customers")
        await h.process.start()
        await second_page.reached()
        parents = {str(child): str(parent) for child, parent in itertools.pairwise(chain)}
        await h.until(lambda: _parents(h) == parents | {str(BRANCH): str(HEAD)})
        assert str(many[-3]) not in h.state.comparable()["customers"], "nobody else of that page is there yet"
        second_page.release()
        await h.first_sync()
        assert problems(h, "customers") == {}
        run = (await h.process.status("customers"))["full_sync"]
        assert (run["seen"], run["succeeded"], run["failed"]) == (MANY + 3, True, 0)


def _is_enumeration(request: Request) -> bool:
    return "customer_group_id" in request.query


def _parents(h: House) -> dict[str, str]:
    held = h.state.comparable()["customers"].items()
    return {key: customer["parent_customer_id"] for key, customer in held if customer.get("parent_customer_id")}
