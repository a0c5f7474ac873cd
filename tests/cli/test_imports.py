"""The modules that a real process loads: the daemon's memory and a command's time, held without a clock.

`python -m benchmarks idle` measures both.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.admin import admin, unused_port, write_config

ROOT = Path(__file__).parents[2]
PROGRAM = """
import atexit, json, runpy, sys
names = lambda: [name for name, module in sys.modules.items() if module is not None]
atexit.register(lambda: print("modules", json.dumps(names()), file=sys.stderr))
runpy.run_module("daemon", run_name="__main__", alter_sys=True)
"""
NEVER = {
    "rich",
    "pygments",
    "greenlet",
    "bz2",
    "lzma",
    "alembic",
    "mako",
    "httpx._main",
    "opentelemetry",
    "requests",
    "psycopg",
    "sqlalchemy.dialects.postgresql",
    "daemon.platforms.bigcommerce.adapter",
    "daemon.platforms.woocommerce.adapter",
}
"""For the daemon on SQLite without connections, with its database new or as it left it."""

NOT_FOR_A_COMMAND = NEVER | {
    "sqlalchemy", "sqlite3", "cryptography", "prometheus_client", "daemon.storage", "daemon.engine", "daemon.app",
    "daemon.composition",
}  # fmt: skip
"""While a daemon answers."""


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, *arguments, "--config", "s.toml"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def imported(lines: list[str]) -> set[str]:
    """Return the modules that the process had at its end."""
    modules = set(json.loads(lines[-1].removeprefix("modules")))
    assert "daemon.cli.group" in modules
    return modules


@pytest.mark.parametrize("database", ["new", "old"])
def test_the_daemon_loads_nothing_that_it_does_not_need(database: str) -> None:
    write_config(unused_port(), f'admin_token = "t0p"\n[database]\nurl = "sqlite:///{Path.cwd()}/a.db"')
    for _ in range(1 if database == "new" else 2):
        lines = []
        with start("run") as process:
            assert process.stderr is not None
            for line in process.stderr:
                lines.append(line)
                if '"event": "ready"' in line:
                    process.terminate()
        assert process.returncode == 0, lines[-20:]
    modules = imported(lines)
    assert {"structlog", "httpx", "sqlalchemy", "daemon.platforms.woocommerce.webhooks"} <= modules
    assert not NEVER & modules


def test_status_loads_no_database_and_no_engine_while_a_daemon_answers() -> None:
    with admin((200, {"connections": []})), start("status") as process:
        shown, errors = process.communicate(timeout=60)
    assert (process.returncode, shown) == (0, "no connections; all is well\n"), errors[-2000:]
    assert not NOT_FOR_A_COMMAND & imported(errors.splitlines())
