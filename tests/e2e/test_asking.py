"""Commands give the same answer from a running daemon, from the database of a stopped one, and as /admin does.

A change is really parked here: SparkLayer fails, the change is tried as often as it may, and the daemon parks it. Only
that most of the two days of trying have passed is told to the database while the daemon is down.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from daemon.engine.pipeline import MOST_ATTEMPTS
from daemon.sandbox import answer
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import SITE
from tests.e2e.trade import BUYER, FIRST, SHOP, trade_store, writes

JUMPER, MUG = 1, 9
BAD_GATEWAY = 502
KNOWN = {JUMPER: "Jumper", MUG: "Mug"}
RENAMED = {JUMPER: "Pullover", MUG: "Cup"}


async def _said(h: ProcessHarness, *words: str) -> str:
    """Return what a command prints when it succeeds."""
    code, output, errors = await h.process.command(*words)
    assert code == 0, errors
    return output


async def _shown(h: ProcessHarness, *words: str) -> Any:
    return json.loads(await _said(h, *words, "--json"))


async def _asked(h: ProcessHarness, path: str) -> Any:
    return (await h.process.request("GET", path)).raise_for_status().json()


async def _told(h: ProcessHarness, path: str, order: Mapping[str, Any]) -> Any:
    return (await h.process.request("POST", path, json=order)).raise_for_status().json()


def _titles(h: ProcessHarness) -> dict[int, str]:
    return {int(key): held["title"] for key, held in h.state.comparable()["products"].items()}


async def _park(h: ProcessHarness) -> None:
    """Have the changes of both products' titles parked, then let SparkLayer work again."""
    refusing = h.site.faults.add("PATCH */products/*", answer(BAD_GATEWAY))
    for product_id, title in RENAMED.items():
        h.store.set_title(product_id, title)
    await h.until(lambda: refusing.used >= len(RENAMED))
    assert await h.process.terminate() == 0
    with sqlite3.connect(h.process.database) as database:
        database.execute("UPDATE outbox SET attempts = ?, due_at = 0", (MOST_ATTEMPTS - 1,))
    database.close()
    await h.process.start()
    await h.process.when(lambda status: status["outbox"]["parked"] == len(RENAMED))
    h.site.faults.clear()


