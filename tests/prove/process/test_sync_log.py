"""What the merchant sees in SparkLayer's sync-log: one error for a product, gone when it is mended.

One writer, so PUT, PATCHes and the closing PATCH keep their order, at most one PATCH a
second. An end is told with the last item, never before.
"""

import itertools
from typing import Any

import trio

from daemon.sandbox import Store, call
from daemon.sandbox.sparklayer.sync_log import Call
from tests.e2e.harness import OpenHarness, ProcessHarness, small_store
from tests.prove.process.watch import Barrier, watch_closings


def _store_with_trouble() -> Store:
    """Return the small store and a product with two variants, of which two problems can be told."""
    store = small_store()
    sizes = [{"sku": "", "options": {"Size": size}} for size in ("S", "M")]
    store.add_product("Trouble", price=1, variants=[*sizes, {"sku": "T-L", "options": {"Size": "L"}}])
    return store


def _calls(h: ProcessHarness, field: str) -> list[Any]:
    """Return what the calls so far said of `field`; None where they did not."""
    return [call.body.get(field) for call in h.state.sync_log.calls]


def _accepted(calls: list[Call]) -> bool:
    return all(call.status == 200 for call in calls)


async def test_an_error_has_all_problems_of_its_product_and_goes_when_they_are_mended(harness: OpenHarness) -> None:
    store = _store_with_trouble()
    trouble = str(store.by_sku("T-L").product_id)
    nameless = [variant for variant in store.variants() if not variant.sku]
    async with harness(store) as h:
        await h.first_sync()
        await h.until(lambda: h.errors)
        (error,) = h.errors.values()
        assert (error.external_id, error.visible_id) == (trouble, "Trouble")
        assert all(str(variant.id) in error.message for variant in nameless)
        assert error.external_url.endswith(f"/{trouble}")
        h.store.set_sku(nameless[0].id, "T-S")
        await h.until(lambda: h.errors and str(nameless[0].id) not in h.errors[trouble].message)
        assert str(nameless[1].id) in h.errors[trouble].message
        h.store.set_sku(nameless[1].id, "T-M")
        await h.until(lambda: not h.errors)
        await h.settle()
        h.assert_equal()
        assert (await h.process.status())["issues"] == 0
        assert _accepted(h.state.sync_log.calls)


async def test_a_full_sync_begins_with_a_put_and_ends_with_the_last_patch(harness: OpenHarness) -> None:
    async with harness(_store_with_trouble(), start=False) as h:
        closings = watch_closings(h)
        await h.process.start()
        await h.first_sync()
        run = await h.process.full_sync()
        closings = [closing for closing in closings if closing.kind == "products"]
        assert [closing.unequal for closing in closings] == [[], []]
        assert [closing.succeeded for closing in closings] == [True, True]
        calls = [call for call in h.state.sync_log.calls if call.data_type == "products"]
        puts = [call for call in calls if call.method == "PUT"]
        assert len(puts) == 2
        assert puts[0].body.keys() == {"started_full_sync", "errors"}
        assert puts[1].body["last_full_sync"] == closings[0].at, "a PUT repeats the previous end, which it would clear"
        assert puts[1].body["last_full_sync_succeeded"] is True
        assert len(puts[1].body["errors"]) == 1, "and every open error"
        assert calls[0].method == "PUT"
        assert run["id"] == 5
        assert _accepted(h.state.sync_log.calls)


async def test_an_end_waits_for_the_last_product(harness: OpenHarness) -> None:
    async with harness(start=False) as h:
        last = Barrier(1).stand(h.site.faults, "POST */products")
        await h.process.start()
        await last.reached()
        await h.until(lambda: h.state.sync_log.calls)
        h.store.add_product("Edited live meanwhile", price=1, variants=[{"sku": ""}])
        await h.hooked()
        assert set(_calls(h, "last_full_sync")) == {None}
        assert (await h.process.status())["full_sync"]["finished_at"] is None
        last.release()
        await h.first_sync()
        assert _calls(h, "last_full_sync")[-1] is not None


async def test_every_live_change_is_reported_as_synced_in_patches_a_second_apart(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        h.state.sync_log.calls.clear()
        times: list[float] = []
        h.site.faults.add("PATCH */sync-log/*", call(lambda _: times.append(trio.current_time())))
        for number in range(40):
            h.store.set_title(1 + number % 2 * 7, f"Title {number}") if number % 2 == 0 else h.store.set_price(
                1, number
            )
            await h.settle()
        await h.process.webhook(1)
        await h.settle()
        await h.until(lambda: "1" in (_calls(h, "synced_external_ids")[-1] or ()))
        assert all(later - earlier > 0.95 for earlier, later in itertools.pairwise(times))
        assert _accepted(h.state.sync_log.calls)


async def test_an_unchanged_live_change_is_reported_too_and_writes_nothing(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        h.state.sync_log.calls.clear()
        writes = h.writes
        await h.process.webhook(1)
        await h.until(lambda: h.state.sync_log.calls)
        assert _calls(h, "synced_external_ids") == [["1"]]
        assert h.writes == writes


async def test_a_full_sync_overtakes_reports_that_wait(harness: OpenHarness) -> None:
    """The PUT carries every open error, so reports that could not be sent before it are told by it."""
    store = _store_with_trouble()
    nameless = next(variant for variant in store.variants() if not variant.sku)
    async with harness(store) as h:
        await h.first_sync()
        await h.until(lambda: h.errors)
        first = Barrier().stand(h.site.faults, "PATCH */sync-log/*")
        h.store.set_title(1, "A report is on its way")
        await first.reached()
        new = h.store.add_product("Nameless", price=1, variants=[{"sku": ""}])
        h.store.set_sku(nameless.id, "T-S")
        await h.settle()
        run = await h.process.sync()
        first.release()
        assert (await h.process.run_over(run))["succeeded"]
        await h.settle()
        await h.until(lambda: h.errors.keys() == {str(nameless.product_id), str(new)})
        assert str(nameless.id) not in h.errors[str(nameless.product_id)].message
        assert h.state.sync_log.logs["bigcommerce", "products"].last_full_sync_succeeded is True
        assert _accepted(h.state.sync_log.calls)


async def test_a_sync_log_that_sparklayer_lost_is_told_again(harness: OpenHarness) -> None:
    async with harness(_store_with_trouble()) as h:
        await h.first_sync()
        await h.until(lambda: h.errors)
        before = h.state.sync_log.logs["bigcommerce", "products"]
        h.state.sync_log.logs.clear()
        h.store.set_title(1, "Something to report")
        await h.until(lambda: h.errors)
        await h.settle()
        again = h.state.sync_log.logs["bigcommerce", "products"]
        assert (again.last_full_sync, again.last_full_sync_succeeded) == (before.last_full_sync, True)
