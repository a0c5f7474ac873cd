"""Reports owed to SparkLayer, in order; an entity is never both synced and in error."""

import random

import pytest

from daemon.model import Lane
from daemon.model.outcome import IssueRow
from daemon.storage import sync_log
from daemon.storage.overview import overview
from tests.storage.harness import PRODUCTS, TABLES, StorageHarness, issue, settled


async def _settled(
    harness: StorageHarness, external_id: str, found: IssueRow | None = None, *, report: bool = True
) -> None:
    """Record and settle one entity with or without an issue."""
    await harness.record(external_id, now=-100.0)
    [claim] = [claim for claim in await harness.claim() if claim.external_id == external_id]
    await harness.settle(done=[settled(claim, issue=found, report=report)])


async def test_nothing_is_sent_before_the_first_full_sync(harness: StorageHarness) -> None:
    await _settled(harness, "1", issue("bad"))
    await _settled(harness, "2")
    assert await harness.take() is None


async def test_a_full_sync_is_put_with_every_open_issue_and_ended_after_its_last_item(harness: StorageHarness) -> None:
    await _settled(harness, "1", issue("bad"))
    run = await harness.started(now=5.0)
    await harness.page(run, "2")
    put = await harness.taken()
    assert (put.full, put.run, put.started_at, put.last_full_sync, put.succeeded) == (True, run, 5.0, None, None)
    assert [external_id for external_id, _, _ in put.errors] == ["1"]
    await harness.confirm(put)
    assert await harness.take() is None, "the run has not ended"
    await harness.enumerated(run)
    await harness.work(lane=Lane.BACKFILL, issue=issue("new"))
    assert await harness.close(run, 9.0)
    closing = await harness.taken()
    assert (closing.full, closing.run, closing.last_full_sync, closing.succeeded) == (False, run, 9.0, True)
    told = [external_id for external_id, _, _ in closing.errors]
    assert told == ["1", "2"], "1 was looked at as well, since the run did not see it"
    assert await harness.taken() == closing, "until it is confirmed, the same is sent again"
    await harness.confirm(closing)
    assert (await harness.newest()).state == "ended"
    assert await harness.take() is None


async def test_a_put_comes_before_a_closing_and_repeats_the_previous_end(harness: StorageHarness) -> None:
    await harness.ended_run("1", now=3.0)
    run = await harness.started(now=7.0)
    await harness.enumerated(run)
    await harness.close(run, 8.0)
    put = await harness.taken()
    assert (put.full, put.started_at, put.last_full_sync, put.succeeded) == (True, 7.0, 3.0, True)
    await harness.confirm(put)
    closing = await harness.taken()
    assert (closing.full, closing.last_full_sync) == (False, 8.0)


async def test_a_put_that_was_overtaken_by_another_run_is_owed_still(harness: StorageHarness) -> None:
    run = await harness.started()
    put = await harness.taken()
    await harness.alter("sync_log", "put_for = 99")
    await harness.confirm(put)
    assert (await harness.taken()).run == 99
    assert run == put.run


async def test_a_lost_log_is_put_again_from_what_is_stored(harness: StorageHarness) -> None:
    run = await harness.ended_run("1", now=3.0)
    await _settled(harness, "1", issue("bad"))
    await harness.storage.write(sync_log.owe_put, (harness.connection_id, PRODUCTS))
    put = await harness.taken()
    assert (put.full, put.run, put.started_at, put.last_full_sync, put.succeeded) == (True, run, 3.0, 3.0, True)
    assert len(put.errors) == 1
    await harness.confirm(put)
    assert await harness.take() is None


async def test_the_daily_run_sends_issues_but_neither_put_nor_closing(harness: StorageHarness) -> None:
    await harness.ended_run("1", now=3.0)
    daily = await harness.started("daily", now=50.0)
    await harness.page(daily, "2")
    await harness.enumerated(daily)
    await harness.work(lane=Lane.BACKFILL, issue=issue("bad"))
    assert await harness.close(daily, 60.0)
    report = await harness.taken()
    assert (report.full, report.run, report.last_full_sync) == (False, None, 3.0)
    assert [external_id for external_id, _, _ in report.errors] == ["2"]
    await harness.confirm(report)
    assert await harness.take() is None


async def test_a_processed_live_change_is_reported_even_when_nothing_changed(harness: StorageHarness) -> None:
    await harness.ended_run()
    await _settled(harness, "1")
    await _settled(harness, "2", issue("bad"))
    await _settled(harness, "3", report=False)
    report = await harness.taken()
    assert [external_id for external_id, _ in report.resolved] == ["1"]
    assert [external_id for external_id, _, _ in report.errors] == ["2"]
    await harness.confirm(report)
    await _settled(harness, "2", issue("bad"))
    assert len((await harness.taken()).errors) == 1, "its error is reported once more"


