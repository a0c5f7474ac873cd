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
from daemon.storage.settle import Again, Done
from tests.storage.house import PRODUCTS, House, id_, row

Steps = Callable[[House], Awaitable[Any]]


async def _record(house: House) -> None:
    await house.record("1")


async def _tag(house: House) -> None:
    await house.page(await house.started(), "1")


async def _settle(house: House) -> None:
    await house.work()


async def _retry(house: House) -> None:
    await _fail(house, due_at=5.0)


async def _park(house: House) -> None:
    await _fail(house, due_at=None)


async def _fail(house: House, due_at: float | None) -> None:
    [claim] = await house.claim()
    await house.settle(again=[Again(claim=claim, due_at=due_at, error=b"why")])


async def _nothing(house: House) -> None:
    """Leave no row."""


async def _recorded_and_parked(house: House) -> None:
    await _record(house)
    await _park(house)


async def _again(house: House) -> None:
    assert await house.storage.write(parked.retry, _choice(house)) == 1


async def _drop(house: House) -> None:
    assert await house.storage.write(parked.drop, _choice(house)) == 1


def _choice(house: House, *ids: str, kind: Kind | None = None) -> Choice:
    return Choice(connection_id=house.connection_id, kind=kind, ids=[id_(one) for one in ids], now=9.0)


