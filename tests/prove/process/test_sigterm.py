"""SIGTERM amid work: what is in flight is finished, and the next start goes on. Kills are the crash loop's story."""

import json

import trio

from daemon.sandbox import synthetic
from daemon.sandbox.message import Request, Response
from tests.e2e.harness import OpenHarness
from tests.prove.process.watch import Barrier

MANY = 260
"""Products: two pages, two batches."""


async def test_sigterm_in_a_full_sync_finishes_what_is_in_flight_and_the_next_start_goes_on(
    harness: OpenHarness,
) -> None:
    async with harness(synthetic(MANY, 1), start=False) as h:
        ends: set[tuple[str, bool, int]] = set()

        async def note_end(request: Request, _response: Response | None) -> None:
            told = json.loads(request.body)
            if "last_full_sync" in told and request.path.endswith("/products"):
                ends.add((told["last_full_sync"], told["last_full_sync_succeeded"], h.state.products.writes))

        h.site.faults.add("PATCH */sync-log/*", note_end, after_effect=True)
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
        [(_, succeeded, written)] = ends
        assert (succeeded, written) == (True, MANY), "the end is told once, and not before the last product"


async def test_sigterm_ends_with_0_though_an_api_hangs(harness: OpenHarness) -> None:
    async with harness(start=False) as h:
        hanging = Barrier().stand(h.site.faults, "POST */products")
        await h.process.start()
        await hanging.reached()
        assert await h.process.terminate() == 0, "one that had to be cut short ends with 1"
        hanging.drop()
        await h.process.start()
        await h.first_sync()
