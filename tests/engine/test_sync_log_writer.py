"""The single writer of a sync-log: order, pace, and an end that no refusal can prevent."""

import contextlib
import itertools
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from daemon.engine.sync_log import PATCH_EVERY, SyncLogWriter
from daemon.entities import Issue
from daemon.errors import Side
from daemon.model import Kind, Lane
from daemon.sandbox.faults import answer, call
from tests.engine.fakes import EPOCH, Bench, product

pytestmark = pytest.mark.usefixtures("both_engines")

PATCHES = "PATCH */sync-log/*"
PUTS = "PUT */sync-log/*"
BAD = Issue(code="variant_without_sku", message="Variant 12 has no SKU.")


@contextlib.asynccontextmanager
async def writing(bench: Bench) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(SyncLogWriter(bench.context, Kind.PRODUCTS).run)
        probes = {Side.PLATFORM: bench.shop.probe, Side.SPARKLAYER: bench.context.sparklayer.probe}
        nursery.start_soon(bench.context.pause.run_prober, probes)
        yield
        nursery.cancel_scope.cancel()


async def settled(bench: Bench, external_id: str, *, bad: bool = False) -> None:
    """Work on one product, with or without an issue."""
    bench.shop.put(product(external_id, {f"{external_id}1": f"S{external_id}"}))
    bench.shop.issues[external_id] = (BAD,) if bad else ()
    await bench.change(external_id)
    await bench.once()


async def ended(bench: Bench) -> None:
    """Prepare the end of an empty full sync for the sync-log."""
    run = await bench.harness.started(now=EPOCH)
    await bench.harness.enumerated(run, EPOCH + 1)
    await bench.harness.close(run, EPOCH + 2)
    bench.context.kind_states[Kind.PRODUCTS].report.set()


async def state(bench: Bench) -> str:
    return (await bench.harness.newest()).state


async def test_put_patches_and_the_end_keep_their_order(autojump_clock: MockClock, bench: Bench) -> None:
    async with writing(bench):
        await ended(bench)
        await settled(bench, "1", bad=True)
        await settled(bench, "2")
        await trio.sleep(5)
    methods = [one.method for one in bench.site.state.sync_log.calls]
    assert methods[0] == "PUT"
    assert set(methods[1:]) == {"PATCH"}
    assert await state(bench) == "ended"
    log = bench.site.state.sync_log.logs["fake", "products"]
    assert list(log.errors) == ["1"]
    error = log.errors["1"]
    assert (error.visible_id, error.external_url) == ("N1", "https://shop.test")
    assert (error.title, error.message) == ("Variant without SKU", BAD.message)
    assert log.last_full_sync_succeeded is True


async def test_at_most_one_patch_a_second(autojump_clock: MockClock, bench: Bench) -> None:
    moments: list[float] = []
    bench.site.faults.add(PATCHES, call(lambda _: moments.append(trio.current_time())))
    async with writing(bench):
        await ended(bench)
        for number in range(40):
            await settled(bench, str(number))
            await trio.sleep(0.1)
        await trio.sleep(3)
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert min(gaps) >= PATCH_EVERY
    assert 4 <= len(moments) <= 6
    resolved = [one for body in bench.sync_calls("PATCH") for one in body.get("synced_external_ids", [])]
    assert sorted(resolved, key=int) == [str(number) for number in range(40)]


async def test_a_resolved_issue_disappears(autojump_clock: MockClock, bench: Bench) -> None:
    async with writing(bench):
        await ended(bench)
        await settled(bench, "1", bad=True)
        await trio.sleep(2)
        log = bench.site.state.sync_log.logs["fake", "products"]
        assert list(log.errors) == ["1"]
        await settled(bench, "1")
        await trio.sleep(2)
        assert list(log.errors) == []


async def test_a_report_that_fails_is_sent_again_whole(autojump_clock: MockClock, bench: Bench) -> None:
    bench.site.faults.add(PUTS, answer(503), times=7)
    bench.site.faults.add(PATCHES, answer(503), times=7)
    async with writing(bench):
        await ended(bench)
        await settled(bench, "1", bad=True)
        await trio.sleep(300)
    assert await state(bench) == "ended"
    assert list(bench.site.state.sync_log.logs["fake", "products"].errors) == ["1"]


