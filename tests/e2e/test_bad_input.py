"""Whatever comes in wrong, by HTTP, from the settings or on the command line, is refused clearly and does no harm.

How every malformed request fares, and the ten seconds that a slow sender has, is tested in tests/listener; every
mistake in the settings in tests/config. Here it is the real process, as `run` puts it together.
"""

import json
import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from attrs import field, frozen

from daemon.platforms.bigcommerce.webhooks import REGISTERED, SECRET_HEADER
from daemon.sandbox import answer, reset
from daemon.sandbox.bigcommerce import events
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import ADMIN_TOKEN, SITE, WEBHOOK_SECRET, Process, free_port

PATIENT: Mapping[str, Any] = {"debounce_seconds": 60.0, "debounce_max_seconds": 60.0}
"""A debounce that keeps recorded changes in the outbox for all of a test."""

MIB = 1024 * 1024
JUMPER = 1


def envelope(scope: str = "store/product/updated", **data: Any) -> bytes:
    return json.dumps({"scope": scope, "data": data or {"type": "product", "id": JUMPER}}).encode()


@frozen(kw_only=True)
class Sent:
    """A request like a good webhook, but for what is said, and the answer that it deserves."""

    answer: int
    path: str = f"/webhooks/{SITE}"
    body: bytes = envelope()
    headers: Mapping[str, str] = field(factory=lambda: {SECRET_HEADER: WEBHOOK_SECRET})


BAD_WEBHOOKS = {
    "without the secret": Sent(headers={}, answer=401),
    "with another secret": Sent(headers={SECRET_HEADER: "guessed"}, answer=401),
    "with the admin token for a secret": Sent(headers={SECRET_HEADER: ADMIN_TOKEN}, answer=401),
    "for a connection that is not there": Sent(path="/webhooks/test/nobody", answer=404),
    "for the other environment": Sent(path="/webhooks/live/sandbox", answer=404),
    "cut off": Sent(body=envelope()[:-1], answer=400),
    "empty": Sent(body=b"", answer=400),
    "no envelope": Sent(body=b"[1]", answer=400),
    "about no product": Sent(body=envelope(type="product"), answer=400),
    "about a product that cannot be": Sent(body=envelope(id="' OR 1=1"), answer=400),
    "of 2 MiB": Sent(body=envelope().ljust(2 * MIB), answer=413),
}


async def _answer(h: ProcessHarness, sent: Sent) -> int:
    headers = {**sent.headers, "Content-Type": "application/json"}
    return (await h.process.request("POST", sent.path, content=sent.body, headers=headers)).status_code


async def _recorded(h: ProcessHarness) -> int:
    return int((await h.process.status())["outbox"]["live"])


async def test_a_bad_webhook_is_refused_and_nothing_is_recorded(harness: OpenHarness) -> None:
    async with harness(sync=PATIENT) as h:
        await h.first_sync()
        answers = {what: await _answer(h, sent) for what, sent in BAD_WEBHOOKS.items()}
        assert answers == {what: sent.answer for what, sent in BAD_WEBHOOKS.items()}
        hook = next(hook for hook in h.shop.hooks.registered.values() if hook.scope == "store/product/updated")
        delivery = h.shop.webhooks.prepare(hook, events.product("updated", JUMPER))
        assert (await h.shop.webhooks.send(delivery, signature="forged")).status == 401
        assert (await h.shop.webhooks.send(delivery, headers={})).status == 401, "signed, but without the secret"
        for scope in ("store/coupon/created", "nonsense"):
            assert await _answer(h, Sent(body=envelope(scope), answer=200)) == 200
        metrics = await h.process.metrics()
        assert metrics['ignite_sync_webhooks_total{outcome="unknown_scope",site="test/sandbox"}'] == 2
        assert await _recorded(h) == 0
        assert (await h.shop.webhooks.send(delivery)).status == 200
        assert await _recorded(h) == 1


@pytest.fixture
def lonely(tmp_path: Path) -> Callable[..., Process]:
    """Return a maker of daemons without a connection, which start quickly: `lonely(listener=..., database=...)`."""

    def make(listener: str = f'admin_token = "{ADMIN_TOKEN}"', database: Path = tmp_path / "ignite-sync.db") -> Process:
        port = free_port()
        text = (
            f'[listener]\nport = {port}\n{listener}\n[database]\nurl = "sqlite:///{database}"\n'
            '[security]\nsecret_keys = ["e2e-secret-key-of-32-characters!"]\n'
        )
        return Process(tmp_path, text, port)

    return make


Lonely = Callable[..., Process]
GUARDED = (("GET", "/admin/status"), ("POST", "/admin/sync"), ("GET", "/metrics"))
NO_TOKENS: tuple[dict[str, str], ...] = ({}, {"Authorization": ""}, {"Authorization": "Bearer"})
WRONG_TOKENS = ({"Authorization": "Bearer guessed"}, {"Authorization": f"Basic {ADMIN_TOKEN}"})


