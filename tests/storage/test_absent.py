"""What a full sync did not see is looked at by its id, whatever is known of it; "before the run" is no clock's word."""

import pytest
from attrs import evolve

from daemon.model import Kind, Lane
from daemon.storage.settle import Again
from tests.storage.house import House, issue, row

pytestmark = pytest.mark.holds("D1")

FUTURE = 1e12


async def _reject(house: House, external_id: str, now: float = 0.0) -> None:
    await house.record(external_id, now=now)
    await house.work(now, issue=issue("bad"))


async def _park(house: House, external_id: str, now: float = 0.0) -> None:
    await house.record(external_id, now=now)
    [claim] = await house.claim(now=now)
    await house.settle(again=[Again(claim=claim, due_at=None, error=b"why")], now=now)


KNOWN = {"issue": _reject, "parked": _park}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("mode", ["normal", "refresh", "daily"])
async def test_what_has_no_row_in_the_ledger_is_looked_at_too(house: House, kind: Kind, known: str, mode: str) -> None:
    house = evolve(house, kind=kind)
    await KNOWN[known](house, "9", FUTURE)
    run = await house.started(mode, now=1.0)
    await house.page(run, "1", now=1.0)
    assert await house.enumerated(run, 2.0) == 0
    looked_at = await house.row("9")
    assert (looked_at["state"], looked_at["full_sync_id"]) == ("pending", run)
    for lane in Lane:
        await house.work(3.0, lane)
    assert await house.close(run, 4.0)
    assert await house.everything_of("issues") == []
    assert await house.rows() == {}


@pytest.mark.parametrize("known", KNOWN)
async def test_an_enumeration_that_saw_nothing_holds_removals_only(house: House, known: str) -> None:
    await house.mark(row("1"))
    await KNOWN[known](house, "9")
    run = await house.started()
    await house.page(run)
    assert await house.enumerated(run) == 1, "the removal of 1"
    assert set(await house.rows()) == {"9"}


@pytest.mark.parametrize("known", KNOWN)
async def test_what_was_settled_since_the_run_began_is_not_looked_at(house: House, known: str) -> None:
    await KNOWN[known](house, "9")
    run = await house.started(now=5.0)
    await KNOWN[known](house, "9", now=1.0)
    before = await house.rows()
    await house.enumerated(run, 6.0)
    assert await house.rows() == before


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("known", KNOWN)
async def test_what_was_seen_is_not_looked_at_once_more(house: House, known: str, *, settled: bool) -> None:
    await KNOWN[known](house, "9")
    run = await house.started()
    await house.page(run, "9")
    if settled:
        await KNOWN[known](house, "9")
    before = await house.rows()
    await house.enumerated(run)
    assert await house.rows() == before


async def test_an_issue_that_stays_is_looked_at_in_every_run(house: House) -> None:
    await _reject(house, "9")
    for _ in range(2):
        run = await house.started()
        await house.enumerated(run)
        assert set(await house.rows()) == {"9"}
        await house.work(lane=Lane.BACKFILL, issue=issue("bad"))
        assert await house.close(run)
        while (report := await house.take()) is not None:
            await house.confirm(report)
