"""Commands give the same answer from a running daemon, from the database of a stopped one, and as /admin does.

A change is really parked here: SparkLayer fails, the change is tried as often as it may, and the daemon parks it. Only
that most of the two days of trying have passed is told to the database while the daemon is down.
"""

import json
import sqlite3
from typing import Any

from daemon.engine.pipeline import MOST_ATTEMPTS
from daemon.sandbox import answer
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import SITE

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
