"""A separate process can steer the sandbox and read what happened in it."""

import json
import signal
import sys
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from daemon.sandbox import BigCommerceOptions, SparkLayerOptions, Store, open_sandbox


async def test_edits_and_state_over_http(harness: Any) -> None:
    async with harness() as running:
        url = running.sandbox.bigcommerce.url
        async with httpx.AsyncClient(base_url=url, trust_env=False) as steering:
            order = {"edit": "add_product", "arguments": {"title": "Hat", "variants": [{"sku": "HAT"}]}}
            made = (await steering.post("/_sandbox/edit", json=order)).json()["result"]
            silent = {"edit": "set_title", "arguments": {"product_id": made, "title": "Cap", "silent": True}}
            await steering.post("/_sandbox/edit", json=silent)
            state = (await steering.get("/_sandbox/state")).json()
            await steering.post("/_sandbox/token", json={"access_token": "another"})
        assert running.store.entry(made).product.name == "Cap"
        assert (await running.shop("GET", "/v2/time")).status_code == 401
    assert state == {"products": 3, "variants": 4, "customers": 0, "orders": 0, "hooks": 0, "outstanding": 0}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("edit", {"edit": "put", "arguments": {}}, 400),
        ("edit", {"edit": "set_title", "arguments": {"product_id": 4711, "title": "x"}}, 400),
        ("edit", {"edit": "set_title", "arguments": {"nonsense": 1}}, 400),
        ("edit", [], 400),
        ("faults", {"pattern": "*", "fault": "kittens"}, 400),
        ("nothing", {}, 404),
    ],
)
async def test_an_order_that_cannot_be_understood_is_refused(harness: Any, path: str, body: Any, status: int) -> None:
    async with harness() as running:
        answer = await running.shop("POST", f"{running.sandbox.bigcommerce.url}/_sandbox/{path}", body)
    assert answer.status_code == status


async def test_a_browser_cannot_steer(harness: Any) -> None:
    async with harness() as running:
        for url in (running.sandbox.bigcommerce.url, running.sandbox.sparklayer.url):
            foreign = {"origin": "https://shop.example"}
            answer = await running.site("POST", f"{url}/_sandbox/outage", {"down": True}, headers=foreign)
            assert answer.status_code == 403
        assert not running.sandbox.sparklayer.faults.down


async def test_faults_statistics_and_outages_over_http(harness: Any) -> None:
    async with harness() as running:
        control = f"{running.sandbox.sparklayer.url}/_sandbox"
        fault = {"pattern": "GET *", "fault": "answer", "arguments": {"status": 500}, "times": 1}
        await running.site("POST", f"{control}/faults", fault)
        assert (await running.site("GET", "/api/v1/price-lists")).status_code == 500
        assert (await running.site("GET", "/api/v1/price-lists")).status_code == 200
        counted = (await running.site("GET", f"{control}/statistics")).json()
        await running.site("POST", f"{control}/outage", {"down": True})
        with pytest.raises(httpx.ReadError):
            await running.site("GET", "/api/v1/price-lists")
        await running.site("DELETE", f"{control}/faults")
        await running.site("DELETE", f"{control}/statistics")
        await running.site("POST", f"{control}/revoke", {"key": False})
        assert (await running.site("GET", "/api/v1/price-lists")).status_code == 401
        anew = (await running.site("GET", f"{control}/statistics")).json()
    assert counted["answers"] == {"GET /api/v1/price-lists 500": 1, "GET /api/v1/price-lists 200": 1}
    assert anew["calls"] == {"GET /api/v1/price-lists": 1}


async def test_the_site_can_be_looked_at_over_http(harness: Any) -> None:
    async with harness() as running:
        await running.site("POST", "/api/v1/products", {"title": "A", "slug": "a", "external_id": "1"})
        await running.site("PUT", "/api/v1/sync-log/bigcommerce/products", {"errors": []})
        control = f"{running.sandbox.sparklayer.url}/_sandbox"
        state = (await running.site("GET", f"{control}/state")).json()
        counts = (await running.site("GET", f"{control}/counts")).json()
        calls = (await running.site("GET", f"{control}/sync-log")).json()
    assert state["products"] == {"1": {"title": "A", "slug": "a", "variants": {}}}
    assert (counts["products"], counts["product_writes"], counts["sync_log_calls"]) == (1, 1, 1)
    assert calls[0]["method"] == "PUT"


