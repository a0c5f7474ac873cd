"""Customers with parents are written after them, and without a parent if there is none."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon.model import ExternalId, Lane
from daemon.sandbox.faults import answer
from daemon.storage.removals import SECOND_LOOK
from daemon.storage.states import RunMode
from tests.engine.fakes import Bench
from tests.engine.writers.customers.people import customer, emails, held, lose_ledger, put, refused_writes


async def test_children_come_after_their_parents(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1", parent="3"), customer("2"), customer("3", parent="2"))
    parents = {key: one.get("parent_customer_id") for key, one in held(bench).items()}
    assert parents == {"1": "3", "2": None, "3": "2"}
    assert refused_writes(bench) == []


@pytest.mark.holds("F4")
async def test_a_parent_that_is_no_customer_is_told_and_looked_at_when_it_comes(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1", parent="7"))
    assert await bench.issues() == {"1": ["parent_missing"]}
    assert bench.shop.asked == [("1",)], "the parent is not read, and the child once"
    assert (held(bench)["1"].get("parent_customer_id"), refused_writes(bench)) == (None, [])
    await put(bench, customer("7"))
    assert held(bench)["1"]["parent_customer_id"] == "7", "its coming wakes the child"
    assert await bench.issues() == {}


@pytest.mark.holds("F4")
async def test_an_unchanged_child_of_a_parent_without_a_place_costs_nothing_and_keeps_its_issue(
    autojump_clock: MockClock, bench: Bench
) -> None:
    child = customer("1", parent="7", accounting_id="A-1")
    await put(bench, child)
    calls, issues = bench.calls.copy(), await bench.issues()
    for _ in range(2):
        await put(bench, child)
    assert (bench.calls, await bench.issues()) == (calls, issues)
    assert bench.shop.asked == [("1",)] * 3
    await put(bench, evolve(child, accounting_id="A-2"))
    assert held(bench)["1"]["accounting_id"] == "A-2"
    assert await bench.issues() == issues
    await put(bench, customer("7"))
    assert (held(bench)["1"]["parent_customer_id"], await bench.issues()) == ("7", {})


@pytest.mark.holds("F4")
async def test_naming_a_parent_that_is_not_synced_loses_the_former_one(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1", parent="2"), customer("2"))
    for lost in (False, True):
        if lost:
            bench.site.state.customers.edit("1", parent_customer_id="2")
            await lose_ledger(bench)
            await put(bench, customer("2"))
        await put(bench, customer("1", parent="7"))
        assert "parent_customer_id" not in held(bench)["1"], "what the store says otherwise is not carried over"
        assert await bench.issues() == {"1": ["parent_missing"]}


@pytest.mark.holds("F4")
@pytest.mark.parametrize("known", [False, True])
async def test_a_parent_that_is_in_the_outbox_is_waited_for(
    autojump_clock: MockClock, bench: Bench, *, known: bool
) -> None:
    """The parent comes in its own batch, after an outage that concerns only it."""
    if known:
        await put(bench, customer("1"))
    bench.shop.batch_size = 1
    bench.site.faults.add("PUT */customers/platform/7", answer(503), times=12)
    bench.shop.put(customer("7"), customer("1", parent="7"))
    await bench.change("7")
    assert await bench.once() == 1
    await bench.change("1")
    await bench.work()
    assert (held(bench)["1"]["parent_customer_id"], await bench.issues()) == ("7", {})
    assert not any("parent" in one for one in bench.refused)


@pytest.mark.holds("F4")
async def test_a_parent_that_used_up_its_retries_is_not_waited_for(autojump_clock: MockClock, bench: Bench) -> None:
    bench.site.faults.add("PUT */customers/platform/7", answer(503), times=12)
    bench.shop.put(customer("7"), customer("1", parent="7"))
    await bench.change("7")
    await bench.once()
    await bench.harness.alter("outbox", "state = 'parked'")
    await put(bench, customer("1", parent="7"))
    assert (parents_of(bench), await bench.issues()) == ({"1": None}, {"1": ["parent_missing"]})
    await put(bench, customer("7"))
    assert (parents_of(bench), await bench.issues()) == ({"1": "7", "7": None}, {})


@pytest.mark.holds("F4")
@pytest.mark.parametrize("comes", [True, False])
async def test_a_parent_on_a_page_that_is_not_read_yet_is_waited_for(
    autojump_clock: MockClock, bench: Bench, *, comes: bool
) -> None:
    bench.shop.put(customer("1", parent="7"), customer("2", parent="1"), *([customer("7")] if comes else []))
    run = await bench.harness.started()
    await bench.harness.page(run, "1", "2", cursor="2")
    for _ in range(3):
        await bench.once(Lane.BACKFILL)
        await trio.sleep(5)
    assert (held(bench), await bench.issues()) == ({}, {}), "it may be on the next page"
    await bench.harness.page(run, *(["7"] if comes else []), cursor=None)
    await bench.work()
    parents = {key: one.get("parent_customer_id") for key, one in held(bench).items()}
    assert parents == ({"1": "7", "2": "1", "7": None} if comes else {"1": None, "2": "1"})
    assert await bench.issues() == ({} if comes else {"1": ["parent_missing"]})
    assert refused_writes(bench) == []
    assert not comes or bench.site.state.customers.writes == 3, "each is written once"


@pytest.mark.holds("F4")
async def test_a_live_change_does_not_wait_for_the_pages_of_a_run(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(customer("1", parent="7"))
    run = await bench.harness.started()
    await bench.harness.page(run, "1", cursor="1")
    await bench.change("1")
    assert await bench.once() == 1
    assert set(held(bench)) == {"1"}
    assert await bench.issues() == {"1": ["parent_missing"]}


@pytest.mark.holds("F4")
@pytest.mark.parametrize("mode", ["normal", "refresh", "daily"])
async def test_sixty_children_of_parents_without_a_place_are_read_no_more_often_than_others(
    autojump_clock: MockClock, bench: Bench, mode: str
) -> None:
    sixty = [str(number) for number in range(1, 61)]
    bench.shop.put(*(customer(one, parent=f"9{one}") for one in sixty))
    await bench.change(*sixty)
    await bench.work()
    asked, began = len(bench.shop.asked), trio.current_time()
    run = await bench.harness.started(mode)
    for start in range(0, 60, 20):
        page = sixty[start : start + 20]
        await bench.harness.page(run, *page, cursor=page[-1] if start < 40 else None)
        assert await bench.once(Lane.BACKFILL) == 20
    assert await bench.once(Lane.BACKFILL) == 0
    assert len(bench.shop.asked) - asked == 3, "one read of each page's"
    assert trio.current_time() - began < 1
    assert await bench.issues() == {one: ["parent_missing"] for one in sixty}


@pytest.mark.holds("F4")
async def test_a_parent_that_goes_and_comes_back_has_its_children_again(
    autojump_clock: MockClock, bench: Bench
) -> None:
    parent, child = customer("2"), customer("1", parent=ExternalId("2"))
    await put(bench, parent, child)
    for _ in range(2):
        del bench.shop.products["2"]
        await bench.change("2")
        await bench.work()
        assert "parent_customer_id" not in held(bench)["1"], "SparkLayer has forgotten it"
        assert await bench.issues() == {"1": ["parent_missing"]}
        calls = bench.calls.copy()
        await put(bench, parent)
        assert held(bench)["1"]["parent_customer_id"] == "2"
        assert await bench.issues() == {}
        assert bench.calls - calls == {
            f"{verb} /api/v2/customers/{{lookup}}/{{identifier}}": 2 for verb in ("GET", "PUT")
        }
        calls = bench.calls.copy()
        await put(bench, parent, child)
        assert bench.calls == calls


async def test_a_family_that_goes_together_is_gone(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("2"), customer("1", parent=ExternalId("2")))
    bench.shop.products.clear()
    await bench.change("1", "2")
    assert await bench.once() == 2
    await trio.sleep(SECOND_LOOK)
    assert await bench.once() == 2
    assert await bench.once() == 0, "no customer is looked at again"
    assert (held(bench), await bench.issues()) == ({}, {})


async def test_a_child_that_changes_as_its_parent_goes_is_told_so(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("2"), customer("1", parent=ExternalId("2")))
    del bench.shop.products["2"]
    bench.shop.put(customer("1", parent=ExternalId("2"), first_name="Ann"))
    await bench.change("1", "2")
    await bench.work()
    assert await bench.issues() == {"1": ["parent_missing"]}
    await put(bench, customer("2"))
    assert held(bench)["1"]["parent_customer_id"] == "2"
    assert held(bench)["1"]["first_name"] == "Ann"
    assert await bench.issues() == {}


def parents_of(bench: Bench) -> dict[str, str | None]:
    return {key: one.get("parent_customer_id") for key, one in held(bench).items()}


CIRCLE = {"9": "10", "10": "11", "11": "9"}
BROKEN = {"9": None, "10": "11", "11": "9"}
"""The parents in CIRCLE after it is broken: the lowest numeric id has none."""


@pytest.mark.holds("F4")
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("order", [("9", "10", "11"), ("10", "11", "9"), ("11", "10", "9")])
@pytest.mark.parametrize("together", [False, True])
async def test_a_circle_is_broken_at_its_lowest_id(
    autojump_clock: MockClock, bench: Bench, order: tuple[str, ...], *, known: bool, together: bool
) -> None:
    """Its customers may be new or known, and come in one batch or one by one."""
    if known:
        await put(bench, *(customer(one) for one in order))
    if together:
        await put(bench, *(customer(one, parent=CIRCLE[one]) for one in order))
    else:
        for one in order:
            await put(bench, customer(one, parent=CIRCLE[one]))
    assert (parents_of(bench), await bench.issues()) == (BROKEN, {"9": ["parent_goes_in_circles"]})
    assert refused_writes(bench) == []
    calls = bench.calls.copy()
    await put(bench, *(customer(one, parent=CIRCLE[one]) for one in order))
    assert bench.calls == calls, "it stays broken where it is"
    assert len(bench.shop.asked[-1]) == 3, "and no customer is looked at once more"


@pytest.mark.holds("F4")
@pytest.mark.parametrize("leaver", ["9", "10", "11"])
@pytest.mark.parametrize("goes", ["names none", "names another", "is deleted"])
async def test_the_customer_that_broke_a_circle_has_its_parent_once_another_left_it(
    autojump_clock: MockClock, bench: Bench, leaver: str, goes: str
) -> None:
    await put(bench, customer("50"), *(customer(one, parent=CIRCLE[one]) for one in CIRCLE))
    parents: dict[str, str | None] = {**CIRCLE, "50": None}
    if goes == "is deleted":
        del bench.shop.products[leaver], parents[leaver]
        child = next(one for one in CIRCLE if CIRCLE[one] == leaver)
        parents[child] = None
        await bench.change(leaver)
        await bench.work()
        assert await bench.issues() == {child: ["parent_missing"]}
    else:
        parents[leaver] = "50" if goes == "names another" else None
        await put(bench, customer(leaver, parent=parents[leaver]))
        assert await bench.issues() == {}
    assert parents_of(bench) == parents


@pytest.mark.holds("F4")
async def test_a_customer_that_is_its_own_parent_has_none(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("3", parent="3"), customer("4", parent="3"))
    assert parents_of(bench) == {"3": None, "4": "3"}
    assert await bench.issues() == {"3": ["parent_goes_in_circles"]}


async def test_a_child_whose_parent_failed_is_tried_again(autojump_clock: MockClock, bench: Bench) -> None:
    bench.site.faults.add("PUT */customers/*", answer(503), times=3)
    await put(bench, customer("1"), customer("2", parent="1"))
    assert set(held(bench)) == {"1", "2"}
    assert await bench.issues() == {}


@pytest.mark.holds("F4")
@pytest.mark.parametrize("together", [False, True])
async def test_a_child_goes_on_without_a_parent_that_sparklayer_refuses(
    autojump_clock: MockClock, bench: Bench, *, together: bool
) -> None:
    bench.site.faults.add("PUT */customers/platform/1", answer(422, '{"title": "No", "detail": "No"}'), times=2)
    bench.shop.put(customer("1"), customer("2", parent="1"))
    await bench.change(*(["1", "2"] if together else ["1"]))
    await bench.work()
    await bench.change("2")
    await bench.work()
    assert await bench.issues() == {"1": ["refused_by_sparklayer"], "2": ["parent_missing"]}
    assert parents_of(bench) == {"2": None}
    bench.site.faults.clear()
    await put(bench, customer("1"))
    assert parents_of(bench) == {"1": None, "2": "1"}, "its coming wakes the child"
    assert await bench.issues() == {}


@pytest.mark.holds("F4")
async def test_a_parent_that_sparklayer_has_keeps_its_children_while_it_refuses_a_change_of_it(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1"), customer("2", parent="1"))
    bench.site.faults.add("PUT */customers/platform/1", answer(422, '{"title": "No", "detail": "No"}'))
    await put(bench, customer("1", first_name="Ann"), customer("2", parent="1", first_name="Bo"))
    assert await bench.issues() == {"1": ["refused_by_sparklayer"]}
    assert held(bench)["2"]["parent_customer_id"] == "1"
    assert held(bench)["2"]["first_name"] == "Bo"


@pytest.mark.holds("F4")
async def test_a_child_goes_on_without_a_parent_whose_email_is_anothers(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("3", email="a@example.com"))
    await put(bench, customer("1", email="a@example.com"), customer("2", parent="1"))
    assert await bench.issues() == {"1": ["email_used_twice"], "2": ["parent_missing"]}
    assert parents_of(bench) == {"2": None, "3": None}
    await put(bench, customer("3", email="c@example.com"))
    assert parents_of(bench) == {"1": None, "2": "1", "3": None}
    assert await bench.issues() == {}


async def test_a_parent_that_was_deleted_in_sparklayer_is_made_again_before_its_child(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1", parent="2"), customer("2"))
    bench.site.state.customers.remove("2")
    bench.shop.batch_size = 1
    run = await bench.harness.started(RunMode.REFRESH)
    await bench.harness.page(run, "1", "2")
    await bench.once()
    assert await bench.issues() == {}, "a child that waits for its parent has no issue"
    await bench.work()
    assert (held(bench)["1"]["parent_customer_id"], await bench.issues()) == ("2", {})


async def test_siblings_below_a_parent_that_is_made_again_are_its_children_again(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1"), customer("2", parent="1"), customer("3", parent="2"), customer("4", parent="2"))
    bench.site.state.customers.remove("1")
    bench.site.state.customers.remove("2")
    await put(bench, customer("3", parent="2", first_name="Ann"))
    parents = {key: one.get("parent_customer_id") for key, one in held(bench).items()}
    assert parents == {"1": None, "2": "1", "3": "2", "4": "2"}
    assert await bench.issues() == {}


async def test_an_email_that_moves_below_a_parent_that_was_deleted_arrives(
    autojump_clock: MockClock, bench: Bench
) -> None:
    two, three = customer("2", parent="1"), customer("3", parent="1")
    await put(bench, customer("1"), two, three)
    bench.site.state.customers.remove("1")
    await put(bench, evolve(two, email=three.email), evolve(three, email=two.email))
    assert emails(bench) == {"1": customer("1").email, "2": three.email, "3": two.email}
    assert await bench.issues() == {}


async def test_a_child_refused_for_itself_leaves_its_parent_alone(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1", parent="2"), customer("2"))
    before = bench.site.state.customers.writes
    bench.site.faults.add("PUT */customers/platform/1", answer(422, '{"title": "No", "detail": "No"}'))
    await put(bench, customer("1", parent="2", first_name="Ann"))
    assert await bench.issues() == {"1": ["refused_by_sparklayer"]}
    assert bench.site.state.customers.writes == before


@pytest.mark.holds("F4")
async def test_a_child_whose_parent_goes_in_the_same_batch_goes_on_without_it(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1"))
    del bench.shop.products["1"]
    bench.shop.put(customer("2", parent="1"))
    await bench.change("1", "2")
    await bench.work()
    assert await bench.issues() == {"2": ["parent_missing"]}
    assert parents_of(bench) == {"2": None}
    await put(bench, customer("1"))
    assert parents_of(bench) == {"1": None, "2": "1"}
