"""A mass removal waits for a person, who sees who it is, in status, log and metrics, and lets it go by one command."""

import json

import pytest

from daemon.sandbox import synthetic
from daemon.sandbox.bigcommerce.customer_book import NO_GROUP
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import SITE

MANY, MOVED = 100, 60
GAUGE = f'ignite_sync_removals_held{{kind="customers",site="{SITE}"}}'


def _customers(h: ProcessHarness) -> set[str]:
    return set(h.state.comparable()["customers"])


async def _said(h: ProcessHarness, *words: str) -> str:
    """Return what a command prints when it succeeds."""
    code, output, errors = await h.process.command(*words)
    assert code == 0, errors
    return output


@pytest.mark.holds("B3")
async def test_customers_who_leave_their_group_in_a_mass_are_held_until_one_command(harness: OpenHarness) -> None:
    every, moved = ({str(number) for number in range(1, last + 1)} for last in (MANY, MOVED))
    async with harness(synthetic(1, 1, customers=MANY)) as h:
        await h.first_sync()
        assert (await h.process.metrics())[GAUGE] == 0
        for number in range(1, MOVED + 1):
            h.store.customers.set_group(number, NO_GROUP)
        await h.settle()
        run = await h.process.full_sync("customers")
        assert (run["succeeded"], run["held_removals"]) == (False, MOVED)
        assert _customers(h) == every
        assert (await h.process.status("customers"))["held_removals"] == MOVED
        assert (await h.process.metrics())[GAUGE] == MOVED
        assert h.process.output.count('"removals are held"') == 1
        over_http = (await h.process.request("GET", f"/admin/removals?site={SITE}&kind=customers")).json()["removals"]
        lines = (await _said(h, "removals", "list", SITE)).splitlines()
        assert len(lines) == MOVED + 2
        assert lines[0].startswith(f"{SITE} customers 1, Company 1: since ")
        assert json.loads(await _said(h, "removals", "list", SITE, "customers", "--json"))["removals"] == over_http
        assert {one["id"] for one in over_http} == moved
        code, status, _ = await h.process.command("status")
        assert (code, f"customers: {MANY} in SparkLayer" in status) == (1, True)
        assert f"{MOVED} removals of customers held" in status.splitlines()[0]
        see = f"ignite-sync removals list {SITE} customers"
        assert f"{MOVED} removals held until a person decides: {see}" in status
        words = await _said(h, "removals", "allow", SITE, "customers", *moved)
        assert words == f"{MOVED} removals of customers allowed\n"
        assert f" admin: allow {SITE} customers ids=" in (told := await _said(h, "audit", SITE))
        assert f",... ({MOVED}): done: allowed={MOVED}\n" in told
        await h.until(lambda: _customers(h) == every - moved)
        await h.settle()
        h.assert_equal()
        assert (await h.process.metrics())[GAUGE] == 0
        assert (await h.process.full_sync("customers"))["succeeded"]