async def test_an_unchanged_issue_is_not_told_again_by_a_full_sync(harness: StorageHarness) -> None:
    await harness.ended_run()
    await _settled(harness, "1", issue("bad"))
    await harness.tell()
    await _settled(harness, "1", issue("bad"), report=False)
    assert await harness.take() is None


async def test_a_resolved_issue_queues_its_id_if_sparklayer_may_know_of_it(harness: StorageHarness) -> None:
    await harness.ended_run()
    await _settled(harness, "1", issue("bad"))
    await _settled(harness, "2", issue("bad"))
    await harness.taken()  # Sent and perhaps received: no answer came.
    await _settled(harness, "3", issue("bad"))
    for one in ("1", "2", "3"):
        await _settled(harness, one, report=False)
    report = await harness.taken()
    assert [external_id for external_id, _ in report.resolved] == ["1", "2"], "of 3 it was never told"
    assert report.errors == []


async def test_an_issue_that_changed_while_it_was_sent_stays_untold(harness: StorageHarness) -> None:
    await harness.ended_run()
    await _settled(harness, "1", issue("bad"))
    report = await harness.taken()
    await _settled(harness, "1", issue("worse"))
    await harness.confirm(report)
    assert [fingerprint for _, fingerprint, _ in (await harness.taken()).errors] == [b"worse"]
    assert await harness.owed() == (1, 0)


async def test_an_id_that_was_synced_again_while_it_was_sent_is_sent_again(harness: StorageHarness) -> None:
    await harness.ended_run()
    await _settled(harness, "1")
    report = await harness.taken()
    await _settled(harness, "1")
    await harness.confirm(report)
    assert (await harness.taken()).resolved == [("1", 2)]


async def test_an_issue_that_comes_back_before_its_end_was_told_can_still_be_resolved(harness: StorageHarness) -> None:
    await harness.ended_run()
    await _settled(harness, "1", issue("bad"))
    await harness.tell()
    await _settled(harness, "1", report=False)
    await _settled(harness, "1", issue("worse"), report=False)
    await _settled(harness, "1", report=False)
    assert [one for one, _ in (await harness.taken()).resolved] == ["1"], "SparkLayer still has the first"


@pytest.mark.parametrize("_seed", range(2))
async def test_never_both_synced_and_in_error(harness: StorageHarness, _seed: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    await harness.ended_run()
    known: dict[str, bool] = {}
    for _ in range(60):
        one = chance.choice("12345")
        found = issue(chance.choice(["bad", "worse"])) if chance.random() < 0.5 else None
        await _settled(harness, one, found, report=chance.random() < 0.5)
        if chance.random() < 0.4 and (report := await harness.take()) is not None:
            errors: set[str] = {external_id for external_id, _, _ in report.errors}
            resolved: set[str] = {external_id for external_id, _ in report.resolved}
            assert not errors & resolved
            if chance.random() < 0.7:
                known |= dict.fromkeys(errors, True) | dict.fromkeys(resolved, False)
                await harness.confirm(report)
    while (report := await harness.take()) is not None:
        known |= {external_id: True for external_id, _, _ in report.errors}
        known |= {external_id: False for external_id, _ in report.resolved}
        await harness.confirm(report)
    open_now = {found["external_id"] for found in await harness.everything(TABLES["issues"])}
    assert {one for one, wrong in known.items() if wrong} == open_now


async def test_at_most_so_many_errors_and_the_rest_moves_up(
    harness: StorageHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_log, "MAX_ERRORS", 3)
    await harness.ended_run()
    for number in range(5):
        await _settled(harness, str(number), issue("bad"))
    report = await harness.taken()
    assert [external_id for external_id, _, _ in report.errors] == ["0", "1", "2"]
    await harness.confirm(report)
    assert await harness.take() is None
    assert await harness.owed() == (2, 0)
    await _settled(harness, "1", issue("worse"))
    assert [external_id for external_id, _, _ in (await harness.taken()).errors] == ["1"], "a told one may change"
    await harness.tell()
    await _settled(harness, "0")
    report = await harness.taken()
    assert ([one for one, _, _ in report.errors], [one for one, _ in report.resolved]) == (["3"], ["0"])
    run = await harness.started()
    put = await harness.taken()
    assert (put.run, len(put.errors)) == (run, 3)


async def test_what_is_wrong_and_what_is_owed_is_counted(harness: StorageHarness) -> None:
    await harness.ended_run()
    for number in ("1", "2", "3"):
        await _settled(harness, number, issue("bad"))
    await harness.tell()
    await _settled(harness, "1")
    await _settled(harness, "2", issue("worse"))
    counted = await harness.storage.read(overview, harness.connection_id, PRODUCTS)
    assert (counted.issues, *await harness.owed()) == (2, 1, 1)


async def test_reports_of_a_connection_that_left_confirm_nothing(harness: StorageHarness) -> None:
    await harness.ended_run()
    await _settled(harness, "1")
    report = await harness.taken()
    await harness.disconnect()
    await harness.confirm(report)
    assert len(await harness.everything(TABLES["synced"])) == 1
