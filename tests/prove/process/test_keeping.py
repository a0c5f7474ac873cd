"""Backups of the real process: made by it, wherever the command is called from; of the file when it is down."""

import sqlite3
import sys
from pathlib import Path

import trio

from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import ROOT, SITE


async def _called(h: ProcessHarness, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run a command in another folder, with relative paths only."""
    line = [sys.executable, "-m", "daemon", *arguments, "--config", "../ignite-sync.toml"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = await trio.run_process(
        line, capture_stdout=True, capture_stderr=True, check=False, cwd=folder, env=environment
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def _whole(path: Path) -> int:
    """Return how many products a backup knows."""
    database = sqlite3.connect(path)
    (words,) = database.execute("PRAGMA integrity_check").fetchone()
    (count,) = database.execute("SELECT count(*) FROM ledger WHERE kind = 'products'").fetchone()
    database.close()
    assert words == "ok"
    return int(count)


async def test_a_backup_from_another_folder_with_a_relative_database(harness: OpenHarness) -> None:
    """The daemon makes it though the command could not even see the database; without a daemon the file is copied."""
    async with harness(start=False) as h:
        config = h.process.config
        url = f'url = "sqlite:///{h.process.database}"'
        assert url in config.read_text("utf-8")
        config.write_text(config.read_text("utf-8").replace(url, f'url = "sqlite:///{h.process.database.name}"'))
        await h.process.start()
        for kind in ("store", "products", "customers", "orders"):
            await h.process.first_run(kind)
        elsewhere = config.parent / "elsewhere"
        elsewhere.mkdir()
        products = (await h.process.status())["ledger"]

        code, output, error = await _called(h, elsewhere, "backup", "one.db")
        size = f"{(elsewhere / 'one.db').stat().st_size / 1024:,.0f} KiB"
        by = f"made by the daemon at 127.0.0.1:{h.process.port}"
        assert (code, output, error) == (0, f"one.db: a backup of {h.process.database}, {size}, {by}\n", "")
        assert (elsewhere / "one.db").stat().st_mode & 0o777 == 0o600
        assert _whole(elsewhere / "one.db") == products > 0

        code, output, error = await _called(h, elsewhere, "backup", "one.db")
        assert (code, output, error.count("\n")) == (2, "", 1)
        assert f"{elsewhere / 'one.db'}: is there already, and nothing is overwritten" in error

        for arguments in (("status",), ("check",)):
            code, output, error = await _called(h, elsewhere, *arguments)
            assert code == 0, error
        assert str(h.process.database) in output

        assert await h.process.terminate() == 0
        code, output, error = await _called(h, elsewhere, "backup", "two.db")
        assert (code, error.count("\n")) == (0, 1)
        assert "no daemon answers" in error
        assert "the database file is copied" in error
        assert output.endswith(", copied from the file\n")
        assert _whole(elsewhere / "two.db") == products

        code, output, error = await _called(h, elsewhere, "restore", "one.db")
        assert (code, error) == (0, "")
        first, second = output.splitlines()
        assert first.startswith(f"{h.process.database}: restored from one.db; ")
        assert second.startswith(f"the previous database is now {h.process.database}.before-restore-")
        assert sorted(path.name for path in elsewhere.iterdir()) == ["one.db", "two.db"]
        code, output, error = await _called(h, elsewhere, "status")
        assert (code, f"this is from {h.process.database}" in error) == (1, True), "no daemon runs"
        assert f"{SITE}: active" in output


async def test_a_daemon_that_refuses_is_not_gone_round(harness: OpenHarness) -> None:
    """Another admin_token: the daemon is not ours to ask, and nothing is copied behind its back."""
    async with harness() as h:
        await h.process.ready()
        other = h.process.config.read_text("utf-8").replace("e2e-admin-token", "another-token")
        h.process.config.write_text(other, "utf-8")
        target = h.process.config.with_name("backup.db")
        code, output, error = await h.process.command("backup", str(target))
        assert (code, output, error.count("\n")) == (1, "", 1)
        assert "the running daemon has a different listener.admin_token" in error
        assert not target.exists()
