"""Customers through the real process: every change of them arrives, and so does that they are B2B customers no more.

Attributes tell nobody that they changed, so they arrive with the next read of everything.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from daemon.sandbox import Store, synthetic
from daemon.sandbox.bigcommerce.customer_records import NO_GROUP
from daemon.sandbox.company import RETAIL, WHOLESALE
from daemon.sandbox.expectation import customer_differences
from daemon.sandbox.faults import Rule
from daemon.sandbox.message import Request, Response
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.trade import BRANCH, BUYER, HEAD, PARENT, SHOP, problems, trade_store, writes

MANY = 120
BRAKE = 60
"""More than 50, and more than a tenth of MANY."""

ATTRIBUTES: dict[str, str | None] = {
    "group": "gold",
    "accounting_id": "A-1",
    "sales_agent_groups": "north, east",
    "price_lists": '["trade", "spring"]',
    "discount_percentage": "12.5",
    "payment_on_account": '{"credit_limit": 800, "balance": 20.5, "currency_code": "USD", "net_terms": 30}',
    "company_name": "Attributed Ltd",
    PARENT: str(SHOP),
}


async def test_attributes_arrive_with_the_next_full_sync_and_go_with_it(harness: OpenHarness) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        without_terms = ATTRIBUTES | {"payment_on_account": '{"credit_limit": 800, "currency_code": "USD"}'}
        moved = ATTRIBUTES | {"group": "silver", PARENT: str(BRANCH)}
        for values in (ATTRIBUTES, without_terms, ATTRIBUTES, dict.fromkeys(ATTRIBUTES), without_terms, moved):
            for name, value in values.items():
                h.store.customers.set_attribute(HEAD, name, value)
            if values[PARENT] == str(BRANCH):
                h.store.customers.set_attribute(BRANCH, PARENT, None)
            assert h.unequal
            assert (await h.process.full_sync("customers"))["succeeded"]
            assert h.unequal == []


async def test_the_settings_may_say_which_groups_count_and_what_they_are_called(harness: OpenHarness) -> None:
    async with harness(trade_store(), start=False) as h:
        gold = h.store.customers.add_group("Gold")
        h.store.customers.set_group(SHOP, RETAIL)
        h.process.append(f"b2b_customer_groups = [{WHOLESALE}, {gold}]", f'customer_group_mapping = {{{gold} = "vip"}}')

        def unequal() -> list[str]:
            held = h.state.comparable()["customers"]
            return customer_differences(h.store, held, groups={WHOLESALE, gold}, names={gold: "vip"})

        await h.process.start()
        await h.process.first_run("customers")
        await h.hooked()
        for customer, group in ((SHOP, gold), (BUYER, gold), (HEAD, RETAIL), (SHOP, WHOLESALE)):
            h.store.customers.set_group(customer, group)
            await h.settle()
            assert unequal() == []
        assert h.state.comparable()["customers"][str(BUYER)]["group"] == "vip"


async def test_who_has_anothers_email_is_an_issue_until_that_one_gives_it_up(harness: OpenHarness) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        h.store.customers.update(SHOP, email="HEAD@example.com")
        h.store.customers.update(BRANCH, email="no address")
        await h.until(lambda: problems(h, "customers").keys() == {str(SHOP), str(BRANCH)})
        held = h.state.comparable()["customers"]
        emails = {int(key): held[key]["email"] for key in held}
        assert emails == {BRANCH: "branch@example.com", HEAD: "head@example.com", SHOP: "shop@example.com"}
        assert problems(h, "customers")[str(SHOP)].visible_id == "The shop"
        h.store.customers.update(HEAD, email="chief@example.com")
        h.store.customers.update(BRANCH, email="twig@example.com")
        await h.until(lambda: not problems(h, "customers"))
        await h.settle()
        h.assert_equal()
        assert (await h.process.status("customers"))["issues"] == 0


@pytest.mark.parametrize(
    "goes",
    [lambda store: store.customers.set_group(HEAD, NO_GROUP), lambda store: store.customers.delete(HEAD)],
    ids=["leaves", "deleted"],
)
async def test_a_child_whose_parent_goes_goes_on_without_one_and_is_an_issue_at_once(
    harness: OpenHarness, goes: Callable[[Store], object]
) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        run = (await h.process.status("customers"))["full_sync"]
        goes(h.store)
        await h.until(lambda: problems(h, "customers"))
        assert problems(h, "customers").keys() == {str(BRANCH)}
        assert problems(h, "customers")[str(BRANCH)].title == "Parent missing"
        await h.settle()
        h.assert_equal()
        assert "parent_customer_id" not in h.state.comparable()["customers"][str(BRANCH)]
        assert (await h.process.status("customers"))["full_sync"] == run, "nobody had to ask for it"
        h.store.customers.set_attribute(BRANCH, PARENT, None)
        h.store.customers.update(BRANCH, first_name="Bob")
        await h.until(lambda: not problems(h, "customers"))
        await h.settle()
        h.assert_equal()


async def test_a_refresh_brings_back_a_parent_that_was_deleted_in_sparklayer(harness: OpenHarness) -> None:
    store = trade_store()
    book = store.customers
    late = [book.add(f"m{one}@example.com", group_id=WHOLESALE, silent=True) for one in range(300)][-1]
    book.set_attribute(SHOP, PARENT, str(late))
    async with harness(store) as h:
        await h.first_sync()
        h.state.customers.remove(str(late))
        run = await h.process.full_sync("customers", refresh=True)
        assert (run["succeeded"], run["failed"]) == (True, 0)
        await h.settle()
        h.assert_equal()
        assert problems(h, "customers") == {}


@contextlib.contextmanager
def _no_customers(h: ProcessHarness) -> Iterator[Rule]:
    """Have every list of customers say that there are none."""

    async def empty(_request: Request, response: Response | None) -> Response | None:
        if response is None or response.status != 200:
            return response
        body: dict[str, Any] = msgspec.json.decode(response.body)
        pages = {"total": 0, "count": 0, "per_page": 250, "current_page": 1, "total_pages": 0}
        body |= {"data": [], "meta": {"pagination": pages, "cursor_pagination": {"count": 0, "links": {}}}}
        return Response(status=200, headers=response.headers, body=msgspec.json.encode(body))

    rule = h.shop.faults.add("GET */v3/customers", empty, after_effect=True)
    yield rule
    h.shop.faults.remove(rule)


async def test_an_empty_list_removes_nothing(harness: OpenHarness) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        before = writes(h)
        with _no_customers(h) as empty:
            run = await h.process.full_sync("customers")
            h.store.customers.update(HEAD, first_name="Ann")
            used = empty.used
            await h.until(lambda: empty.used > used + 4)
        assert (run["succeeded"], run["held_removals"]) == (False, 3)
        assert writes(h) == before
        await h.settle()
        h.assert_equal()
        assert (await h.process.full_sync("customers"))["succeeded"]


async def test_many_removals_wait_until_a_person_allows_them(harness: OpenHarness) -> None:
    async with harness(synthetic(1, 1, customers=MANY)) as h:
        await h.first_sync()
        for customer in range(1, BRAKE + 1):
            h.store.customers.delete(customer, silent=True)
        run = await h.process.full_sync("customers")
        assert (run["succeeded"], run["held_removals"]) == (False, BRAKE)
        assert len(h.state.customers.customers) == MANY
        assert h.state.sync_log.logs["bigcommerce", "customers"].last_full_sync_succeeded is False
        run = await h.process.full_sync("customers", allow_removals=True)
        assert (run["succeeded"], run["held_removals"]) == (True, 0)
        h.assert_equal()
        assert len(h.state.customers.customers) == MANY - BRAKE


async def test_what_a_person_enters_in_sparklayer_survives_the_edits_of_the_store(harness: OpenHarness) -> None:
    by_hand: dict[str, Any] = {"group": "vip", "price_lists": ["by-hand"], "sales_agent_groups": ["west"]}
    yard = {"address_line1": "The yard", "city": "Leeds", "country_code": "GB"}
    async with harness(trade_store()) as h:
        await h.first_sync()
        known = h.state.customers.find(str(HEAD))
        assert known is not None
        kept = [msgspec.to_builtins(address) for address in known.addresses]
        credit = {"credit_limit": 500, "balance": 80}
        h.state.customers.edit(str(HEAD), addresses=[*kept, yard], payment_on_account=credit, **by_hand)
        for number in range(3):
            h.store.customers.update(HEAD, first_name=f"Ann {number}")
            await h.settle()
        assert (await h.process.full_sync("customers", refresh=True))["succeeded"]
        now = h.state.comparable()["customers"][str(HEAD)]
        assert {name: now[name] for name in by_hand} == by_hand
        assert (now["first_name"], now["payment_on_account"]) == ("Ann 2", credit)
        assert [one for one in now["addresses"].values() if one == yard] == [yard]
