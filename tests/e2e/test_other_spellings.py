"""The real process with input in other spellings: a cluster's variables, byte order marks, odd ids.

Which spellings there are is tested beside the part that reads them; here it is that the process uses those parts.
"""

import codecs
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from daemon.platforms.bigcommerce.webhooks import SECRET_HEADER
from tests.config.test_foreign_variables import SERVICE
from tests.e2e.harness import OpenHarness
from tests.e2e.process import ADMIN_TOKEN, SITE, WEBHOOK_SECRET, Process, free_port

KEY = "e2e-secret-key-of-32-characters!"


def alone(port: int, database: str) -> str:
    """Write the settings of a daemon without a connection, which starts quickly."""
    listener = f'[listener]\nport = {port}\nadmin_token = "{ADMIN_TOKEN}"\n'
    return f'{listener}[database]\nurl = "sqlite:///{database}"\n[security]\nsecret_keys = ["{KEY}"]\n'


@pytest.mark.holds("E06")
async def test_a_clusters_variables_are_named_and_stop_nothing(tmp_path: Path) -> None:
    port = free_port()
    foreign = {f"IGNITE_SYNC_{name}": value for name, value in SERVICE.items()}
    async with Process(tmp_path, alone(port, str(tmp_path / "a.db")), port, environment=foreign) as process:
        code, output, errors = await process.command("check")
        assert (code, errors) == (0, "")
        (note,) = [line for line in output.splitlines() if line.startswith("note    environment: ")]
        assert all(name in note for name in foreign)
        await process.start()
        assert await process.terminate() == 0
        (warning,) = [line for line in process.output.splitlines() if '"level": "warning"' in line]
        assert json.loads(warning)["variables"] == sorted(foreign)


@pytest.mark.holds("E22")
async def test_marked_settings_secrets_and_bodies_are_read(harness: OpenHarness, tmp_path: Path) -> None:
    first, encoding = codecs.BOM_UTF16_LE, "utf-16-le"
    (tmp_path / "key").write_bytes(first + f"{KEY}\r\n".encode(encoding))
    async with harness(sync={"debounce_seconds": 60.0, "debounce_max_seconds": 60.0}, start=False) as h:
        text = h.process.config.read_text("utf-8").replace(f'secret_keys = ["{KEY}"]', 'secret_keys_file = "key"')
        assert "secret_keys_file" in text
        text = text.replace('"key"', f'"{tmp_path / "key"}"').replace("[listener]", '[listener]\nignite_token = "e2e"')
        h.process.config.write_bytes(first + text.replace("\n", "\r\n").encode(encoding))
        await h.process.start()
        await h.first_sync()

        async def post(path: str, body: object, **headers: str) -> int:
            content = first + json.dumps(body).encode(encoding)
            sent = {"Content-Type": "application/json", **headers}
            return (await h.process.request("POST", path, content=content, headers=sent)).status_code

        product = {"scope": "store/product/updated", "data": {"type": "product", "id": 1}}
        assert await post(f"/webhooks/{SITE}", product, **{SECRET_HEADER: WEBHOOK_SECRET}) == 200
        assert (await h.process.status())["outbox"]["live"] == 1
        assert await post("/admin/explain", {"site": SITE, "kind": "products", "id": "1"}) == 200
        keys = {"spark_api_client_id": f" {h.site.client_id}\u00a0", "spark_api_client_secret": h.site.client_secret}
        connect = {"store_id": h.shop.store_hash, **keys}
        assert await post(f"/v1/{SITE}", connect, Authorization="Bearer e2e") == 204


SPELLED = {
    "a line break": "hid\nden",
    "a NUL": "hid\0den",
    "a typographic quotation mark": "\u201chidden\u201d",
    "a hard space": "hid\u00a0den",
    "nothing": " ",
    "no end": "hidden" * 1000,
    "half a character": "hidden\ud800",
    "a number": 1,
    "a list": ["hidden"],
}
IGNITE = ("store_id", "spark_api_client_id", "spark_api_client_secret")
ADMIN = ("store_id", "client_id", "client_secret")
DANGEROUS = ["..", "../../v2/store", "%2f", "..%2f..", "1/2", "1?x=2", "\0", "9" * 5000, "é", "-1", "1,2", " 1"]


@pytest.mark.holds("E20")
async def test_odd_ids_and_credentials_are_refused_by_name_and_harm_nothing(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        h.process.config.write_text(
            h.process.config.read_text("utf-8").replace("[listener]", '[listener]\nignite_token = "e2e"')
        )
        await h.process.restart()
        for path, names in ((f"/v1/{SITE}", IGNITE), ("/admin/connect", ADMIN)):
            bearer = "e2e" if path.startswith("/v1") else ADMIN_TOKEN
            good = dict(zip(names, (h.shop.store_hash, h.site.client_id, h.site.client_secret), strict=True))
            for name in names:
                for what, odd in SPELLED.items():
                    body = json.dumps({"site": SITE} | good | {name: odd})
                    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
                    answer = await h.process.request("POST", path, content=body, headers=headers)
                    assert answer.status_code == 400, (path, name, what)
                    assert name in answer.text or what == "half a character", (path, name, what)
                    assert "hidden" not in answer.text
        for odd in DANGEROUS:
            entity = {"site": SITE, "kind": "products", "id": odd, "ids": [odd], "action": "retry"}
            for verb in ("explain", "parked", "removals"):
                assert (await h.process.request("POST", f"/admin/{verb}", json=entity)).status_code in {200, 400}, odd
            headers = {"Authorization": "Bearer e2e"}
            answer = await h.process.request("POST", f"/v1/{SITE}/sync/products/{quote(odd, safe='')}", headers=headers)
            assert answer.status_code in {400, 404}, odd
            answer = await h.process.request("POST", f"/v1/test/{quote(odd, safe='')}", headers=headers, json={})
            assert answer.status_code in {400, 404}, odd
        assert "Traceback" not in h.process.output
        h.assert_equal()
