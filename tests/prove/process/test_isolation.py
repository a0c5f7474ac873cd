"""A slow, failing or flooding connection never delays another one, in one real process."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import trio
from attrs import frozen

from daemon.sandbox import Sandbox, answer, open_sandbox, synthetic
from daemon.sandbox.expectation import differences
from tests.e2e.harness import small_store
from tests.e2e.process import GLANCE, TIMEOUT, WEBHOOK_SECRET, Process, free_port, settings
from tests.prove.process.neighbours import open_connection_row

JUMPER = 1
LIVE_SECONDS = 10.0


@frozen(kw_only=True)
class Neighbours:
    """Two stores with a site each, and the one daemon between them. `test/sandbox` misbehaves, `live/sandbox` not."""

    rough: Sandbox
    quiet: Sandbox
    process: Process


@pytest.fixture
async def neighbours(tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with _open(tmp_path) as opened:
        yield opened


@contextlib.asynccontextmanager
async def _open(folder: Path) -> AsyncIterator[Neighbours]:
    async with open_sandbox(store=synthetic(4, 1)) as rough, open_sandbox(store=small_store()) as quiet:
        port = free_port()
        text = settings(rough, port, folder / "ignite-sync.db") + _second(quiet)
        text = text.replace("[sparklayer]\n", f'[sparklayer]\nlive_url = "{quiet.sparklayer.url}"\n')
        async with Process(folder, text, port) as process:
            await process.start()
            for sandbox in (rough, quiet):
                await _in_step(sandbox)
            yield Neighbours(rough=rough, quiet=quiet, process=process)


async def _in_step(sandbox: Sandbox) -> None:
    await _until(lambda: not differences(sandbox.store, sandbox.sparklayer.state))
    await _until(lambda: sandbox.bigcommerce.hooks.registered)


def _second(sandbox: Sandbox) -> str:
    shop, site = sandbox.bigcommerce, sandbox.sparklayer
    return f"""
[[connections]]
site_env = "live"
site_id = "{site.site_id}"
client_id = "{site.client_id}"
client_secret = "{site.client_secret}"
platform = "bigcommerce"
[connections.bigcommerce]
api_url = "{shop.url}"
store_hash = "{shop.store_hash}"
access_token = "{shop.access_token}"
client_secret = "{shop.client_secret}"
webhook_secret = "{WEBHOOK_SECRET}"
"""


async def _until(holds: Callable[[], object]) -> None:
    with trio.fail_after(TIMEOUT):
        while not holds():  # noqa: ASYNC110  a foreign process tells nobody
            await trio.sleep(GLANCE)


async def _quiet_edit_arrives(neighbours: Neighbours) -> None:
    sandbox = neighbours.quiet
    sandbox.store.set_title(JUMPER, "Renamed while the other one misbehaves")
    with trio.fail_after(LIVE_SECONDS):
        while differences(sandbox.store, sandbox.sparklayer.state):  # noqa: ASYNC110  a foreign process tells nobody
            await trio.sleep(GLANCE)


async def test_beside_a_site_that_hangs(neighbours: Neighbours) -> None:
    async with neighbours.rough.sparklayer.faults.hold("PATCH */products/*") as held:
        neighbours.rough.store.set_title(JUMPER, "Hangs")
        await held.arrived()
        await _quiet_edit_arrives(neighbours)


async def test_beside_a_site_that_fails_until_it_is_blocked(neighbours: Neighbours) -> None:
    neighbours.rough.sparklayer.faults.add("*", answer(503))
    for product in neighbours.rough.store.ids:
        neighbours.rough.store.set_title(product, "Fails")
    await neighbours.process.until_blocked("sparklayer: breaker_open")
    await _quiet_edit_arrives(neighbours)


async def test_beside_a_store_that_floods(neighbours: Neighbours) -> None:
    """Every webhook is for another product, none of which there is: each costs the daemon a read of its own."""
    over = trio.Event()
    async with trio.open_nursery() as nursery:
        for lane in range(8):
            nursery.start_soon(_flood, neighbours, lane, over)
        await _quiet_edit_arrives(neighbours)
        over.set()


async def _flood(neighbours: Neighbours, lane: int, over: trio.Event) -> None:
    product_id = 1_000_000 * (lane + 1)
    while not over.is_set():
        product_id += 1
        assert (await neighbours.process.webhook(product_id)).status_code == 200


NEIGHBOURS = 8
FLOOD = 400
"""Webhooks: more than one batch."""


async def test_six_others_are_served_while_a_flood_waits_and_a_site_hangs(tmp_path: Path) -> None:
    """In one process. All of the flood came before their changes, and all of it still waits when those have arrived."""
    async with open_connection_row(tmp_path, [synthetic(3) for _ in range(NEIGHBOURS)]) as row:
        await row.in_step()
        flooded, hanging, *others = row.harnesses
        async with flooded.shop.faults.hold("GET *") as reads, hanging.site.faults.hold("*") as calls:
            hanging.store.set_title(1, "Hangs")
            for product_id in range(FLOOD):
                await row.webhook(0, 1_000_000 + product_id)
            await reads.arrived()
            await calls.arrived()
            assert await row.waiting(0) == FLOOD
            for other in others:
                other.store.set_title(1, "Renamed beside a flood")
            await others[0].until(lambda: not any(other.unequal for other in others))
            assert (await row.waiting(0), await row.waiting(1)) == (FLOOD, 1)
            assert hanging.unequal
            assert _given_up(await row.process.metrics()) == 0, "nor did they have to wait for an end of the waiting"
        await row.in_step()


def _given_up(metrics: Mapping[str, float]) -> float:
    """Return how many requests had no answer."""
    return sum(number for name, number in metrics.items() if "api_requests_total" in name and '"error"' in name)
