"""Whatever comes in wrong, by HTTP, from the settings or on the command line, is refused clearly and does no harm.

How every malformed request fares, and the ten seconds that a slow sender has, is tested in tests/listener; every
mistake in the settings in tests/config. Here it is the real process, as `run` puts it together.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from daemon.platforms.bigcommerce.webhooks import REGISTERED, SECRET_HEADER
from daemon.sandbox import answer, reset
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import ADMIN_TOKEN, SITE, WEBHOOK_SECRET

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
