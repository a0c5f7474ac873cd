"""Killed at any instant, the daemon loses nothing it acknowledged, and after a restart nothing needs a person.

Each full sync is stopped at a known moment by a barrier in a stand-in, killed there and
started again; the request that was on its way is then carried out after all, or never arrives.
"""

import pytest
import trio
from attrs import frozen
from trio.testing import wait_all_tasks_blocked

from daemon.sandbox import synthetic
from tests.e2e.harness import OpenHarness
from tests.prove.process.watch import Barrier, Closing, watch_closings

MANY = 260
"""Products: two pages, two batches."""
FEW = 20


@frozen
class Moment:
    """A request that is stopped: the one after `passing` others, before or after it has its effect."""

    pattern: str
    passing: int = 0
    products: int = FEW
    after_effect: bool = False


MOMENTS = {
    "the first product arrives late": Moment("POST */products"),
    "amid the second batch": Moment("POST */products", 255, products=MANY, after_effect=True),
    "the end arrives late": Moment("PATCH */sync-log/*"),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
async def test_a_full_sync_killed_at_any_moment_ends_equal(harness: OpenHarness, moment: Moment) -> None:
    async with harness(synthetic(moment.products, 1), start=False) as h:
        closings = watch_closings(h)
        barrier = Barrier(moment.passing).stand(h.site.faults, moment.pattern, after_effect=moment.after_effect)
        await h.process.start()
        await barrier.reached()
        await h.process.kill()
        barrier.release()
        await wait_all_tasks_blocked(0.01)  # what was on its way has its effect before the restart
        await h.process.start()
        run = await h.process.first_run()
        await h.process.idle()
        h.assert_equal()
        assert (run["succeeded"], run["failed"]) == (True, 0)
        _assert_ended_once(closings)
        assert len(h.state.products.products) == moment.products


def _assert_ended_once(closings: list[Closing]) -> None:
    """Allow that an end is told again, with the same value, but never before the last item."""
    assert closings
    for kind in {closing.kind for closing in closings}:
        ends = [(closing.at, closing.succeeded) for closing in closings if closing.kind == kind]
        assert set(ends) == {(ends[0][0], True)}
    assert [closing.unequal for closing in closings if closing.unequal] == []


async def test_every_webhook_answered_before_a_kill_amid_many_arrives(harness: OpenHarness) -> None:
    many = 100
    async with harness(synthetic(many, 1)) as h, trio.open_nursery() as nursery:
        await h.first_sync()
        acknowledged: list[int] = []

        async def send(product_id: int) -> None:
            h.store.set_title(product_id, f"Edited {product_id}", silent=True)
            if (await h.process.webhook(product_id)).status_code == 200:
                acknowledged.append(product_id)

        async def deliver() -> None:
            for product_id in h.store.ids:
                await send(product_id)

        nursery.start_soon(deliver)
        await h.until(lambda: len(acknowledged) > many // 3)
        nursery.cancel_scope.cancel()
        await h.process.restart()
        await h.process.idle()
        titles = {key: product["title"] for key, product in h.state.comparable()["products"].items()}
        assert [one for one in acknowledged if titles[str(one)] != f"Edited {one}"] == []
        assert len(acknowledged) < many


async def test_sigterm_in_a_full_sync_finishes_what_is_in_flight_and_the_next_start_goes_on(
    harness: OpenHarness,
) -> None:
    async with harness(synthetic(MANY, 1), start=False) as h:
        closings = watch_closings(h)
        barrier = Barrier(100).stand(h.site.faults, "POST */products")
        await h.process.start()
        await barrier.reached()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(h.process.terminate)
            await h.until(lambda: "stopping" in h.process.output)
            barrier.release()
        assert await h.process.wait() == 0
        written = h.state.products.writes
        assert 250 <= written < MANY, "the batch in flight, and no other"
        await h.process.start()
        assert (await h.process.first_run())["succeeded"]
        assert h.state.products.writes == MANY, "nothing twice"
        _assert_ended_once(closings)


async def test_sigterm_ends_with_0_though_an_api_hangs(harness: OpenHarness) -> None:
    async with harness(start=False) as h:
        hanging = Barrier().stand(h.site.faults, "POST */products")
        await h.process.start()
        await hanging.reached()
        assert await h.process.terminate() == 0, "one that had to be cut short ends with 1"
        hanging.drop()
        await h.process.start()
        await h.first_sync()