async def test_a_refusal_of_the_lists_does_not_keep_the_end_back(autojump_clock: MockClock, bench: Bench) -> None:
    await settled(bench, "1", bad=True)
    bench.site.state.sync_log.resolved_field = "another_name"
    bench.site.faults.add(PUTS, answer(400, '{"title": "errors are odd", "detail": "errors are odd"}'), times=1)
    async with writing(bench):
        await ended(bench)
        await settled(bench, "2")
        await trio.sleep(5)
    assert await state(bench) == "ended"
    [put], patches = bench.sync_calls("PUT"), bench.sync_calls("PATCH")
    assert not put.get("errors")
    assert "last_full_sync" in patches[-1]
    assert list(bench.site.state.sync_log.logs["fake", "products"].errors) == ["1"], "the errors went alone"
    bench.site.state.sync_log.resolved_field = "synced_external_ids"
    async with writing(bench):
        await trio.sleep(5)
    assert bench.sync_calls("PATCH")[-1]["synced_external_ids"] == ["2"], "the refused id stayed owed"


async def test_one_error_that_sparklayer_will_not_have_does_not_hold_up_the_others(
    autojump_clock: MockClock, bench: Bench
) -> None:
    async with writing(bench):
        await ended(bench)
        await trio.sleep(5)
        calls = bench.site.state.sync_log
        calls.refused_ids.add("2")
        for one in ("1", "2", "3"):
            await settled(bench, one, bad=True)
        await trio.sleep(60)
        assert sorted(calls.logs["fake", "products"].errors) == ["1", "3"]
        before = len(calls.calls)
        await trio.sleep(3600)
        assert len(calls.calls) == before, "the one is given up"


async def test_even_a_refused_bare_report_lets_the_run_end(autojump_clock: MockClock, bench: Bench) -> None:
    bench.site.faults.add("* */sync-log/*", answer(422, '{"title": "no", "detail": "no"}'))
    async with writing(bench):
        await ended(bench)
        await trio.sleep(5)
    assert await state(bench) == "ended"


async def test_a_lost_log_is_put_again(autojump_clock: MockClock, bench: Bench) -> None:
    async with writing(bench):
        await ended(bench)
        await settled(bench, "1", bad=True)
        await trio.sleep(3)
        bench.site.state.sync_log.logs.clear()
        await settled(bench, "2")
        await trio.sleep(5)
    log = bench.site.state.sync_log.logs["fake", "products"]
    assert list(log.errors) == ["1"]
    assert log.last_full_sync_succeeded is True
    assert len(bench.sync_calls("PUT")) == 2


async def test_a_site_that_knows_no_sync_log_is_not_hammered(autojump_clock: MockClock, bench: Bench) -> None:
    bench.site.faults.add("* */sync-log/*", answer(404, '{"title": "No", "detail": "No"}'))
    async with writing(bench):
        await ended(bench)
        await trio.sleep(600)
        assert bench.calls["PUT /api/v1/sync-log/{integration}/{data_type}"] < 100
        bench.site.faults.clear()
        await trio.sleep(1000)
    assert await state(bench) == "ended"


async def test_a_blocked_site_is_waited_for(autojump_clock: MockClock, bench: Bench) -> None:
    bench.site.tokens.key_revoked = True
    async with writing(bench):
        await ended(bench)
        await trio.sleep(0.5)
        assert bench.context.pause.cause is not None
        bench.site.tokens.key_revoked = False
        await trio.sleep(30)
    assert await state(bench) == "ended"


async def test_a_right_that_is_missing_for_the_sync_log_stops_nothing_else(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.site.faults.add(PUTS, answer(403, '{"title": "No", "detail": "No"}'), times=3)
    async with writing(bench):
        await ended(bench)
        await trio.sleep(0.5)
        assert bench.context.pause.cause is None
        await trio.sleep(60)
    assert await state(bench) == "ended"


async def test_backfill_does_not_report_what_was_never_told(autojump_clock: MockClock, bench: Bench) -> None:
    async with writing(bench):
        await ended(bench)
        await trio.sleep(2)
        bench.shop.put(product("1", {"11": "A"}))
        await bench.change("1", lane=Lane.BACKFILL)
        await bench.work()
        await trio.sleep(5)
    assert all("synced_external_ids" not in body for body in bench.sync_calls("PATCH"))