async def test_what_is_parked_is_listed_and_retried_or_dropped(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        await _park(h)
        over_http = await _asked(h, f"/admin/parked?site={SITE}")
        assert await _shown(h, "parked", "list") == over_http
        assert await h.process.terminate() == 0
        lines = sorted((await _said(h, "parked", "list", SITE)).splitlines())
        assert [line.partition(" since ")[0] for line in lines] == [
            f"{SITE} products {one}: tried {MOST_ATTEMPTS} times" for one in (JUMPER, MUG)
        ]
        assert all(str(BAD_GATEWAY) in line for line in lines)
        assert await _shown(h, "parked", "list") == over_http
        assert await _said(h, "parked", "retry", SITE, "orders") == "0 parked changes to be retried\n"
        assert await _said(h, "parked", "retry", SITE, "products", str(JUMPER)) == "1 parked change to be retried\n"
        assert await _said(h, "parked", "drop", SITE, "products", str(MUG), "999") == "1 parked change dropped\n"
        assert await _said(h, "parked", "list") == "nothing is parked\n"
        assert _titles(h) == KNOWN
        await h.process.start()
        await h.settle()
        assert _titles(h) == KNOWN | {JUMPER: RENAMED[JUMPER]}, "the other one was given up"
        h.store.set_title(MUG, "Beaker")
        await h.settle()
        h.assert_equal()


async def test_issues_are_told_with_their_words_and_the_link(harness: OpenHarness) -> None:
    """Those of orders and of the store too, which the sync-log has no place for."""
    async with harness(trade_store()) as h:
        await h.first_sync()
        h.store.set_sku(h.store.by_sku("MUG").id, "")
        h.store.customers.update(SHOP, email="nonsense")
        h.store.orders.add_line(FIRST, name="Engraving", price="9.99")
        await h.settle()
        over_http = await _asked(h, "/admin/issues")
        assert await _shown(h, "issues", SITE) == over_http
        assert await h.process.terminate() == 0
        assert await _shown(h, "issues", SITE) == over_http
        found = {issue["kind"]: issue for issue in over_http["issues"]}
        panel = "https://store-sandbox.example/manage"
        assert {kind: (issue["id"], issue["url"]) for kind, issue in found.items()} == {
            "products": (str(MUG), f"{panel}/products/edit/{MUG}"),
            "customers": (str(SHOP), f"{panel}/customers/{SHOP}/edit"),
            "orders": (str(FIRST), f"{panel}/orders/{FIRST}"),
        }
        codes = {kind: {problem["code"] for problem in issue["problems"]} for kind, issue in found.items()}
        assert codes == {
            "products": {"variant_without_sku", "nothing_to_sell"},
            "customers": {"email_invalid"},
            "orders": {"line_without_product"},
        }
        said = await _said(h, "issues")
        for issue in over_http["issues"]:
            assert f"{SITE} {issue['kind']} {issue['id']}, {issue['name']}: since " in said
            assert f"  {issue['url']}\n" in said
            assert all(f"  {problem['message']}\n" in said for problem in issue["problems"])


async def test_an_explanation_compares_both_sides_and_sends_nothing(harness: OpenHarness) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        nothing = await _explained(h, "products", JUMPER)
        assert nothing["would_send"] == []
        assert (nothing["sure"], nothing["store"]["value"]["title"]) == (True, "Jumper")
        h.store.set_title(JUMPER, "Pullover", silent=True)
        h.store.customers.update(SHOP, first_name="Sam", silent=True)
        h.store.orders.archive(FIRST, silent=True)
        over_http = {name: await _told(h, "/admin/explain", order) for name, order in ORDERS.items()}
        told, unequal = writes(h), h.unequal
        assert await _explained(h, "products", JUMPER) == over_http["a product"]
        assert await h.process.terminate() == 0
        assert await _explained(h, "products", JUMPER) == over_http["a product"]
        steps = {name: [step["what"] for step in found["would_send"]] for name, found in over_http.items()}
        assert steps == STEPS
        assert [over_http[name]["store"]["value"] for name in ("a customer of the shop's own", "nobody")] == [
            None,
            None,
        ]
        said = await _said(h, "explain", SITE, "products", str(JUMPER))
        url = over_http["a product"]["store"]["url"]
        assert said.startswith(f"{SITE} products {JUMPER}, Pullover {url}\n  It differs from what SparkLayer was told")
        assert "SparkLayer was told:\n  all of it\n" in said
        step = "PATCH the product: it differs from what SparkLayer was last told"
        assert f"Would be sent now:\n  {step}\n" in said
        assert (writes(h), h.unequal) == (told, unequal), "nothing was sent"


ORDERS = {
    "a product": {"site": SITE, "kind": "products", "id": str(JUMPER)},
    "one that is equal": {"site": SITE, "kind": "products", "id": str(MUG)},
    "a customer": {"site": SITE, "kind": "customers", "id": str(SHOP)},
    "a customer of the shop's own": {"site": SITE, "kind": "customers", "id": str(BUYER)},
    "an order": {"site": SITE, "kind": "orders", "id": str(FIRST)},
    "nobody": {"site": SITE, "kind": "products", "id": "999"},
}
STEPS: dict[str, list[str]] = {
    "a product": ["PATCH the product"],
    "one that is equal": [],
    "a customer": ["read the customer, and PUT it"],
    "a customer of the shop's own": [],
    "an order": ["cancel every package of the purchase"],
    "nobody": [],
}


async def _explained(h: ProcessHarness, kind: str, external_id: object) -> Any:
    return await _shown(h, "explain", SITE, kind, str(external_id), "--id")
