"""The end of a full sync and the run that is owed next, whatever the clock says."""

import pytest

from daemon.model import Kind, Lane
from daemon.storage import full_syncs
from daemon.storage.settle import Again
from tests.storage.house import House

YEAR = 365 * 86_400.0


@pytest.mark.holds("D2")
async def test_only_what_was_tried_is_given_up(house: House) -> None:
    run = await house.started()
    await house.page(run, "1", "2")
    await house.enumerated(run)
    [first, _] = await house.claim(lane=Lane.BACKFILL)
    await house.settle(again=[Again(claim=first, due_at=9.0, error=b"why")])
    assert await house.storage.write(full_syncs.give_up, run) == 1
    assert not await house.close(run), "2 was never tried"
    assert await house.storage.write(full_syncs.give_up, run) == 0
    await house.work(lane=Lane.BACKFILL)
    assert await house.close(run)
    assert ((await house.newest()).done, (await house.newest()).failed) == (1, 1)


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
    house: House, asked: str, then: str, mode: str, ended: str
) -> None:
    run = await house.started()
    assert await house.start(asked, internal=True) is None
    if ended == "cancelled":
        await house.storage.write(full_syncs.cancel, (house.connection_id, house.kind, 1.0))
    else:
        await house.enumerated(run)
        await house.close(run)
    while ended == "ended" and (report := await house.take()) is not None:
        await house.confirm(report)
    following = await house.started(then)
    newest = await house.newest()
    assert (newest.id, newest.mode, newest.again) == (following, mode, False)
    assert (await house.taken()).run == following, "SparkLayer is told of it"


@pytest.mark.holds("D5")
async def test_a_daily_read_owes_nothing_to_a_run_that_ended_before(house: House) -> None:
    await house.ended_run("1")
    assert await house.started("daily") == await house.newest_id()
    assert (await house.newest()).mode == "daily"


@pytest.mark.holds("D4")
@pytest.mark.parametrize("kind", [Kind.PRODUCTS, Kind.ORDERS])
@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_run_that_began_by_a_clock_a_year_ahead_ends_after_its_start(
    house: House, kind: Kind, *, cancelled: bool
) -> None:
    house = House(house.storage, house.connection_id, house.freshness, kind)
    run = await house.started(now=YEAR)
    logged = await house.take()
    if logged is not None:
        assert logged.started_at == YEAR
        await house.confirm(logged)
    await house.enumerated(run, 8.0)
    if cancelled:
        await house.storage.write(full_syncs.cancel, (house.connection_id, kind, 9.0))
    else:
        assert await house.close(run, 9.0)
    newest = await house.newest()
    assert (newest.started_at, newest.finished_at) == (9.0, 9.0)
    if logged is None:
        assert newest.state == "ended"
        return
    corrected = await house.taken()
    assert (corrected.full, corrected.started_at, corrected.last_full_sync) == (True, 9.0, None)
    await house.confirm(corrected)
    closing = await house.taken()
    assert (closing.full, closing.run, closing.last_full_sync) == (False, run, 9.0)
    await house.confirm(closing)
    assert (await house.newest()).state == "ended"


@pytest.mark.holds("D4")
@pytest.mark.parametrize("mode", ["daily", "normal"])
async def test_sparklayer_is_told_the_present_in_place_of_an_end_that_lies_ahead(house: House, mode: str) -> None:
    before = await house.ended_run("1", now=YEAR)
    run = await house.started(mode, now=5.0)
    put = await house.taken()
    assert (put.full, put.run) == (True, before if mode == "daily" else run)
    assert (put.started_at, put.last_full_sync, put.succeeded) == (5.0, 5.0, True)
    await house.confirm(put)
    assert await house.take() is None


@pytest.mark.holds("D4")
async def test_an_end_that_lies_behind_is_told_once(house: House) -> None:
    await house.ended_run("1", now=3.0)
    await house.started("daily", now=5.0)
    assert await house.take() is None
