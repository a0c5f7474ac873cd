"""The history of entities: written with the settlement or not at all, bounded in number and in time."""

import pytest

from daemon.model import ExternalId, RunId
from daemon.model.outcome import Result
from daemon.storage import full_syncs, history, settle
from daemon.storage.history import KEPT, MOST, MOST_AT_ONCE, HistoryEntry, HistoryRow
from daemon.storage.settle import Settlement
from tests.storage.harness import StorageHarness

ONE, OTHER = ExternalId("1"), ExternalId("2")


async def settled(harness: StorageHarness, now: float, *entries: HistoryEntry) -> None:
    call = Settlement(connection_id=harness.connection_id, kind=harness.kind, now=now, history=entries)
    await harness.storage.write(settle.settle, call)


async def rows(harness: StorageHarness, entity: ExternalId = ONE, since: float = -1.0) -> list[HistoryRow]:
    return await harness.storage.read(history.of_entity, harness.connection_id, harness.kind, entity, since)


async def test_an_entitys_settlements_are_listed_the_latest_first(harness: StorageHarness) -> None:
    await settled(
        harness, 1.0, HistoryEntry(ONE, Result.WRITTEN), HistoryEntry(OTHER, Result.REJECTED, "no_sku", RunId(7))
    )
    await settled(harness, 2.0, HistoryEntry(ONE, Result.REMOVED, "deleted"))
    assert [(row.at, row.result, row.reason, row.run) for row in await rows(harness)] == [
        (2.0, Result.REMOVED, "deleted", None),
        (1.0, Result.WRITTEN, None, None),
    ]
    assert [(row.result, row.reason, row.run) for row in await rows(harness, OTHER)] == [(Result.REJECTED, "no_sku", 7)]
    latest = await harness.storage.read(history.latest, harness.connection_id, 0.0, 2)
    assert [(row.at, row.external_id) for row in latest] == [(2.0, "1"), (1.0, "1")]


async def test_a_clock_that_stands_still_keeps_the_later_settlement(harness: StorageHarness) -> None:
    await settled(harness, 1.0, HistoryEntry(ONE, Result.HELD, "deleted"))
    await settled(harness, 1.0, HistoryEntry(ONE, Result.WRITTEN))
    assert [(row.result, row.reason) for row in await rows(harness)] == [(Result.WRITTEN, None)]


async def test_an_entity_keeps_its_latest_rows_and_those_of_others(harness: StorageHarness) -> None:
    await settled(harness, 0.0, HistoryEntry(OTHER, Result.WRITTEN))
    for now in range(MOST + 5):
        await settled(harness, float(now), HistoryEntry(ONE, Result.WRITTEN))
    kept = await harness.storage.read(history.latest, harness.connection_id, -1.0, 1000)
    assert [row.at for row in kept if row.external_id == ONE] == [float(now) for now in range(MOST + 4, 4, -1)]
    assert [row.at for row in kept if row.external_id == OTHER] == [0.0]


async def test_rows_are_forgotten_after_a_week_some_at_a_time(harness: StorageHarness) -> None:
    many = [HistoryEntry(ExternalId(str(number)), Result.WRITTEN) for number in range(MOST_AT_ONCE + 1)]
    await settled(harness, 0.0, *many)
    await settled(harness, KEPT, HistoryEntry(ONE, Result.REMOVED))
    assert [row.at for row in await rows(harness, since=0.0)] == [KEPT]
    forgotten = [await harness.storage.write(history.forget, (harness.connection_id, 0.0)) for _ in range(3)]
    assert forgotten == [MOST_AT_ONCE, 1, 0]
    assert [row.at for row in await harness.storage.read(history.latest, harness.connection_id, -1.0, 9)] == [KEPT]


async def test_a_settlement_of_a_connection_that_left_leaves_no_row(harness: StorageHarness) -> None:
    await harness.disconnect()
    await settled(harness, 1.0, HistoryEntry(ONE, Result.WRITTEN))
    assert await rows(harness) == []


@pytest.mark.parametrize("run", [True, False])
async def test_full_syncs_are_listed_with_their_counts(harness: StorageHarness, *, run: bool) -> None:
    number = await harness.started(now=5.0) if run else None
    [*listed] = await harness.storage.read(full_syncs.history, harness.connection_id, 10)
    assert [(past.id, past.mode, past.state, past.started_at, past.seen) for past in listed] == (
        [(number, "normal", "enumerating", 5.0, 0)] if run else []
    )
