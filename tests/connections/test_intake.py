"""Changes and orders are accepted even without a runner of their connection, and survive a restart."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.engine.deliveries import LONGEST_OUTAGE
from daemon.errors import Invalid, NotFound
from daemon.model import Change, ExternalId, Kind, Lane, RunId
from daemon.model.operators import Operator, Role
from daemon.platforms.base import WebhookTimes
from daemon.storage import full_syncs, overview
from daemon.storage.full_syncs import Run
from daemon.storage.overview import Depth
from daemon.storage.tables import outbox as outbox_table
from tests.connections.harness import Elsewhere, LifecycleHarness, link, open_harness, site

pytestmark = pytest.mark.usefixtures("both_engines")

CHANGES = [Change(Kind.PRODUCTS, ExternalId("1")), Change(Kind.ORDERS, ExternalId("2"))]
PRODUCTS = {"site": "test/a", "kind": "products"}


async def _depths(harness: LifecycleHarness) -> list[Depth]:
    [stored] = await harness.rows("a")
    return [depth for kind in Kind for depth in await harness.database.read(overview.depths, stored.id, kind)]


async def _newest(harness: LifecycleHarness, kind: Kind) -> Run | None:
    [stored] = await harness.rows("a")
    return await harness.database.read(full_syncs.newest, stored.id, kind)


def _park(conn: Any, calls: Sequence[None]) -> list[None]:
    conn.execute(outbox_table.update().values(state="parked"))
    return list(calls)


async def test_what_another_process_works_on_is_taken_and_committed() -> None:
    async with open_harness(link("a", "s1"), tenure=Elsewhere()) as harness:
        endpoint = harness.intake.find(site("a"))
        assert endpoint is not None
        assert harness.supervisor.contexts == []
        await harness.intake.record(endpoint, CHANGES)
        harness.intake.taken(endpoint)
        harness.intake.failed(endpoint, [Kind.PRODUCTS])
        [depth] = await _depths(harness)
        assert (depth.kind, depth.rows) == (Kind.PRODUCTS, 1), "orders are not synced from such a store"

        await harness.database.write(_park, None)
        assert await harness.admin.change_parked({"site": "test/a", "action": "retry"}) == {"changed": 1}
        assert await harness.admin.allow_removals({**PRODUCTS, "ids": ["1"]}) == {"allowed": 0}
        assert await harness.admin.sync(PRODUCTS) == {"run": 1}
        with pytest.raises(NotFound, match="no connection test/b; there are: test/a"):
            await harness.admin.issues({"site": "test/b"})

        await harness.install("s1", "other token")
        await harness.connect("a", "s1", "key-2")
        assert harness.supervisor.contexts == []
        await harness.lifecycle.disconnect(site("a"))
        assert harness.intake.find(site("a")) is None


@pytest.mark.parametrize(
    ("place", "params", "words"),
    [
        ("sync", {**PRODUCTS, "refresh": "yes"}, "refresh: must be true or false"),
        ("sync", {**PRODUCTS, "allow_removals": 1}, "allow_removals: must be true or false"),
        (
            "sync",
            {**PRODUCTS, "forse": True},
            "forse: is not a parameter; there are: site, kind, refresh, allow",
        ),
        ("sync", {"kind": "products"}, "site: must be live/SITE_ID or test/SITE_ID"),
        ("sync", {"kind": "products", "site": 5}, "site: must be live/SITE_ID or test/SITE_ID"),
        ("pause", {}, "site: must be live/SITE_ID or test/SITE_ID"),
        ("verify", {"site": "test/a", "all": "yes"}, "all: must be true or false"),
        ("parked", {"site": "test/a", "action": "drop", "ids": []}, "ids: must be a list of at least one text"),
        ("parked", {"site": "test/a", "action": "drop", "ids": None}, "ids: must be a list of at least one text"),
        ("removals", {**PRODUCTS, "ids": []}, "ids: must be a list of at least one text"),
    ],
)
async def test_an_operation_refuses_odd_parameters_and_changes_nothing(
    place: str, params: dict[str, Any], words: str
) -> None:
    """A missing list may mean all, so an empty one must not."""
    async with open_harness(link("a", "s1"), tenure=Elsewhere()) as harness:
        endpoint = harness.intake.find(site("a"))
        assert endpoint is not None
        await harness.intake.record(endpoint, CHANGES)
        await harness.database.write(_park, None)
        with pytest.raises(Invalid, match=words):
            await harness.admin.operations["POST", f"/admin/{place}"](params, Operator("anna", Role.ACT))
        assert await harness.admin.change_parked({"site": "test/a", "action": "retry"}) == {"changed": 1}
        audited = (await harness.admin.audit.listed({}))["audit"]
        assert [row["outcome"] for row in audited] == ([] if place == "verify" else ["refused"])


async def test_a_change_wakes_the_actor_of_its_kind(autojump_clock: MockClock) -> None:
    async with open_harness(link("a", "s1")) as harness, trio.open_nursery() as nursery:
        endpoint = harness.intake.find(site("a"))
        assert endpoint is not None
        [kind_state] = harness.supervisor.kind_states(endpoint.connection_id)
        nursery.start_soon(kind_state.work[Lane.LIVE].wait)
        await wait_all_tasks_blocked()
        await harness.intake.record(endpoint, CHANGES)
        nursery.cancel_scope.deadline = trio.current_time() + 1
    assert not nursery.cancel_scope.cancelled_caught


async def test_recorded_changes_and_lost_deliveries_are_told_to_the_connection(autojump_clock: MockClock) -> None:
    """Only of the kinds that are synced; where no runner works on it, nothing waits for them."""
    async with open_harness(link("a", "s1")) as harness, trio.open_nursery() as nursery:
        endpoint = harness.intake.find(site("a"))
        assert endpoint is not None
        context = harness.runner("a").context
        context.deliveries._times = WebhookTimes(delivered_within=60.0)
        await harness.intake.record(endpoint, CHANGES)
        assert set(context.deliveries._arrived) == {CHANGES[0]}
        nursery.start_soon(context.look.wait)
        nursery.start_soon(context.deliveries.make_up, context.write_something, context.catch_up)
        harness.intake.lost(endpoint, for_good=True)
        await context.look.wait()
        nursery.cancel_scope.cancel()
    async with open_harness(link("a", "s1"), tenure=Elsewhere()) as harness:
        endpoint = harness.intake.find(site("a"))
        assert endpoint is not None
        await harness.intake.record(endpoint, CHANGES)
        harness.intake.lost(endpoint, for_good=True)


async def test_an_hour_of_requests_turned_away_is_a_gap_of_every_connection(autojump_clock: MockClock) -> None:
    async with open_harness(link("a", "s1"), link("b", "s2")) as harness:
        for _ in range(3):
            harness.intake.overrun()
            await trio.sleep(LONGEST_OUTAGE)
        states = [state for context in harness.supervisor.contexts for state in context.kind_states.values()]
        assert [state.gapped for state in states] == [True, True]


async def test_a_connection_may_have_a_pace_of_its_own() -> None:
    own = evolve(link("a", "s1"), sweep_seconds=5, census_seconds=6, webhooks_seconds=7)
    async with open_harness(own, link("b", "s2")) as harness:
        options = [harness.runner(name).context.options for name in ("a", "b")]
    paces = [(option.sweep_every, option.census_every, option.webhooks_every) for option in options]
    assert paces == [(5, 6, 7), (900, 3600, 3600)]


async def test_a_trigger_starts_one_refresh_run() -> None:
    async with open_harness(link("a", "s1")) as harness:
        await harness.intake.trigger(site("a"), Kind.PRODUCTS)
        run = await _newest(harness, Kind.PRODUCTS)
        assert (run and run.id, run and run.mode) == (RunId(1), "refresh")
        with pytest.raises(Invalid, match="in progress already"):
            await harness.intake.trigger(site("a"), Kind.PRODUCTS)
        for name, kind in (("a", Kind.ORDERS), ("b", Kind.PRODUCTS)):
            with pytest.raises(NotFound):
                await harness.intake.trigger(site(name), kind)


async def test_the_first_full_syncs_of_a_connect_survive_a_restart() -> None:
    """The settings ask for no full sync at a start."""
    configured = evolve(link("a", "s1"), full_sync_on_start=False)
    async with open_harness(configured) as harness:
        assert await _newest(harness, Kind.PRODUCTS) is None
        await harness.install("s2", "token-2")
        await harness.connect("a", "s2")
        present = await harness.present("a")
        again = await harness.restarted(configured)
        assert (await again.present("a")).id == present.id
        run = await harness.database.read(full_syncs.newest, present.id, Kind.PRODUCTS)
        assert run is not None
        assert (run.state, run.mode) == ("enumerating", "normal")
