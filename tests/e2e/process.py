"""The real daemon as a process of its own, and how it is asked: its listener, its status, its signals.

    process = Process(folder, settings(sandbox, port, database), port)   # any TOML will do
    async with process:                                                  # always stopped, by its process id
        await process.start() | ready() | restart() | wait() | terminate()   # terminate: SIGTERM, returns the exit code
        await process.kill()                                                 # SIGKILL, returns when it is dead
        await process.hang_up()                                              # SIGHUP, returns what it says of it
        await process.status()      # {"outbox", "full_sync", "issues", "ledger"} of products, or status("customers")
        await process.when(lambda status: ...) | idle()                      # polls the status until it is so
        await process.sync(refresh=True) -> run's id;  await process.full_sync(...) -> its status when it is over
        await process.metrics()     # {'ignite_sync_x_total{label="..."}': 1.0}
        await process.blocked() | until_blocked("platform: credentials") | until_blocked(None)
        await process.command("status")     # -> (exit code, stdout, stderr) of another process beside it
        await process.request("POST", "/webhooks/test/sandbox", ...) -> httpx.Response
        process.pid, .port, .config, .database, .output (all that it ever printed)

What a process printed is shown when its test fails. Nothing here sleeps blindly: a foreign process's state is polled
with a deadline.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
import trio

from daemon.model import Secret
from daemon.platforms.bigcommerce.webhooks import SECRET_HEADER
from daemon.sandbox import Sandbox, SparkLayer
from tests.e2e import warm

ROOT = Path(__file__).parent.parent.parent
TIMEOUT = 60.0
"""Seconds after which a condition that does not come true fails the test; generous, machines are busy."""
GLANCE = 0.03
"""Seconds between two looks at a foreign process's state."""
LONGEST_GLANCE = 0.15
"""Seconds that they become if the state is long in coming: a look at the status takes several milliseconds of CPU."""

PYTHONS = ("PYTHON", "LC_", "LANG")
"""Names of variables that Python reads at its start."""

SITE = "test/sandbox"
ADMIN_TOKEN = "e2e-admin-token"
WEBHOOK_SECRET = "e2e-webhook-secret"
SECRET_KEY = "e2e-secret-key-of-32-characters!"
QUICK: Mapping[str, Any] = {"debounce_seconds": 0.02, "debounce_max_seconds": 0.2}
"""For tests in which the debounce is not the subject."""


def settings(
    sandbox: Sandbox, port: int, database: Path | Secret, *, sync: Mapping[str, Any] = QUICK, more: str = ""
) -> str:
    """Write the TOML of a daemon between the two stand-ins; `more` is appended to the connection's section."""
    shop = sandbox.bigcommerce
    store = {
        "api_url": shop.url,
        "store_hash": shop.store_hash,
        "access_token": shop.access_token,
        "client_secret": shop.client_secret,
        "webhook_secret": WEBHOOK_SECRET,
    }
    return settings_of(sandbox.sparklayer, "bigcommerce", store, port, database, sync=sync, more=more)


def settings_of(
    site: SparkLayer,
    platform: str,
    store: Mapping[str, str],
    port: int,
    database: Path | Secret,
    *,
    sync: Mapping[str, Any] = QUICK,
    more: str = "",
) -> str:
    """Write the TOML of a daemon between a site and the store of a platform, whose settings are `store`."""
    url = database.reveal() if isinstance(database, Secret) else f"sqlite:///{database}"
    section = "\n".join(f'{name} = "{value}"' for name, value in store.items())
    pace = "\n".join(f"{name} = {value}" for name, value in sync.items())
    return f"""
[listener]
port = {port}
public_url = "http://127.0.0.1:{port}"
admin_token = "{ADMIN_TOKEN}"
[database]
url = "{url}"
[sparklayer]
test_url = "{site.url}"
[sync]
{pace}
[security]
secret_keys = ["{SECRET_KEY}"]
[[connections]]
site_env = "test"
site_id = "{site.site_id}"
client_id = "{site.client_id}"
client_secret = "{site.client_secret}"
platform = "{platform}"
{more}
[connections.{platform}]
{section}
"""


def glances() -> Iterator[float]:
    """Return the pauses between looks at a state that is waited for."""
    pause = GLANCE
    while True:
        yield pause
        pause = min(1.5 * pause, LONGEST_GLANCE)


