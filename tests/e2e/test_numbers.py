"""What /metrics and /admin/status of the real process tell of a connection that works, and of one that is blocked."""

from tests.e2e.harness import OpenHouse


async def test_every_queue_and_throttle_can_be_seen(house: OpenHouse) -> None:
    async with house() as h:
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


async def test_a_blocked_connection_is_counted_as_such(house: OpenHouse) -> None:
    async with house() as h:
        await h.first_sync()
        states = [f'ignite_sync_connections{{state="{state}"}}' for state in ("active", "blocked")]
        found = await h.process.metrics()
        assert [found[state] for state in states] == [1, 0]
        h.shop.access_token = "another"
        h.store.set_title(1, "Sweater")
        await h.process.until_blocked("platform: credentials")
        found = await h.process.metrics()
        assert [found[state] for state in states] == [0, 1]
