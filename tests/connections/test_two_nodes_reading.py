"""Any node reads a store for any connection, as a guest of the one that works on it."""

from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon import sparklayer
from daemon.connections.factory import ConnectionFactory
from daemon.connections.wakeups import Way
from daemon.errors import NotFound, Retry, Side
from daemon.model import ApiKey, Connection, ExternalId, Kind, Lane, Secret
from daemon.sandbox.sparklayer.api import SparkLayer, SparkLayerOptions
from daemon.sandbox.transport import InProcess
from daemon.storage import full_syncs
from daemon.storage.full_syncs import PageRead
from daemon.storage.states import RunMode
from tests.connections.harness import site
from tests.connections.two_nodes import open_nodes
from tests.engine.fakes import product

pytestmark = pytest.mark.usefixtures("both_engines")

PRODUCTS = {"site": "test/a", "kind": "products"}


async def test_explain_and_pull_read_by_a_guest_that_sends_one_request_at_a_time(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spark = SparkLayer(SparkLayerOptions(), "http://site.test")

    def client(_factory: ConnectionFactory, connection: Connection) -> Any:
        key = ApiKey(client_id=spark.client_id, client_secret=Secret(spark.client_secret))
        name = evolve(connection.site, id=spark.site_id)
        return sparklayer.connect(
            base_url=spark.url, site=name, api_key=key, integration="fake", transport=InProcess(spark)
        )

    monkeypatch.setattr(ConnectionFactory, "sparklayer", client)
    async with open_nodes(Way.NOTIFY) as nodes:
        nodes.owner.shop.put(product("1", {"11": "SHIRT"}))
        [stored] = await nodes.guest.rows("a")
        limits: list[int] = []
        async with nodes.guest.guests.reader(stored) as runner, trio.open_nursery() as nursery:
            for limiter in (runner.context.platform.limiter, runner.context.sparklayer.limiter):
                for _ in range(3):
                    nursery.start_soon(_turn, limiter, limits)
        assert limits == [1] * 6

        run = await nodes.owner.intake.start(site("a"), Kind.PRODUCTS, RunMode.NORMAL)
        assert run is not None
        page_read = PageRead(run=run, ids=[ExternalId("1")], cursor=None, now=1.0)
        await nodes.owner.database.write(full_syncs.take_page, page_read)
        with pytest.raises(Retry, match="no stock has a place"):
            await nodes.guest.guests.pull(site("a"), "stock", None)
        explained = await nodes.guest.admin.explain({**PRODUCTS, "id": "1"})
        assert explained["store"]["name"] == "N1"
        guests = nodes.guest.guests
        page = await guests.pull(site("a"), "products", None)
        assert [b"SHIRT" in entity for entity in page.entities] == [True]
        assert b"SHIRT" in await guests.fetch(site("a"), "products", "1")
        assert nodes.guest.supervisor.contexts == []
        for ask in (guests.pull(site("b"), "products", None), guests.fetch(site("b"), "products", "1")):
            with pytest.raises(NotFound, match="no connection test/b"):
                await ask


@pytest.mark.parametrize("side", Side)
async def test_a_guest_that_waits_for_its_turn_holds_up_no_stop(autojump_clock: MockClock, side: Side) -> None:
    """Neither one that waits already, nor one whose turn among the guests comes later."""
    async with open_nodes(Way.NOTIFY) as nodes:
        [stored] = await nodes.guest.rows("a")
        guests, began = nodes.guest.guests, trio.current_time()

        async def ask() -> None:
            async with guests.reader(stored) as runner:
                context = runner.context
                limiter = (context.platform if side is Side.PLATFORM else context.sparklayer).limiter
                with pytest.raises(Retry) as stopped:
                    await _refused_for_ever(limiter)
                assert stopped.value.reason == "stopping"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(ask)
            await trio.sleep(20)
            guests.finish()
        assert trio.current_time() - began < 40


async def _refused_for_ever(limiter: Any) -> None:
    while True:
        async with limiter.turn(Lane.LIVE, object()) as turn:
            turn.observe(429, {"retry-after": "600"})


async def _turn(limiter: Any, limits: list[int]) -> None:
    async with limiter.turn(Lane.LIVE) as turn:
        assert turn.lane is Lane.BACKFILL
        await trio.sleep(1)
        limits.append(limiter.statistics().in_flight)
        turn.observe(200, {})
