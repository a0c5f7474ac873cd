"""SparkLayer's own fields of a customer survive edits by hand, other accounts, and an empty read."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon.engine.actor import Actor
from daemon.entities import Credit
from daemon.model import AddressId, Kind, Lane
from daemon.sandbox.faults import Act, answer, html, reset
from daemon.sandbox.message import Request, Response
from daemon.sandbox.sparklayer.api import SparkLayerOptions
from daemon.sparklayer.client import FRESH_SECONDS
from daemon.storage.states import RunMode
from tests.engine.fakes import Bench, open_bench
from tests.engine.writers.customers.people import HOME, customer, held, lose_ledger, put, refused_writes

ONE = "/api/v2/customers/{lookup}/{identifier}"
MANY = 40
NOT_FOUND = '{"title": "Not found", "status": 404}'

BY_HAND: dict[str, Any] = {
    "group": "vip",
    "price_lists": ["by-hand"],
    "sales_agent_groups": ["west"],
    "discount_percentage": 7,
    "accounting_id": "BY-HAND",
    "status": "active",
    "title": "Dr",
    "tax_exempt": True,
}
CREDIT = {"credit_limit": 500, "net_terms": 14, "currency_code": "GBP"}
YARD = {"address_line1": "The yard", "city": "Leeds", "country_code": "GB", "nickname": "Yard"}


def edit_by_hand(bench: Bench, external_id: str, **fields: Any) -> None:
    known = bench.site.state.customers.find(external_id)
    assert known is not None
    addresses = [
        {"id": address.id, "external_id": address.external_id, **_sent(address)} for address in known.addresses
    ]
    credit = {"payment_on_account": CREDIT | {"balance": 80}}
    bench.site.state.customers.edit(external_id, addresses=[*addresses, YARD], **BY_HAND, **credit, **fields)


def _sent(address: Any) -> dict[str, Any]:
    return {name: getattr(address, name) for name in ("address_line1", "city", "country_code")}


async def test_fields_entered_by_hand_survive_ten_edits_of_the_platforms_fields(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1"))
    edit_by_hand(bench, "1", default_billing_address_id="11")
    for number in range(10):
        bench.site.state.customers.edit("1", payment_on_account=CREDIT | {"balance": 100 + number})
        await put(
            bench,
            customer("1", first_name=f"Ann {number}", addresses={AddressId("11"): evolve(HOME, city=f"C{number}")}),
        )
    now = held(bench)["1"]
    assert {name: now[name] for name in BY_HAND} == BY_HAND
    assert now["payment_on_account"] == CREDIT | {"balance": 109}, "orders move the balance, and we do not move it back"
    assert [one["address_line1"] for one in now["addresses"].values()] == [HOME.address_line1, "The yard"]
    assert (now["first_name"], now["addresses"]["11"]["city"], now["default_billing_address_id"]) == (
        "Ann 9",
        "C9",
        "11",
    )


FAILED_PUTS: dict[str, Act] = {
    "429 with a short wait": answer(429, headers={"retry-after": "3"}),
    "429 with a long wait": answer(429, headers={"retry-after": "40"}),
    "429 without a wait": answer(429),
    "503": answer(503),
    "a proxy's page": html(404),
    "an empty refusal": answer(409),
    "the connection is lost": reset(),
}


@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize("failed", FAILED_PUTS.values(), ids=FAILED_PUTS)
async def test_an_edit_by_hand_before_a_repeated_write_survives(
    autojump_clock: MockClock, bench: Bench, failed: Act, times: int
) -> None:
    await put(bench, customer("1"), customer("2"))
    titles: list[str] = []

    async def edit_and_fail(request: Request, response: Response | None) -> Response | None:
        if not titles:
            edit_by_hand(bench, "1")
        titles.append(f"Dr {len(titles)}")
        bench.site.state.customers.edit("1", title=titles[-1])
        return await failed(request, response)

    bench.site.faults.add("PUT */customers/platform/1", edit_and_fail, times=times)
    await put(bench, customer("1", first_name="Ann"))
    now = held(bench)["1"]
    assert len(titles) == times
    assert {name: now[name] for name in BY_HAND} == BY_HAND | {"title": titles[-1]}
    assert now["payment_on_account"] == CREDIT | {"balance": 80}
    assert "The yard" in {address["address_line1"] for address in now["addresses"].values()}
    assert now["first_name"] == "Ann"
    assert await bench.issues() == {}


async def test_an_edit_by_hand_while_a_new_token_takes_its_time_survives(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1"))

    async def edit_slowly(_request: Request, _response: Response | None) -> None:
        await trio.sleep(FRESH_SECONDS)
        edit_by_hand(bench, "1")

    bench.site.faults.add("PUT */customers/platform/1", answer(401), times=1)
    bench.site.faults.add("POST */token", edit_slowly, times=1)
    await put(bench, customer("1", first_name="Ann"))
    assert {name: held(bench)["1"].get(name) for name in BY_HAND} == BY_HAND
    assert held(bench)["1"]["first_name"] == "Ann"


async def test_an_attribute_that_is_gone_is_left_out_once_and_the_merchants_from_then_on(
    autojump_clock: MockClock, bench: Bench
) -> None:
    own = Credit(limit=Decimal(10), net_terms=30)
    await put(bench, customer("1", accounting_id="A-1", group="gold", price_lists=("ours",), payment_on_account=own))
    await put(bench, customer("1"))
    now = held(bench)["1"]
    assert not now.keys() & {"accounting_id", "price_lists", "payment_on_account"}
    assert now["group"] == "base"
    edit_by_hand(bench, "1")
    await put(bench, customer("1", first_name="Ann"))
    now = held(bench)["1"]
    assert {name: now[name] for name in BY_HAND} == BY_HAND
    assert now["payment_on_account"] == CREDIT | {"balance": 80}


async def test_a_new_customer_costs_two_calls_and_an_unchanged_one_none(
    autojump_clock: MockClock, bench: Bench
) -> None:
    people = [customer(str(number)) for number in range(1, MANY + 1)]
    await put(bench, *people)
    assert bench.calls == {f"GET {ONE}": MANY + 1, f"PUT {ONE}": MANY, "POST /api/auth/token": 1}, (
        "the first is read twice"
    )
    before = bench.calls.copy()
    await put(bench, *people)
    assert bench.calls == before


async def test_the_first_customer_goes_alone(autojump_clock: MockClock, bench: Bench) -> None:
    """Until a customer was read, the path for reading customers may be wrong."""
    under_way: list[int] = []
    now = 0

    async def count(request: Request, _response: Response | None) -> Response | None:
        nonlocal now
        now += 1
        under_way.append(now)
        await trio.sleep(1)
        now -= 1
        return None

    bench.site.faults.add("*/customers/*", count)
    await put(bench, *(customer(str(number)) for number in range(1, MANY + 1)))
    assert under_way[:3] == [1, 1, 1], "read, written, and read again"
    assert max(under_way) > 1


@pytest.mark.holds("A3")
@pytest.mark.parametrize("there", [True, False], ids=["known to SparkLayer", "new"])
async def test_a_read_at_another_path_touches_one_customer_at_most(autojump_clock: MockClock, *, there: bool) -> None:
    async with open_bench(kind=Kind.CUSTOMERS) as bench:
        bench.shop.put(*(customer(str(number)) for number in range(1, MANY + 1)))
        if there:
            await bench.change(*bench.shop.products)
            await bench.work()
            for table in ("ledger", "owners"):
                await bench.harness.alter(table, "connection_id = 999")
        bench.restart()
        writes = bench.site.state.customers.writes
        bench.site.faults.add("GET */customers/*", answer(404, NOT_FOUND))
        await bench.change(*bench.shop.products)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Actor(bench.context, bench.pipeline).run)
            nursery.start_soon(bench.context.kind_states[Kind.CUSTOMERS].pause.run_prober, {})
            await trio.sleep(3600)
            assert bench.site.state.customers.writes == writes + 1
            cause = bench.context.kind_states[Kind.CUSTOMERS].pause.cause
            assert cause is not None
            assert cause.reason == "customer_read_unknown"
            bench.site.faults.clear()
            await trio.sleep(900)
            nursery.cancel_scope.cancel()
        assert len(held(bench)) == MANY
        assert await bench.harness.rows() == {}
        issues = await bench.issues()
        assert [*issues.values()] == ([["customer_replaced"]] if there else []), "of the one that was touched"
        await bench.change(*bench.shop.products)
        await bench.work()
        assert await bench.issues() == {}


async def with_unknown_customers(bench: Bench, *, shown: str, wrong: int = 0) -> None:
    """Have customers 1 to 5 in SparkLayer with fields set by hand; work on `shown`, with `wrong` 404s at first."""
    await put(bench, *(customer(number) for number in "12345"))
    for number in "12345":
        edit_by_hand(bench, number)
    await lose_ledger(bench)
    bench.restart()
    if wrong:
        bench.site.faults.add("GET */customers/*", answer(404, NOT_FOUND), times=wrong)
    await put(bench, customer(shown, first_name="Ann"))


def with_fields_by_hand(bench: Bench) -> list[str]:
    return [number for number, now in held(bench).items() if {name: now.get(name) for name in BY_HAND} == BY_HAND]


@pytest.mark.holds("A3")
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_wrong_404_for_an_unknown_customer_takes_nothing_away_once_the_site_has_shown_another(
    autojump_clock: MockClock, bench: Bench, *, restarted: bool
) -> None:
    await with_unknown_customers(bench, shown="1")
    for number in "2345":
        if restarted:
            bench.restart()
        bench.site.faults.add(f"GET */customers/platform/{number}", answer(404, NOT_FOUND), times=1)
        await put(bench, customer(number, first_name="Ann"))
    assert with_fields_by_hand(bench) == [*"12345"]
    assert [now["first_name"] for now in held(bench).values()] == ["Ann"] * 5


@pytest.mark.holds("A3")
async def test_a_write_that_replaces_after_a_404_makes_a_second_answer_decide_from_then_on(
    autojump_clock: MockClock, bench: Bench
) -> None:
    """One answer decides about a new customer of a new site: two calls leave no room for another."""
    await with_unknown_customers(bench, shown="3", wrong=1)
    bench.restart()
    for number in "1245":
        bench.site.faults.add(f"GET */customers/platform/{number}", answer(404, NOT_FOUND), times=1)
    await put(bench, *(customer(number, first_name="Ann") for number in "1245"))
    assert with_fields_by_hand(bench) == [*"1245"]


async def test_new_customers_cost_three_calls_and_a_control_question_on_a_site_that_had_customers(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await with_unknown_customers(bench, shown="1")
    before = bench.calls.copy()
    await put(bench, customer("6"), customer("7"))
    assert bench.calls - before == {f"GET {ONE}": 2 * 2 + 1, f"PUT {ONE}": 2}


async def test_our_own_write_whose_answer_was_lost_is_no_unknown_customer(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.site.faults.add("PUT */customers/*", reset(), after_effect=True, times=1)
    await put(bench, customer("1"))
    before = bench.calls.copy()
    await put(bench, customer("2"))
    assert bench.calls - before == {f"GET {ONE}": 1, f"PUT {ONE}": 1}


async def work_for(bench: Bench, seconds: float) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Actor(bench.context, bench.pipeline).run)
        nursery.start_soon(bench.context.kind_states[Kind.CUSTOMERS].pause.run_prober, {})
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()


@pytest.mark.holds("A3")
async def test_a_read_at_another_path_touches_one_customer_at_most_however_often_we_restart(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, *(customer(number) for number in "12345"))
    for number in "12345":
        bench.site.state.customers.edit(number, price_lists=["by-hand"])
    for table in ("ledger", "owners"):
        await bench.harness.alter(table, "connection_id = 999")
    bench.site.faults.add("GET */customers/*", answer(404, NOT_FOUND))
    for number in "12345":
        bench.restart()
        lane = Lane.BACKFILL if number == "1" else Lane.LIVE
        await bench.change(number, lane=lane)
        assert await bench.once(lane) > 0
    changed_since = [number for number, one in held(bench).items() if "price_lists" not in one]
    assert changed_since == ["1"]
    bench.site.faults.clear()
    bench.restart()
    await work_for(bench, 3600)
    assert await bench.harness.rows() == {}
    assert [number for number, one in held(bench).items() if "price_lists" not in one] == changed_since

    bench.site.state.customers.remove("1")
    bench.restart()
    await put(bench, customer("2", first_name="Ann"))
    assert held(bench)["2"]["first_name"] == "Ann", "who is shown again is asked for no more"


@pytest.mark.holds("A3")
@pytest.mark.parametrize("shown", [True, False], ids=["shown", "not shown"])
@pytest.mark.parametrize("there", [True, False], ids=["there", "gone already"])
async def test_a_removal_reaches_sparklayer_wherever_customers_are_read(
    autojump_clock: MockClock, bench: Bench, *, shown: bool, there: bool
) -> None:
    await put(bench, customer("1"), customer("2"))
    bench.restart()
    if not shown:
        bench.site.faults.add("GET */customers/*", answer(404, NOT_FOUND))
    if not there:
        bench.site.state.customers.remove("1")
    del bench.shop.products["1"]
    await bench.change("1")
    await bench.work()
    assert set(held(bench)) == {"2"}
    assert set(await bench.harness.ledger()) == {"2"}
    assert await bench.harness.rows() == {}


async def test_an_unlinked_customer_is_adopted_by_its_email(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1"))
    bench.site.state.customers.edit("1", price_lists=["by-hand"])
    bench.site.state.customers.unlink("1")
    for table in ("ledger", "owners"):
        await bench.harness.alter(table, "connection_id = 999")
    await put(bench, customer("2", email="buyer1@example.com", first_name="Ann"))
    assert set(held(bench)) == {"2"}
    assert (held(bench)["2"]["first_name"], held(bench)["2"]["price_lists"]) == ("Ann", ["by-hand"])
    assert await bench.issues() == {}


@pytest.mark.parametrize("role", ["sales-agent", "sales-admin"])
async def test_an_agent_is_never_linked_written_or_deleted(autojump_clock: MockClock, bench: Bench, role: str) -> None:
    await put(bench, customer("1"), customer("2"))
    bench.site.state.customers.edit("1", role=role)
    bench.site.state.customers.edit("2", role=role)
    bench.site.state.customers.unlink("2")
    await bench.harness.alter("ledger", "connection_id = 999 WHERE external_id = '2'")
    before = held(bench)
    await put(bench, customer("1", first_name="New"), customer("2", first_name="New"))
    del bench.shop.products["1"]
    await bench.change("1")
    await bench.work()
    assert held(bench) == before
    assert await bench.issues() == {"1": ["sales_agent"], "2": ["sales_agent"]}


async def test_a_group_that_sparklayer_does_not_have_is_an_issue_that_a_full_sync_tries_again(
    autojump_clock: MockClock,
) -> None:
    async with open_bench(SparkLayerOptions(groups=("gold",)), kind=Kind.CUSTOMERS) as bench:
        await put(bench, customer("1", group="silver"), customer("2", group="gold"))
        assert await bench.issues() == {"1": ["group_unknown"]}
        assert set(held(bench)) == {"2"}
        bench.site.state.customers.groups = ("gold", "silver")
        run = await bench.harness.started(RunMode.NORMAL)
        await bench.harness.page(run, "1", "2")
        await bench.work()
        assert held(bench)["1"]["group"] == "silver"
        assert await bench.issues() == {}


async def test_a_conflict_that_is_not_about_the_email_is_told_in_sparklayers_words(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1"))
    shared = {AddressId("11"): HOME}
    await put(bench, customer("2", addresses=shared))
    assert await bench.issues() == {"2": ["refused_by_sparklayer"]}
    assert Counter(one.split(" {")[0] for one in refused_writes(bench)).keys() == {
        "PUT /api/v2/customers/platform/2 409"
    }