def free_port() -> int:
    """Return a port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """`python -m daemon run` with a TOML of its own; started any number of times, one after the other."""

    def __init__(self, folder: Path, config: str, port: int, *, environment: Mapping[str, str] | None = None) -> None:
        self.port = port
        self.config = folder / "ignite-sync.toml"
        self.config.write_text(config, "utf-8")
        self.config.chmod(0o600)  # it has secrets
        self.database = folder / "ignite-sync.db"
        self.entry: Sequence[str] = ("daemon",)
        """The module that is run, and arguments of its own before the command's."""
        self.wrapper: Sequence[str] = ()
        """A command that runs the one behind it, with other streams for instance."""
        self._log = folder / "output.log"
        self._environment = {**_clean_environment(), **(environment or {})}
        self._process: trio.Process | warm.ForkedProcess | None = None
        self._first: dict[str, int] = {}
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with trio.CancelScope(shield=True):
            await self.kill()
            await self._client.aclose()

    @property
    def output(self) -> str:
        """All that it printed, on both streams, in all its lives."""
        return self._log.read_text("utf-8") if self._log.exists() else ""

    @property
    def pid(self) -> int:
        """The process id of the present life."""
        return self._living.pid

    @property
    def _living(self) -> trio.Process | warm.ForkedProcess:
        assert self._process is not None, "it was not started"
        return self._process

    def append(self, *lines: str) -> None:
        """Add settings of the connection's store, whose section is the last."""
        self.config.write_text("\n".join((self.config.read_text("utf-8"), *lines)), "utf-8")

    @property
    def living(self) -> bool:
        """True if it was started and has not ended yet."""
        return self._process is not None and self._process.returncode is None

    async def launch(self, *arguments: str) -> None:
        """Start it without waiting; `arguments` stand for `run --config FILE`."""
        arguments = arguments or ("run", "--config", str(self.config))
        command = [*self.wrapper, sys.executable, "-m", *self.entry, *arguments]
        with self._log.open("ab") as log:
            if self._plain:
                self._process = await warm.start(arguments, self._environment, log.fileno(), log.fileno())
                return
            self._process = await trio.lowlevel.open_process(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=self._environment
            )

    @property
    def _plain(self) -> bool:
        """True if it is `python -m daemon` without anything that Python itself reads at its start."""
        given = self._environment.items() - os.environ.items()
        return self.entry == ("daemon",) and not self.wrapper and not any(name.startswith(PYTHONS) for name, _ in given)

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        await self.launch()
        await self.ready()

    async def ready(self) -> None:
        """Wait until /readyz says so."""
        pauses = glances()
        with trio.fail_after(TIMEOUT):
            while True:
                assert self._living.returncode is None, f"it ended with {self._living.returncode}:\n{self.output}"
                with contextlib.suppress(httpx.TransportError):
                    if (await self.request("GET", "/readyz")).status_code == httpx.codes.OK:
                        return
                await trio.sleep(next(pauses))

    async def wait(self) -> int:
        """Wait until it ends by itself; return the exit code."""
        with trio.fail_after(TIMEOUT):
            return await self._living.wait()

    async def kill(self) -> None:
        """SIGKILL, if it lives; return when it is dead."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()

    async def terminate(self) -> int:
        """SIGTERM; return the exit code."""
        self._living.send_signal(signal.SIGTERM)
        return await self.wait()

    async def hang_up(self) -> str:
        """SIGHUP; return what it prints about the reload, once that is over."""
        before = self.output
        self._living.send_signal(signal.SIGHUP)
        with trio.fail_after(TIMEOUT):
            while "settings reloaded" not in (said := self.output[len(before) :]) and "not reloaded" not in said:
                assert self.living, f"it ended:\n{self.output}"
                await trio.sleep(GLANCE)
        return self.output[len(before) :]

    async def restart(self) -> None:
        """Kill it and start it again on the same database."""
        await self.kill()
        await self.start()

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command such as `status` with the same settings; return its exit code, stdout and stderr."""
        arguments = (*arguments, "--config", str(self.config))
        with trio.fail_after(TIMEOUT):
            if self._plain:
                return await self._forked(arguments)
            line = [*self.wrapper, sys.executable, "-m", "daemon", *arguments]
            done = await trio.run_process(
                line, capture_stdout=True, capture_stderr=True, check=False, cwd=ROOT, env=self._environment
            )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    async def _forked(self, arguments: Sequence[str]) -> tuple[int, str, str]:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            process = await warm.start(arguments, self._environment, out.fileno(), errors.fileno())
            try:
                code = await process.wait()
            finally:
                process.kill()
            out.seek(0)
            errors.seek(0)
            return code, out.read().decode(), errors.read().decode()

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask its listener, as an administrator."""
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", **options.pop("headers", {})}
        return await self._client.request(method, path, headers=headers, **options)

    async def connection(self) -> dict[str, Any]:
        """Return what /admin/status says of the connection."""
        answer = (await self.request("GET", "/admin/status")).raise_for_status().json()
        found: dict[str, Any] = answer["connections"][0]
        return found

    async def status(self, kind: str = "products") -> dict[str, Any]:
        """Return what /admin/status says of a kind."""
        found: dict[str, Any] = (await self.connection())["kinds"][kind]
        return found

    async def blocked(self) -> str | None:
        """Return why the connection is paused, or its products are."""
        connection = await self.connection()
        found: str | None = connection["blocked"] or connection["kinds"]["products"]["blocked"]
        return found

    async def until_blocked(self, cause: str | None) -> None:
        """Wait until the connection is paused because of `cause`; None: until it is not."""
        pauses = glances()
        with trio.fail_after(TIMEOUT):
            while True:
                if await self.blocked() == cause:
                    return
                await trio.sleep(next(pauses))

    async def sync(self, kind: str = "products", **wishes: bool) -> int:
        """Start a full sync, such as `refresh=True` or `allow_removals=True`; return the run's id."""
        order = {"site": SITE, "kind": kind, **wishes}
        return int((await self.request("POST", "/admin/sync", json=order)).raise_for_status().json()["run"])

    async def full_sync(self, kind: str = "products", **wishes: bool) -> dict[str, Any]:
        """Start a full sync; return its status when it is over."""
        return await self.run_over(await self.sync(kind, **wishes), kind)

    async def first_run(self, kind: str = "products") -> dict[str, Any]:
        """Return the status of the run that a new daemon starts with, when it is over and told."""
        ended = await self.when(lambda now: bool(now["full_sync"]) and now["full_sync"]["state"] == "ended", kind)
        self._first[kind] = ended["full_sync"]["id"]
        found: dict[str, Any] = ended["full_sync"]
        return found

    async def second_run(self, kind: str = "products") -> dict[str, Any]:
        """Return the status of the run after the first, when it is over and told."""
        first = self._first[kind]
        await self.when(lambda now: now["full_sync"]["id"] > first, kind)
        return await self.run_over((await self.status(kind))["full_sync"]["id"], kind)

    async def run_over(self, run: int, kind: str = "products") -> dict[str, Any]:
        """Return the status of a run when it is over and told."""
        over = {"id": run, "state": "ended"}
        ended = await self.when(lambda now: over.items() <= (now["full_sync"] or {}).items(), kind)
        found: dict[str, Any] = ended["full_sync"]
        return found

    async def idle(self) -> None:
        """Wait until nothing waits in the outbox, of whatever kind. Parked rows wait for nothing."""
        for kind in (await self.connection())["kinds"]:
            await self.when(lambda now: not now["outbox"]["live"] + now["outbox"]["backfill"], kind)

    async def when(self, holds: Callable[[dict[str, Any]], bool], kind: str = "products") -> dict[str, Any]:
        """Wait until `holds` of the status of a kind; return that status."""
        pauses = glances()
        with trio.fail_after(TIMEOUT):
            while True:
                if holds(now := await self.status(kind)):
                    return now
                await trio.sleep(next(pauses))

    async def metrics(self) -> dict[str, float]:
        """Return every sample of /metrics."""
        text = (await self.request("GET", "/metrics")).raise_for_status().text
        return {name: float(value) for name, value in re.findall(r"^([^#\s]\S*(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}

    async def webhook(self, product_id: int, scope: str = "store/product/updated") -> httpx.Response:
        """Send a webhook by hand, with the secret header only."""
        body = json.dumps({"scope": scope, "data": {"type": "product", "id": product_id}})
        headers = {SECRET_HEADER: WEBHOOK_SECRET, "Content-Type": "application/json"}
        return await self.request("POST", f"/webhooks/{SITE}", content=body, headers=headers)


def _clean_environment() -> dict[str, str]:
    """Keep settings of whoever runs the tests away from the daemon."""
    mine = ("IGNITE_SYNC_", "PORT", "DATABASE_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)}
