"""The newest state always wins, and at most one piece of work for an entity is in flight.

A webhook that crosses a full sync's page, a change that arrives while its product is
being written, a storm of webhooks for one product.
"""

import random
from functools import partial
from operator import contains

import trio

from daemon.sandbox import call, synthetic
from daemon.sandbox.message import Request
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.prove.process.watch import Barrier, Overlaps, page_after


async def _full_sync_overtaken(h: ProcessHarness, edit_title: str) -> Barrier:
    """Start a full sync, stop it with its page answered, edit product 1 and have the webhook taken."""
    barrier = Barrier(0, page_after(0)).stand(h.shop.faults, "GET */catalog/products", after_effect=True)
    await h.process.sync()
    await barrier.reached()
    h.store.set_title(1, edit_title)
    await h.shop.webhooks.settled()
    return barrier


async def test_a_change_recorded_while_a_page_is_on_its_way_wins(harness: OpenHarness) -> None:
    async with harness(sync={"debounce_seconds": 1.0}) as h:
        await h.first_sync()
        barrier = await _full_sync_overtaken(h, "Newer than the page")
        assert (await h.process.status())["outbox"]["live"] == 1
        barrier.release()
        await h.process.second_run()
        await h.settle()
        h.assert_equal()


async def test_a_change_settled_while_a_page_is_on_its_way_wins(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        barrier = await _full_sync_overtaken(h, "Newer than the page")
        await h.process.idle()
        h.assert_equal()
        writes = h.writes
        barrier.release()
        await h.process.second_run()
        h.assert_equal()
        assert h.writes == writes, "the page's older title was never written, not even for a moment"


async def test_a_change_that_arrives_after_its_page_and_before_its_turn_wins(harness: OpenHarness) -> None:
    """The page is committed, the product waits behind the batch that is being written: its content is old by now."""
    many, last = 260, 260
    async with harness(synthetic(many, 1)) as h:
        await h.first_sync()
        h.store.set_title(1, "First of the batch in flight", silent=True)
        first = Barrier(0, lambda request: b'"external_id":"1"' in request.body)
        first.stand(h.site.faults, "PATCH */products/*")
        run = await h.process.sync()
        await first.reached()
        await h.process.when(lambda status: status["full_sync"]["state"] == "draining")
        h.store.set_title(last, "Newer than the page")
        await h.shop.webhooks.settled()
        first.release()
        await h.process.run_over(run)
        await h.settle()
        h.assert_equal()


async def test_a_webhook_is_not_behind_the_batch_of_a_full_sync(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        slow = Barrier(0, lambda request: b'"external_id":"1"' in request.body)
        slow.stand(h.site.faults, "PATCH */products/*")
        run = await h.process.sync(refresh=True)
        await slow.reached()
        new = h.store.add_product("Arrives at once", price=1, variants=[{"sku": "LIVE"}])
        await h.until(lambda: str(new) in h.state.comparable()["products"])
        slow.release()
        await h.process.run_over(run)
        await h.settle()
        h.assert_equal()


async def test_a_change_that_arrives_while_its_product_is_in_flight_wins(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        overlaps = Overlaps().watch(h.site.faults)
        flying = Barrier().stand(h.site.faults, "PATCH */products/*")
        h.store.set_title(1, "In flight")
        await flying.reached()
        h.store.set_title(1, "Newest")
        h.store.set_price(1, 99)
        await h.shop.webhooks.settled()
        assert (await h.process.status())["outbox"]["live"] == 1
        assert flying.stopped == 1, "the second write waits for the first"
        flying.release()
        await h.settle()
        h.assert_equal()
        assert overlaps.most == {"1": 1}


async def test_a_live_change_waits_for_the_full_sync_that_is_writing_its_product(harness: OpenHarness) -> None:
    async with harness(sync={"debounce_seconds": 0.0, "debounce_max_seconds": 0.0}) as h:
        await h.first_sync()
        flying = Barrier(0, lambda request: b'"external_id":"1"' in request.body)
        flying.stand(h.site.faults, "PATCH */products/*")
        run = await h.process.sync(refresh=True)
        await flying.reached()
        for title in ("Newer than the refresh", "Newest"):
            h.store.set_title(1, title)
            h.store.add_product(f"After {title}", price=1, variants=[{"sku": title}])
            await h.until(partial(contains, h.state.prices.prices["bigcommerce-price"], title))
        assert flying.stopped == 1, "others went by, this one waited"
        flying.release()
        await h.process.run_over(run)
        await h.settle()
        h.assert_equal()


async def test_no_product_is_ever_written_twice_at_a_time(harness: OpenHarness) -> None:
    """Edits and webhooks in any order during refresh runs, which write every product."""
    many, seed = 12, random.randrange(1000)
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    async with harness(synthetic(many, 2), start=False) as h:
        overlaps = Overlaps().watch(h.site.faults)
        await h.process.start()
        await h.first_sync()
        for number in range(3):
            run = await h.process.sync(refresh=True)
            for edit in range(25):
                product_id = chance.randint(1, many)
                h.store.set_title(product_id, f"Edit {number}.{edit}")
                h.store.set_price(product_id, chance.randint(1, 500))
                await trio.sleep(chance.random() * 0.01)  # edits come when they come
            await h.process.run_over(run)
        await h.settle()
        h.assert_equal()
        assert set(overlaps.most.values()) == {1}


async def test_a_thousand_webhooks_for_one_product_cost_two_reads_and_one_write(harness: OpenHarness) -> None:
    many = 1000
    async with harness(sync={}) as h:
        await h.first_sync()
        reads: list[Request] = []
        h.shop.faults.add("GET */catalog/products*", call(reads.append))
        before = h.state.products.writes
        for number in range(many):
            h.store.set_title(1, f"Title {number}")
        await h.settle()
        h.assert_equal()
        taken = (await h.process.metrics())['ignite_sync_webhooks_total{outcome="recorded",site="test/sandbox"}']
        assert taken >= many
        assert len(reads) <= 2
        assert h.state.products.writes - before == 1
