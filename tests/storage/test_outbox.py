"""The life of an outbox row, walked through its table; who is due when; and that nothing recorded is lost."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from daemon.model import Change, Kind, Lane
from daemon.storage import outbox, parked
from daemon.storage.outbox import MAX_BACKOFF, TRANSITIONS
from daemon.storage.parked import Choice
from daemon.storage.settle import RetryLater
from tests.storage.harness import PRODUCTS, StorageHarness, id_, row, settled

Steps = Callable[[StorageHarness], Awaitable[Any]]


async def _record(harness: StorageHarness) -> None:
    await harness.record("1")


async def _tag(harness: StorageHarness) -> None:
    await harness.page(await harness.started(), "1")


async def _settle(harness: StorageHarness) -> None:
    await harness.work()


async def _retry(harness: StorageHarness) -> None:
    await _fail(harness, due_at=5.0)


async def _park(harness: StorageHarness) -> None:
    await _fail(harness, due_at=None)


async def _fail(harness: StorageHarness, due_at: float | None) -> None:
    [claim] = await harness.claim()
    await harness.settle(again=[RetryLater(claim=claim, due_at=due_at, error=b"why")])


async def _nothing(harness: StorageHarness) -> None:
    """Leave no row."""


async def _recorded_and_parked(harness: StorageHarness) -> None:
    await _record(harness)
    await _park(harness)


async def _again(harness: StorageHarness) -> None:
    assert await harness.storage.write(parked.retry, _choice(harness)) == 1


async def _drop(harness: StorageHarness) -> None:
    assert await harness.storage.write(parked.drop, _choice(harness)) == 1


def _choice(harness: StorageHarness, *ids: str, kind: Kind | None = None) -> Choice:
    return Choice(connection_id=harness.connection_id, kind=kind, ids=[id_(one) for one in ids], now=9.0)


async def test_a_person_chooses_among_what_is_parked(harness: StorageHarness) -> None:
    await harness.record("1", "2", "3")
    await harness.settle(again=[RetryLater(claim=claim, due_at=None, error=b"why") for claim in await harness.claim()])
    await harness.record("4")
    assert [one.external_id for one in await harness.storage.read(parked.parked, harness.connection_id)] == [
        "1",
        "2",
        "3",
    ]
    assert await harness.storage.write(parked.drop, _choice(harness, "1", "4")) == 1, "what is not parked stays"
    assert await harness.storage.write(parked.drop, _choice(harness, kind=Kind.ORDERS)) == 0
    assert await harness.storage.write(parked.retry, _choice(harness, kind=Kind.PRODUCTS)) == 2
    assert {key: (row["state"], row["due_at"]) for key, row in (await harness.rows()).items()} == {
        "2": ("pending", 9.0),
        "3": ("pending", 9.0),
        "4": ("pending", 0.0),
    }


EVENTS: dict[str, Steps] = {
    "record": _record,
    "tag": _tag,
    "settle": _settle,
    "retry": _retry,
    "park": _park,
    "again": _again,
    "drop": _drop,
}
STATES: dict[str | None, Steps] = {None: _nothing, "pending": _record, "parked": _recorded_and_parked}


@pytest.mark.parametrize(("event", "before"), TRANSITIONS)
async def test_every_transition_of_the_table_happens(harness: StorageHarness, event: str, before: str | None) -> None:
    await STATES[before](harness)
    await EVENTS[event](harness)
    present = (await harness.rows()).get("1")
    assert (present["state"] if present else None) == TRANSITIONS[event, before]


@pytest.mark.parametrize(
    "change",
    ["state = 'sleeping'", "state = 'parked', full_sync_id = 1", "revision = NULL", "due_at = NULL", "lane = NULL"],
)
async def test_the_database_refuses_states_that_the_table_does_not_know(harness: StorageHarness, change: str) -> None:
    await harness.record("1")
    with pytest.raises(IntegrityError):
        await harness.alter("outbox", change)
    assert (await harness.row("1"))["state"] == "pending"


async def test_settling_an_unchanged_row_deletes_it(harness: StorageHarness) -> None:
    await harness.record("1")
    await harness.work()
    assert await harness.rows() == {}


async def test_settling_keeps_a_row_that_was_bumped_and_starts_it_anew(harness: StorageHarness) -> None:
    await harness.record("1", now=0.0)
    [claim] = await harness.claim(now=1.0)
    await harness.settle(again=[RetryLater(claim=claim, due_at=2.0, error=b"why")])
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
    [claim] = await harness.claim(now=0.0)
    await harness.settle(again=[RetryLater(claim=claim, due_at=300.0, error=b"why")])
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


@pytest.mark.parametrize("revive", [_record, _tag])
async def test_a_parked_row_begins_anew_when_revived(harness: StorageHarness, revive: Steps) -> None:
    await harness.record("1", now=-900.0)
    await _retry(harness)
    [claim] = await harness.claim(now=5.0)
    await harness.settle(again=[RetryLater(claim=claim, due_at=None, error=b"why")])
    assert await harness.claim(now=5.0) == []
    await revive(harness)
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
    await harness.record("1", lane=Lane.BACKFILL)
    await harness.record("1", lane=Lane.LIVE)
    await harness.record("1", lane=Lane.BACKFILL)
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
    await harness.record("1", now=4.0)
    await harness.record("2", now=8.0)
    await harness.record("3", now=1.0, lane=Lane.BACKFILL)
    assert (await next_due(0.0), await next_due(4.0), await next_due(8.0)) == (1.0, 8.0, None)
    assert await harness.storage.read(outbox.backlog, harness.connection_id, PRODUCTS) == 1
    depths = await harness.storage.read(outbox.depths, harness.connection_id)
    assert {(depth.lane, depth.state, depth.rows, depth.oldest) for depth in depths} == {
        (Lane.LIVE, "pending", 2, 4.0),
        (Lane.BACKFILL, "pending", 1, 1.0),
    }


async def test_what_retries_does_not_stop_a_full_sync_from_reading(harness: StorageHarness) -> None:
    await harness.page(await harness.started(), "1")
    [claim] = await harness.claim(lane=Lane.BACKFILL)
    await harness.settle(again=[RetryLater(claim=claim, due_at=5.0, error=b"why")])
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
