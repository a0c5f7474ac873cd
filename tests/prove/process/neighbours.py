"""Many stores with a site each, and the one daemon between them: harnesses that share a process.

async with open_row(folder, [synthetic(3), synthetic(3)]) as row:    # the sites test/site-0, test/site-1
    await row.in_step()          # the full syncs of the start are over, nothing waits, all sides agree
    row.harnesses[1].store.set_title(1, "New")
    await row.webhook(0, 17)     # a webhook of a product, sent by hand to a connection
    await row.waiting(0)         # how many products wait in the outbox of a connection
"""

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from benchmarks.neighbours import open_neighbours
from daemon.platforms.bigcommerce.webhooks import SECRET_HEADER
from daemon.sandbox import Store
from tests.e2e.harness import ProcessHarness
from tests.e2e.process import GLANCE, TIMEOUT, WEBHOOK_SECRET, Process, free_port, settings


@frozen(kw_only=True)
class ConnectionRow:
    """The harnesses in the order of their stores, and their process."""

    harnesses: Sequence[ProcessHarness]
    process: Process

    async def in_step(self) -> None:
        """Wait for the ends of the start's full syncs, and until nothing waits; every site then equals its store."""
        for harness in self.harnesses:
            await harness.hooked()
        await self.until_all(_at_rest)
        for harness in self.harnesses:
            harness.assert_equal()

    async def until_all(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until `holds` of the status of every kind of every connection."""
        with trio.fail_after(TIMEOUT):
            while not all(holds(kind) for one in await self._status() for kind in one["kinds"].values()):  # noqa: ASYNC110
                await trio.sleep(GLANCE)

    async def waiting(self, number: int) -> int:
        """Return how many live changes of products wait for a connection."""
        site = f"test/{self.harnesses[number].site.site_id}"
        [one] = [one for one in await self._status() if one["site"] == site]
        return int(one["kinds"]["products"]["outbox"]["live"])

    async def webhook(self, number: int, product_id: int) -> None:
        """Send a connection a webhook, with the secret header only, and see it acknowledged."""
        body = json.dumps({"scope": "store/product/updated", "data": {"type": "product", "id": product_id}})
        headers = {SECRET_HEADER: WEBHOOK_SECRET, "Content-Type": "application/json"}
        path = f"/webhooks/test/{self.harnesses[number].site.site_id}"
        (await self.process.request("POST", path, content=body, headers=headers)).raise_for_status()

    async def _status(self) -> list[dict[str, Any]]:
        found = (await self.process.request("GET", "/admin/status")).raise_for_status().json()
        return list(found["connections"])


def _at_rest(kind: dict[str, Any]) -> bool:
    run, outbox = kind["full_sync"], kind["outbox"]
    return run is not None and run["state"] == "ended" and not outbox["live"] + outbox["backfill"]


@contextlib.asynccontextmanager
async def open_connection_row(folder: Path, stores: Sequence[Store]) -> AsyncIterator[ConnectionRow]:
    """Serve the stores and their sites, and start the daemon between them."""
    async with open_neighbours(stores, quota=None) as sandboxes:
        port = free_port()
        texts = [
            settings(sandbox, port, folder / "ignite-sync.db").partition("[[connections]]") for sandbox in sandboxes
        ]
        text = texts[0][0] + "".join(head + section for _, head, section in texts)
        async with Process(folder, text, port) as process:
            await process.start()
            yield ConnectionRow(
                harnesses=[
                    ProcessHarness(sandbox=one, process=process, called=trio.lowlevel.ParkingLot()) for one in sandboxes
                ],
                process=process,
            )
