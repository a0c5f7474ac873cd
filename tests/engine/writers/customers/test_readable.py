"""While SparkLayer may hide customers, a write touches one at most, and the others wait no longer than they must."""

import pytest
import trio
from trio.testing import MockClock

from daemon.engine.actor import Actor
from daemon.model import Kind
from daemon.sandbox.faults import answer, delay, reset
from tests.engine.fakes import Bench, open_bench
from tests.engine.writers.customers.people import customer, held, lose_ledger, put
from tests.engine.writers.customers.test_carry_over import NOT_FOUND, edit_by_hand, with_fields_by_hand, work_for

HIDDEN = answer(404, NOT_FOUND)
HOUR = 3600.0
MANY = [str(number) for number in range(1, 21)]


def edit(bench: Bench, *ids: str) -> None:
    for external_id in ids:
        bench.shop.change(external_id, first_name="Ann")


async def with_hidden_customer(bench: Bench) -> None:
    """Have customer 1 created while SparkLayer shows no customer."""
    bench.site.faults.add("GET */customers/*", HIDDEN)
    bench.shop.put(customer("1"))
    await bench.change("1")
    await bench.once()
    assert "1" in held(bench)
    bench.site.faults.clear()


@pytest.mark.holds("A3")
@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("gone", ["from the store", "from SparkLayer", "from both"])
async def test_customers_are_written_again_after_the_hidden_one_is_gone(
    autojump_clock: MockClock, bench: Bench, gone: str, *, restarted: bool
) -> None:
    await with_hidden_customer(bench)
    if gone != "from the store":
        bench.site.state.customers.remove("1")
    if gone != "from SparkLayer":
        del bench.shop.products["1"]
        await bench.change("1")
        await work_for(bench, 300.0)
    bench.shop.put(*(customer(number) for number in "2345"))
    await bench.change(*"2345")
    if restarted:
        bench.restart()
    await work_for(bench, 2 * HOUR)
    assert sorted(held(bench)) == ([*"12345"] if gone == "from SparkLayer" else [*"2345"])
    assert bench.context.kind_states[Kind.CUSTOMERS].pause.cause is None
    assert await bench.harness.rows() == {}
    assert await bench.issues() == {}


@pytest.mark.holds("A3")
async def test_a_hidden_customer_is_written_once_an_hour_at_most(autojump_clock: MockClock, bench: Bench) -> None:
    """An edit by hand during the pause is lost with each write."""
    bench.site.faults.add("GET */customers/*", HIDDEN)
    bench.shop.put(customer("1"), customer("2"))
    await bench.change("1", "2")
    await work_for(bench, 10 * HOUR)
    assert len(held(bench)) == 1
    assert bench.site.state.customers.writes <= 10


@pytest.mark.holds("A3")
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_path_that_turns_wrong_takes_from_one_customer_at_most(
    autojump_clock: MockClock, bench: Bench, *, restarted: bool
) -> None:
    await put(bench, *(customer(external_id) for external_id in MANY))
    for external_id in MANY:
        edit_by_hand(bench, external_id)
    if restarted:
        bench.restart()
    bench.site.faults.add("GET */customers/*", HIDDEN)
    edit(bench, *MANY)
    await bench.change(*MANY)
    await work_for(bench, HOUR)
    assert len(with_fields_by_hand(bench)) == len(MANY) - 1
    cause = bench.context.kind_states[Kind.CUSTOMERS].pause.cause
    assert cause is not None
    assert cause.reason == "customer_read_unknown"
    bench.site.faults.clear()
    await work_for(bench, HOUR)
    assert len(with_fields_by_hand(bench)) == len(MANY) - 1
    assert {one["first_name"] for one in held(bench).values()} == {"Ann"}
    (issues,) = (await bench.issues()).values()
    assert issues == ["customer_replaced"]


@pytest.mark.holds("A3")
async def test_a_confirmed_customer_that_a_person_deleted_is_made_again_beside_others(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, *(customer(external_id) for external_id in MANY))
    for external_id in MANY[:10]:
        bench.site.state.customers.remove(external_id)
    edit(bench, *MANY)
    await bench.change(*MANY)
    await work_for(bench, 30.0)
    assert {one["first_name"] for one in held(bench).values()} == {"Ann"}
    assert len(held(bench)) == len(MANY)


