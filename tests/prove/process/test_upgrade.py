"""A rolling upgrade on PostgreSQL: releases work side by side until a step's floor is above the earlier one."""

import shutil
from pathlib import Path

import pytest

from daemon.model import Secret
from daemon.storage.migrate import HERE, newest_step
from tests.e2e.harness import OpenHarness
from tests.e2e.process import Process, free_port

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(240)]

STEP = '''
"""A later release's step, which only adds."""
from alembic import op

revision, down_revision = "{revision}", "{down}"
floor = "{floor}"


def upgrade() -> None:
    op.execute("CREATE TABLE later_{revision} (a integer)")
'''


def _steps(folder: Path, *steps: tuple[str, str]) -> Path:
    """Make the steps of a release that has these besides ours, as (revision, floor)."""
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    down = newest_step()
    for revision, floor in steps:
        text = STEP.format(revision=revision, down=down, floor=floor)
        (folder / "versions" / f"{revision}_later.py").write_text(text, "utf-8")
        down = revision
    return folder


async def test_an_earlier_release_works_on_and_restarts_until_the_floor_is_above_it(
    harness: OpenHarness, postgres_url: Secret, tmp_path: Path
) -> None:
    ours = newest_step() or ""
    async with harness(database=postgres_url) as h:
        await h.first_sync()
        port = free_port()
        text = h.process.config.read_text("utf-8").replace(f"port = {h.process.port}\n", f"port = {port}\n", 1)
        (tmp_path / "newer").mkdir()
        async with Process(tmp_path / "newer", text, port) as newer:
            newer.entry = ("tests.e2e.newer", str(_steps(tmp_path / "one", ("9001", ours))))
            await newer.start()
            h.store.set_title(1, "Beside the newer one")
            await h.settle()
            h.assert_equal()
            assert await h.process.terminate() == 0
            h.store.set_title(1, "With the newer one alone", silent=True)
            assert (await newer.webhook(1)).status_code == 200
            await newer.idle()
            h.assert_equal()
            await h.process.start()
            h.store.set_title(1, "After a restart of the earlier one")
            await h.settle()
            h.assert_equal()
            assert await newer.terminate() == 0
            newer.entry = ("tests.e2e.newer", str(_steps(tmp_path / "two", ("9001", ours), ("9002", "9002"))))
            await newer.start()
            assert await h.process.terminate() == 0
            code, output, error = await h.process.command("run")
            assert (code, output, error.count("\n")) == (2, "", 1)
            assert "it was written by a newer release, install that one" in error
            h.store.set_title(1, "Without the earlier one", silent=True)
            assert (await newer.webhook(1)).status_code == 200
            await newer.idle()
            h.assert_equal()
