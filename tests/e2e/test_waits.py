"""An API that asks to be left alone: it shows, and holds up nothing else, a stop least of all."""

from typing import Literal

import pytest
import trio

from daemon.sandbox import answer
from daemon.sandbox.faults import Faults
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import GLANCE, SITE, TIMEOUT

ABSURD = {"retry-after": "9999999999"}
Side = Literal["shop", "site"]


def _faults(h: ProcessHarness, side: Side) -> Faults:
    return h.shop.faults if side == "shop" else h.site.faults


@pytest.mark.holds("E01")
@pytest.mark.parametrize("side", ["shop", "site"])
async def test_an_absurd_wait_is_shown_and_holds_up_no_stop(harness: OpenHarness, side: Side) -> None:
    api = {"shop": "bigcommerce", "site": "sparklayer"}[side]
    async with harness() as h:
        await h.first_sync()
        _faults(h, side).add("*", answer(429, "", ABSURD))
        for product_id in h.store.ids:
            h.store.set_title(product_id, "New")

        async def shown() -> bool:
            now = await h.process.metrics()
            labels = f'{{api="{api}",site="{SITE}"}}'
            return (
                now[f"ignite_sync_throttle_held_back{labels}"] + now[f"ignite_sync_throttle_pause_seconds{labels}"] > 0
            )

        with trio.fail_after(TIMEOUT):
            while not await shown():  # noqa: ASYNC110  a foreign process tells nobody
                await trio.sleep(GLANCE)
        _, words, _ = await h.process.command("status")
        assert "answered 429" in words or "asked for a wait" in words
        assert api in words
        assert await h.process.terminate() == 0
