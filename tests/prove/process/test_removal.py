"""A short or empty answer of the platform never empties SparkLayer, and what is gone does leave it.

Absence proves little: what an enumeration did not show is read by id, twice. Too many removals wait for a person.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from daemon.sandbox import answer, html, synthetic
from daemon.sandbox.faults import Rule
from daemon.sandbox.message import Request, Response
from tests.e2e.harness import OpenHarness, ProcessHarness

MANY = 120
BRAKE = 60
"""More than 50, and more than a tenth of MANY."""


@contextlib.contextmanager
def _lists_showing(h: ProcessHarness, shows: Callable[[int], bool]) -> Iterator[Rule]:
    """Have every list of products leave out what is not to be shown, and count as if that were not there."""

    async def leave_out(_request: Request, response: Response | None) -> Response | None:
        if response is None or response.status != 200:
            return response
        body: dict[str, Any] = msgspec.json.decode(response.body)
        body["data"] = [one for one in body["data"] if shows(one["id"])]
        body["meta"]["pagination"] |= {"total": len(body["data"]), "count": len(body["data"])}
        return Response(status=200, headers=response.headers, body=msgspec.json.encode(body))

    rule = h.shop.faults.add("GET */catalog/products", leave_out, after_effect=True)
    yield rule
    h.shop.faults.remove(rule)


def _live(h: ProcessHarness) -> set[int]:
    """Return the products of which SparkLayer sells anything."""
    products = h.state.comparable()["products"].items()
    return {
        int(key) for key, one in products if any(v.get("status") != "discontinued" for v in one["variants"].values())
    }


async def test_an_empty_list_removes_nothing(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        writes = h.writes
        with _lists_showing(h, lambda _: False) as empty:
            run = await h.process.full_sync()
            await h.process.webhook(1)
            await h.process.idle()
        assert empty.used
        assert (run["succeeded"], run["held_removals"]) == (False, 2)
        assert h.writes == writes
        h.assert_equal()
        assert (await h.process.full_sync())["succeeded"]


async def test_an_empty_list_that_says_there_is_more_is_not_believed(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        nothing = '{"data": [], "meta": {"pagination": {"total": 2, "count": 0, "per_page": 250, "current_page": 1}}}'
        h.shop.faults.add("GET */catalog/products", answer(200, nothing, {"content-type": "application/json"}), times=2)
        run = await h.process.full_sync()
        assert (run["succeeded"], run["seen"]) == (True, 2)
        h.assert_equal()


async def test_a_list_that_is_a_little_short_costs_single_reads_and_removes_nothing(harness: OpenHarness) -> None:
    async with harness(synthetic(MANY, 1)) as h:
        await h.first_sync()
        writes = h.writes
        with _lists_showing(h, lambda product_id: product_id > 10):
            run = await h.process.full_sync()
        assert (run["succeeded"], run["held_removals"], run["done"]) == (True, 0, MANY)
        assert h.shop.statistics.calls["GET /v3/catalog/products/{product_id}"] == 10
        assert h.writes == writes
        h.assert_equal()


async def test_a_list_that_is_very_short_removes_nothing_either(harness: OpenHarness) -> None:
    async with harness(synthetic(MANY, 1)) as h:
        await h.first_sync()
        writes = h.writes
        with _lists_showing(h, lambda product_id: product_id > BRAKE):
            run = await h.process.full_sync()
        assert (run["succeeded"], run["held_removals"], run["done"]) == (True, 0, MANY)
        assert h.writes == writes
        h.assert_equal()


async def test_many_removals_wait_until_a_person_allows_them(harness: OpenHarness) -> None:
    async with harness(synthetic(MANY, 1)) as h:
        await h.first_sync()
        for product_id in range(1, BRAKE + 1):
            h.store.delete_product(product_id, silent=True)
        run = await h.process.full_sync()
        assert (run["succeeded"], run["held_removals"]) == (False, BRAKE)
        assert len(_live(h)) == MANY
        assert h.state.sync_log.logs["bigcommerce", "products"].last_full_sync_succeeded is False
        run = await h.process.full_sync(allow_removals=True)
        assert (run["succeeded"], run["held_removals"]) == (True, 0)
        h.assert_equal()
        assert _live(h) == set(h.store.ids)


async def test_few_removals_whose_webhooks_were_lost_are_confirmed_one_by_one(harness: OpenHarness) -> None:
    async with harness(synthetic(20, 1)) as h:
        await h.first_sync()
        for product_id in (3, 4):
            h.store.delete_product(product_id, silent=True)
        run = await h.process.full_sync()
        assert (run["succeeded"], run["held_removals"]) == (True, 0)
        assert h.shop.statistics.answers["GET /v3/catalog/products/{product_id} 404"] == 2 * 2, "the second decides"
        h.assert_equal()
        assert (await h.process.status())["ledger"] == 18


async def test_a_product_that_is_deleted_leaves_at_once_with_its_stock_and_prices(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        h.store.delete_product(1)
        await h.settle()
        h.assert_equal()
        gone = h.state.comparable()["products"]["1"]["variants"].values()
        assert {variant["status"] for variant in gone} == {"discontinued"}
        assert not {"J-S", "J-M"} & {variant["sku"] for variant in gone}, "its SKUs are free for others"
        h.store.add_product("Jumper again", price=1, variants=[{"sku": "J-S", "stock": 5}])
        await h.settle()
        h.assert_equal()


async def test_a_proxy_that_answers_404_in_html_removes_nothing(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        writes = h.writes
        proxy = h.shop.faults.add("GET */catalog/products/1", html(404))
        with _lists_showing(h, lambda product_id: product_id != 1):
            await h.process.webhook(1)
            await h.until(lambda: "entity is tried again" in h.process.output)
        assert proxy.used
        assert h.writes == writes
        h.assert_equal()
        h.shop.faults.remove(proxy)
        await h.settle()
        assert h.writes == writes
        h.assert_equal()


async def test_a_variant_that_vanished_leaves_with_its_stock_and_price(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        h.store.delete_variant(h.store.by_sku("J-M").id)
        await h.settle()
        h.assert_equal()
        h.store.set_title(1, "A later write repeats what vanished")
        await h.settle()
        h.assert_equal()
