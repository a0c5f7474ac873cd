"""Edits in the stores, whose webhooks go to the nodes in turn, as a load balancer hands them out.

A webhook that one node does not take within `PATIENCE` goes to the next one. An edit counts as acknowledged when a node
has answered its webhook with 2xx. From then on its entity must arrive, or wait in the outbox.
"""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Sequence

import trio
from attrs import define, field

from daemon.platforms.bigcommerce.webhooks import SECRET_HEADER
from daemon.sandbox.post import Poster, Unanswered
from tests.e2e.harness import ProcessHarness
from tests.e2e.process import GLANCE, WEBHOOK_SECRET
from tests.prove.cluster.audit import Waiting

PATIENCE = 2.0


@define(eq=False, kw_only=True)
class Load:
    """Edits products of the stores at random, and knows the edits that were acknowledged."""

    harnesses: Sequence[ProcessHarness]
    ports: Sequence[int]
    chance: random.Random
    acknowledged: int = 0
    refused: int = 0
    _edits: dict[tuple[str, int], int] = field(factory=lambda: defaultdict(int))
    """The number of a product's last edit, which stands in its title."""
    _safe: dict[tuple[str, int], int] = field(factory=dict)
    """The number of a product's last acknowledged edit."""
    _under_way: int = 0
    _poster: Poster = field(factory=Poster)

    async def edit_on(self, per_second: float, burst: int = 1) -> None:
        """Edit until cancelled, this often a second in all, up to `burst` products of a store at once."""
        due = trio.current_time()
        async with trio.open_nursery() as nursery:
            while True:
                harness = self.chance.choice(self.harnesses)
                for product_id in self.chance.sample(harness.store.ids, self.chance.randint(1, burst)):
                    nursery.start_soon(self._edit, harness, product_id)
                # Not a pause from now on: the loop's own time would lower the rate, on a busy machine by a quarter.
                due += self.chance.expovariate(per_second)
                await trio.sleep_until(due)

    async def taken(self) -> None:
        """Wait until every webhook under way was taken."""
        while self._under_way:  # noqa: ASYNC110  it ends soon
            await trio.sleep(GLANCE)

    def lost(self, waiting: Callable[[], Sequence[Waiting]]) -> list[str]:
        """Return acknowledged edits that neither have arrived nor wait in the outbox."""
        safe = {key: number for key, number in self._safe.items() if self._edits[key] == number}
        rows = {(row.site_id, row.external_id) for row in waiting() if row.kind == "products"}
        sites = {harness.site.site_id: harness for harness in self.harnesses}
        lost = []
        for (site_id, product_id), number in safe.items():
            product = sites[site_id].state.products.find(str(product_id))
            if (site_id, str(product_id)) not in rows and (product is None or product.title != _title(number)):
                lost.append(f"{site_id}: edit {number} of product {product_id}, SparkLayer has {product}")
        return lost

    async def aclose(self) -> None:
        """Close the connections to the nodes."""
        await self._poster.aclose()

    async def _edit(self, harness: ProcessHarness, product_id: int) -> None:
        key = harness.site.site_id, product_id
        self._edits[key] += 1
        number = self._edits[key]
        harness.store.set_title(product_id, _title(number), silent=True)
        self._under_way += 1
        with trio.CancelScope(shield=True):
            await self._deliver(harness.site.site_id, product_id)
        self._under_way -= 1
        self._safe[key] = max(number, self._safe.get(key, 0))

    async def _deliver(self, site_id: str, product_id: int) -> None:
        body = json.dumps({"scope": "store/product/updated", "data": {"type": "product", "id": product_id}}).encode()
        start = self.chance.randrange(len(self.ports))
        while True:
            for port in (*self.ports[start:], *self.ports[:start]):
                url = f"http://127.0.0.1:{port}/webhooks/test/{site_id}"
                with trio.move_on_after(PATIENCE):
                    try:
                        if await self._poster.post(url, {SECRET_HEADER: WEBHOOK_SECRET}, body) < 300:
                            self.acknowledged += 1
                            return
                    except Unanswered:
                        pass
                self.refused += 1
            await trio.sleep(GLANCE)


def _title(number: int) -> str:
    return f"Product of edit {number}"
