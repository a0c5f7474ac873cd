"""An API that asks to be left alone: it shows, and holds up nothing else, a stop least of all."""

import pytest
import trio

from daemon.sandbox import answer
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import GLANCE, SITE, TIMEOUT

ABSURD = {"retry-after": "9999999999"}


@pytest.mark.holds("E01")
async def test_an_absurd_wait_is_shown_and_holds_up_no_stop(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        for api, faults in (("sparklayer", h.site.faults), ("bigcommerce", h.shop.faults)):
            faults.add("*", answer(429, "", ABSURD))
            for product_id in h.store.ids:
                h.store.set_title(product_id, f"New to {api}")
            with trio.fail_after(TIMEOUT):
                while not await _is_shown(h, api):  # noqa: ASYNC110  a foreign process tells nobody
                    await trio.sleep(GLANCE)
        _, words, _ = await h.process.command("status")
        assert "answered 429" in words or "asked for a wait" in words
        assert "bigcommerce" in words
        assert "sparklayer" in words
        assert await h.process.terminate() == 0


async def _is_shown(h: ProcessHarness, api: str) -> bool:
    now, labels = await h.process.metrics(), f'{{api="{api}",site="{SITE}"}}'
    return now[f"ignite_sync_throttle_held_back{labels}"] + now[f"ignite_sync_throttle_pause_seconds{labels}"] > 0
