"""The daemon and the sandbox as separate processes, measured from outside.

CPU seconds are the process's, user and system together, so they are valid on a busy machine too. The peak of memory is
the kernel's `VmHWM`. The progress of a full sync is read from the database file, since requests would cost the daemon
CPU. The daemon has the environment that systemd gives it.
"""

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import psutil
import psycopg
import trio
from attrs import frozen

from benchmarks.platforms import BIGCOMMERCE, PLATFORMS, BenchPlatform
from daemon.cli.demo import free_port
from daemon.model import Secret
from daemon.transport.http import Api

ADMIN_TOKEN = "the-operator's"  # noqa: S105  it opens a daemon that lives for a minute on loopback
SECRET_KEY = "a text of thirty-two characters."  # noqa: S105  the same
POLL_SECONDS = 0.05

UNIT = Path(__file__).parent.parent / "config" / "ignite-sync.service"

Told = dict[str, dict[str, str]]
"""Addresses and credentials of two stand-ins: {platform: {name: text}, "sparklayer": {name: text}}."""


@contextlib.asynccontextmanager
async def open_program(
    module: str,
    *arguments: str,
    prepare: Callable[[], None] | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[trio.Process]:
    """Run `python -m module`; stop it at the end of the block, and wait for its end."""
    command = [sys.executable, "-m", module, *arguments]
    env = {**os.environ, **environment}
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(trio.run_process, command, stdout=subprocess.PIPE, check=False, preexec_fn=prepare, env=env)
        )
        try:
            yield process
        finally:
            process.terminate()


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU seconds that a process has used since its start."""
    times = process.cpu_times()
    return times.user + times.system


def unit_environment() -> dict[str, str]:
    """Return the variables that the systemd unit gives the daemon."""
    lines = re.findall(r"^Environment=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)
    return dict(assignment.split("=", 1) for line in lines for assignment in line.split())


@frozen(kw_only=True)
class Sandbox:
    """Both stand-ins; `told` is their first line of JSON, with addresses and credentials."""

    told: Told

    async def statistics(self, side: str) -> dict[str, Any]:
        """Return the counters of one side."""
        return await self._ask(side, "GET")

    async def count_anew(self) -> None:
        """Set the counters of both sides to 0."""
        for side in self.told:
            await self._ask(side, "DELETE")

    async def refuse(self, share: float) -> None:
        """Answer a random share of all requests to both sides with 429 and a Retry-After of 1."""
        arguments = {"status": 429, "headers": {"retry-after": "1"}}
        order = {"pattern": "*", "fault": "answer", "arguments": arguments, "probability": share}
        for side in self.told:
            await self._ask(side, "POST", "/_sandbox/faults", msgspec.json.encode(order))

    async def _ask(
        self, side: str, method: str, path: str = "/_sandbox/statistics", body: bytes | None = None
    ) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(
            await _asked(self.told[side]["url"], {}, method, path, body) or b"{}"
        )
        return found


@contextlib.asynccontextmanager
async def open_sandbox(
    products: int,
    platform: BenchPlatform = BIGCOMMERCE,
    *,
    customers: int = 0,
    orders: int = 0,
    limits: bool = False,
) -> AsyncIterator[Sandbox]:
    """Run the sandbox with this number of synthetic products (three variants on average), customers and orders."""
    counts = {"--products": products, "--customers": customers, "--orders": orders}
    arguments = [word for name, count in counts.items() for word in (name, str(count))]
    arguments += ["--limits", "on" if limits else "off", "--platform", platform.name]
    async with open_program("daemon.sandbox", *arguments) as process:
        assert process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            line += await process.stdout.receive_some()
        yield Sandbox(told=msgspec.json.decode(line))


@frozen(kw_only=True)
class Daemon:
    """A running daemon. Its database is a file, unless `url` names one on PostgreSQL."""

    site: str
    port: int
    database: Path
    url: Secret | None = None
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """Return the CPU seconds used since the process started."""
        return cpu_seconds(self.process)

    def peak_bytes(self) -> int:
        """Return the process's peak of memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))

    def query(self, sql: str, *parameters: object) -> list[Any]:
        """Query the database, with ? for each parameter; a file is opened read-only."""
        if self.url is not None:
            with psycopg.connect(self.url.reveal()) as server:
                return server.execute(sql.replace("?", "%s").encode(), parameters).fetchall()
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as conn:
            return conn.execute(sql, parameters).fetchall()

    async def metric(self, name: str) -> float:
        """Return the value of a counter, summed over its labels."""
        text = (await self._ask("GET", "/metrics")).decode()
        lines = [line.rpartition(" ") for line in text.splitlines() if line.startswith(f"ignite_sync_{name}")]
        return sum(float(value) for series, _, value in lines if series.partition("{")[0] == f"ignite_sync_{name}")

    async def full_sync(self, kind: str = "products", site: str | None = None) -> None:
        """Start a full sync, by default of the first connection, and wait for its end.

        Raises RuntimeError if it does not succeed.
        """
        order = {"site": site or self.site, "kind": kind}
        run = msgspec.json.decode(await self._ask("POST", "/admin/sync", msgspec.json.encode(order)))["run"]
        while True:
            [(state, done, succeeded)] = self.query("SELECT state, done, succeeded FROM full_syncs WHERE id = ?", run)
            if state == "ended":
                break
            await trio.sleep(POLL_SECONDS)
        if not succeeded:
            raise RuntimeError(f"the full sync of {kind} failed after {done}")

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
        return await _asked(f"http://127.0.0.1:{self.port}", headers, method, path, body)


