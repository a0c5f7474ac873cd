"""SIGHUP: the real process applies other settings or keeps the earlier ones, and never ends."""

import signal
from pathlib import Path

import httpx
import trio

from daemon.platforms.bigcommerce.webhooks import SECRET_HEADER
from daemon.sandbox.company import WHOLESALE
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import ADMIN_TOKEN, GLANCE, SITE, TIMEOUT, WEBHOOK_SECRET
from tests.e2e.trade import trade_store

KINDS = ("store", "products", "customers", "orders")
FAILED = "settings not reloaded, the earlier ones stay"


def _rewrite(h: ProcessHarness, *pairs: tuple[str, str]) -> None:
    text = h.process.config.read_text("utf-8")
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    h.process.config.write_text(text, "utf-8")


async def _runs(h: ProcessHarness) -> list[int]:
    return [(await h.process.status(kind))["full_sync"]["id"] for kind in KINDS]


async def _edit_arrives(h: ProcessHarness) -> None:
    variant = h.store.by_sku("MUG")
    level = (variant.inventory_level or 0) + 1
    h.store.set_stock(variant.id, level)
    await h.settle()
    assert [at.stock_level for at in h.state.stock.levels["MUG"].values()] == [level]


async def test_connections_are_added_changed_removed_and_added_again(harness: OpenHarness) -> None:
    async with harness(trade_store(), start=False) as h:
        whole = h.process.config.read_text("utf-8")
        h.process.config.write_text(whole.partition("[[connections]]")[0], "utf-8")
        await h.process.start()
        assert (await h.process.request("GET", "/admin/status")).json()["connections"] == []

        h.process.config.write_text(whole, "utf-8")
        assert "connection added" in await h.process.hang_up()
        await h.first_sync()
        runs = await _runs(h)

        assert "connection settings changed" not in await h.process.hang_up(), "nothing has changed"
        assert await _runs(h) == runs

        h.process.append(f'customer_group_mapping = {{{WHOLESALE} = "vip"}}')
        assert "connection settings changed" in await h.process.hang_up()
        for kind in KINDS:
            assert (await h.process.second_run(kind))["succeeded"]
        await h.settle()
        assert {one["group"] for one in h.state.comparable()["customers"].values()} == {"vip"}
        runs = await _runs(h)
        present = h.process.config.read_text("utf-8")

        h.process.config.write_text(present.partition("[[connections]]")[0], "utf-8")
        assert "connection no longer configured" in await h.process.hang_up()
        assert (await h.process.webhook(1)).status_code == httpx.codes.NOT_FOUND
        assert (await h.process.connection())["state"] == "not configured"
        assert not [name for name in await h.process.metrics() if f'issues_open{{kind="products",site="{SITE}"' in name]

        h.process.config.write_text(present, "utf-8")
        await h.process.hang_up()
        await _edit_arrives(h)
        assert await _runs(h) == runs, "it goes on where it was"
        assert await h.process.terminate() == 0


async def test_renewed_credentials_of_either_side_heal_without_a_restart(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        runs = await _runs(h)
        h.shop.access_token = "renewed"
        h.store.set_title(1, "Blocked")
        await h.process.webhook(1)
        await h.process.until_blocked("platform: credentials")
        _rewrite(h, ('access_token = "sandbox-access-token"', 'access_token = "renewed"'))
        await h.process.hang_up()
        await _edit_arrives(h)
        assert await h.process.blocked() is None

        _rewrite(h, (WEBHOOK_SECRET, "another-webhook-secret"))
        await h.process.hang_up()
        hooks = h.shop.hooks.registered
        await h.until(lambda: {hook.headers[SECRET_HEADER] for hook in hooks.values()} == {"another-webhook-secret"})
        assert (await h.process.webhook(1)).status_code == httpx.codes.UNAUTHORIZED
        await _edit_arrives(h)
        assert await _runs(h) == runs, "credentials change nothing that is read"


async def test_tokens_change_also_on_open_connections_and_an_app_comes_and_goes(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.process.ready()
        _rewrite(h, (f'admin_token = "{ADMIN_TOKEN}"', 'admin_token = "renewed-token"\nignite_token = "of-ignite"'))
        said = await h.process.hang_up()
        assert not {"renewed-token", "of-ignite"} & set(said.replace('"', " ").split()), "no secret is logged"
        assert (await h.process.request("GET", "/admin/status")).status_code == httpx.codes.UNAUTHORIZED
        renewed = {"Authorization": "Bearer renewed-token"}
        assert (await h.process.request("GET", "/admin/status", headers=renewed)).status_code == httpx.codes.OK
        ignite = {"Authorization": "Bearer of-ignite"}
        answer = await h.process.request("POST", "/v1/test/none/status/products", headers=ignite)
        assert answer.status_code == httpx.codes.NOT_FOUND, "it is let in, and there is no such site"

        without = h.process.config.read_text("utf-8")
        app = f'[bigcommerce_app]\nclient_id = "{h.shop.login.client_id}"\nclient_secret = "of-the-app"\n'
        answers = []
        for text in (app + without, without):
            h.process.config.write_text(text, "utf-8")
            await h.process.hang_up()
            answers.append((await h.process.request("GET", "/bigcommerce/load")).status_code)
        assert answers == [httpx.codes.UNAUTHORIZED, httpx.codes.NOT_FOUND]


async def test_settings_that_cannot_be_used_are_one_line_and_the_earlier_ones_go_on(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        good = h.process.config.read_text("utf-8")
        bad: dict[str, str | None] = {
            "is not valid TOML": good + "[[",
            "unknown setting": good.replace("store_hash", "store_hsah"),
            "is connected more than once": good + good[good.index("[[connections]]") :],
            "was connected to another store": good.replace('store_hash = "', 'store_hash = "other'),
            "cannot be read": None,
        }
        for words, text in bad.items():
            if text is None:
                h.process.config.unlink()
            else:
                h.process.config.write_text(text, "utf-8")
            said = await h.process.hang_up()
            assert FAILED in said
            assert words in said
            assert said.count("\n") == 1, said
            await _edit_arrives(h)
        h.process.config.write_text(good.replace(f"port = {h.process.port}", "port = 1"), "utf-8")
        said = await h.process.hang_up()
        assert '"settings": ["listener.port"], "event": "changed settings need a restart"' in said
        assert "Traceback" not in h.process.output
        await _edit_arrives(h)
        assert await h.process.terminate() == 0


async def test_no_moment_is_the_wrong_one(harness: OpenHarness) -> None:
    """A SIGHUP every few milliseconds, from the first moment at which the process itself can help it to its last."""
    async with harness(start=False) as h:
        await h.process.launch()
        await _shielded(h.process.pid)
        async with trio.open_nursery() as storm:
            storm.start_soon(_hang_up_all_the_time, h)
            await h.process.ready()
            await h.first_sync()
            assert await h.process.terminate() == 0, h.process.output
            storm.cancel_scope.cancel()
        assert "settings reloaded" in h.process.output
        assert "Traceback" not in h.process.output


async def _shielded(pid: int) -> None:
    """Wait until the process holds SIGHUP back: the interpreter itself takes some 20 ms before."""
    with trio.fail_after(TIMEOUT):
        while not _mask(pid, "SigBlk") & 1 << signal.SIGHUP - 1:
            await trio.lowlevel.checkpoint()


def _mask(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next((int(line.split()[1], 16) for line in lines if line.startswith(name)), 0)


async def _hang_up_all_the_time(h: ProcessHarness) -> None:
    process = h.process._living
    while process.returncode is None:
        process.send_signal(signal.SIGHUP)
        await trio.sleep(GLANCE / 10)
