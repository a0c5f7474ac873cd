"""A separate process can edit the WooCommerce shop, turn its switches, and run it."""

import json
import signal
import sys
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from tests.sandbox.woocommerce.small import MUG, ORDER


async def test_edits_switches_keys_and_state_over_http(running: Any) -> None:
    async with running() as shop:

        async def control(path: str, **body: Any) -> httpx.Response:
            answer: httpx.Response = await shop.client.post(f"/_sandbox/{path}", json=body)
            return answer

        await shop.register("product.updated")
        made = (await control("edit", edit="add_product", arguments={"title": "Hat"})).json()["result"]
        before = await shop.get("/products/1")
        await control(
            "edit", edit="set_title", arguments={"product_id": MUG, "title": "Cup", "silent": True}, unstamped=True
        )
        after = await shop.get("/products/1")
        await control(
            "edit", edit="orders.set_tracking", arguments={"order_id": ORDER, "carrier": "dpd", "number": "1"}
        )
        assert (await control("switch", hpos=False, zone="Australia/Sydney", dropping=True)).status_code == 204
        state = (await shop.client.get("/_sandbox/state")).json()
        read = (await control("key", permissions="read")).json()
        await control("revoke", consumer_key="ck_sandbox")
        revoked = await shop.ask("GET", "/products")
        shop.client.auth = (read["consumer_key"], read["consumer_secret"])
        answers = [await shop.ask("GET", "/products"), await shop.ask("POST", "/products", {"name": "x"})]
    assert (after["name"], after["date_modified"]) == ("Cup", before["date_modified"])
    assert shop.shop.orders.get(ORDER).meta[-1].key == "_wc_shipment_tracking_items"
    assert (shop.shop.hpos, shop.shop.zone.key, shop.woocommerce.webhooks.dropping) == (False, "Australia/Sydney", True)
    assert state == {
        "products": 3,
        "variations": 2,
        "customers": 3,
        "orders": 1,
        "hooks": {"1": "active"},
        "outstanding": 0,
    }
    assert made == 6
    assert [answer.status_code for answer in (revoked, *answers)] == [401, 200, 401]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("edit", {"edit": "put"}),
        ("edit", {"edit": "set_title", "arguments": {"product_id": 4711, "title": "x"}}),
        ("edit", {"edit": "set_status", "arguments": {"product_id": MUG, "status": "nonsense"}}),
        ("edit", {"edit": "orders.set_status", "arguments": {"order_id": ORDER, "status": "nonsense"}}),
        ("edit", {"edit": "orders.refund", "arguments": {"order_id": ORDER, "items": {"1": 99}}}),
        ("switch", {"nonsense": 1}),
        ("faults", {"pattern": "*", "fault": "kittens"}),
    ],
)
async def test_an_order_that_cannot_be_understood_is_refused(running: Any, path: str, body: Any) -> None:
    async with running() as shop:
        assert (await shop.client.post(f"/_sandbox/{path}", json=body)).status_code == 400


async def test_latency_is_that_of_every_request(running: Any, autojump_clock: Any) -> None:
    async with running(latency=2.0) as shop:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(shop.get, "/products")
        assert trio.current_time() - began == 2
        shop.woocommerce.faults.clear()
        await shop.client.post("/_sandbox/switch", json={"latency": 5})
        await shop.get("/products")
        assert trio.current_time() - began == 7
    assert shop.woocommerce.statistics.most_in_flight == 3
    assert shop.woocommerce.statistics.calls["GET /products"] == 4


async def test_the_shop_runs_on_its_own(nursery: trio.Nursery) -> None:
    options = ["--platform", "woocommerce", "--products", "5", "--hpos", "off", "--time-zone", "America/New_York"]
    command = [sys.executable, "-m", "daemon.sandbox", *options]
    process = await nursery.start(partial(trio.run_process, command, stdin=-1, stdout=-1, check=False))
    line = b""
    while not line.endswith(b"\n"):
        line += await process.stdout.receive_some()
    told = json.loads(line)
    server = told["woocommerce"]
    auth = (server["consumer_key"], server["consumer_secret"])
    async with httpx.AsyncClient(base_url=server["url"], auth=auth, trust_env=False) as client:
        products = await client.get("/wp-json/wc/v3/products?_fields=date_created,date_created_gmt")
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    await process.stdout.aclose()
    await process.stdin.aclose()
    assert told.keys() == {"woocommerce", "sparklayer"}
    assert len(products.json()) == 5
    assert products.json()[0] == {"date_created": "2025-12-31T19:00:00", "date_created_gmt": "2026-01-01T00:00:00"}
