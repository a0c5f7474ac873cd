"""Two real daemons on one server: one works on the connection, the other one takes over.

Each can disconnect it, and each shows the operators' page: a login at one is a login at both.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from daemon.model import Secret
from daemon.sandbox import answer
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import ADMIN_TOKEN, SITE, Process, free_port
from tests.listener.page.browser import Browser, Reader, Stream, following

pytestmark = pytest.mark.postgres


def second_node(h: ProcessHarness, folder: Path) -> Process:
    """Return a node with the same settings but another port; webhooks are registered for the address of the first."""
    folder.mkdir()
    port = free_port()
    config = h.process.config.read_text("utf-8").replace(f"port = {h.process.port}\n", f"port = {port}\n", 1)
    return Process(folder, config, port)


async def edit(h: ProcessHarness, node: Process, product_id: int, title: str) -> None:
    """Edit a product, tell a node of it as a load balancer would, and wait until SparkLayer has it."""
    h.store.set_title(product_id, title, silent=True)
    assert (await node.webhook(product_id)).status_code == 200
    await h.until(lambda: h.state.comparable()["products"][str(product_id)]["title"] == title)


async def at_the_other_node(h: ProcessHarness, second: Process) -> None:
    """Ask the node that works on nothing for what a node can be asked for; the other one is woken at once."""
    for number in range(5):
        await edit(h, second, h.store.ids[0], f"Edited at the other node {number}")
    [first, other] = [(await node.request("GET", "/admin/status")).json() for node in (h.process, second)]
    assert first["wakeups"] == other["wakeups"] == "notify"
    assert first["connections"][0]["node"] == other["connections"][0]["node"] is not None
    code, _, _ = await second.command("sync", SITE, "products", "--watch")
    assert code == 0
    code, output, error = await second.command("explain", SITE, "products", str(h.store.ids[0]))
    assert (code, error, "Edited at the other node 4" in output) == (0, "", True)


async def test_a_killed_node_and_a_stopped_one_are_replaced(
    harness: OpenHarness, postgres_url: Secret, tmp_path: Path
) -> None:
    async with harness(database=postgres_url) as h, second_node(h, tmp_path / "second") as second:
        await h.first_sync()
        await second.start()
        assert "lease taken" not in second.output
        await at_the_other_node(h, second)
        await h.process.kill()
        await edit(h, second, h.store.ids[0], "Edited while no node worked on it")
        assert "a silent node was expelled" in second.output
        await second.idle()
        h.assert_equal()

        await h.process.start()
        taken = h.process.output.count("lease taken")
        assert await second.terminate() == 0
        assert "lease given back" in second.output
        await edit(h, h.process, h.store.ids[1], "Edited after a hand-over")
        assert h.process.output.count("lease taken") == taken + 1
        await h.settle()
        h.assert_equal()
        assert "lease lost" not in h.process.output + second.output

        await second.start()
        code, _, error = await second.command("disconnect", SITE, "--yes")
        assert (code, error) == (0, "")
        await h.until(lambda: not h.shop.hooks.registered)
        assert await h.process.terminate() == 0
        for output in (h.process.output, second.output):
            assert "Traceback" not in output


LONG = 240.0
"""Seconds for a stream: after a slow look at the database, a page waits many times as long for the next one."""


async def shows(events: Stream, holds: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    """Wait until `holds` of the live texts of an open page; return them."""
    while True:
        texts: dict[str, str] = (await events.event())["spots"][SITE]
        if holds(texts):
            return texts


def _succeeded(texts: Mapping[str, str]) -> str:
    """Return the latest full sync of products, if it succeeded."""
    latest = texts["products latest"]
    return latest if latest.endswith("succeeded") else ""


@pytest.mark.timeout(300)
async def test_the_page_works_at_the_node_that_does_not_work_on_the_connection(
    harness: OpenHarness, postgres_url: Secret, tmp_path: Path
) -> None:
    page, product = f"/sites/{SITE}", "1"
    async with harness(database=postgres_url) as h, second_node(h, tmp_path / "second") as second:
        await h.first_sync()
        await second.start()
        owner = Browser(f"http://127.0.0.1:{h.process.port}")
        await owner.log_in(ADMIN_TOKEN)
        browser = Browser(f"http://127.0.0.1:{second.port}", cookies=owner.cookies)
        shown = await browser.get(page)
        node = (await h.process.connection())["node"]
        assert f"Node{node}" in Reader(shown.text).shown()

        async with following(browser, f"/events?site={SITE}", LONG) as events:
            before = await shows(events, lambda texts: (texts["word"], texts["node"]) == ("working", node))
            await browser.send(shown, f"{page}/pause")
            paused = await shows(events, lambda texts: texts["word"] == "paused")
            assert paused["since"].startswith("since ")
            assert "paused since" in Reader((await owner.get("/")).text).shown()
            h.store.set_title(int(product), "Edited before a full sync", silent=True)
            await browser.send(await browser.get(page), f"{page}/resume")
            await browser.send(await browser.get(page), f"{page}/sync", kind="products")
            await h.until(lambda: h.state.comparable()["products"][product]["title"] == "Edited before a full sync")
            await shows(events, lambda texts: _succeeded(texts) not in {"", _succeeded(before)})

            # Only the process that works on it knows of a block at first; it tells the others.
            refusing = h.shop.faults.add("*", answer(401))
            await browser.send(await browser.get(page), f"{page}/sync", kind="products")
            blocked = await shows(events, lambda texts: texts["word"] == "blocked")
            assert "platform: credentials" in blocked["causes"]
            h.shop.faults.remove(refusing)
        assert "lease taken" not in second.output