async def _answers(process: Process, method: str, path: str, tries: tuple[dict[str, str], ...]) -> set[int]:
    """Return how `method path` is answered to a stranger on loopback."""
    base = f"http://127.0.0.1:{process.port}"
    async with httpx.AsyncClient(base_url=base, trust_env=False) as stranger:
        return {(await stranger.request(method, path, headers=headers)).status_code for headers in tries}


FORGED: tuple[dict[str, str], ...] = (
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Real-IP": "127.0.0.1", "Client-IP": "127.0.0.1", "True-Client-IP": "::1"},
    {"Forwarded": "for=127.0.0.1;host=localhost;proto=https"},
    {"Host": "localhost"},
    {"Host": "127.0.0.1", "X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "https"},
    {"X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz"},
    {"X-HTTP-Method-Override": "GET", "Authorization": "Bearer"},
    {"Origin": "http://127.0.0.1", "Cookie": f"admin_token={ADMIN_TOKEN}"},
    {"Authorization": "Bearer guessed", "Proxy-Authorization": f"Bearer {ADMIN_TOKEN}"},
    {"X-Authorization": f"Bearer {ADMIN_TOKEN}"},
)
"""Headers that are no credentials: claims about the caller, and tokens in the wrong place."""

DISGUISED = (
    "//admin/status",
    "/./admin/status",
    "/x/../admin/status",
    "/%61dmin/status",
    "/admin%2fstatus",
    "/ADMIN/status",
)


async def test_nothing_that_is_said_of_a_caller_is_a_credential(lonely: Lonely) -> None:
    async with lonely(f'admin_token = "{ADMIN_TOKEN}"\nignite_token = "e2e-ignite-token"') as process:
        await process.start()
        assert (await process.request("GET", "/admin/status")).json() == {"connections": []}
        assert await _answers(process, "GET", "/healthz", NO_TOKENS) == {200}
        for method, path in GUARDED:
            assert await _answers(process, method, path, NO_TOKENS + WRONG_TOKENS) == {401}, path
        for method, path in (*GUARDED, ("DELETE", "/v1/test/jones"), ("POST", "/v1/test/jones/status/products")):
            assert await _answers(process, method, path, FORGED) == {401}, path
        for path in DISGUISED:
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            answer = await trio.to_thread.run_sync(_exchange, process.port, request.encode())
            assert re.match(rb"HTTP/1.1 (401|404) ", answer), path
        query = f"/admin/status?token={ADMIN_TOKEN}&admin_token={ADMIN_TOKEN}"
        assert await _answers(process, "GET", query, NO_TOKENS) == {401}
        assert await process.terminate() == 0
        assert ADMIN_TOKEN not in process.output


def _exchange(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65536), b""))


async def test_without_a_token_nobody_is_an_administrator_but_metrics_may_be_open(lonely: Lonely) -> None:
    async with lonely("metrics_open = true") as process:
        await process.start()
        assert await _answers(process, "GET", "/metrics", NO_TOKENS + WRONG_TOKENS) == {200}
        assert await _answers(process, "GET", "/admin/status", NO_TOKENS + WRONG_TOKENS) == {401}


def _a_letter(folder: Path) -> Path:
    (folder / "a.db").write_text("Dear grandmother, " * 20, "utf-8")
    return folder / "a.db"


def _not_writable(_: Path) -> Path:
    """Return a path where not even root can make a file."""
    return Path("/proc/ignite-sync.db")


BAD_DATABASES = [_a_letter, _not_writable]


@pytest.mark.parametrize("place", BAD_DATABASES)
async def test_a_database_that_cannot_be_used_is_told_by_run_and_by_check(
    lonely: Lonely, tmp_path: Path, place: Callable[[Path], Path]
) -> None:
    path = place(tmp_path)
    async with lonely(database=path) as process:
        code, output, errors = await process.command("run")
        assert (code, output, errors.count("\n")) == (2, "", 1)
        assert errors.startswith(f"ignite-sync: database {path}: ")
        assert "; " in errors, "what is wrong, then what to do"
        code, output, errors = await process.command("check")
        assert (code, errors) == (2, "")
        (failed,) = [line for line in output.splitlines() if line.startswith("FAILED")]
        assert failed.startswith(f"FAILED  database {path}: ")
        assert "; " in failed


async def test_a_port_that_is_taken_ends_it_with_2_and_one_line(lonely: Lonely) -> None:
    async with lonely() as process:
        with socket.create_server(("127.0.0.1", process.port)):
            done = await process.command("run")
        words = "cannot be used (Address already in use); choose another port, or stop the program that uses it"
        assert done == (2, "", f"ignite-sync: listener.port: 127.0.0.1:{process.port} {words}\n")


async def test_another_secret_key_ends_it_with_2_and_one_line(lonely: Lonely) -> None:
    async with lonely() as process:
        await process.start()
        assert await process.terminate() == 0
        settings = process.config.read_text("utf-8")
        process.config.write_text(settings.replace("e2e-secret-key", "another-key"), "utf-8")
        words = "security.secret_keys: none of the keys opens the database; put the earlier key into the list"
        assert await process.command("run") == (2, "", f"ignite-sync: {words}\n")


