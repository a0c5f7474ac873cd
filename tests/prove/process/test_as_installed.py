"""The daemon as systemd starts it: with the environment that the unit of config/ gives it."""

import httpx

from benchmarks.processes import unit_environment
from tests.e2e.harness import OpenHarness
from tests.e2e.trade import HEAD, SHOP, cart, trade_store

BOUGHT = 7


async def test_every_kind_arrives_with_the_environment_of_the_unit(harness: OpenHarness) -> None:
    """Without docstrings and asserts the line works, with a page, the metrics, webhooks and the stop."""
    environment = unit_environment()
    assert "PYTHONOPTIMIZE" in environment
    async with harness(trade_store(), environment=environment) as h:
        await h.first_sync()
        for path in ("/login", "/metrics", "/openapi.json"):
            assert (await h.process.request("GET", path)).status_code == httpx.codes.OK, path
        h.store.set_title(1, "Pullover")
        h.store.customers.update(HEAD, first_name="Ann")
        h.store.orders.place(SHOP, [{"sku": "J-M"}], cart_id=cart(BOUGHT))
        await h.settle()
        h.assert_equal()
        assert await h.process.terminate() == 0
