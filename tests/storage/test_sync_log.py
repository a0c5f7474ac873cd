"""What SparkLayer is owed, in which order, and that an entity is never both synced and in error."""

import random

import pytest

from daemon.model import Lane
from daemon.storage import sync_log
from daemon.storage.issues import IssueRow
from daemon.storage.overview import overview
from daemon.storage.settle import Done
from tests.storage.house import PRODUCTS, TABLES, House, issue


async def _settled(house: House, external_id: str, found: IssueRow | None = None, *, report: bool = True) -> None:
    """Record and settle one entity with or without an issue."""
    await house.record(external_id, now=-100.0)
    [claim] = [claim for claim in await house.claim() if claim.external_id == external_id]
    await house.settle(done=[Done(claim=claim, issue=found, report=report)])


async def _told(house: House) -> None:
    while (report := await house.take()) is not None:
        await house.confirm(report)


async def test_nothing_is_sent_before_the_first_full_sync(house: House) -> None:
    await _settled(house, "1", issue("bad"))
    await _settled(house, "2")
    assert await house.take() is None


async def test_a_full_sync_is_put_with_every_open_issue_and_ended_after_its_last_item(house: House) -> None:
    await _settled(house, "1", issue("bad"))
    run = await house.started(now=5.0)
    await house.page(run, "2")
    put = await house.taken()
    assert (put.full, put.run, put.started_at, put.last_full_sync, put.succeeded) == (True, run, 5.0, None, None)
    assert [external_id for external_id, _, _ in put.errors] == ["1"]
    await house.confirm(put)
    assert await house.take() is None, "the run has not ended"
    await house.enumerated(run)
    await house.work(lane=Lane.BACKFILL, issue=issue("new"))
    assert await house.close(run, 9.0)
    closing = await house.taken()
    assert (closing.full, closing.run, closing.last_full_sync, closing.succeeded) == (False, run, 9.0, True)
    told = [external_id for external_id, _, _ in closing.errors]
    assert told == ["1", "2"], "1 was looked at as well, since the run did not see it"
    assert await house.taken() == closing, "until it is confirmed, the same is sent again"
    await house.confirm(closing)
    assert (await house.newest()).state == "ended"
    assert await house.take() is None


async def test_a_put_comes_before_a_closing_and_repeats_the_previous_end(house: House) -> None:
    await house.ended_run("1", now=3.0)
    run = await house.started(now=7.0)
    await house.enumerated(run)
    await house.close(run, 8.0)
    put = await house.taken()
    assert (put.full, put.started_at, put.last_full_sync, put.succeeded) == (True, 7.0, 3.0, True)
    await house.confirm(put)
    closing = await house.taken()
    assert (closing.full, closing.last_full_sync) == (False, 8.0)


async def test_a_put_that_was_overtaken_by_another_run_is_owed_still(house: House) -> None:
    run = await house.started()
    put = await house.taken()
    await house.alter("sync_log", "put_for = 99")
    await house.confirm(put)
    assert (await house.taken()).run == 99
    assert run == put.run


async def test_a_lost_log_is_put_again_from_what_is_stored(house: House) -> None:
    run = await house.ended_run("1", now=3.0)
    await _settled(house, "1", issue("bad"))
    await house.storage.write(sync_log.owe_put, (house.connection_id, PRODUCTS))
    put = await house.taken()
    assert (put.full, put.run, put.started_at, put.last_full_sync, put.succeeded) == (True, run, 3.0, 3.0, True)
    assert len(put.errors) == 1
    await house.confirm(put)
    assert await house.take() is None


async def test_the_daily_run_sends_issues_but_neither_put_nor_closing(house: House) -> None:
    await house.ended_run("1", now=3.0)
    daily = await house.started("daily", now=50.0)
    await house.page(daily, "2")
    await house.enumerated(daily)
    await house.work(lane=Lane.BACKFILL, issue=issue("bad"))
    assert await house.close(daily, 60.0)
    report = await house.taken()
    assert (report.full, report.run, report.last_full_sync) == (False, None, 3.0)
    assert [external_id for external_id, _, _ in report.errors] == ["2"]
    await house.confirm(report)
    assert await house.take() is None


async def test_a_processed_live_change_is_reported_even_when_nothing_changed(house: House) -> None:
    await house.ended_run()
    await _settled(house, "1")
    await _settled(house, "2", issue("bad"))
    await _settled(house, "3", report=False)
    report = await house.taken()
    assert [external_id for external_id, _ in report.resolved] == ["1"]
    assert [external_id for external_id, _, _ in report.errors] == ["2"]
    await house.confirm(report)
    await _settled(house, "2", issue("bad"))
    assert len((await house.taken()).errors) == 1, "its error is reported once more"


