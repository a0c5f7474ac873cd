"""The life of an outbox row, walked through its table; due times; no recorded change is lost."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from daemon.model import Change, ExternalId, Lane
from daemon.model.outcome import Outcome, Result
from daemon.storage import outbox, overview, parked
from daemon.storage.outbox import MAX_BACKOFF, Record, RowLife
from daemon.storage.parked import Choice
from daemon.storage.settle import RetryLater, Settlement, settle
from daemon.storage.states import IllegalTransition, RowState
from tests.databases import InlineDatabase
from tests.storage.harness import PRODUCTS, StorageHarness, row, settled, steps

TABLE = steps(RowLife)
Steps = Callable[[StorageHarness], Awaitable[Any]]


async def _tag(harness: StorageHarness) -> None:
    await harness.page(await harness.started(), "1")


async def _restart(harness: StorageHarness) -> None:
    [claim] = await harness.claim()
    await harness.record("1")
    await harness.settle(done=[settled(claim)])


def _parked(harness: StorageHarness) -> Choice:
    return Choice(connection_id=harness.connection_id, kind=None, ids=[], now=9.0)


EVENTS: dict[str, Steps] = {
    "RECORD": lambda harness: harness.record("1"),
    "TAG": _tag,
    "SETTLE": StorageHarness.work,
    "RESTART": _restart,
    "RETRY": lambda harness: harness.fail(due_at=5.0),
    "PARK": StorageHarness.fail,
    "REVIVE": lambda harness: harness.storage.write(parked.retry, _parked(harness)),
    "DROP": lambda harness: harness.storage.write(parked.drop, _parked(harness)),
}
WAYS: dict[RowState | None, list[str]] = {
    None: [],
    RowState.PENDING: ["RECORD"],
    RowState.PARKED: ["RECORD", "PARK"],
}


@pytest.mark.parametrize(("event", "before"), [(event, state) for event in TABLE for state in TABLE[event].sources])
async def test_every_step_of_the_table_happens(harness: StorageHarness, event: str, before: RowState | None) -> None:
    for step in [*WAYS[before], event]:
        await EVENTS[step](harness)
    present = (await harness.rows()).get("1")
    assert (present["state"] if present else None) is TABLE[event].target


@pytest.mark.parametrize("event", TABLE)
def test_every_other_step_is_refused(event: str) -> None:
    for state in {None, *RowState}.difference(TABLE[event].sources):
        with pytest.raises(IllegalTransition):
            TABLE[event].of(state)


async def test_a_parked_row_is_not_settled_by_the_claim_that_parked_it(harness: StorageHarness) -> None:
    await harness.record("1")
    [claim] = await harness.claim()
    await harness.settle(again=[RetryLater(claim=claim, due_at=None, error=b"why")])
    with pytest.raises(IllegalTransition):
        await harness.settle(done=[settled(claim)])
    assert (await harness.row("1"))["state"] is RowState.PARKED


@pytest.mark.parametrize(
    "change",
    ["state = 'sleeping'", "state = 'parked', full_sync_id = 1", "revision = NULL", "due_at = NULL", "lane = NULL"],
)
async def test_the_database_refuses_states_that_the_table_does_not_know(harness: StorageHarness, change: str) -> None:
    await harness.record("1")
    with pytest.raises(IntegrityError):
        await harness.alter("outbox", change)
    assert (await harness.row("1"))["state"] == "pending"


async def test_settling_keeps_a_row_that_was_changed_meanwhile_and_restarts_it(harness: StorageHarness) -> None:
    await harness.record("1", now=0.0)
    await harness.fail(due_at=2.0, now=1.0)
    [claim] = await harness.claim(now=2.0)
    await harness.record("1", now=3.0)
    await harness.settle(done=[settled(claim)], now=4.0)
    present = await harness.row("1")
    assert (present["revision"], present["attempts"], present["first_queued_at"]) == (2, 0, 4.0)
    assert present["encrypted"] is None


async def test_settling_compares_the_tag_too(harness: StorageHarness) -> None:
    run = await harness.started()
    await harness.page(run, "1")
    [claim] = await harness.claim(lane=Lane.BACKFILL)
    await harness.settle(done=[settled(evolve(claim, run=None))])
    assert (await harness.row("1"))["full_sync_id"] == run, "the tag of a run that began later stays"
    await harness.record("1")
    await harness.settle(done=[settled(claim)])
    assert (await harness.row("1"))["full_sync_id"] is None, "the claimed tag goes"
    assert (await harness.newest()).done == 1


async def test_an_older_claim_never_deletes_a_newer_change(harness: StorageHarness) -> None:
    await harness.record("1")
    [old] = await harness.claim()
    await harness.record("1")
    [new] = await harness.claim()
    await harness.settle(done=[settled(old)])
    assert "1" in await harness.rows()
    await harness.settle(done=[settled(new)])
    assert await harness.rows() == {}


async def test_a_change_does_not_shorten_a_backoff(harness: StorageHarness) -> None:
    await harness.record("1", now=0.0)
    await harness.fail(due_at=300.0)
    await harness.record("1", now=1.0, debounce=1.0, debounce_max=10.0)
    present = await harness.row("1")
    assert (present["due_at"], present["attempts"], present["revision"]) == (300.0, 1, 2)
    await harness.page(await harness.started(), "1", now=2.0)
    assert (await harness.row("1"))["due_at"] == 300.0


@pytest.mark.parametrize(
    ("moments", "due"),
    [([0.0], 1.0), ([0.0, 0.5], 1.5), ([0.0, 0.9, 1.8], 2.8), ([float(n) * 0.9 for n in range(20)], 10.0)],
)
async def test_live_changes_are_debounced_but_not_for_ever(
    harness: StorageHarness, moments: list[float], due: float
) -> None:
    for now in moments:
        await harness.record("1", now=now, debounce=1.0, debounce_max=10.0)
    assert (await harness.row("1"))["due_at"] == pytest.approx(due)
    assert await harness.claim(now=due - 0.01) == []
    assert len(await harness.claim(now=due)) == 1


async def test_a_row_due_far_ahead_is_due(harness: StorageHarness) -> None:
    await harness.record("1", now=10_000.0)
    assert await harness.claim(now=10_000.0 - MAX_BACKOFF) == [], "a backoff, not a jump"
    assert len(await harness.claim(now=9_000.0)) == 1, "the clock was put back"


@pytest.mark.parametrize("event", ["RECORD", "TAG"])
async def test_a_parked_row_begins_from_the_start_when_revived(harness: StorageHarness, event: str) -> None:
    await harness.record("1", now=-900.0)
    await harness.fail(due_at=5.0)
    await harness.fail(now=5.0)
    assert await harness.claim(now=5.0) == []
    await EVENTS[event](harness)
    present = await harness.row("1")
    assert (present["state"], present["attempts"], present["due_at"], present["first_queued_at"]) == (
        "pending",
        0,
        0.0,
        0.0,
    )


async def test_a_change_that_came_during_the_last_attempt_is_not_parked_with_it(harness: StorageHarness) -> None:
    run = await harness.started()
    await harness.page(run, "1")
    [claim] = await harness.claim(lane=Lane.BACKFILL)
    await harness.record("1", now=1.0)
    await harness.settle(again=[RetryLater(claim=claim, due_at=None, error=b"why")], now=2.0)
    present = await harness.row("1")
    assert (present["state"], present["attempts"], present["full_sync_id"]) == ("pending", 0, None)
    assert (await harness.newest()).failed == 1, "the run's own attempts are used up all the same"


async def test_a_tag_of_a_later_run_survives_the_parking_of_an_earlier_claim(harness: StorageHarness) -> None:
    await harness.record("1")
    [claim] = await harness.claim()
    run = await harness.started()
    await harness.page(run, "1")
    await harness.settle(again=[RetryLater(claim=claim, due_at=None, error=b"why")])
    assert (await harness.row("1"))["full_sync_id"] == run
    await harness.enumerated(run)
    assert not await harness.close(run), "the run waits for it"


async def test_tagging_leaves_a_waiting_row_its_lane_and_its_turn(harness: StorageHarness) -> None:
    await harness.record("1", now=3.0)
    run = await harness.started()
    fresh = await harness.page(run, "1", "2", "2", now=7.0)
    first, second = await harness.row("1"), await harness.row("2")
    assert fresh == {"2"}
    assert (first["lane"], first["due_at"], first["revision"], first["full_sync_id"]) == (Lane.LIVE, 3.0, 2, run)
    assert (second["lane"], second["due_at"], second["revision"]) == (Lane.BACKFILL, 7.0, 1)


async def test_the_more_urgent_lane_wins(harness: StorageHarness) -> None:
    for lane in (Lane.BACKFILL, Lane.LIVE, Lane.BACKFILL):
        await harness.record("1", lane=lane)
    assert (await harness.row("1"))["lane"] == Lane.LIVE


async def test_the_more_urgent_lane_wins_within_one_commit(harness: StorageHarness) -> None:
    def both(conn: Connection, calls: Sequence[outbox.Record]) -> list[None]:
        return outbox.record(conn, [*calls, evolve(calls[0], lane=Lane.BACKFILL)])

    change = Change(PRODUCTS, row("1").external_id)
    await harness.storage.write(
        both, outbox.Record(connection_id=harness.connection_id, changes=[change], now=0.0, lane=Lane.LIVE)
    )
    assert (await harness.row("1"))["lane"] == Lane.LIVE


async def test_claims_come_by_lane_in_order_and_never_twice(harness: StorageHarness) -> None:
    for number in range(5):
        await harness.record(str(number), now=float(5 - number))
    await harness.record("slow", lane=Lane.BACKFILL)
    assert [claim.external_id for claim in await harness.claim(now=9.0, limit=3)] == ["4", "3", "2"]
    rest = await harness.claim(now=9.0, limit=3, in_flight=frozenset({"4", "2", "slow"}))
    assert [claim.external_id for claim in rest] == ["3", "1", "0"]
    assert [claim.external_id for claim in await harness.claim(lane=Lane.BACKFILL)] == ["slow"]


async def test_next_due_backlog_and_depths(harness: StorageHarness) -> None:
    async def next_due(after: float) -> float | None:
        return await harness.storage.read(outbox.next_due, harness.connection_id, PRODUCTS, after)

    assert await next_due(0.0) is None
    for external_id, now, lane in (("1", 4.0, Lane.LIVE), ("2", 8.0, Lane.LIVE), ("3", 1.0, Lane.BACKFILL)):
        await harness.record(external_id, now=now, lane=lane)
    assert (await next_due(0.0), await next_due(4.0), await next_due(8.0)) == (1.0, 8.0, None)
    assert await harness.storage.read(outbox.backlog, harness.connection_id, PRODUCTS) == 1
    depths = await harness.storage.read(overview.depths, harness.connection_id, PRODUCTS)
    assert {(depth.lane, depth.state, depth.rows, depth.oldest) for depth in depths} == {
        (Lane.LIVE, "pending", 2, 4.0),
        (Lane.BACKFILL, "pending", 1, 1.0),
    }


async def test_what_retries_does_not_stop_a_full_sync_from_reading(harness: StorageHarness) -> None:
    await harness.page(await harness.started(), "1")
    await harness.fail(due_at=5.0, lane=Lane.BACKFILL)
    assert await harness.storage.read(outbox.backlog, harness.connection_id, PRODUCTS) == 0


async def test_nothing_is_written_for_a_connection_that_leaves(harness: StorageHarness) -> None:
    await harness.record("1")
    run = await harness.started()
    [claim] = await harness.claim()
    before = await harness.rows()
    await harness.disconnect()
    await harness.record("1", "2")
    await harness.settle(done=[settled(claim, row=row("1"))])
    assert await harness.mark(row("1"), claims={"S": "1"}) == frozenset()
    await harness.page(run, "3")
    assert await harness.start() is None
    assert await harness.take() is None
    assert await harness.rows() == before
    assert await harness.ledger() == {}
    assert await harness.owners() == {}


async def test_connections_do_not_see_each_other(harness: StorageHarness) -> None:
    other = await StorageHarness.build(harness.storage, "other")
    await harness.record("1")
    await other.record("1")
    await harness.work()
    assert list(await other.rows()) == ["1"]
    assert other.connection_id != harness.connection_id


async def test_what_is_looked_at_later_never_delays_a_change(harness: StorageHarness) -> None:
    """A settled entity gets a row for later, unless it has one; its next change comes first."""
    await harness.record("1")
    await harness.record("2")
    claims = await harness.claim()
    await harness.record("2", now=1.0)
    call = Settlement(
        connection_id=harness.connection_id,
        kind=harness.kind,
        now=1.0,
        done={claim: Outcome(result=Result.WRITTEN) for claim in claims},
        issues={},
        reported=set(),
        later={claim.external_id: 27.0 for claim in claims},
    )
    await harness.storage.write(settle, call)
    assert {key: one["due_at"] for key, one in (await harness.rows()).items()} == {"1": 28.0, "2": 0.0}
    await harness.record("1", now=3.0)
    assert (await harness.rows())["1"]["due_at"] <= 3.0


async def test_changes_of_one_commit_keep_their_own_longest_wait(harness: StorageHarness) -> None:
    waits = {str(number): 5.0 if number % 2 else 50.0 for number in range(8)}
    await harness.record(*waits, now=0.0)
    calls = [
        Record(
            connection_id=harness.connection_id,
            changes=[Change(PRODUCTS, ExternalId(id_))],
            now=10.0,
            debounce=20.0,
            debounce_max=longest,
        )
        for id_, longest in waits.items()
    ]
    # In one transaction, as the writer commits what is queued.
    assert isinstance(harness.storage, InlineDatabase)
    with harness.storage._engine.begin() as conn:
        outbox.record(conn, calls)
    due = {id_: row["due_at"] for id_, row in (await harness.rows()).items()}
    assert due == {id_: 5.0 if longest == 5.0 else 30.0 for id_, longest in waits.items()}
