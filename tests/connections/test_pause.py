"""A paused connection: changes are recorded, and nothing calls the store or SparkLayer for it, on any node."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon import sparklayer
from daemon.connections.factory import ConnectionFactory
from daemon.connections.offered_keys import OFFER_PAUSE, OfferedKeys
from daemon.connections.wakeups import Way
from daemon.errors import Failure, NotFound, Paused, Retry
from daemon.model import ApiKey, Change, ExternalId, Kind, Secret, Site
from daemon.observability.metrics import Metrics
from daemon.sandbox.sparklayer.api import SparkLayer, SparkLayerOptions
from daemon.sandbox.transport import InProcess
from daemon.storage import connections, gaps, registrations
from daemon.storage.connections import SetPause
from daemon.storage.registrations import StoredRegistration
from tests.connections.harness import LifecycleHarness, api_key, link, open_harness, site
from tests.connections.test_two_nodes import SOON, WAYS
from tests.connections.two_nodes import open_nodes
from tests.databases import InlineDatabase

pytestmark = pytest.mark.usefixtures("both_engines")

PRODUCTS = {"site": "test/a", "kind": "products"}
CHANGE = Change(Kind.PRODUCTS, ExternalId("1"))


async def record(harness: LifecycleHarness) -> None:
    endpoint = harness.intake.find(site("a"))
    assert endpoint is not None
    await harness.intake.record(evolve(endpoint, debounce=0.0), [CHANGE])


async def waiting(harness: LifecycleHarness) -> int:
    [connection] = (await harness.admin.status({}))["connections"]
    return int(connection["kinds"]["products"]["outbox"]["live"])


async def test_while_paused_nothing_is_called_and_what_came_is_worked_on_afterwards(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spark, served = SparkLayer(SparkLayerOptions(), "http://site.test"), list[Any]()
    monkeypatch.setattr(ConnectionFactory, "sparklayer", lambda *_: client(spark, served))
    async with open_harness(link("a", "store-1")) as harness, trio.open_nursery() as nursery:
        nursery.start_soon(harness.supervisor.run)
        await trio.sleep(30)
        assert harness.shop.calls
        assert served
        assert await harness.admin.pause({"site": "test/a"}) == {"changed": True}
        harness.shop.calls.clear()
        served.clear()
        await record(harness)
        await trio.sleep(2 * 86_400)  # sweeps, censuses, looks at the webhooks and probes would be due
        assert (harness.shop.calls.total(), served, await waiting(harness)) == (0, [], 1)
        restarted = await harness.restarted(link("a", "store-1"))
        nursery.start_soon(restarted.supervisor.run)
        await trio.sleep(86_400)
        assert (restarted.shop.calls.total(), served, await waiting(restarted)) == (0, [], 1)
        assert await restarted.admin.resume({"site": "test/a"}) == {"changed": True}
        await trio.sleep(60)
        assert restarted.shop.calls
        assert (served != [], await waiting(restarted)) == (True, 0)
        nursery.cancel_scope.cancel()


async def test_a_gap_in_the_webhooks_while_paused_is_noted(autojump_clock: MockClock) -> None:
    async with open_harness(link("a", "store-1")) as harness, trio.open_nursery() as nursery:
        nursery.start_soon(harness.intake.notes.run)
        await harness.admin.pause({"site": "test/a"})
        endpoint = harness.lifecycle.endpoints[site("a")]
        harness.intake.lost(endpoint, for_good=True)
        await trio.sleep(1)
        assert await harness.database.read(gaps.open_gap, endpoint.connection_id, Kind.PRODUCTS) is not None
        nursery.cancel_scope.cancel()


def client(spark: SparkLayer, served: list[Any]) -> Any:
    key = ApiKey(client_id=spark.client_id, client_secret=Secret(spark.client_secret))
    name = Site("test", spark.site_id)
    return sparklayer.connect(
        base_url=spark.url,
        site=name,
        api_key=key,
        integration="fake",
        transport=InProcess(spark, lambda request, _: served.append(request)),
    )


async def _sync(harness: LifecycleHarness) -> None:
    await harness.admin.sync(PRODUCTS)


async def _trigger(harness: LifecycleHarness) -> None:
    await harness.intake.trigger(site("a"), Kind.PRODUCTS)


async def _explain(harness: LifecycleHarness) -> None:
    await harness.admin.explain({**PRODUCTS, "id": "1"})


async def _pull(harness: LifecycleHarness) -> None:
    await harness.guests.pull(site("a"), "products", None)


async def _fetch(harness: LifecycleHarness) -> None:
    await harness.guests.fetch(site("a"), "products", "1")


@pytest.mark.parametrize(
    ("ask", "refusal"),
    [(_sync, Paused), (_trigger, Paused), (_explain, Paused), (_pull, Retry), (_fetch, Retry)],
)
async def test_what_would_call_is_refused_in_words(
    ask: Callable[[LifecycleHarness], Awaitable[None]], refusal: type[Exception]
) -> None:
    async with open_harness(link("a", "store-1")) as harness:
        await harness.admin.pause({"site": "test/a"})
        with pytest.raises(refusal, match="paused"):
            await ask(harness)
        assert not harness.shop.calls


async def test_a_pause_is_shown_and_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InlineDatabase, "waiting", 0, raising=False)  # the gauges show it
    async with open_harness(link("a", "store-1")) as harness:
        paused_at = harness.lifecycle.now()
        for changed in (True, False):
            assert await harness.admin.pause({"site": "test/a"}) == {"changed": changed}
        [connection] = (await harness.admin.status({}))["connections"]
        assert connection["state"] == "paused"
        assert connection["paused_since"] == pytest.approx(paused_at, abs=60)
        await harness.admin.refresh()
        assert 'connections{state="paused"} 1.0' in metrics_of(harness)
        for changed in (True, False):
            assert await harness.admin.resume({"site": "test/a"}) == {"changed": changed}
        [connection] = (await harness.admin.status({}))["connections"]
        assert (connection["state"], connection["paused_since"]) == ("active", None)
        for ask in (harness.admin.pause, harness.admin.resume):
            with pytest.raises(NotFound, match="no connection test/b"):
                await ask({"site": "test/b"})


async def test_what_the_database_counts_is_shown_while_paused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InlineDatabase, "waiting", 0, raising=False)  # the gauges show it
    counted = [
        'ignite_sync_outbox_depth{kind="products",lane="live",site="test/a",state="pending"} 1.0',
        'ignite_sync_removals_held{kind="products",site="test/a"} 0.0',
        'ignite_sync_issues_open{kind="products",site="test/a"} 0.0',
        'ignite_sync_gaps_open{kind="products",site="test/a"} 0.0',
        'ignite_sync_full_sync_progress_entities{kind="products",site="test/a",stage="seen"} 0.0',
        'ignite_sync_webhook_scopes{site="test/a",state="missing"} 2.0',
    ]
    async with open_harness(link("a", "store-1")) as harness:
        await record(harness)
        await harness.admin.sync(PRODUCTS)
        [stored] = await harness.database.read(connections.everyone)
        text = harness.lifecycle.registry.vault.encrypt({"missing": {}})
        found = StoredRegistration(connection_id=stored.id, registered=1, missing=2, looked_at=None, encrypted=text)
        await harness.database.write(registrations.store, found)
        for change, paused in (
            (harness.admin.pause, 1.0),
            (harness.admin.resume, 0.0),
            (harness.admin.pause, 1.0),
        ):
            await change({"site": "test/a"})
            await harness.admin.refresh()
            shown = metrics_of(harness).splitlines()
            assert {*counted, f'ignite_sync_paused{{site="test/a"}} {paused}'} <= set(shown)
            working = [line for line in shown if line.startswith(("ignite_sync_blocked{", "ignite_sync_breaker_open{"))]
            assert (working == []) is (paused == 1.0), "nothing is known of calls that are not made"
        await harness.lifecycle.reload(evolve(harness.lifecycle.registry.settings, connections=()))
        await harness.admin.refresh()
        assert "ignite_sync_paused{" not in metrics_of(harness)


def metrics_of(harness: LifecycleHarness) -> str:
    metrics: Metrics = harness.lifecycle.factory.metrics
    return metrics.render().decode()


async def test_disconnecting_ends_a_pause_and_cleans_up(autojump_clock: MockClock) -> None:
    async with open_harness(link("a", "store-1")) as harness, trio.open_nursery() as nursery:
        await harness.admin.pause({"site": "test/a"})
        await harness.lifecycle.disconnect(site("a"))
        [leaving] = await harness.rows("a")
        assert (leaving.state, leaving.paused_at) == ("leaving", None)
        assert await harness.database.write(connections.set_pause, SetPause(id=leaving.id, at=1.0)) is False
        nursery.cancel_scope.cancel()


async def test_credentials_that_are_brought_during_a_pause_are_tried_after_it(autojump_clock: MockClock) -> None:
    asked: list[Any] = []

    async def knows(_site: Site, key: ApiKey) -> bool:
        asked.append(key)
        return True

    async def attempt(_site: Site, known: Any) -> Failure | None:
        asked.append(known)
        return None

    async with open_harness(link("a", "store-1"), knows=knows, attempt=attempt) as harness:
        await harness.admin.pause({"site": "test/a"})
        await harness.connect("a", "store-1", "key-2", "token-2")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(OfferedKeys(harness.lifecycle).run)
            await trio.sleep(4 * OFFER_PAUSE)
            assert asked == []
            await harness.admin.resume({"site": "test/a"})
            await trio.sleep(2 * OFFER_PAUSE)
            nursery.cancel_scope.cancel()
        connection = await harness.present("a")
        assert (connection.api_key, connection.store.token.reveal()) == (api_key("key-2"), "token-2")
        assert len(asked) == 2


async def test_settings_and_credentials_that_change_do_not_resume() -> None:
    async with open_harness(link("a", "store-1")) as harness:
        await harness.admin.pause({"site": "test/a"})
        settings = evolve(harness.lifecycle.registry.settings, connections=(link("a", "store-1", "key-3"),))
        await harness.lifecycle.reload(settings)
        [stored] = await harness.rows("a")
        await harness.lifecycle.work_on(stored)
        assert (harness.supervisor.contexts, stored.paused_at is not None) == ([], True)
        assert site("a") in harness.lifecycle.endpoints


@WAYS
async def test_a_pause_that_another_node_takes_holds_here(autojump_clock: MockClock, way: Way) -> None:
    async with open_nodes(way) as nodes:
        await nodes.guest.admin.pause({"site": "test/a"})
        await trio.sleep(SOON)
        assert nodes.owner.supervisor.contexts == []
        assert (await nodes.owner.admin.status({}))["connections"][0]["state"] == "paused"
        await nodes.guest.admin.resume({"site": "test/a"})
        await trio.sleep(SOON)
        assert len(nodes.owner.supervisor.contexts) == 1