async def test_an_unchanged_issue_is_not_told_again_by_a_full_sync(house: House) -> None:
    await house.ended_run()
    await _settled(house, "1", issue("bad"))
    await _told(house)
    await _settled(house, "1", issue("bad"), report=False)
    assert await house.take() is None


async def test_a_resolved_issue_queues_its_id_if_sparklayer_may_know_of_it(house: House) -> None:
    await house.ended_run()
    await _settled(house, "1", issue("bad"))
    await _settled(house, "2", issue("bad"))
    await house.taken()  # sent, and perhaps received: no answer came
    await _settled(house, "3", issue("bad"))
    for one in ("1", "2", "3"):
        await _settled(house, one, report=False)
    report = await house.taken()
    assert [external_id for external_id, _ in report.resolved] == ["1", "2"], "of 3 it was never told"
    assert report.errors == []


async def test_an_issue_that_changed_while_it_was_sent_stays_untold(house: House) -> None:
    await house.ended_run()
    await _settled(house, "1", issue("bad"))
    report = await house.taken()
    await _settled(house, "1", issue("worse"))
    await house.confirm(report)
    assert [fingerprint for _, fingerprint, _ in (await house.taken()).errors] == [b"worse"]
    assert await house.storage.read(sync_log.untold, house.connection_id, PRODUCTS) == 1


async def test_an_id_that_was_synced_again_while_it_was_sent_is_sent_again(house: House) -> None:
    await house.ended_run()
    await _settled(house, "1")
    report = await house.taken()
    await _settled(house, "1")
    await house.confirm(report)
    assert (await house.taken()).resolved == [("1", 2)]


async def test_an_issue_that_comes_back_before_its_end_was_told_can_still_be_resolved(house: House) -> None:
    await house.ended_run()
    await _settled(house, "1", issue("bad"))
    await _told(house)
    await _settled(house, "1", report=False)
    await _settled(house, "1", issue("worse"), report=False)
    await _settled(house, "1", report=False)
    assert [one for one, _ in (await house.taken()).resolved] == ["1"], "SparkLayer still has the first"


@pytest.mark.parametrize("_seed", range(3))
async def test_never_both_synced_and_in_error(house: House, _seed: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    await house.ended_run()
    known: dict[str, bool] = {}
    for _ in range(60):
        one = chance.choice("12345")
        found = issue(chance.choice(["bad", "worse"])) if chance.random() < 0.5 else None
        await _settled(house, one, found, report=chance.random() < 0.5)
        if chance.random() < 0.4 and (report := await house.take()) is not None:
            errors: set[str] = {external_id for external_id, _, _ in report.errors}
            resolved: set[str] = {external_id for external_id, _ in report.resolved}
            assert not errors & resolved
            if chance.random() < 0.7:
                known |= dict.fromkeys(errors, True) | dict.fromkeys(resolved, False)
                await house.confirm(report)
    while (report := await house.take()) is not None:
        known |= {external_id: True for external_id, _, _ in report.errors}
        known |= {external_id: False for external_id, _ in report.resolved}
        await house.confirm(report)
    open_now = {found["external_id"] for found in await house.everything(TABLES["issues"])}
    assert {one for one, wrong in known.items() if wrong} == open_now


async def test_at_most_so_many_errors_and_the_rest_moves_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_log, "MAX_ERRORS", 3)
    await house.ended_run()
    for number in range(5):
        await _settled(house, str(number), issue("bad"))
    report = await house.taken()
    assert [external_id for external_id, _, _ in report.errors] == ["0", "1", "2"]
    await house.confirm(report)
    assert await house.take() is None
    assert await house.storage.read(sync_log.untold, house.connection_id, PRODUCTS) == 2
    await _settled(house, "1", issue("worse"))
    assert [external_id for external_id, _, _ in (await house.taken()).errors] == ["1"], "a told one may change"
    await _told(house)
    await _settled(house, "0")
    report = await house.taken()
    assert ([one for one, _, _ in report.errors], [one for one, _ in report.resolved]) == (["3"], ["0"])
    run = await house.started()
    put = await house.taken()
    assert (put.run, len(put.errors)) == (run, 3)


async def test_what_is_wrong_and_what_is_owed_is_counted(house: House) -> None:
    await house.ended_run()
    for number in ("1", "2", "3"):
        await _settled(house, number, issue("bad"))
    await _told(house)
    await _settled(house, "1")
    await _settled(house, "2", issue("worse"))
    counted = await house.storage.read(overview, house.connection_id, PRODUCTS)
    assert (counted.issues, counted.untold, counted.synced) == (2, 1, 1)


async def test_reports_of_a_connection_that_left_confirm_nothing(house: House) -> None:
    await house.ended_run()
    await _settled(house, "1")
    report = await house.taken()
    await house.disconnect()
    await house.confirm(report)
    assert len(await house.everything(TABLES["synced"])) == 1