async def _asked(url: str, headers: Mapping[str, str], method: str, path: str, body: bytes | None) -> bytes:
    async with contextlib.aclosing(Api(url, headers=headers, connections=1)) as api:
        answer = await api.send(method, path, body=body)
    if not answer.ok:
        raise RuntimeError(f"{method} {path} was answered {answer.status}: {answer.body!r}")
    return answer.body


@contextlib.asynccontextmanager
async def open_daemon(
    told: Told,
    *,
    folder: Path | None = None,
    debounce: float = 1.0,
    webhooks: bool = False,
    sync: Mapping[str, float] = MappingProxyType({}),
    beside: Sequence[Told] = (),
    prepare: Callable[[], None] | None = None,
    url: Secret | None = None,
    public_port: int | None = None,
) -> AsyncIterator[Daemon]:
    """Run the daemon between the stand-ins of `told`.

    Its database is in `folder`, by default a temporary one, or at `url`. With `webhooks` it registers them, at
    `public_port` or at its own. `sync` has more settings of that table. `beside` has the stand-ins of other
    connections, whose sites share one URL.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ignite-sync-bench-") as made:
        folder = folder or Path(made)
        config = folder / "bench.toml"
        text = _config(url.reveal() if url else f"sqlite:///{folder / 'bench.db'}", port, told, debounce)
        text = text.replace("[sync]", "\n".join(["[sync]", *(f"{name} = {value}" for name, value in sync.items())]))
        if webhooks:
            text = text.replace("[listener]", f'[listener]\npublic_url = "http://127.0.0.1:{public_port or port}"')
        config.write_text("".join([text, *map(_connection, [told, *beside])]), encoding="utf-8")
        arguments = ("daemon", "run", "--config", str(config))
        async with open_program(*arguments, prepare=prepare, environment=unit_environment()) as process:
            await _listens(port, process)
            yield Daemon(
                site=f"test/{told['sparklayer']['site_id']}",
                port=port,
                database=folder / "bench.db",
                url=url,
                process=psutil.Process(process.pid),
            )


async def until(holds: Callable[[], bool], seconds: float, pause: float = POLL_SECONDS) -> None:
    """Wait until something holds of another process; it is looked at once in each `pause`. Raises TooSlowError."""
    with trio.fail_after(seconds):
        while not holds():  # noqa: ASYNC110  see above
            await trio.sleep(pause)


async def _listens(port: int, process: trio.Process) -> None:
    """Wait until the daemon accepts connections. Raises RuntimeError if it ends instead."""
    while process.returncode is None:
        with contextlib.suppress(OSError):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.aclose()
            return
        await trio.sleep(POLL_SECONDS)
    raise RuntimeError(f"the daemon ended with {process.returncode}")


def _config(database: str, port: int, told: Told, debounce: float) -> str:
    return f"""
[listener]
port = {port}
admin_token = "{ADMIN_TOKEN}"
[database]
url = "{database}"
[sparklayer]
test_url = "{told["sparklayer"]["url"]}"
[sync]
debounce_seconds = {debounce}
debounce_max_seconds = {10 * debounce}
[security]
secret_keys = ["{SECRET_KEY}"]
[logging]
level = "warning"
"""


def _connection(told: Told) -> str:
    site = told["sparklayer"]
    platform = PLATFORMS[next(name for name in told if name != "sparklayer")]
    section = "\n".join(f'{name} = "{text}"' for name, text in platform.section(told[platform.name]).items())
    return f"""
[[connections]]
site_env = "test"
site_id = "{site["site_id"]}"
client_id = "{site["client_id"]}"
client_secret = "{site["client_secret"]}"
platform = "{platform.name}"
full_sync_on_start = false
[connections.{platform.name}]
{section}
"""
