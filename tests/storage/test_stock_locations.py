"""A connection's stock stays at its location; a location outside the settings starts a run that moves it."""

import pytest

from daemon.model import ConnectionId
from daemon.storage.resync import Settle, StockPlace, place_of, settle_at
from tests.storage.harness import StorageHarness, row

MAIN, ANNEX = StockPlace("sl_1"), StockPlace("sl_2")
NAMED, OTHERWISE = StockPlace("sl_1", "main"), StockPlace("sl_2", "annex")


async def _settle(harness: StorageHarness, place: StockPlace) -> bool:
    return await harness.storage.write(settle_at, Settle(connection_id=harness.connection_id, place=place, now=1.0))


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        (None, MAIN, False),
        (MAIN, MAIN, False),
        (MAIN, ANNEX, True),
        (NAMED, StockPlace("sl_2", "main"), True),
        (NAMED, OTHERWISE, False),
        (NAMED, MAIN, False),
    ],
)
async def test_a_place_that_the_settings_do_not_name_starts_a_run(
    harness: StorageHarness, before: StockPlace | None, after: StockPlace, *, moved: bool
) -> None:
    if before is not None:
        assert not await _settle(harness, before)
    assert await _settle(harness, after) is moved
    assert await harness.storage.read(place_of, harness.connection_id) == after
    assert bool(await harness.everything_of("full_syncs")) is moved


async def test_what_an_earlier_release_has_put_somewhere_is_put_here_again(harness: StorageHarness) -> None:
    await harness.mark(row("1"))
    assert await _settle(harness, MAIN)
    assert len(await harness.everything_of("full_syncs")) == 1


async def test_a_connection_that_is_gone_has_no_place(harness: StorageHarness) -> None:
    gone = ConnectionId(harness.connection_id + 1)
    assert not await harness.storage.write(settle_at, Settle(connection_id=gone, place=MAIN, now=1.0))
    assert await harness.storage.read(place_of, gone) is None
