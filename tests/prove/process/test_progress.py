"""How far a full sync is can be seen while it runs: by `status`, in /admin/status and in /metrics, and all agree."""

from typing import Any

from daemon.sandbox import Store
from daemon.sandbox.message import Request
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import SITE
from tests.prove.process.watch import Barrier

MANY, PAGE = 260, 250
"""Products: two pages of the store."""
COUNTS = ("seen", "done", "failed")


def _store() -> Store:
    store = Store()
    for number in range(MANY):
        store.add_product(f"Product {number}", price=1, variants=[{"sku": f"SKU-{number}"}])
    return store


def _is_enumeration(request: Request) -> bool:
    return "id:in" not in request.query and "id%3Ain" not in request.query


async def _progress(h: ProcessHarness) -> dict[str, float]:
    """Return what /metrics says of the products' full sync, by stage."""
    found = await h.process.metrics()
    name = "ignite_sync_full_sync_progress_entities"
    return {stage: found[f'{name}{{kind="products",site="{SITE}",stage="{stage}"}}'] for stage in COUNTS}


async def _agreed(h: ProcessHarness, run: dict[str, Any], words: str) -> None:
    """Show that /metrics and the command tell what /admin/status does."""
    assert await _progress(h) == {stage: run[stage] for stage in COUNTS}
    code, output, _ = await h.process.command("status")
    assert code == 0
    products = output.partition("  products: ")[2].partition("\n  customers: ")[0].splitlines()
    assert f"full sync {run['id']} {words}" in map(str.strip, products)


async def test_progress_is_seen_while_a_full_sync_runs(harness: OpenHarness) -> None:
    async with harness(_store(), start=False) as h:
        second_page = Barrier(passing=1, concerns=_is_enumeration).stand(h.shop.faults, "GET */catalog/products")
        await h.process.start()
        await second_page.reached()
        now = await h.process.when(lambda now: now["full_sync"]["done"] == PAGE)
        run = now["full_sync"]
        assert (run["state"], run["seen"], run["failed"], run["succeeded"]) == ("enumerating", PAGE, 0, None)
        assert (run["finished_at"], run["total_hint"]) == (None, PAGE)
        await _agreed(h, run, f"is enumerating: {PAGE} done, 0 failed of about {PAGE}")
        second_page.release()
        ended = await h.process.run_over(run["id"])
        assert (ended["seen"], ended["done"], ended["failed"], ended["succeeded"]) == (MANY, MANY, 0, True)
        await _agreed(h, ended, f"succeeded: {MANY} done, 0 failed")


async def test_what_is_seen_and_not_yet_done_is_told_apart(harness: OpenHarness) -> None:
    """SparkLayer is slow here: the store is read to its end, and only a part has arrived."""
    async with harness(_store(), start=False) as h:
        written = Barrier(passing=MANY // 2).stand(h.site.faults, "POST */products")
        await h.process.start()
        await written.reached()
        run = (await h.process.when(lambda now: now["full_sync"]["state"] == "draining"))["full_sync"]
        assert run["seen"] == run["total_hint"] == MANY
        assert run["done"] < MANY
        await _agreed(h, run, f"is draining: {run['done']} done, 0 failed of about {MANY}")
        written.release()
        ended = await h.process.run_over(run["id"])
        assert (ended["done"], ended["succeeded"]) == (MANY, True)
        h.assert_equal()
