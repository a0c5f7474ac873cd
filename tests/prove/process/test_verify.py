"""`ignite-sync verify` over the real process: it writes nothing, and the sync writes what was announced."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio

from daemon.model import Secret
from daemon.sandbox import answer, synthetic
from daemon.sandbox.faults import delay
from tests.e2e.harness import OpenHarness
from tests.e2e.process import GLANCE, ROOT, SITE, TIMEOUT, Process
from tests.e2e.trade import asked, trade_store
from tests.e2e.woocommerce import open_shop
from tests.platforms.woocommerce.edits import trading_shop

READS = ("GET ", "HEAD ", "OPTIONS ", "POST /api/auth/token", "POST /api/v1/batch-fetch-stock")
"""Begin the calls that write nothing: to read stock and to get a token is a POST too."""

PRODUCTS = "GET /v3/catalog/products"
LATER = "full_sync_on_start = false"
JSON = {"content-type": "application/json"}


def writes(*apis: Any) -> Counter[str]:
    """Return the calls that may have written something, by method and path."""
    calls: Counter[str] = sum((api.statistics.calls for api in apis), Counter())
    return Counter({name: number for name, number in calls.items() if not name.startswith(READS)})


async def verified(process: Process, *arguments: str) -> tuple[int, Any]:
    """Run the command with --json; return its exit code and answer."""
    code, output, errors = await process.command("verify", SITE, *arguments, "--json")
    assert output, errors
    return code, json.loads(output)


async def state(process: Process) -> Any:
    return await process.request("GET", f"/admin/verify?site={SITE}")


def counts(answered: Any) -> dict[str, dict[str, int]]:
    """Return the counts that are not 0, by kind."""
    kinds = answered["kinds"].items()
    return {kind: {name: number for name, number in found["counts"].items() if number} for kind, found in kinds}


def ids(answered: Any, kind: str, sort: str) -> set[str]:
    return {entity["id"] for entity in answered["kinds"][kind][sort]}


def forget(process: Process) -> None:
    """Lose the database of a process that does not run."""
    for file in process.database.parent.glob(f"{process.database.name}*"):
        file.unlink()


async def test_before_the_first_start_after_it_and_after_a_loss(harness: OpenHarness) -> None:
    async with harness(trade_store(), start=False) as h:
        code, before = await verified(h.process, "--all")
        assert (code, before["trouble"], before["running"]) == (1, None, False)
        assert (writes(h.shop, h.site), h.process.database.exists()) == ({}, False)
        await h.process.start()
        await h.first_sync()
        first, site = writes(h.site), h.state.comparable()
        for kind, held in (("products", "products"), ("customers", "customers")):
            assert ids(before, kind, "create") == site[held].keys()
        assert ids(before, "orders", "create") == {"101"}
        assert before["set_up"] == ["make the price list"]
        assert before["writes"]["createProduct"] == first["POST /api/v1/products"]
        assert before["writes"]["createPriceList"] == first["POST /api/v1/price-lists"]
        code, after = await verified(h.process)
        assert (code, after["nothing_to_do"]) == (0, True), after
        assert writes(h.site) == first
        unnamed = h.store.add_product("Cap", price=9, variants=[{"sku": "", "stock": 2}])
        await h.settle()
        code, refused = await verified(h.process, "products")
        assert (code, counts(refused)) == (0, {"products": {"unchanged": 2, "issues": 1}}), refused
        history = (await h.process.request("GET", f"/admin/history?site={SITE}")).json()["settlements"]
        assert [(row["id"], row["result"], row["reason"]) for row in history if row["result"] != "written"] == [
            (str(unnamed), "rejected", "variant_without_sku")
        ]
        h.store.delete_product(unnamed)
        await h.settle()
        first = writes(h.site)

        await h.process.kill()
        forget(h.process)
        mug = next(key for key in h.store.ids if "MUG" in str(h.store.entries[key].product))
        h.store.delete_product(mug, silent=True)
        code, lost = await verified(h.process, "products")
        assert (code, writes(h.site)) == (1, first)
        assert ids(lost, "products", "remove") == {"sku:MUG"}
        assert counts(lost) == {"products": {"change": 1, "remove": 1}}
        assert any("stay in SparkLayer" in text for text in lost["unknown"])
        await h.process.start()
        await h.until(lambda: "MUG" not in str(h.state.comparable()["prices"]))
        await h.settle()
        changed = writes(h.site) - first
        assert changed["PATCH /api/v1/products/{product_id}"] == 1
        assert changed["POST /api/v1/batch-delete-stock"] == 1


async def test_beside_a_running_daemon_that_has_not_synced_yet(harness: OpenHarness) -> None:
    async with harness(synthetic(30, 2), more=LATER) as h:
        await h.hooked()
        # The settings are swept at the start, and are written.
        await h.until(lambda: "PATCH /api/v1/settings" in h.site.statistics.calls)
        await h.process.idle()
        before = writes(h.shop, h.site)
        code, output, errors = await h.process.command("verify", SITE, "products")
        assert code == 1
        assert output.splitlines()[0] == (
            "test/sandbox products: 30 to create, 0 to change, 0 unchanged, 0 to remove, 0 held, 0 with issues"
        )
        assert output.count("\n  create ") == 20
        assert "  ... and 10 more (create; --all names them)\n" in output
        assert output.endswith("\nNothing was written.\n")
        assert "Dry run of test/sandbox: 30" in errors
        assert writes(h.shop, h.site) == before
        status = await h.process.connection()
        assert status["kinds"]["products"]["full_sync"] is None
        assert status["kinds"]["products"]["ledger"] == 0
        assert "full sync" not in h.process.output
        assert (await h.process.command("pause", SITE))[0] == 0
        for running in (True, False):
            if not running:
                assert await h.process.terminate() == 0
            code, _, errors = await h.process.command("verify", SITE)
            assert (code, f"the connection {SITE} is paused" in errors) == (1, True)


async def test_refusals_are_told_and_block_nothing(harness: OpenHarness) -> None:
    async with harness(more=LATER) as h:
        await h.hooked()
        h.shop.faults.add("GET */v3/catalog/products", answer(401, "{}", JSON))
        code, output, _ = await h.process.command("verify", SITE)
        assert code == 1
        assert "0 with issues; not read to the end\n" in output
        assert "\nThis is incomplete: BigCommerce: BigCommerce answered 401" in output
        assert (await h.process.connection())["blocked"] is None
        code, _, errors = await h.process.command("verify", "test/another")
        assert code == 1
        assert errors.startswith("ignite-sync: the daemon refused this (404): no connection test/another")
    assert "crash" not in h.process.output


@pytest.mark.parametrize("running", [True, False])
async def test_ctrl_c_ends_it_at_once_on_both_sides(harness: OpenHarness, *, running: bool) -> None:
    async with harness(more=LATER, start=False) as h:
        if running:
            await h.process.start()
            await h.hooked()
        h.shop.faults.add("GET */v3/catalog/products", delay(3600))
        line = [sys.executable, "-m", "daemon", "verify", SITE, "--config", str(h.process.config)]
        command = await trio.lowlevel.open_process(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=os.environ
        )
        assert command.stderr is not None
        try:
            await h.until(lambda: "dry run started" in h.process.output if running else asked(h, PRODUCTS))
            command.send_signal(signal.SIGINT)
            with trio.fail_after(TIMEOUT):
                assert await command.wait() == 1
            assert b"ignite-sync: stopping\n" in await command.stderr.receive_some()
        finally:
            command.kill()
        if running:
            with trio.fail_after(TIMEOUT):
                while (await state(h.process)).status_code != 404:  # noqa: ASYNC110  another process's
                    await trio.sleep(GLANCE)


async def test_a_woocommerce_shop(tmp_path: Path) -> None:
    async with open_shop(tmp_path, trading_shop()) as h:
        await h.first_sync()
        first, site = writes(h.site), h.site.state.comparable()
        code, answered = await verified(h.process)
        assert (code, answered["nothing_to_do"]) == (0, True), answered
        await h.process.kill()
        forget(h.process)
        before = writes(h.woocommerce, h.site)
        code, answered = await verified(h.process, "--all")
        assert (code, answered["trouble"]) == (1, None)
        assert writes(h.woocommerce, h.site) == before
        for kind, held in (("products", "products"), ("customers", "customers")):
            assert ids(answered, kind, "change") == site[held].keys(), kind
        assert not any(found["create"] or found["remove"] for found in answered["kinds"].values())
        await h.process.start()
        await h.first_sync()
        changed = writes(h.site) - first
        assert changed["PATCH /api/v1/products/{product_id}"] == len(site["products"])
        assert "POST /api/v1/batch-delete-stock" not in changed


@pytest.mark.postgres
async def test_on_postgresql(harness: OpenHarness, postgres_url: Secret) -> None:
    async with harness(synthetic(5, 1), start=False, database=postgres_url) as h:
        code, before = await verified(h.process)
        assert (code, counts(before)["products"], writes(h.site)) == (1, {"create": 5}, {})
        code, _, errors = await h.process.command("status")
        assert "there is nothing in it yet" in errors, "no tables were made"
        await h.process.start()
        await h.first_sync()
        first = writes(h.site)
        code, answered = await verified(h.process)
        assert (code, answered["nothing_to_do"]) == (0, True), answered
        await h.process.kill()
        h.store.set_title(h.store.ids[0], "Edited", silent=True)
        code, answered = await verified(h.process, "products")
        assert (code, counts(answered)) == (1, {"products": {"change": 1, "unchanged": 4}})
        assert writes(h.site) == first
