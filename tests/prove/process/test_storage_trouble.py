"""The real process while its disk is full or its database held by somebody else, and back from a backup."""

import contextlib
import itertools
import resource
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from daemon.storage.lock import only_one
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import ADMIN_TOKEN, Process, free_port

JUMPER = 1
PLENTY = 100
"""Webhooks: the database's log may have some room left."""


@contextlib.contextmanager
def _full_disk(h: ProcessHarness) -> Iterator[None]:
    """Let no file of the process grow."""
    before = resource.prlimit(h.process.pid, resource.RLIMIT_FSIZE)
    log = h.process.database.with_name(f"{h.process.database.name}-wal")
    resource.prlimit(h.process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, before[1]))
    yield
    resource.prlimit(h.process.pid, resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def _held_by_another(h: ProcessHarness) -> Iterator[None]:
    """Have another program write to the database for long."""
    other = sqlite3.connect(h.process.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@pytest.mark.parametrize("trouble", [_full_disk, _held_by_another])
async def test_what_cannot_be_put_on_disk_is_not_acknowledged_and_it_heals_by_itself(
    harness: OpenHarness, trouble: Callable[[ProcessHarness], contextlib.AbstractContextManager[None]]
) -> None:
    async with harness() as h:
        await h.first_sync()
        with trouble(h):
            answers = [await h.process.webhook(JUMPER)]
            while answers[-1].is_success and len(answers) < PLENTY:
                answers.append(await h.process.webhook(JUMPER))
            ready = (await h.process.request("GET", "/readyz")).status_code
            alive = (await h.process.request("GET", "/healthz")).status_code
        assert (answers[-1].status_code, ready, alive) == (503, 503, 200)
        assert answers[-1].headers["Retry-After"]
        h.store.set_title(JUMPER, "After the trouble")
        await h.settle()
        await h.until(lambda: not h.unequal)
        await h.process.ready()
        assert "Traceback" not in h.process.output


ROOMY = 96 * 1024
"""Bytes: SQLite's file beside the log has room (32 KiB), the database has not."""


@pytest.mark.parametrize("trouble", ["full", "locked", "in use"])
async def test_passing_trouble_at_the_start_ends_with_1_so_that_a_supervisor_tries_again(
    tmp_path: Path, trouble: str
) -> None:
    """A database is "in use" by another daemon, or by a command, for longer than a moment."""
    port = free_port()
    config = f"""
[listener]
port = {port}
admin_token = "{ADMIN_TOKEN}"
[database]
url = "sqlite:///{tmp_path}/ignite-sync.db"
[security]
secret_keys = ["0123456789abcdef"]
"""
    async with Process(tmp_path, config, port) as process, contextlib.AsyncExitStack() as stack:
        if trouble == "full":
            limited = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({ROOMY}, {ROOMY}))"
            process.wrapper = [sys.executable, "-c", f"{limited}; os.execvp(sys.argv[1], sys.argv[1:])"]
        elif trouble == "locked":
            other = stack.enter_context(contextlib.closing(sqlite3.connect(process.database, isolation_level=None)))
            other.execute("CREATE TABLE anything (id)")
            other.execute("BEGIN IMMEDIATE")
        else:
            stack.enter_context(only_one(process.database, make=True))
        code, output, errors = await process.command("run")
        (line,) = (output + errors).splitlines()
        assert (code, '"database cannot be used"' in line, str(process.database) in line) == (1, True, True)


async def _trade(h: ProcessHarness) -> None:
    """Edit all the time: a backup is made among changes."""
    for number in itertools.count():
        h.store.set_title(JUMPER, f"Jumper {number}")
        h.store.set_stock(h.store.by_sku("MUG").id, number)
        await trio.sleep(0.02)


async def test_damage_that_comes_while_it_runs_is_answered_503_and_told_at_the_next_start(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        with sqlite3.connect(h.process.database) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.close()
        whole = h.process.database.stat().st_size
        h.process.database.write_bytes(b"\xa5" * whole)
        answers = [await h.process.webhook(JUMPER)]
        while answers[-1].is_success and len(answers) < PLENTY:
            answers.append(await h.process.webhook(JUMPER))
        ready = await h.process.request("GET", "/readyz")
        assert (answers[-1].status_code, ready.status_code) == (503, 503)
        assert "Traceback" not in h.process.output
        await h.process.kill()
        h.process.database.write_bytes(b"\xa5" * whole)
        await h.process.launch()
        assert await h.process.wait() == 2
        assert "the next start reads everything again" in h.process.output


async def test_back_from_a_backup_everything_ends_equal(harness: OpenHarness, tmp_path: Path) -> None:
    """The platform does not repeat webhooks sent since the backup: a refresh finds those changes."""
    backup = tmp_path / "backups" / "ignite-sync.db"
    backup.parent.mkdir()
    async with harness() as h:
        await h.first_sync()
        async with trio.open_nursery() as trading:
            trading.start_soon(_trade, h)
            code, output, _ = await h.process.command("backup", str(backup))
            trading.cancel_scope.cancel()
        assert (code, output.startswith(f"{backup}: a backup of {h.process.database}, ")) == (0, True)
        assert f"made by the daemon at 127.0.0.1:{h.process.port}" in output
        h.store.set_title(JUMPER, "Renamed since")
        h.store.set_sku(h.store.by_sku("MUG").id, "MUG-2")
        added = h.store.add_product("Scarf", price=12, variants=[{"sku": "S-1", "stock": 2}])
        await h.settle()
        h.assert_equal()

        code, _, error = await h.process.command("restore", str(backup))
        assert (code, "another daemon or command is using it; stop that one first" in error) == (1, True)
        assert await h.process.terminate() == 0
        code, output, _ = await h.process.command("restore", str(backup))
        assert (code, output.startswith(f"{h.process.database}: restored from {backup}; the next start ")) == (0, True)
        h.store.delete_product(added, silent=True)
        await h.process.start()
        for kind in ("store", "products", "customers", "orders"):
            run = (await h.process.status(kind))["full_sync"]
            assert (run["mode"], (await h.process.run_over(run["id"], kind))["succeeded"]) == ("refresh", True)
        await h.process.idle()
        assert h.unequal
        scarf = ("S-1", f"products {added}:", f"variant {added + 1}:")
        left = [one for one in h.unequal if not any(word in one for word in scarf)]
        assert left == [], "SparkLayer differs only in the scarf, which came and went in between"
