"""Commands on a database file: the admin operations of a daemon that does not run, and its errors."""

import contextlib
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trio

from daemon.cli import offline
from daemon.cli.group import Stop
from daemon.composition import compose
from daemon.config import Settings, load
from daemon.config.settings import DatabaseSettings, SecuritySettings
from daemon.errors import ConfigError
from daemon.model import Secret
from daemon.observability.metrics import Metrics
from daemon.platforms import load_platforms
from daemon.storage.database import open_database
from daemon.storage.lock import only_one


def test_a_database_file_answers_or_refuses_as_the_daemon_does(tmp_path: Path) -> None:
    settings = Settings(
        security=SecuritySettings(secret_keys=(Secret("a key of the tests"),)),
        database=DatabaseSettings(url=f"sqlite:///{tmp_path}/sync.db"),
    )
    with pytest.raises(ConfigError, match="there is none yet"):
        offline.call(settings, "GET /admin/issues", {})

    async def create() -> None:
        async with open_database(settings.database.path):
            pass

    trio.run(create)
    assert offline.call(settings, "GET /admin/status", {}) == {"connections": [], "running": False}
    assert offline.call(settings, "GET /admin/parked", {"site": None}) == {"parked": []}
    with pytest.raises(Stop, match=r"^no connection test/a; there are: none$"):
        offline.call(settings, "GET /admin/removals", {"site": "test/a", "kind": "products"})
    with pytest.raises(Stop, match=r"^action: must be one of retry, drop$"):
        offline.call(settings, "POST /admin/parked", {"action": "burn", "site": "test/a"})


CONNECTED = """
[listener]
port = 1
admin_token = "a token of the tests"
[security]
secret_keys = ["a key of the tests"]
[database]
url = "sqlite:///sync.db"
[[connections]]
site_env = "test"
site_id = "a"
client_id = "id"
client_secret = "secret"
platform = "{platform}"
[connections.{platform}]
{store}
"""

STORES = {
    "bigcommerce": 'api_url = "http://127.0.0.1:{port}"\nstore_hash = "abc"\naccess_token = "token"',
    "woocommerce": 'store_url = "http://127.0.0.1:{port}"\nconsumer_key = "ck_1"\nconsumer_secret = "cs_1"',
}


@pytest.fixture(params=STORES)
def connected(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, socket.socket]]:
    """Lend the configuration of a connection that the database has, and the socket of its store."""
    with socket.create_server(("127.0.0.1", 0)) as store:
        config = tmp_path / "config.toml"
        where = STORES[request.param].format(port=store.getsockname()[1])
        config.write_text(CONNECTED.format(platform=request.param, store=where))
        settings = load(config, {}, load_platforms())

        async def open_all() -> None:
            async with open_database(settings.database.place) as database:
                await (await compose(settings, database, Metrics())).lifecycle.open_all()

        trio.run(open_all)
        yield config, store


def test_a_daemon_may_start_while_explain_waits_for_the_store(connected: tuple[Path, socket.socket]) -> None:
    """Afterwards the daemon must be asked, which the one line says."""
    config, store = connected
    settings = load(config, {}, load_platforms())
    with ThreadPoolExecutor() as pool:
        order = {"site": "test/a", "kind": "products", "id": "17"}
        answer = pool.submit(offline.call, settings, "POST /admin/explain", order)
        asked, _ = store.accept()
        with only_one(settings.database.path):  # as a daemon does at its start
            asked.close()
            store.close()
            with pytest.raises(Stop, match=r"sync\.db: another daemon or command is using it"):
                answer.result()


def test_trouble_with_the_file_in_the_middle_is_one_line(connected: tuple[Path, socket.socket]) -> None:
    config, _ = connected
    database = config.with_name("sync.db")
    with contextlib.closing(sqlite3.connect(database)) as other, other:
        row = "INSERT INTO outbox (connection_id, kind, external_id, revision, lane, due_at, attempts, first_queued_at,"
        rows = [(number,) for number in range(3000)]
        other.executemany(f"{row} state) VALUES (1, 'products', ?, 1, 0, 0, 1, 0, 'parked')", rows)
    room = database.stat().st_size // 2  # the log has not enough for all rows
    limited = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))"
    command = [sys.executable, "-m", "daemon", "parked", "retry", "test/a", "products", "--config", str(config)]
    done = subprocess.run(
        [sys.executable, "-c", f"{limited}; os.execvp(sys.argv[1], sys.argv[1:])", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"ignite-sync: database {database}: ")
    assert "Traceback" not in done.stderr
