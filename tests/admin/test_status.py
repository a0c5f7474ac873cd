"""The status of a connection from the database: what is late, and what a person should look at."""

from typing import Any

import pytest
from attrs import evolve

from daemon.admin.attention import LATE
from daemon.model import Change, ExternalId, Kind
from daemon.storage import connections
from tests.connections.harness import LifecycleHarness, link, open_harness, site

pytestmark = pytest.mark.usefixtures("both_engines")


async def of_a(harness: LifecycleHarness) -> dict[str, Any]:
    [connection] = (await harness.admin.status({}))["connections"]
    return dict(connection)


async def test_a_live_change_is_late_after_some_minutes_though_a_full_sync_runs() -> None:
    async with open_harness(link("a", "store-1")) as harness:
        endpoint = harness.intake.find(site("a"))
        assert endpoint is not None
        await harness.admin.sync({"site": "test/a", "kind": "products"})
        await harness.intake.record(evolve(endpoint, debounce=0.0), [Change(Kind.PRODUCTS, ExternalId("1"))])
        for seconds, late in ((0.0, False), (LATE + 60, True)):
            harness.later[0] += seconds
            shown = await of_a(harness)
            outbox = shown["kinds"]["products"]["outbox"]
            assert outbox["oldest_live_seconds"] == outbox["oldest_seconds"] == pytest.approx(seconds, abs=10)
            assert shown["late"] is late
            assert ("changes of products are late" in shown["attention"]) is late


async def test_a_connection_that_the_settings_no_longer_name_is_something_to_look_at() -> None:
    async with open_harness(link("a", "store-1")) as harness:
        await harness.lifecycle.reload(evolve(harness.lifecycle.registry.settings, connections=()))
        shown = await of_a(harness)
        assert (shown["state"], shown["attention"]) == ("not configured", ["not configured"])


async def test_a_disconnected_site_that_the_settings_still_name_is_something_to_look_at() -> None:
    async with open_harness(link("a", "store-1")) as harness:
        await harness.install("store-2", "token")
        await harness.connect("b", "store-2")
        await harness.lifecycle.disconnect(site("a"))
        await harness.lifecycle.disconnect(site("b"))
        for state in ("leaving", "gone"):
            answer = await harness.admin.status({})
            shown = {each["site"]: (each["state"], each["attention"]) for each in answer["connections"]}
            assert shown == {"test/a": (state, ["disconnected, but in the settings"]), "test/b": (state, [])}
            for stored in await harness.database.read(connections.everyone):
                await harness.database.write(connections.wipe, connections.Wipe(id=stored.id, blank=b""))
