"""`explain` takes what people call an entity, and says why it is as it is: of the daemon, and of the database alone."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import trio

from daemon.cli import offline
from daemon.config import load
from daemon.platforms import load_platforms
from daemon.sandbox import Store
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import SITE
from tests.e2e.trade import BRANCH, BUYER, FIRST, HEAD, SHOP, cart, trade_store, writes

pytestmark = pytest.mark.holds("O5")

JUMPER, MUG = 1, 9


async def explained(h: ProcessHarness, kind: str, text: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and what is said of an entity."""
    code, output, errors = await h.process.command("explain", SITE, kind, text, "--json", *options)
    assert output, errors
    found: dict[str, Any] = json.loads(output)
    return code, found


async def answered(h: ProcessHarness, kind: str, text: str) -> dict[str, Any]:
    """Return what the command would print: of the running daemon, or of its database. Starts no process."""
    if h.process.living:
        order = {"site": SITE, "kind": kind, "text": text}
        response = await h.process.request("POST", "/admin/explain", json=order)
        found: dict[str, Any] = response.raise_for_status().json()
        return found
    settings = load(h.process.config, {}, load_platforms())
    order = {"site": SITE, "kind": kind, "text": text}
    return await trio.to_thread.run_sync(offline.call, settings, "POST /admin/explain", order)


def codes(found: Mapping[str, Any]) -> list[str]:
    return [reason["code"] for reason in found["why"]]


CALLED = [
    ("products", "J-S", JUMPER),
    ("products", "Jumper", JUMPER),
    ("products", "MUG", MUG),
    ("products", str(MUG), MUG),
    ("customers", "shop@example.com", SHOP),
    ("customers", "The head", HEAD),
    ("customers", "branch@example.com", BRANCH),
    ("customers", "Bea", BUYER),
    ("customers", str(SHOP), SHOP),
    ("orders", str(FIRST), FIRST),
    ("orders", f"#{FIRST}", FIRST),
    ("orders", cart(FIRST), FIRST),
    ("orders", "head@example.com", FIRST),
    ("store", "store", "store"),
]


async def test_an_entity_is_found_by_what_people_call_it(harness: OpenHarness) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        told = writes(h)
        for kind, text, external_id in CALLED:
            found = await answered(h, kind, text)
            assert (found["trouble"], found.get("id")) == (None, str(external_id)), (kind, text, found)
            assert found["why"], text
            assert all(match["name"] for match in found["matches"]) or kind == "store", text
        code, found = await explained(h, "products", "nobody-has-this")
        assert (code, found["matches"], codes(found)) == (0, [], ["unknown"])
        namesake = h.store.add_product(str(MUG), price=4, variants=[{"sku": "N", "stock": 1}], silent=True)
        several = (await answered(h, "products", str(MUG)))["matches"]
        named = {(match["id"], match["by"]): match["name"] for match in several}
        assert named == {(str(MUG), "id"): "Mug", (str(namesake), "name"): str(MUG)}
        assert writes(h) == told, "nothing is sent"
        assert "example.com" not in h.process.output, "nobody is logged"


WHY: dict[tuple[str, str], list[str]] = {
    ("customers", "buyer@example.com"): ["excluded"],
    ("customers", "shop@example.com"): ["excluded", "unsent"],
    ("customers", "branch@example.com"): ["deleted", "unsent"],
    ("customers", "head@example.com"): ["in_sync"],
    ("products", "HIDDEN"): ["hidden", "in_sync"],
    ("products", "GONE"): ["deleted", "unsent"],
    ("products", "999"): ["unknown"],
    ("products", "Bare"): ["must_fix", "must_fix", "in_sync"],
    ("products", "LATE"): ["unsent"],
    ("orders", str(FIRST)): ["in_sync"],
    ("orders", str(FIRST + 1)): ["excluded", "unsent"],
    ("orders", str(FIRST + 2)): ["excluded"],
    ("orders", "4711"): ["unknown"],
    ("store", "store"): ["in_sync"],
    ("store", "shop"): ["unknown"],
}


def _store() -> Store:
    store = trade_store()
    for sku in ("HIDDEN", "GONE", "BARE", "LATE"):
        store.add_product(sku.capitalize(), price=4, variants=[{"sku": sku, "stock": 1}])
    store.orders.place(HEAD, [{"sku": "MUG"}], cart_id=cart(FIRST + 1))
    store.orders.place(BUYER, [{"sku": "MUG"}])
    return store


def _change(h: ProcessHarness) -> None:
    """Have something happen to each that no webhook tells of, but for two products."""
    h.store.set_visible(_product(h, "HIDDEN"), visible=False)
    h.store.set_sku(h.store.by_sku("BARE").id, "")
    h.store.delete_product(_product(h, "GONE"), silent=True)
    h.store.set_price(_product(h, "LATE"), 3.5, silent=True)
    h.store.customers.set_group(SHOP, 0, silent=True)
    h.store.customers.delete(BRANCH, silent=True)
    h.store.orders.archive(FIRST + 1, silent=True)


def _product(h: ProcessHarness, sku: str) -> int:
    return int(h.store.by_sku(sku).product_id)


async def test_why_an_entity_is_as_it_is(harness: OpenHarness) -> None:
    async with harness(_store()) as h:
        await h.first_sync()
        _change(h)
        await h.settle()
        for running in (True, False):
            for (kind, text), reasons in WHY.items():
                found = await answered(h, kind, text)
                assert (found["trouble"], codes(found)) == (None, reasons), (kind, text, found)
            if running:
                assert await h.process.terminate() == 0
        _, output, _ = await h.process.command("explain", SITE, "customers", "buyer@example.com")
        assert "\n  It is not in a customer group.\n" in output
