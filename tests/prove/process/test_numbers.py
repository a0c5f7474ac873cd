"""/metrics and /admin/status of the real process, for a connection that works and for a blocked one."""

from daemon.sandbox import answer
from tests.e2e.harness import OpenHarness
from tests.e2e.trade import trade_store


async def test_no_counter_begins_with_its_first_event(harness: OpenHarness) -> None:
    """Prometheus sees no increase in a series that was not there before, so no alert would fire on the first event."""
    async with harness(trade_store(), start=False) as h:
        h.site.faults.add("PATCH */products/*", answer(500), times=2)
        await h.process.start()
        at_first = set(await h.process.metrics())
        await h.first_sync()
        h.store.set_sku(h.store.by_sku("MUG").id, "")
        h.store.delete_product(1)
        await h.settle()
        await h.process.webhook(1, scope="nonsense")
        for path in ("/webhooks/test/sandbox", "/webhooks/test/none"):
            await h.process.request("POST", path, json={})
        await h.process.full_sync(refresh=True)
        counted = {name for name in await h.process.metrics() if "_total" in name and "http_requests" not in name}
        assert counted - at_first == set()


async def test_every_queue_and_throttle_is_shown_and_a_blocked_connection_counted(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        found = await h.process.metrics()
        for api in ("bigcommerce", "sparklayer"):
            for lane in ("live", "backfill"):
                labels = f'{{api="{api}",lane="{lane}",site="test/sandbox"}}'
                assert found[f"ignite_sync_throttle_oldest_seconds{labels}"] == 0
                assert found[f"ignite_sync_throttle_waiting{labels}"] == 0
        assert found["ignite_sync_storage_waiting"] == 0
        assert found['ignite_sync_sync_log_waiting{data_type="products",site="test/sandbox"}'] == 0
        answer = (await h.process.request("GET", "/admin/status")).json()
        shop, site = answer["connections"][0]["throttles"]
        assert (shop["api"], shop["waiting"], shop["breaker"]) == ("bigcommerce", 0, "closed")
        assert (site["api"], site["in_flight"], site["breaker"]) == ("sparklayer", 0, "closed")
        assert site["rate"] > 0
        states = [f'ignite_sync_connections{{state="{state}"}}' for state in ("active", "blocked")]
        assert [found[state] for state in states] == [1, 0]
        h.shop.access_token = "another"
        h.store.set_title(1, "Sweater")
        await h.process.until_blocked("platform: credentials")
        found = await h.process.metrics()
        assert [found[state] for state in states] == [0, 1]
        assert found['ignite_sync_blocked{kind="products",side="platform",site="test/sandbox"}'] == 1