async def test_a_person_chooses_among_what_is_parked(house: House) -> None:
    await house.record("1", "2", "3")
    await house.settle(again=[Again(claim=claim, due_at=None, error=b"why") for claim in await house.claim()])
    await house.record("4")
    assert [one.external_id for one in await house.storage.read(parked.parked, house.connection_id)] == ["1", "2", "3"]
    assert await house.storage.write(parked.drop, _choice(house, "1", "4")) == 1, "what is not parked stays"
    assert await house.storage.write(parked.drop, _choice(house, kind=Kind.ORDERS)) == 0
    assert await house.storage.write(parked.retry, _choice(house, kind=Kind.PRODUCTS)) == 2
    assert {key: (row["state"], row["due_at"]) for key, row in (await house.rows()).items()} == {
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
async def test_every_transition_of_the_table_happens(house: House, event: str, before: str | None) -> None:
    await STATES[before](house)
    await EVENTS[event](house)
    present = (await house.rows()).get("1")
    assert (present["state"] if present else None) == TRANSITIONS[event, before]


@pytest.mark.parametrize(
    "change",
    ["state = 'sleeping'", "state = 'parked', full_sync_id = 1", "revision = NULL", "due_at = NULL", "lane = NULL"],
)
async def test_the_database_refuses_states_that_the_table_does_not_know(house: House, change: str) -> None:
    await house.record("1")
    with pytest.raises(IntegrityError):
        await house.alter("outbox", change)
    assert (await house.row("1"))["state"] == "pending"


async def test_settling_an_unchanged_row_deletes_it(house: House) -> None:
    await house.record("1")
    await house.work()
    assert await house.rows() == {}


async def test_settling_keeps_a_row_that_was_bumped_and_starts_it_anew(house: House) -> None:
    await house.record("1", now=0.0)
    [claim] = await house.claim(now=1.0)
    await house.settle(again=[Again(claim=claim, due_at=2.0, error=b"why")])
    [claim] = await house.claim(now=2.0)
    await house.record("1", now=3.0)
    await house.settle(done=[Done(claim=claim)], now=4.0)
    present = await house.row("1")
    assert (present["revision"], present["attempts"], present["first_queued_at"]) == (2, 0, 4.0)
    assert present["encrypted"] is None


async def test_settling_compares_the_tag_too(house: House) -> None:
    run = await house.started()
    await house.page(run, "1")
    [claim] = await house.claim(lane=Lane.BACKFILL)
    await house.settle(done=[Done(claim=evolve(claim, run=None))])
    assert (await house.row("1"))["full_sync_id"] == run, "the tag of a run that began later stays"
    await house.record("1")
    await house.settle(done=[Done(claim=claim)])
    assert (await house.row("1"))["full_sync_id"] is None, "the claimed tag goes"
    assert (await house.newest()).done == 1


async def test_an_older_claim_never_deletes_a_newer_change(house: House) -> None:
    await house.record("1")
    [old] = await house.claim()
    await house.record("1")
    [new] = await house.claim()
    await house.settle(done=[Done(claim=old)])
    assert "1" in await house.rows()
    await house.settle(done=[Done(claim=new)])
    assert await house.rows() == {}


async def test_a_change_does_not_shorten_a_backoff(house: House) -> None:
    await house.record("1", now=0.0)
    [claim] = await house.claim(now=0.0)
    await house.settle(again=[Again(claim=claim, due_at=300.0, error=b"why")])
    await house.record("1", now=1.0, debounce=1.0, debounce_max=10.0)
    present = await house.row("1")
    assert (present["due_at"], present["attempts"], present["revision"]) == (300.0, 1, 2)
    await house.page(await house.started(), "1", now=2.0)
    assert (await house.row("1"))["due_at"] == 300.0


@pytest.mark.parametrize(
    ("moments", "due"),
    [([0.0], 1.0), ([0.0, 0.5], 1.5), ([0.0, 0.9, 1.8], 2.8), ([float(n) * 0.9 for n in range(20)], 10.0)],
)
async def test_live_changes_are_debounced_but_not_for_ever(house: House, moments: list[float], due: float) -> None:
    for now in moments:
        await house.record("1", now=now, debounce=1.0, debounce_max=10.0)
    assert (await house.row("1"))["due_at"] == pytest.approx(due)
    assert await house.claim(now=due - 0.01) == []
    assert len(await house.claim(now=due)) == 1


async def test_a_row_due_far_ahead_is_due(house: House) -> None:
    await house.record("1", now=10_000.0)
    assert await house.claim(now=10_000.0 - MAX_BACKOFF) == [], "a backoff, not a jump"
    assert len(await house.claim(now=9_000.0)) == 1, "the clock was put back"


@pytest.mark.parametrize("revive", [_record, _tag])
async def test_a_parked_row_begins_anew_when_revived(house: House, revive: Steps) -> None:
    await house.record("1", now=-900.0)
    await _retry(house)
    [claim] = await house.claim(now=5.0)
    await house.settle(again=[Again(claim=claim, due_at=None, error=b"why")])
    assert await house.claim(now=5.0) == []
    await revive(house)
    present = await house.row("1")
    assert (present["state"], present["attempts"], present["due_at"], present["first_queued_at"]) == (
        "pending",
        0,
        0.0,
        0.0,
    )


async def test_a_change_that_came_during_the_last_attempt_is_not_parked_with_it(house: House) -> None:
    run = await house.started()
    await house.page(run, "1")
    [claim] = await house.claim(lane=Lane.BACKFILL)
    await house.record("1", now=1.0)
    await house.settle(again=[Again(claim=claim, due_at=None, error=b"why")], now=2.0)
    present = await house.row("1")
    assert (present["state"], present["attempts"], present["full_sync_id"]) == ("pending", 0, None)
    assert (await house.newest()).failed == 1, "the run's own attempts are used up all the same"


async def test_a_tag_of_a_later_run_survives_the_parking_of_an_earlier_claim(house: House) -> None:
    await house.record("1")
    [claim] = await house.claim()
    run = await house.started()
    await house.page(run, "1")
    await house.settle(again=[Again(claim=claim, due_at=None, error=b"why")])
    assert (await house.row("1"))["full_sync_id"] == run
    await house.enumerated(run)
    assert not await house.close(run), "the run waits for it"


async def test_tagging_leaves_a_waiting_row_its_lane_and_its_turn(house: House) -> None:
    await house.record("1", now=3.0)
    run = await house.started()
    fresh = await house.page(run, "1", "2", "2", now=7.0)
    first, second = await house.row("1"), await house.row("2")
    assert fresh == {"2"}
    assert (first["lane"], first["due_at"], first["revision"], first["full_sync_id"]) == (Lane.LIVE, 3.0, 2, run)
    assert (second["lane"], second["due_at"], second["revision"]) == (Lane.BACKFILL, 7.0, 1)


async def test_the_more_urgent_lane_wins(house: House) -> None:
    await house.record("1", lane=Lane.BACKFILL)
    await house.record("1", lane=Lane.LIVE)
    await house.record("1", lane=Lane.BACKFILL)
    assert (await house.row("1"))["lane"] == Lane.LIVE


async def test_the_more_urgent_lane_wins_within_one_commit(house: House) -> None:
    def both(conn: Connection, calls: Sequence[outbox.Record]) -> list[None]:
        return outbox.record(conn, [*calls, evolve(calls[0], lane=Lane.BACKFILL)])

    change = Change(PRODUCTS, row("1").external_id)
    await house.storage.write(
        both, outbox.Record(connection_id=house.connection_id, changes=[change], now=0.0, lane=Lane.LIVE)
    )
    assert (await house.row("1"))["lane"] == Lane.LIVE


async def test_claims_come_by_lane_in_order_and_never_twice(house: House) -> None:
    for number in range(5):
        await house.record(str(number), now=float(5 - number))
    await house.record("slow", lane=Lane.BACKFILL)
    assert [claim.external_id for claim in await house.claim(now=9.0, limit=3)] == ["4", "3", "2"]
    rest = await house.claim(now=9.0, limit=3, in_flight=frozenset({"4", "2", "slow"}))
    assert [claim.external_id for claim in rest] == ["3", "1", "0"]
    assert [claim.external_id for claim in await house.claim(lane=Lane.BACKFILL)] == ["slow"]


async def test_next_due_backlog_and_depths(house: House) -> None:
    async def next_due(after: float) -> float | None:
        return await house.storage.read(outbox.next_due, house.connection_id, PRODUCTS, after)

    assert await next_due(0.0) is None
    await house.record("1", now=4.0)
    await house.record("2", now=8.0)
    await house.record("3", now=1.0, lane=Lane.BACKFILL)
    assert (await next_due(0.0), await next_due(4.0), await next_due(8.0)) == (1.0, 8.0, None)
    assert await house.storage.read(outbox.backlog, house.connection_id, PRODUCTS) == 1
    depths = await house.storage.read(outbox.depths, house.connection_id)
    assert {(depth.lane, depth.state, depth.rows, depth.oldest) for depth in depths} == {
        (Lane.LIVE, "pending", 2, 4.0),
        (Lane.BACKFILL, "pending", 1, 1.0),
    }


async def test_what_retries_does_not_stop_a_full_sync_from_reading(house: House) -> None:
    await house.page(await house.started(), "1")
    [claim] = await house.claim(lane=Lane.BACKFILL)
    await house.settle(again=[Again(claim=claim, due_at=5.0, error=b"why")])
    assert await house.storage.read(outbox.backlog, house.connection_id, PRODUCTS) == 0


async def test_nothing_is_written_for_a_connection_that_leaves(house: House) -> None:
    await house.record("1")
    run = await house.started()
    [claim] = await house.claim()
    before = await house.rows()
    await house.disconnect()
    await house.record("1", "2")
    await house.settle(done=[Done(claim=claim, row=row("1"))])
    assert await house.mark(row("1"), claims={"S": "1"}) == frozenset()
    await house.page(run, "3")
    assert await house.start() is None
    assert await house.take() is None
    assert await house.rows() == before
    assert await house.ledger() == {}
    assert await house.owners() == {}


async def test_connections_do_not_see_each_other(house: House) -> None:
    other = await House.build(house.storage, "other")
    await house.record("1")
    await other.record("1")
    await house.work()
    assert list(await other.rows()) == ["1"]
    assert other.connection_id != house.connection_id