async def test_an_order_is_placed_in_the_storefront_over_http(harness: Any) -> None:
    cart = "4217ba4f-7618-4e3b-b1af-9055639b18d1"
    async with harness() as running:
        control = f"{running.sandbox.sparklayer.url}/_sandbox"
        order = {"cart": cart, "reference": "PO-9", "lines": [{"sku": "MUG", "quantity": 2, "price": "7.50"}]}
        assert (await running.site("POST", f"{control}/purchase", order)).status_code == 204
        for unfit in (order, {"cart": "1001"}, {}, {"cart": cart, "lines": [{"price": "7.50"}]}):
            assert (await running.site("POST", f"{control}/purchase", unfit)).status_code == 400
        held = (await running.site("GET", f"{control}/state")).json()["purchases"]
    assert set(held) == {cart}
    assert (held[cart]["type"], held[cart]["customer_reference"]) == ("order_unconfirmed", "PO-9")
    assert held[cart]["packages"][0]["line_items"][0]["quantity"] == 2


async def test_writes_are_counted_and_kept_over_http(harness: Any) -> None:
    cart = "4217ba4f-7618-4e3b-b1af-9055639b18d1"
    address = {"address_line1": "1 High Street", "city": "Bath", "country_code": "GB"}
    customer = {"email": "a@example.com", "external_id": "1", "addresses": [address]}
    purchase = {"type": "order", "purchase_identifiers": {}, "customer_identifiers": {}, "dates": {}}
    purchase |= {"packages": [], "accounting_files": [], "custom_fields": [], "metadata": []}
    async with harness(sparklayer=SparkLayerOptions(journal=True)) as running:
        await running.site("PUT", "/api/v2/customers/platform/1", customer)
        await running.site("PUT", f"/api/v1/purchases/sparklayer/{cart}", purchase)
        await running.site("DELETE", "/api/v1/sync-log")
        control = f"{running.sandbox.sparklayer.url}/_sandbox"
        held = (await running.site("GET", f"{control}/counts")).json()
        journal = (await running.site("GET", f"{control}/journal")).json()
        await running.site("DELETE", "/api/v2/customers/platform/1")
        await running.site("DELETE", f"/api/v1/purchases/sparklayer/{cart}")
        gone = (await running.site("GET", f"{control}/counts")).json()
    sizes, writes = ("customers", "addresses", "purchases"), ("customer_writes", "purchase_writes")
    assert [held[name] for name in sizes] == [1, 1, 1]
    assert [gone[name] for name in sizes] == [0, 0, 0]
    assert [held[name] for name in writes] == [gone[name] for name in writes] == [1, 1]
    assert (gone["customer_removals"], gone["purchase_removals"], gone["sync_log_wipes"]) == (1, 1, 1)
    assert journal == {"products": {}, "customers": {"1": [customer]}, "purchases": {cart: [purchase]}}


async def test_it_runs_on_its_own_and_says_where(nursery: trio.Nursery) -> None:
    made_up = ["--products", "30", "--customers", "20", "--orders", "10"]
    command = [sys.executable, "-m", "daemon.sandbox", *made_up, "--limits", "on"]
    process = await nursery.start(partial(trio.run_process, command, stdin=-1, stdout=-1, check=False))
    line = b""
    while not line.endswith(b"\n"):
        line += await process.stdout.receive_some()
    shop = json.loads(line)["bigcommerce"]
    async with httpx.AsyncClient(headers={"X-Auth-Token": shop["access_token"]}, trust_env=False) as client:
        answer = await client.get(f"{shop['url']}/stores/{shop['store_hash']}/v3/catalog/products?limit=1")
        state = (await client.get(f"{shop['url']}/_sandbox/state")).json()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    assert answer.json()["meta"]["pagination"]["total"] == 30
    assert answer.headers["x-rate-limit-requests-quota"] == "150"
    assert (state["customers"], state["orders"]) == (20, 10)
    await process.stdout.aclose()
    await process.stdin.aclose()


async def test_a_taken_port_is_an_error_of_its_own(harness: Any) -> None:
    async with harness() as running:
        taken = BigCommerceOptions(port=int(running.sandbox.bigcommerce.url.rpartition(":")[2]))
        with pytest.raises(OSError, match="in use"):
            async with open_sandbox(store=Store(), bigcommerce=taken):
                raise AssertionError("opened on a taken port")
