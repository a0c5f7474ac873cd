"""Records the daemon's real process, between the stand-ins, while a shop tells it of one change after the other."""

import json
from collections.abc import Sequence
from pathlib import Path

import trio
from attrs import frozen

from daemon.platforms.bigcommerce.webhooks import SECRET_HEADER
from daemon.sandbox import delay, synthetic
from daemon.sandbox.faults import call
from daemon.sandbox.message import Request
from daemon.sandbox.post import Poster
from tests.e2e.harness import ProcessHarness, open_harness
from tests.e2e.process import SITE, WEBHOOK_SECRET
from tests.prove.power.trace import Delivered, Event, Pen, read_trace

PRODUCTS = 30
WEBHOOKS = 150
AT_ONCE = 6
SLOWNESS = 0.03
"""Seconds that SparkLayer takes for a product, so that changes wait."""


@frozen
class Recording:
    """A daemon under observation, and a shop that tells it of one change after the other."""

    harness: ProcessHarness
    pen: Pen
    poster: Poster

    async def tell(self, number: int) -> None:
        """Change a product, and send its webhook."""
        product = 1 + number % PRODUCTS
        self.harness.store.set_title(product, f"Version {number}", silent=True)
        body = {"scope": "store/product/updated", "data": {"type": "product", "id": product}, "version": number}
        url = f"http://127.0.0.1:{self.harness.process.port}/webhooks/{SITE}"
        status = await self.poster.post(url, {SECRET_HEADER: WEBHOOK_SECRET}, json.dumps(body).encode())
        assert status == 200

    async def tell_many(self, numbers: Sequence[int]) -> None:
        """Do so for many versions, several at a time."""
        todo = iter(numbers)

        async def teller() -> None:
            for number in todo:
                await self.tell(number)

        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(teller)

    def entry(self, request: Request) -> None:
        """Note that SparkLayer has a product's title."""
        product = json.loads(request.body)
        words = str(product.get("title", "")).split()
        if words[:1] == ["Version"]:
            self.pen.write(Delivered(product["external_id"], int(words[1])))


async def record(folder: Path, level: str, webhooks: int = WEBHOOKS) -> list[Event]:
    """Record three lives of the daemon, each with so many webhooks: the first is killed, the others are stopped."""
    path = folder / "trace"
    pen, poster = Pen(path), Poster()
    async with open_harness(folder, synthetic(PRODUCTS, 1), start=False) as h:
        recording = Recording(h, pen, poster)
        h.site.faults.add("PATCH */products/*", delay(SLOWNESS))
        h.site.faults.add("P* */products*", call(recording.entry), after_effect=True)
        h.process.entry = ("tests.prove.power.recorder", str(path), level)
        await h.process.start()
        await h.first_sync()
        for life, end in enumerate((h.process.kill, h.process.terminate, h.process.terminate)):
            if life:
                await h.process.start()
            await recording.tell_many(range(1 + life * webhooks, 1 + (life + 1) * webhooks))
            await end()
    await poster.aclose()
    pen.close()
    return list(read_trace(path))
