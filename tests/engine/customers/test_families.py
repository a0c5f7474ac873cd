"""Customers below others: after their parents, and never where no parent is."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon.model import ExternalId
from daemon.sandbox.faults import answer
from daemon.storage.removals import SECOND_LOOK
from tests.engine.customers.people import customer, emails, held, put, refused_writes
from tests.engine.fakes import Bench


async def test_children_come_after_their_parents(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1", parent="3"), customer("2"), customer("3", parent="2"))
    parents = {key: one.get("parent_customer_id") for key, one in held(bench).items()}
    assert parents == {"1": "3", "2": None, "3": "2"}
    assert refused_writes(bench) == []


async def test_a_parent_that_nobody_has_asked_for_is_fetched(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(customer("7"))
    await put(bench, customer("1", parent="7"))
    assert held(bench)["1"]["parent_customer_id"] == "7"
    assert (refused_writes(bench), await bench.issues()) == ([], {})


async def test_a_parent_that_is_no_customer_is_told_and_waited_for(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1", parent="7"))
    assert await bench.issues() == {"1": ["parent_missing"]}
    assert held(bench) == {}
    await put(bench, customer("7"))
    assert set(held(bench)) == {"1", "7"}, "its coming wakes the child"
    assert await bench.issues() == {}


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
    assert await bench.once() == 0, "nobody is looked at again"
    assert (held(bench), await bench.issues()) == ({}, {})


async def test_a_child_that_changes_as_its_parent_goes_waits_for_it(autojump_clock: MockClock, bench: Bench) -> None:
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


async def test_parents_in_a_circle_are_told(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1", parent="2"), customer("2", parent="1"), customer("3", parent="3"))
    assert await bench.issues() == {key: ["parent_goes_in_circles"] for key in "123"}
    await put(bench, customer("1"))
    assert set(held(bench)) >= {"1"}
    await put(bench, customer("2", parent="1"))
    assert held(bench)["2"]["parent_customer_id"] == "1"


@pytest.mark.parametrize("known", [False, True])
async def test_who_was_in_a_circle_is_told_once_another_has_left_it(
    autojump_clock: MockClock, bench: Bench, *, known: bool
) -> None:
    if known:
        await put(bench, customer("1"), customer("2"), customer("3"))
    await put(bench, customer("1", parent="2"), customer("2", parent="3"), customer("3", parent="1"))
    assert await bench.issues() == {key: ["parent_goes_in_circles"] for key in "123"}
    await put(bench, customer("1"))
    assert await bench.issues() == {}
    assert held(bench)["3"]["parent_customer_id"] == "1"
    assert held(bench)["2"]["parent_customer_id"] == "3"


async def test_a_child_whose_parent_failed_is_tried_again(autojump_clock: MockClock, bench: Bench) -> None:
    bench.site.faults.add("PUT */customers/*", answer(503), times=3)
    await put(bench, customer("1"), customer("2", parent="1"))
    assert set(held(bench)) == {"1", "2"}
    assert await bench.issues() == {}


async def test_a_child_waits_for_a_parent_that_was_never_confirmed(autojump_clock: MockClock, bench: Bench) -> None:
    bench.site.faults.add("PUT */customers/*", answer(422, '{"title": "No"}'), times=1)
    bench.shop.put(customer("1"), customer("2", parent="1"))
    await bench.change("1")
    await bench.work()
    bench.site.faults.add("PUT */customers/platform/1", answer(422, '{"title": "No"}'), times=9)
    await bench.change("1", "2")
    await bench.work()
    assert await bench.issues() == {"1": ["refused_by_sparklayer"], "2": ["parent_missing"]}
    bench.site.faults.clear()
    await put(bench, customer("1"))
    assert set(held(bench)) == {"1", "2"}, "its coming wakes the child"


async def test_a_parent_that_was_deleted_in_sparklayer_is_made_anew_before_its_child(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1", parent="2"), customer("2"))
    bench.site.state.customers.remove("2")
    bench.shop.batch_size = 1
    run = await bench.house.started("refresh")
    await bench.house.page(run, "1", "2")
    await bench.once()
    assert await bench.issues() == {}, "that SparkLayer refuses the child is nobody's fault"
    await bench.work()
    assert (held(bench)["1"]["parent_customer_id"], await bench.issues()) == ("2", {})


async def test_siblings_below_a_parent_that_is_made_anew_are_its_children_again(
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
    bench.site.faults.add("PUT */customers/platform/1", answer(422, '{"title": "No"}'))
    await put(bench, customer("1", parent="2", first_name="Ann"))
    assert await bench.issues() == {"1": ["refused_by_sparklayer"]}
    assert bench.site.state.customers.writes == before


async def test_a_child_whose_parent_goes_in_the_same_batch_waits_for_it(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1"))
    del bench.shop.products["1"]
    bench.shop.put(customer("2", parent="1"))
    await bench.change("1", "2")
    await bench.work()
    assert await bench.issues() == {"2": ["parent_missing"]}
    await put(bench, customer("1"))
    assert set(held(bench)) == {"1", "2"}
