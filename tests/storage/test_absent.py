"""Entities that a full sync did not see are read by their ids; no clock decides which are older than the run."""

import pytest
from attrs import evolve

from daemon.model import Kind, Lane
from tests.storage.harness import StorageHarness, issue, row

pytestmark = pytest.mark.holds("D1")

FUTURE = 1e12


async def _reject(harness: StorageHarness, external_id: str, now: float = 0.0) -> None:
    await harness.record(external_id, now=now)
    await harness.work(now, issue=issue("bad"))


async def _park(harness: StorageHarness, external_id: str, now: float = 0.0) -> None:
    await harness.record(external_id, now=now)
    await harness.fail(now=now)


KNOWN = {"issue": _reject, "parked": _park}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("mode", ["normal", "refresh", "daily"])
async def test_what_has_no_row_in_the_ledger_is_looked_at_too(
    harness: StorageHarness, kind: Kind, known: str, mode: str
) -> None:
    harness = evolve(harness, kind=kind)
    await KNOWN[known](harness, "9", FUTURE)
    run = await harness.started(mode, now=1.0)
    await harness.page(run, "1", now=1.0)
    assert await harness.enumerated(run, 2.0) == 0
    looked_at = await harness.row("9")
    assert (looked_at["state"], looked_at["full_sync_id"]) == ("pending", run)
    for lane in Lane:
        await harness.work(3.0, lane)
    assert await harness.close(run, 4.0)
    assert await harness.everything_of("issues") == []
    assert await harness.rows() == {}


@pytest.mark.parametrize("known", KNOWN)
async def test_an_enumeration_that_saw_nothing_holds_removals_only(harness: StorageHarness, known: str) -> None:
    await harness.mark(row("1"))
    await KNOWN[known](harness, "9")
    run = await harness.started()
    await harness.page(run)
    assert await harness.enumerated(run) == 1, "the removal of 1"
    assert set(await harness.rows()) == {"9"}


@pytest.mark.parametrize("known", KNOWN)
async def test_what_was_settled_since_the_run_began_is_not_looked_at(harness: StorageHarness, known: str) -> None:
    await KNOWN[known](harness, "9")
    run = await harness.started(now=5.0)
    await KNOWN[known](harness, "9", now=1.0)
    before = await harness.rows()
    await harness.enumerated(run, 6.0)
    assert await harness.rows() == before


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("known", KNOWN)
async def test_what_was_seen_is_not_looked_at_once_more(harness: StorageHarness, known: str, *, settled: bool) -> None:
    await KNOWN[known](harness, "9")
    run = await harness.started()
    await harness.page(run, "9")
    if settled:
        await KNOWN[known](harness, "9")
    before = await harness.rows()
    await harness.enumerated(run)
    assert await harness.rows() == before


async def test_an_issue_that_stays_is_looked_at_in_every_run(harness: StorageHarness) -> None:
    await _reject(harness, "9")
    for _ in range(2):
        run = await harness.started()
        await harness.enumerated(run)
        assert set(await harness.rows()) == {"9"}
        await harness.work(lane=Lane.BACKFILL, issue=issue("bad"))
        assert await harness.close(run)
        await harness.tell()
