"""A mass removal waits for a person, who sees who it is, in status, log and metrics, and lets it go by one command."""

import json
from typing import Any

import msgspec
import pytest
import trio

from daemon.sandbox import answer, synthetic
from daemon.sandbox.bigcommerce.customer_records import NO_GROUP
from daemon.sandbox.message import Request, Response
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import SITE

MANY, MOVED = 300, 60
GAUGE = f'ignite_sync_removals_held{{kind="customers",site="{SITE}"}}'


def _customers(h: ProcessHarness) -> set[str]:
    return set(h.state.comparable()["customers"])


async def _said(h: ProcessHarness, *words: str) -> str:
    """Return what a command prints when it succeeds."""
    code, output, errors = await h.process.command(*words)
    assert code == 0, errors
    return output


@pytest.mark.holds("B3")
@pytest.mark.parametrize(
    ("told", "running", "by_run"),
    [(True, True, False), (False, False, False), (False, True, True)],
    ids=["by webhooks, asking the daemon", "by a full sync, asking its database", "released by a full sync"],
)
async def test_customers_who_leave_their_group_in_a_mass_are_held_until_one_command(
    harness: OpenHarness, *, told: bool, running: bool, by_run: bool
) -> None:
    every, moved = ({str(number) for number in range(1, last + 1)} for last in (MANY, MOVED))
    async with harness(synthetic(1, 1, customers=MANY)) as h:
        await h.first_sync()
        assert (await h.process.metrics())[GAUGE] == 0
        for number in range(1, MOVED + 1):
            h.store.customers.set_group(number, NO_GROUP, silent=not told)
        if told:
            await h.settle()
        run = await h.process.full_sync("customers")
        assert (run["succeeded"], run["held_removals"]) == (False, MOVED)
        assert _customers(h) == every
        assert (await h.process.status("customers"))["held_removals"] == MOVED
        assert (await h.process.metrics())[GAUGE] == MOVED
        assert h.process.output.count('"removals are held"') == 1
        over_http = (await h.process.request("GET", f"/admin/removals?site={SITE}&kind=customers")).json()["removals"]
        if not running:
            assert await h.process.terminate() == 0
        lines = (await _said(h, "removals", "list", SITE)).splitlines()
        assert len(lines) == MOVED + 2
        assert lines[0].startswith(f"{SITE} customers 1, Company 1: since ")
        assert json.loads(await _said(h, "removals", "list", SITE, "customers", "--json"))["removals"] == over_http
        assert {one["id"] for one in over_http} == moved
        assert f"customers: {MANY} in SparkLayer" in (status := await _said(h, "status"))
        see = f"ignite-sync removals list {SITE} customers"
        assert f"{MOVED} removals are held until a person allows them: {see}" in status
        if by_run:
            await _said(h, "sync", SITE, "customers", "--allow-removals", "--watch")
        else:
            words = await _said(h, "removals", "allow", SITE, "customers", *moved)
            assert words == f"removals of {MOVED} customers allowed\n"
        if not running:
            await h.process.start()
        await h.until(lambda: _customers(h) == every - moved)
        await h.settle()
        h.assert_equal()
        assert (await h.process.metrics())[GAUGE] == 0
        assert (await h.process.full_sync("customers"))["succeeded"]


async def test_what_is_not_held_cannot_be_allowed(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        assert await _said(h, "removals", "list", SITE) == "no removals are held\n"
        code, _, errors = await h.process.command("removals", "allow", SITE, "products", "1")
        assert (code, "no removals of these products are held" in errors) == (1, True)
        orders: list[dict[str, Any]] = [{"ids": []}, {"ids": "1"}, {"ids": [1]}, {}]
        for order in orders:
            request = {"site": SITE, "kind": "products"} | order
            assert (await h.process.request("POST", "/admin/removals", json=request)).status_code == 400
        h.assert_equal()


@pytest.mark.holds("A4")
async def test_a_list_of_groups_that_stays_empty_removes_nobody(harness: OpenHarness) -> None:
    async with harness(synthetic(1, 1, customers=120)) as h:
        await h.first_sync()
        before = _customers(h)
        h.shop.faults.add("GET */v2/customer_groups*", answer(204))
        await h.process.full_sync("customers")
        for number in range(1, 121):
            h.store.customers.update(number, first_name="Bulk")
        await h.until(lambda: h.process.output.count("entity is tried again") >= 120)
        assert _customers(h) == before
        h.shop.faults.clear()
        await h.until(lambda: h.unequal == [])
        await h.process.when(lambda now: now["held_removals"] == 0, "customers")


@pytest.mark.holds("B2")
async def test_a_page_of_customers_without_their_group_removes_nobody(harness: OpenHarness) -> None:
    async def without_group(_request: Request, response: Response | None) -> Response | None:
        if response is None or response.status != 200:
            return response
        body: dict[str, Any] = msgspec.json.decode(response.body)
        body["data"] = [one | {"customer_group_id": None} for one in body["data"]]
        return Response(status=200, headers=response.headers, body=msgspec.json.encode(body))

    async with harness(synthetic(1, 1, customers=120)) as h:
        await h.first_sync()
        before = _customers(h)
        h.shop.faults.add("GET */v3/customers", without_group, after_effect=True, times=1)
        await h.process.full_sync("customers")
        await h.settle()
        assert _customers(h) == before
        run = await h.process.full_sync("customers")
        assert (run["succeeded"], run["held_removals"]) == (True, 0)
        h.assert_equal()


async def test_a_deleted_product_is_gone_from_sparklayer_within_ten_seconds(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        h.store.delete_product(1)
        with trio.fail_after(10):
            await h.until(lambda: {variant["status"] for variant in _variants(h, 1)} == {"discontinued"})
        await h.settle()
        h.assert_equal()


def _variants(h: ProcessHarness, product_id: int) -> list[dict[str, Any]]:
    return list(h.state.comparable()["products"][str(product_id)]["variants"].values())
