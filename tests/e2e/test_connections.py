"""Connections that come and go while the daemon runs: by Ignite's calls, and by a merchant who installs the app."""

import sqlite3
from typing import Any

import httpx
import trio
from trio.testing import wait_all_tasks_blocked

from daemon.sandbox import answer, synthetic
from daemon.storage.tables import metadata
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import GLANCE, SITE, TIMEOUT
from tests.prove.process.watch import Barrier

TOKEN = "e2e-ignite-token"
MANY = 260
"""Products: two pages, two batches."""
OF_CONNECTIONS = [name for name, table in metadata.tables.items() if "connection_id" in table.columns]


def _configure(h: ProcessHarness, *, link: bool) -> None:
    """Let Ignite in; and without a link, offer the app instead of naming the store."""
    text = h.process.config.read_text("utf-8").replace("[listener]", f'[listener]\nignite_token = "{TOKEN}"')
    if not link:
        shop = h.shop
        text = text.partition("[[connections]]")[0] + (
            f'[bigcommerce_app]\nclient_id = "{shop.login.client_id}"\nclient_secret = "{shop.client_secret}"\n'
            f'login_url = "{shop.url}"\napi_url = "{shop.url}"\n'
        )
    h.process.config.write_text(text, "utf-8")


async def _ignite(h: ProcessHarness, method: str, path: str = "", **options: Any) -> httpx.Response:
    return await h.process.request(method, f"/v1/{SITE}{path}", headers={"Authorization": f"Bearer {TOKEN}"}, **options)


async def _connect(h: ProcessHarness, **changes: str) -> httpx.Response:
    given = {
        "store_id": h.shop.store_hash,
        "spark_api_client_id": h.site.client_id,
        "spark_api_client_secret": h.site.client_secret,
    }
    return await _ignite(h, "POST", json=given | changes)


async def _visit(h: ProcessHarness, page: str, **query: str) -> httpx.Response:
    return await h.process.request("GET", f"/bigcommerce/{page}", params=query)


async def _install(h: ProcessHarness) -> httpx.Response:
    scope = "store_v2_products_read_only"
    code = h.shop.login.authorize(h.shop.store_hash, scope)
    return await _visit(h, "auth", code=code, scope=scope, context=f"stores/{h.shop.store_hash}")


async def _states(h: ProcessHarness) -> list[str]:
    found = (await h.process.request("GET", "/admin/status")).raise_for_status().json()["connections"]
    return [one["state"] for one in found]


async def _until_states(h: ProcessHarness, *states: str) -> None:
    with trio.fail_after(TIMEOUT):
        while await _states(h) != list(states):  # noqa: ASYNC110  a foreign process tells nobody
            await trio.sleep(GLANCE)


def _rows(h: ProcessHarness) -> dict[str, int]:
    """Count the rows of connections, by table."""
    with sqlite3.connect(h.process.database) as database:
        found = {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in OF_CONNECTIONS}  # noqa: S608
    database.close()
    return {name: count for name, count in found.items() if count}


async def test_a_merchant_installs_the_app_and_removes_it(harness: OpenHarness) -> None:
    async with harness(start=False) as h:
        _configure(h, link=False)
        await h.process.start()
        pending = await _connect(h)
        assert pending.status_code == 201
        assert pending.json() == {"redirect_url": f"{h.shop.url}/app/{h.shop.login.client_id}/install"}
        assert await _states(h) == []

        assert (await _install(h)).status_code == 200
        await h.first_sync()
        assert (await _visit(h, "load", signed_payload_jwt=h.shop.login.signed_payload("sandbox"))).status_code == 200

        calls = h.site.statistics.total
        assert (await _connect(h)).status_code == 204
        await wait_all_tasks_blocked(0.05)
        assert h.site.statistics.total == calls, "connecting again changes nothing"
        h.site.faults.add("POST /api/auth/token", answer(503), times=1)
        assert (await _connect(h, spark_api_client_secret="another")).status_code == 204, "nobody says that it is wrong"
        h.store.set_title(1, "While another key waits")
        await h.until(lambda: not h.unequal)
        assert (await _connect(h)).status_code == 204

        forged = h.shop.login.signed_payload("sandbox", key="forged")
        assert (await _visit(h, "uninstall", signed_payload_jwt=forged)).status_code == 401
        assert await _states(h) == ["active"]
        removal = await _visit(h, "uninstall", signed_payload_jwt=h.shop.login.signed_payload("sandbox"))
        assert removal.status_code == 200
        await _until_states(h, "gone")
        assert h.state.sync_log.logs == {}
        assert (await _connect(h)).status_code == 201, "the credentials of the install are forgotten"


async def test_disconnecting_in_the_middle_of_a_full_sync_leaves_nothing(harness: OpenHarness) -> None:
    async with harness(synthetic(MANY, 1, customers=5, orders=5), start=False) as h:
        _configure(h, link=True)
        working = Barrier(passing=20).stand(h.site.faults, "POST */products")
        await h.process.start()
        await h.hooked()
        await working.reached()
        assert (await _ignite(h, "DELETE")).status_code == 204
        await h.process.restart()
        await _until_states(h, "gone")
        assert _rows(h) == {}
        assert h.shop.hooks.registered == {}
        assert h.state.sync_log.logs == {}
        assert (await h.process.webhook(1)).status_code == 404

        working.release()
        await wait_all_tasks_blocked(0.01)  # what was on its way arrives after all, and nobody hears of it
        await h.process.restart()
        h.store.set_title(1, "Nobody wants to know")
        calls = h.site.statistics.total
        await trio.sleep(0.3)
        assert (await _states(h), _rows(h), h.site.statistics.total) == (["gone"], {}, calls)
        assert (await _ignite(h, "DELETE")).status_code == 204

        assert (await _connect(h)).status_code == 204
        await h.first_sync()
