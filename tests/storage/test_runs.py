"""The end of a full sync and the next owed run, under any clock."""

import pytest

from daemon.model import Kind, Lane
from daemon.storage import full_syncs
from daemon.storage.settle import RetryLater
from tests.storage.harness import StorageHarness

YEAR = 365 * 86_400.0


@pytest.mark.holds("D2")
async def test_only_what_was_tried_is_given_up(harness: StorageHarness) -> None:
    run = await harness.started()
    await harness.page(run, "1", "2")
    await harness.enumerated(run)
    [first, _] = await harness.claim(lane=Lane.BACKFILL)
    await harness.settle(again=[RetryLater(claim=first, due_at=9.0, error=b"why")])
    assert await harness.storage.write(full_syncs.give_up, run) == 1
    assert not await harness.close(run), "2 was never tried"
    assert await harness.storage.write(full_syncs.give_up, run) == 0
    await harness.work(lane=Lane.BACKFILL)
    assert await harness.close(run)
    assert ((await harness.newest()).done, (await harness.newest()).failed) == (1, 1)


@pytest.mark.holds("D5")
@pytest.mark.parametrize(
    ("asked", "then", "mode"),
    [
        ("refresh", "normal", "refresh"),
        ("refresh", "daily", "refresh"),
        ("refresh", "refresh", "refresh"),
        ("normal", "daily", "normal"),
        ("normal", "normal", "normal"),
        ("normal", "refresh", "refresh"),
    ],
)
@pytest.mark.parametrize("ended", ["ending", "ended", "cancelled"])
async def test_a_run_that_is_owed_takes_the_place_of_the_next_one(
    harness: StorageHarness, asked: str, then: str, mode: str, ended: str
) -> None:
    run = await harness.started()
    assert await harness.start(asked, internal=True) is None
    if ended == "cancelled":
        await harness.storage.write(full_syncs.cancel, (harness.connection_id, harness.kind, 1.0))
    else:
        await harness.enumerated(run)
        await harness.close(run)
    if ended == "ended":
        await harness.tell()
    following = await harness.started(then)
    newest = await harness.newest()
    assert (newest.id, newest.mode, newest.again) == (following, mode, False)
    assert (await harness.taken()).run == following, "SparkLayer is told of it"


@pytest.mark.holds("D5")
async def test_a_daily_read_owes_nothing_to_a_run_that_ended_before(harness: StorageHarness) -> None:
    await harness.ended_run("1")
    assert await harness.started("daily") == await harness.newest_id()
    assert (await harness.newest()).mode == "daily"


@pytest.mark.holds("D4")
@pytest.mark.parametrize("kind", [Kind.PRODUCTS, Kind.ORDERS])
@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_run_that_began_by_a_clock_a_year_ahead_ends_after_its_start(
    harness: StorageHarness, kind: Kind, *, cancelled: bool
) -> None:
    harness = StorageHarness(harness.storage, harness.connection_id, kind)
    run = await harness.started(now=YEAR)
    logged = await harness.take()
    if logged is not None:
        assert logged.started_at == YEAR
        await harness.confirm(logged)
    await harness.enumerated(run, 8.0)
    if cancelled:
        await harness.storage.write(full_syncs.cancel, (harness.connection_id, kind, 9.0))
    else:
        assert await harness.close(run, 9.0)
    newest = await harness.newest()
    assert (newest.started_at, newest.finished_at) == (9.0, 9.0)
    if logged is None:
        assert newest.state == "ended"
        return
    corrected = await harness.taken()
    assert (corrected.full, corrected.started_at, corrected.last_full_sync) == (True, 9.0, None)
    await harness.confirm(corrected)
    closing = await harness.taken()
    assert (closing.full, closing.run, closing.last_full_sync) == (False, run, 9.0)
    await harness.confirm(closing)
    assert (await harness.newest()).state == "ended"


@pytest.mark.holds("D4")
@pytest.mark.parametrize("mode", ["daily", "normal"])
async def test_sparklayer_is_told_the_present_in_place_of_an_end_that_lies_ahead(
    harness: StorageHarness, mode: str
) -> None:
    before = await harness.ended_run("1", now=YEAR)
    run = await harness.started(mode, now=5.0)
    put = await harness.taken()
    assert (put.full, put.run) == (True, before if mode == "daily" else run)
    assert (put.started_at, put.last_full_sync, put.succeeded) == (5.0, 5.0, True)
    await harness.confirm(put)
    assert await harness.take() is None


@pytest.mark.holds("D4")
async def test_an_end_that_lies_behind_is_told_once(harness: StorageHarness) -> None:
    await harness.ended_run("1", now=3.0)
    await harness.started("daily", now=5.0)
    assert await harness.take() is None
