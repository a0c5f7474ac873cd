"""The real daemon on SQLite, moved to PostgreSQL: it goes on where it stopped, and writes nothing a second time."""

import subprocess
import sys

import pytest
import trio

from daemon.model import Secret
from daemon.model.identifiers import without_password
from daemon.sandbox import answer, synthetic
from tests.e2e.harness import OpenHarness
from tests.e2e.process import ROOT, TIMEOUT
from tests.postgres import PASSWORD

pytestmark = pytest.mark.postgres

MANY = 20


async def command(*arguments: str) -> tuple[int, str]:
    with trio.fail_after(TIMEOUT):
        line = [sys.executable, "-m", "daemon", *arguments]
        done = await trio.run_process(line, capture_stdout=True, stderr=subprocess.STDOUT, check=False, cwd=ROOT)
    return done.returncode, done.stdout.decode()


async def test_the_daemon_goes_on_after_a_move_without_a_refresh(harness: OpenHarness, postgres_url: Secret) -> None:
    url = postgres_url.reveal()
    async with harness(synthetic(MANY, 1)) as h:
        await h.first_sync()
        code, output = await command("move-database", str(h.process.database), url)
        assert (code, "another daemon or command is using it; stop that one first" in output) == (1, True)
        # Changes that were acknowledged and not synced move too.
        outage = h.site.faults.add("*", answer(503))
        edited = h.store.ids[:3]
        for product_id in edited:
            h.store.set_title(product_id, f"Edited {product_id}", silent=True)
            assert (await h.process.webhook(product_id)).status_code == 200
        await h.process.kill()
        h.site.faults.remove(outage)
        before = h.writes
        code, output = await command("move-database", str(h.process.database), url)
        assert (code, PASSWORD in output) == (0, False)
        assert f"now set database.url to {without_password(url)}" in output
        config = h.process.config.read_text("utf-8")
        h.process.config.write_text(config.replace(f"sqlite:///{h.process.database}", url), "utf-8")
        await h.process.start()
        await h.process.idle()
        h.assert_equal()
        products, stock, prices = (after - earlier for after, earlier in zip(h.writes, before, strict=True))
        assert (products, stock, prices) == (len(edited), 0, 0), "only what waited is written"
        assert (await h.process.status())["full_sync"]["id"] == h.process._first["products"]
        h.store.set_title(h.store.ids[-1], "Live again")
        await h.settle()
        h.assert_equal()
        written, run = h.writes, await h.process.full_sync()
        assert (run["done"], h.writes) == (MANY, written), "the ledger has moved: nothing unchanged is written"
