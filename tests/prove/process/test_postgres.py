"""The real daemon on PostgreSQL, from webhook to SparkLayer, through kills and an absence of the server."""

import psycopg
import pytest
import trio

from daemon import app
from daemon.config import DatabaseSettings, SecuritySettings, Settings
from daemon.model import Secret
from daemon.model.identifiers import without_password
from daemon.sandbox import synthetic
from daemon.storage import postgres, postgres_server
from tests.e2e.harness import OpenHarness
from tests.pgbouncer import Pooler
from tests.postgres import PASSWORD, running

pytestmark = pytest.mark.postgres

MANY = 60


async def test_every_webhook_answered_before_a_kill_arrives(harness: OpenHarness, postgres_url: Secret) -> None:
    async with harness(synthetic(MANY, 1), database=postgres_url) as h:
        await h.first_sync()
        acknowledged: list[int] = []

        async def deliver() -> None:
            for product_id in h.store.ids:
                h.store.set_title(product_id, f"Edited {product_id}", silent=True)
                if (await h.process.webhook(product_id)).status_code == 200:
                    acknowledged.append(product_id)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(deliver)
            await h.until(lambda: len(acknowledged) > MANY // 3)
            nursery.cancel_scope.cancel()
        await h.process.kill()
        code, output, error = await h.process.command("status")
        assert (code, "test/sandbox" in output) == (1, True), "the database answers while no daemon runs"
        assert str(postgres_url.reveal()) not in error
        await h.process.start()
        await h.process.idle()
        titles = {key: product["title"] for key, product in h.state.comparable()["products"].items()}
        assert [one for one in acknowledged if titles[str(one)] != f"Edited {one}"] == []
        h.store.set_title(h.store.ids[0], "Live again")
        await h.settle()
        with psycopg.connect(postgres_url.reveal()) as conn:
            counted = "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
            [sessions] = conn.execute(counted).fetchone() or (0,)
        assert sessions == postgres_server.SESSIONS
        assert (await h.process.metrics())['ignite_sync_storage_commits_total{outcome="committed"}'] > 0
        assert await h.process.terminate() == 0
        assert PASSWORD not in h.process.output
        assert "Traceback" not in h.process.output


async def test_while_the_server_is_away_webhooks_are_refused_and_then_all_goes_on(harness: OpenHarness) -> None:
    with running() as server, server.database() as url:
        async with harness(database=url) as h:
            await h.first_sync()
            server.stop(at_once=True)
            refused = await h.process.webhook(1)
            ready = await h.process.request("GET", "/readyz")
            assert (refused.status_code, ready.status_code, h.process.living) == (503, 503, True)
            assert "storage_unreachable" in ready.text
            h.store.set_title(1, "Edited meanwhile")
            server.start()
            await h.settle()
            h.assert_equal()
            await h.process.ready()  # the next beat may be some seconds away


@pytest.mark.pgbouncer
async def test_behind_a_pooler_in_transaction_mode_everything_works_and_status_says_poll(
    harness: OpenHarness, postgres_url: Secret, pooler: Pooler
) -> None:
    async with harness(synthetic(MANY, 1), database=pooler.url(postgres_url)) as h:
        await h.first_sync()
        for product_id in h.store.ids:
            h.store.set_title(product_id, f"Edited {product_id}")
        await h.settle()
        h.assert_equal()
        assert (await h.process.request("GET", "/admin/status")).json()["wakeups"] == "poll"
        code, output, _ = await h.process.command("status")
        assert (code, "looked for once a second" in output) == (0, True)
        _, output, _ = await h.process.command("check")
        assert "ok      wake-ups: what other nodes commit is seen after a second" in output
        metrics = await h.process.metrics()
        ways = {way: metrics[f'ignite_sync_wakeups{{way="{way}"}}'] for way in ("notify", "poll")}
        assert ways == {"notify": 0.0, "poll": 1.0}
        code, output, _ = await h.process.command("sync", f"test/{h.site.site_id}", "products", "--watch")
        assert code == 0
        await h.process.kill()
        await h.process.start()
        h.store.set_title(h.store.ids[0], "Edited after a restart")
        await h.settle()
        h.assert_equal()
        assert await h.process.terminate() == 0
        assert PASSWORD not in h.process.output
        assert "Traceback" not in h.process.output


async def test_backup_and_restore_name_the_tool_to_use(harness: OpenHarness, postgres_url: Secret) -> None:
    async with harness(database=postgres_url) as h:
        for command in ("backup", "restore"):
            code, _, error = await h.process.command(command, "x.db")
            assert (code, "pg_dump" in error, PASSWORD in error) == (2, True, False)
            assert len(error.splitlines()) == 1
        code, output, _ = await h.process.command("check")
        name = without_password(postgres_url.reveal())
        assert (code, f"database {name}: fsync is off" in output) == (1, True)
        assert "ok      wake-ups: what other nodes commit is heard at once" in output
        assert "disk is not permanent" not in output


async def test_a_database_that_cannot_be_used_ends_every_command_with_2_and_one_line(
    harness: OpenHarness, postgres_url: Secret
) -> None:
    nowhere = Secret(postgres_url.reveal().replace("/test_", "/none_"))
    async with harness(database=nowhere, start=False) as h:
        await h.process.launch()
        assert await h.process.wait() == 2
        code, _, error = await h.process.command("issues")
        assert code == 2
        for line in (h.process.output.splitlines()[-1], error.splitlines()[-1]):
            assert line.startswith(f"ignite-sync: database {without_password(nowhere.reveal())}: ")
            assert line.endswith("does not exist; create it, or correct its name")
        assert "Traceback" not in h.process.output + error


def test_an_absent_server_ends_the_daemon_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(postgres, "START_SECONDS", 0.0)
    settings = Settings(
        database=DatabaseSettings(url="postgresql://daemon:hidden@/x?host=/nowhere"),
        security=SecuritySettings(secret_keys=(Secret("a key of the tests"),)),
    )
    assert app.run(settings, lambda: settings) == 1
    [line] = capfd.readouterr().err.splitlines()
    assert "postgresql://daemon@/nowhere/x" in line
    assert "hidden" not in line


async def test_other_secret_keys_than_the_database_s_end_it_with_2_and_one_line(
    harness: OpenHarness, postgres_url: Secret
) -> None:
    async with harness(database=postgres_url) as h:
        assert await h.process.terminate() == 0
        settings = h.process.config.read_text("utf-8")
        h.process.config.write_text(settings.replace("e2e-secret-key", "another-key"), "utf-8")
        words = "security.secret_keys: none of the keys opens the database; put the earlier key into the list"
        code, output, error = await h.process.command("run")
        # The line before it warns of the tests' server.
        assert (code, output, error.splitlines()[1:]) == (2, "", [f"ignite-sync: {words}"])
        code, output, error = await h.process.command("check")
        [line] = [line for line in output.splitlines() if line.startswith("FAILED  security.secret_keys")]
        assert (code, error, "none of the keys decrypts" in line) == (2, "", True)
        assert PASSWORD not in output