async def test_check_has_a_line_for_each_side_that_says_what_to_do(harness: OpenHarness) -> None:
    async with harness(start=False) as h:
        h.shop.access_token = "renewed"
        h.site.tokens.key_revoked = True
        code, output, errors = await h.process.command("check")
        assert (code, errors) == (1, "")
        settings, database, port, shop, site, webhooks, note, other_note = output.splitlines()
        assert settings == "ok      settings: 1 connection configured"
        assert database == f"ok      database {h.process.database}: is writable"
        assert port == f"ok      listener.port: 127.0.0.1:{h.process.port} is free"
        assert webhooks.startswith(f"ok      {SITE} webhooks: not registered yet; ")
        assert note.startswith(f"note    database: {h.process.database}; ")
        assert other_note.startswith("note    lost database: ")
        remedy = "; create a new API account or key, and put it into the configuration"
        assert shop.startswith(f"FAILED  {SITE} BigCommerce: ")
        assert shop.endswith("; create a new API account, and put its token into the configuration")
        assert site.startswith(f"FAILED  {SITE} SparkLayer: ")
        assert site.endswith(f"Unknown client{remedy}")


async def test_sync_and_status_ask_the_running_daemon_or_the_database(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        code, output, _ = await h.process.command("sync", SITE, "products", "--watch")
        started = f"full sync 5 of products at {SITE} started\n"
        assert (code, output) == (0, f"{started}full sync 5 succeeded: 2 done, 0 failed\n")
        code, output, errors = await h.process.command("status")
        assert (code, _without_ids_and_times(output), errors) == (0, f"1 connection; all is well\n{SAID}", "")
        code, _, errors = await h.process.command("sync", "test/nobody", "products")
        assert (code, errors.count("\n")) == (1, 1)
        assert "no connection test/nobody" in errors
        assert await h.process.terminate() == 0
        nobody = f"ignite-sync: no daemon answers at 127.0.0.1:{h.process.port} (Connection refused)"
        note = f"{nobody}; this is from {h.process.database}\n"
        code, output, errors = await h.process.command("status")
        lead = "1 connection; no daemon is running\n"
        assert (code, _without_ids_and_times(output), errors) == (1, f"{lead}{SAID}", note)
        line = f"{nobody}; start it with: ignite-sync run\n"
        assert await h.process.command("sync", SITE, "products") == (1, "", line)


def _without_ids_and_times(status: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "THEN", re.sub(r"full sync \d+", "full sync N", status))


SAID = f"{SITE}: active\n  webhooks: {len(REGISTERED)} registered, checked THEN\n" + "".join(
    f"  {kind}: {held} in SparkLayer, 0 with issues, waiting: 0 live, 0 backfill, 0 parked\n"
    "    webhooks may have been missed; everything is read after THEN\n"
    f"    full sync N succeeded: {held} done, 0 failed\n"
    for kind, held in (("store", 1), ("products", 2), ("customers", 0), ("orders", 0))
)


TITLE = "Confidential Prototype"
IN_BODY = "written-by-somebody"


async def test_nothing_it_says_has_a_secret_a_title_or_a_body_of_a_webhook(harness: OpenHarness) -> None:
    """Not even at its most talkative, in all sorts of trouble, and not in metrics and status either."""
    async with harness(more='[logging]\nlevel = "debug"') as h:
        await h.first_sync()
        for sent in (*BAD_WEBHOOKS.values(), Sent(body=envelope("store/coupon/created", code=IN_BODY), answer=200)):
            body = sent.body.replace(b'"product"', f'"{IN_BODY}"'.encode())
            await _answer(h, Sent(path=sent.path, headers=sent.headers, body=body, answer=sent.answer))
        refusal = json.dumps({"title": f"{TITLE} is not to be sold", "status": 400})
        h.site.faults.add("PATCH */products/1", answer(400, refusal, {"content-type": "application/problem+json"}))
        lost = h.shop.faults.add("GET */catalog/products", reset(), times=3)
        tokens = {*h.site.tokens._expiry}
        h.site.tokens.revoke()
        for product_id in h.store.ids:
            h.store.set_title(product_id, TITLE)
        await h.until(lambda: lost.used == 3)
        await h.process.when(lambda status: status["issues"] == 1)
        h.shop.access_token = "renewed"
        await h.process.webhook(1)
        await h.process.until_blocked("platform: credentials")
        h.shop.access_token = "sandbox-access-token"
        await h.process.until_blocked(None)
        h.site.faults.clear()
        answers = [(await h.process.request("GET", path)).text for path in ("/metrics", "/admin/status")]
        await h.process.terminate()
        tokens |= {*h.site.tokens._expiry}
        assert len(tokens) == 2
        secrets = {ADMIN_TOKEN, WEBHOOK_SECRET, "e2e-secret-key", h.site.client_secret, h.shop.client_secret}
        unsaid = {*secrets, *tokens, "sandbox-access-token", "guessed", TITLE, "Jumper", "Mug", IN_BODY}
        assert [words for words in unsaid if words in "".join((h.process.output, *answers))] == []
