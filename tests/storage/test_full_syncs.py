"""The life of a full sync, walked through its table; what a page's contents are good for; the brake; the end."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from daemon.model import Lane, RunId
from daemon.storage import full_syncs
from daemon.storage.full_syncs import TRANSITIONS
from daemon.storage.removals import removal_allowed
from daemon.storage.settle import Again
from tests.storage.house import PRODUCTS, TABLES, House, id_, row

Step = Callable[[House, RunId], Awaitable[Any]]


async def _page(house: House, run: RunId) -> None:
    await house.page(run, cursor="next")


async def _enumerated(house: House, run: RunId) -> None:
    await house.enumerated(run)


async def _drained(house: House, run: RunId) -> None:
    assert await house.close(run, 7.0)


async def _told(house: House, _run: RunId) -> None:
    while (report := await house.take()) is not None:
        await house.confirm(report)


async def _replaced(house: House, _run: RunId) -> None:
    assert await house.start() is not None


async def _cancelled(house: House, run: RunId) -> None:
    assert await house.storage.write(full_syncs.cancel, (house.connection_id, house.kind, 7.0)) == run


EVENTS: dict[str, Step] = {
    "page": _page,
    "enumerated": _enumerated,
    "drained": _drained,
    "told": _told,
    "replaced": _replaced,
    "superseded": _replaced,
    "cancelled": _cancelled,
}
WAY = [("enumerating", _page), ("draining", _enumerated), ("ending", _drained)]


CASES = [
    (event, before, mode)
    for event, before in TRANSITIONS
    for mode in ("normal", "refresh", "daily")
    if (event != "replaced" or mode == "daily") and (event not in {"told", "superseded"} or mode != "daily")
]
"""Only a daily run is replaced, and nobody is told of one."""


@pytest.mark.parametrize(("event", "before", "mode"), CASES)
async def test_every_transition_of_the_table_happens(house: House, event: str, before: str | None, mode: str) -> None:
    run = await house.started(mode)
    if before is not None:
        for state, step in WAY:
            await step(house, run)
            if state == before:
                break
        await EVENTS[event](house, run)
    [present] = [found for found in await house.everything(TABLES["full_syncs"]) if found["id"] == run]
    expected = TRANSITIONS[event, before]
    assert present["state"] in expected
    if event == "drained":
        assert present["state"] == ("ended" if mode == "daily" else "ending")
        assert (present["finished_at"], present["succeeded"]) == (7.0, True)
    if event == "cancelled":
        assert present["state"] == ("ended" if mode == "daily" else "ending")
        assert (present["finished_at"], present["succeeded"]) == (7.0, False)


@pytest.mark.parametrize("change", ["state = 'resting'", "mode = 'weekly'", "state = 'ending', finished_at = NULL"])
async def test_the_database_refuses_states_that_the_table_does_not_know(house: House, change: str) -> None:
    await house.started()
    with pytest.raises(IntegrityError):
        await house.alter("full_syncs", change)


async def test_steps_out_of_turn_change_nothing(house: House) -> None:
    run = await house.started()
    assert not await house.close(run), "still enumerating"
    await house.enumerated(run)
    assert await house.page(run, "1") is None, "a page that comes late is not taken in"
    assert await house.rows() == {}
    assert await house.close(run)
    end = (await house.newest()).finished_at
    assert await house.close(run)
    assert (await house.newest()).finished_at == end, "the end is stored once"
    assert await house.enumerated(run) == 0


async def test_one_run_of_a_kind_at_a_time(house: House) -> None:
    run = await house.started()
    assert await house.start() is None
    assert await house.start("refresh") is None
    assert await house.start("daily") is None
    assert not (await house.newest()).again
    assert await house.start(internal=True) is None
    assert (await house.newest()).id == run
    assert (await house.newest()).again


async def test_a_trigger_replaces_the_daily_run(house: House) -> None:
    daily = await house.started("daily")
    await house.page(daily, "1", "2", cursor="next")
    assert await house.start("daily", internal=True) is None
    run = await house.started("refresh")
    assert {found["full_sync_id"] for found in (await house.rows()).values()} == {None}
    assert await house.page(daily, "3", cursor="late") is None
    assert await house.close(daily), "whoever waits for its end learns that it is over"
    await house.page(run, "1")
    assert (await house.row("1"))["full_sync_id"] == run


async def test_a_page_and_its_cursor_come_in_together(house: House) -> None:
    run = await house.started()
    assert await house.page(run, "1", "2", cursor="after 2") == {"1", "2"}
    assert await house.page(run, "2", "3", cursor="after 3") == {"3"}
    present = await house.newest()
    assert (present.cursor, present.seen) == ("after 3", 4)
    assert [found["full_sync_id"] for found in (await house.rows()).values()] == [run] * 3


async def test_a_page_is_not_believed_of_what_was_settled_while_it_was_on_its_way(house: House) -> None:
    run = await house.started()
    await house.record("1", "2")
    house.freshness.open()
    await house.work()
    assert await house.page(run, "1", "2", "3") == {"3"}
    house.freshness.close()
    house.freshness.open()
    assert await house.page(run, "4") == {"4"}


async def test_a_page_is_not_believed_of_what_waits(house: House) -> None:
    run = await house.started()
    await house.record("1")
    assert await house.page(run, "1", "2") == {"2"}


async def test_freshness_forgets_between_pages(house: House) -> None:
    await house.record("1")
    await house.work()
    assert house.freshness.touched == frozenset(), "no page is on its way"
    house.freshness.open()
    house.freshness.touch([id_("1")])
    house.freshness.open()
    assert house.freshness.touched == frozenset()


@pytest.mark.parametrize(
    ("absent", "known", "seen", "allowed"),
    [
        (0, 0, 5, True),
        (1, 1, 5, True),
        (50, 100, 50, True),
        (50, 99, 49, False),
        (5, 10, 5, True),
        (6, 10, 4, False),
        (9, 9, 1, True),
        (51, 60, 9, False),
        (51, 509, 400, False),
        (51, 510, 400, True),
        (100, 1000, 900, True),
        (101, 1000, 899, False),
        (1, 1, 0, False),
        (50, 50, 0, False),
    ],
)
def test_the_brake(absent: int, known: int, seen: int, allowed: bool) -> None:  # noqa: FBT001
    assert removal_allowed(absent, known, seen) is allowed


async def test_what_a_run_did_not_see_is_queued_for_a_look_not_removed(house: House) -> None:
    await house.mark(row("1"), row("2"), row("3"))
    run = await house.started(now=1.0)
    await house.mark(row("3"))
    await house.page(run, "1", now=1.0)
    assert await house.enumerated(run, 2.0) == 0
    assert set(await house.rows()) == {"1", "2"}, "3 was settled since the run began"
    assert (await house.row("2"))["full_sync_id"] == run
    assert await house.ledger() == {"1": b"equal", "2": b"equal", "3": b"equal"}


async def test_what_was_settled_in_an_earlier_run_can_be_absent_from_the_next(house: House) -> None:
    await house.ended_run("1", "2")
    first = await house.started()
    await house.mark(row("9"))
    await house.page(first, "8")
    await house.enumerated(first)
    assert "9" not in await house.rows()
    await house.work(lane=Lane.BACKFILL)
    assert await house.close(first)
    await _told(house, first)
    second = await house.started()
    await house.page(second, "8")
    await house.enumerated(second)
    assert "9" in await house.rows()


async def test_an_enumeration_that_saw_nothing_removes_nothing(house: House) -> None:
    await house.mark(row("1"))
    run = await house.started()
    await house.page(run)
    assert await house.enumerated(run) == 1
    assert await house.rows() == {}
    assert await house.close(run)
    present = await house.newest()
    assert (present.held_removals, present.succeeded) == (1, False)


async def test_a_person_may_allow_what_the_brake_holds(house: House) -> None:
    await house.mark(row("1"))
    run = await house.started(allow_removals=True)
    await house.page(run)
    assert await house.enumerated(run) == 0
    assert set(await house.rows()) == {"1"}
    assert not await house.close(run)


async def test_a_run_waits_for_its_last_row(house: House) -> None:
    run = await house.started()
    await house.page(run, "1", "2")
    await house.enumerated(run, 3.0)
    first, second = await house.claim(lane=Lane.BACKFILL)
    await house.settle(again=[Again(claim=first, due_at=9.0, error=b"why")])
    await house.settle(again=[Again(claim=second, due_at=None, error=b"why")])
    assert not await house.close(run)
    assert await house.storage.write(full_syncs.give_up, run) == 1
    assert await house.close(run, 4.0)
    present = await house.newest()
    assert (present.state, present.failed, present.succeeded) == ("ending", 2, False)
    assert (present.enumerated_at, present.finished_at) == (3.0, 4.0)
    assert (await house.row(first.external_id))["state"] == "pending", "it goes on without the run"


async def test_more_absent_entities_than_fit_into_a_statement(house: House, few_parameters: int) -> None:
    await house.mark(*(row(str(number)) for number in range(3 * few_parameters)))
    run = await house.started(allow_removals=True)
    await house.enumerated(run)
    assert [found["full_sync_id"] for found in (await house.rows()).values()] == [run] * 3 * few_parameters


async def test_counts_of_a_run(house: House) -> None:
    run = await house.started("refresh")
    await house.page(run, "1", "2", "3")
    assert await house.storage.read(full_syncs.refreshing, {run, RunId(99)}) == {run}
    await house.work(lane=Lane.BACKFILL)
    present = await house.newest()
    assert (present.seen, present.done, present.failed, present.refresh) == (3, 3, 0, True)
    latest = await house.storage.read(full_syncs.latest, house.connection_id, PRODUCTS)
    assert latest == present
    await house.enumerated(run)
    await house.close(run)
    await _told(house, run)
    await house.started("daily")
    assert (await house.newest()).mode == "daily"
    latest = await house.storage.read(full_syncs.latest, house.connection_id, PRODUCTS)
    assert latest is not None
    assert latest.id == run


async def test_a_cancelled_run_leaves_its_rows_as_ordinary_changes_and_counts_them_as_failed(house: House) -> None:
    run = await house.started()
    await house.page(run, "1", "2", cursor="2")
    await _cancelled(house, run)
    assert {key: found["full_sync_id"] for key, found in (await house.rows()).items()} == {"1": None, "2": None}
    assert (await house.newest()).failed == 2
    assert await house.page(run, "3") is None, "a page that comes late is not taken in"
    call = (house.connection_id, house.kind, 8.0)
    assert await house.storage.write(full_syncs.cancel, call) is None, "there is none to cancel any more"
    assert await house.start() is not None
