"""The life of a full sync, walked through its table; the contents of pages; the brake; the end."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from daemon.model import Lane, RunId
from daemon.storage import full_syncs
from daemon.storage.full_syncs import RunLife
from daemon.storage.removals import removal_allowed
from daemon.storage.settle import RetryLater
from daemon.storage.states import IllegalTransition, RunMode, RunState
from tests.storage.harness import PRODUCTS, StorageHarness, row, steps

TABLE = steps(RunLife)
Step = Callable[[StorageHarness, RunId], Awaitable[Any]]


async def _cancelled(harness: StorageHarness, run: RunId) -> None:
    assert await harness.storage.write(full_syncs.cancel, (harness.connection_id, harness.kind, 7.0)) == run


EVENTS: dict[str, Step] = {
    "PAGE": lambda harness, run: harness.page(run, cursor="next"),
    "ENUMERATED": StorageHarness.enumerated,
    "DRAINED": lambda harness, run: harness.close(run, 7.0),
    "CANCELLED": _cancelled,
    "TOLD": lambda harness, _run: harness.tell(),
    "SUPERSEDED": lambda harness, _run: harness.started(),
    "REPLACED": lambda harness, _run: harness.started(),
}
WAYS = {
    None: [],
    RunState.ENUMERATING: ["PAGE"],
    RunState.DRAINING: ["PAGE", "ENUMERATED"],
    RunState.ENDING: ["PAGE", "ENUMERATED", "DRAINED"],
}

ONLY_DAILY, NEVER_DAILY = {"REPLACED"}, {"TOLD", "SUPERSEDED"}
CASES = [
    (event, before, mode)
    for event in TABLE
    for before in TABLE[event].sources
    for mode in RunMode
    if event not in (NEVER_DAILY if mode is RunMode.DAILY else ONLY_DAILY)
]


@pytest.mark.parametrize(("event", "before", "mode"), CASES)
async def test_every_step_of_the_table_happens(
    harness: StorageHarness, event: str, before: RunState | None, mode: RunMode
) -> None:
    run = await harness.started(mode)
    for step in [*WAYS[before], *([event] if before else [])]:
        await EVENTS[step](harness, run)
    [present] = [row for row in await harness.everything_of("full_syncs") if row["id"] == run]
    ends = event in {"DRAINED", "CANCELLED"}
    # The end of a daily run is not reported to SparkLayer, so the run is over at once.
    assert present["state"] is (RunState.ENDED if ends and mode is RunMode.DAILY else TABLE[event].target)
    if ends:
        assert (present["finished_at"], present["succeeded"]) == (7.0, event == "DRAINED")


@pytest.mark.parametrize("event", TABLE)
def test_every_other_step_is_refused(event: str) -> None:
    for state in {None, *RunState}.difference(TABLE[event].sources):
        with pytest.raises(IllegalTransition):
            TABLE[event].of(state)


@pytest.mark.parametrize("change", ["state = 'resting'", "mode = 'weekly'", "state = 'ending', finished_at = NULL"])
async def test_the_database_refuses_states_that_the_table_does_not_know(harness: StorageHarness, change: str) -> None:
    await harness.started()
    with pytest.raises(IntegrityError):
        await harness.alter("full_syncs", change)


async def test_steps_out_of_turn_change_nothing(harness: StorageHarness) -> None:
    run = await harness.started()
    assert not await harness.close(run), "still enumerating"
    await harness.enumerated(run)
    assert await harness.page(run, "1") is None, "a page that comes late is not taken in"
    assert await harness.rows() == {}
    assert await harness.close(run)
    end = (await harness.newest()).finished_at
    assert await harness.close(run)
    assert (await harness.newest()).finished_at == end, "the end is stored once"
    assert await harness.enumerated(run) == 0


async def test_one_run_of_a_kind_at_a_time(harness: StorageHarness) -> None:
    run = await harness.started()
    assert [await harness.start(mode) for mode in RunMode] == [None, None, None]
    assert not (await harness.newest()).again
    assert await harness.start(internal=True) is None
    assert (await harness.newest()).id == run
    assert (await harness.newest()).again


async def test_a_trigger_replaces_the_daily_run(harness: StorageHarness) -> None:
    daily = await harness.started("daily")
    await harness.page(daily, "1", "2", cursor="next")
    assert await harness.start("daily", internal=True) is None
    run = await harness.started("refresh")
    assert {found["full_sync_id"] for found in (await harness.rows()).values()} == {None}
    assert await harness.page(daily, "3", cursor="late") is None
    assert await harness.close(daily), "a waiting caller learns that it is over"
    await harness.page(run, "1")
    assert (await harness.row("1"))["full_sync_id"] == run


async def test_a_page_and_its_cursor_come_in_together(harness: StorageHarness) -> None:
    run = await harness.started()
    assert await harness.page(run, "1", "2", cursor="after 2") == {"1", "2"}
    assert await harness.page(run, "2", "3", cursor="after 3") == {"3"}
    present = await harness.newest()
    assert (present.cursor, present.seen) == ("after 3", 4)
    assert [found["full_sync_id"] for found in (await harness.rows()).values()] == [run] * 3


async def test_a_page_is_not_believed_of_what_waits(harness: StorageHarness) -> None:
    run = await harness.started()
    await harness.record("1")
    assert await harness.page(run, "1", "2") == {"2"}


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


async def test_what_a_run_did_not_see_is_queued_for_a_look_not_removed(harness: StorageHarness) -> None:
    await harness.mark(row("1"), row("2"), row("3"))
    run = await harness.started(now=1.0)
    await harness.mark(row("3"))
    await harness.page(run, "1", now=1.0)
    assert await harness.enumerated(run, 2.0) == 0
    assert set(await harness.rows()) == {"1", "2"}, "3 was settled since the run began"
    assert (await harness.row("2"))["full_sync_id"] == run
    assert await harness.ledger() == {"1": b"equal", "2": b"equal", "3": b"equal"}


async def test_what_was_settled_in_an_earlier_run_can_be_absent_from_the_next(harness: StorageHarness) -> None:
    await harness.ended_run("1", "2")
    first = await harness.started()
    await harness.mark(row("9"))
    await harness.page(first, "8")
    await harness.enumerated(first)
    assert "9" not in await harness.rows()
    await harness.work(lane=Lane.BACKFILL)
    assert await harness.close(first)
    await harness.tell()
    second = await harness.started()
    await harness.page(second, "8")
    await harness.enumerated(second)
    assert "9" in await harness.rows()


async def test_a_run_waits_for_its_last_row(harness: StorageHarness) -> None:
    run = await harness.started()
    await harness.page(run, "1", "2")
    await harness.enumerated(run, 3.0)
    first, second = await harness.claim(lane=Lane.BACKFILL)
    await harness.settle(again=[RetryLater(claim=first, due_at=9.0, error=b"why")])
    await harness.settle(again=[RetryLater(claim=second, due_at=None, error=b"why")])
    assert not await harness.close(run)
    assert await harness.storage.write(full_syncs.give_up, run) == 1
    assert await harness.close(run, 4.0)
    present = await harness.newest()
    assert (present.state, present.failed, present.succeeded) == ("ending", 2, False)
    assert (present.enumerated_at, present.finished_at) == (3.0, 4.0)
    assert (await harness.row(first.external_id))["state"] == "pending", "it goes on without the run"


async def test_more_absent_entities_than_fit_into_a_statement(harness: StorageHarness, few_parameters: int) -> None:
    await harness.mark(*(row(str(number)) for number in range(3 * few_parameters)))
    run = await harness.started(allow_removals=True)
    await harness.enumerated(run)
    assert [found["full_sync_id"] for found in (await harness.rows()).values()] == [run] * 3 * few_parameters


async def test_counts_of_a_run(harness: StorageHarness) -> None:
    run = await harness.started("refresh")
    await harness.page(run, "1", "2", "3")
    assert await harness.storage.read(full_syncs.refreshing, {run, RunId(99)}) == {run}
    await harness.work(lane=Lane.BACKFILL)
    present = await harness.newest()
    assert (present.seen, present.done, present.failed, present.refresh) == (3, 3, 0, True)
    latest = await harness.storage.read(full_syncs.latest, harness.connection_id, PRODUCTS)
    assert latest == present
    await harness.enumerated(run)
    await harness.close(run)
    await harness.tell()
    await harness.started("daily")
    assert (await harness.newest()).mode == "daily"
    latest = await harness.storage.read(full_syncs.latest, harness.connection_id, PRODUCTS)
    assert latest is not None
    assert latest.id == run


async def test_a_cancelled_run_leaves_its_rows_as_ordinary_changes_and_counts_them_as_failed(
    harness: StorageHarness,
) -> None:
    run = await harness.started()
    await harness.page(run, "1", "2", cursor="2")
    await _cancelled(harness, run)
    assert {key: found["full_sync_id"] for key, found in (await harness.rows()).items()} == {"1": None, "2": None}
    assert (await harness.newest()).failed == 2
    assert await harness.page(run, "3") is None, "a page that comes late is not taken in"
    call = (harness.connection_id, harness.kind, 8.0)
    assert await harness.storage.write(full_syncs.cancel, call) is None, "there is none to cancel any more"
    assert await harness.start() is not None