@pytest.mark.holds("A3")
async def test_customers_that_a_person_deleted_all_at_once_are_made_again(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, *(customer(external_id) for external_id in MANY))
    for external_id in MANY:
        bench.site.state.customers.remove(external_id)
    edit(bench, *MANY)
    await bench.change(*MANY)
    await work_for(bench, 120.0)
    assert len(held(bench)) == len(MANY)
    assert await bench.issues() == {}


@pytest.mark.holds("A3")
async def test_a_removal_reaches_sparklayer_after_the_path_has_turned_wrong(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1"), customer("2"))
    bench.site.faults.add("GET */customers/*", HIDDEN)
    del bench.shop.products["1"]
    await bench.change("1")
    await bench.work()
    assert set(held(bench)) == {"2"}


@pytest.mark.holds("A3")
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_customer_replaced_unseen_has_an_issue_when_it_is_seen_again(
    autojump_clock: MockClock, bench: Bench, *, restarted: bool
) -> None:
    await put(bench, customer("1"), customer("2"))
    edit_by_hand(bench, "1")
    await lose_ledger(bench)
    bench.restart()
    bench.site.faults.add("GET */customers/*", HIDDEN)
    await bench.change("1")
    await bench.once()
    assert with_fields_by_hand(bench) == []
    assert await bench.issues() == {}, "the customer is not settled yet"
    if restarted:
        bench.restart()
    bench.site.faults.clear()
    await work_for(bench, HOUR)
    assert await bench.issues() == {"1": ["customer_replaced"]}
    await bench.change("1")
    await bench.work()
    assert await bench.issues() == {}


@pytest.mark.holds("A3")
async def test_a_customer_replaced_after_a_single_wrong_404_has_an_issue(
    autojump_clock: MockClock, bench: Bench
) -> None:
    """SparkLayer shows it again at once, so nothing is blocked."""
    await put(bench, customer("1"), customer("2"))
    edit_by_hand(bench, "2")
    await bench.harness.alter("ledger", "connection_id = 999 WHERE external_id = '2'")
    bench.site.faults.add("GET */customers/platform/2", HIDDEN, times=1)
    await put(bench, customer("2", first_name="Ann"))
    assert with_fields_by_hand(bench) == []
    assert await bench.issues() == {"2": ["customer_replaced"]}
    assert bench.context.kind_states[Kind.CUSTOMERS].pause.cause is None


@pytest.mark.holds("A3")
async def test_one_customer_is_touched_although_it_cannot_be_read_back(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, *(customer(number) for number in "123"))
    for number in "123":
        edit_by_hand(bench, number)
    await lose_ledger(bench)
    bench.restart()
    bench.site.faults.add("GET */customers/*", HIDDEN, times=1)
    bench.site.faults.add("GET */customers/*", reset())
    await bench.change("1")
    await bench.once()
    assert with_fields_by_hand(bench) == [*"23"]
    bench.site.faults.clear()
    bench.site.faults.add("GET */customers/*", HIDDEN)
    await bench.change("2", "3")
    await work_for(bench, HOUR)
    assert with_fields_by_hand(bench) == [*"23"]


@pytest.mark.parametrize("call", ["GET", "PUT"])
@pytest.mark.parametrize("site", ["new", "known", "known to an earlier process"])
async def test_one_hanging_customer_holds_the_others_for_some_seconds(
    autojump_clock: MockClock, site: str, call: str
) -> None:
    async with open_bench(kind=Kind.CUSTOMERS) as bench:
        ids = MANY[:6]
        bench.shop.put(*(customer(external_id) for external_id in ids))
        if site != "new":
            await put(bench, *(customer(external_id) for external_id in ids))
            edit(bench, *ids)
        if site == "known to an earlier process":
            bench.restart()
        bench.site.faults.add(f"{call} */customers/platform/1", delay(600.0))
        await bench.change("1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Actor(bench.context, bench.pipeline).run)
            await trio.sleep(1.0)
            await bench.change(*ids[1:])
            await trio.sleep(10.0)
            assert len(await bench.harness.rows()) == 1
            assert held(bench).keys() >= {*ids[1:]}
            nursery.cancel_scope.cancel()


async def test_the_first_customer_of_a_slow_site_gets_through(autojump_clock: MockClock, bench: Bench) -> None:
    bench.site.faults.add("* */customers/*", delay(10.0))
    bench.shop.put(*(customer(external_id) for external_id in MANY))
    await bench.change(*MANY)
    await work_for(bench, HOUR)
    assert len(held(bench)) == len(MANY)
    assert await bench.harness.rows() == {}
