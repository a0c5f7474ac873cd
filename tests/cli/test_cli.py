"""The command line: what it prints, where to, and with which exit code.

The daemon at the other end of /admin is a real HTTP server with canned answers. Only the entry points of the daemon
and of the demo are replaced.
"""

import contextlib
import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daemon import __version__
from daemon.cli.check import CheckResult
from daemon.cli.group import main
from daemon.config import Settings, Survey
from daemon.engine.leftovers import UNKNOWABLE

ROOT = Path(__file__).parents[2]


class Admin(BaseHTTPRequestHandler):
    """Answers from a script and remembers what it was asked."""

    port: int
    script: list[tuple[int, Any]]
    asked: list[tuple[str, str, str | None, Any]]

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        self.asked.append((self.command, self.path, self.headers.get("Authorization"), body))
        status, answer = self.script.pop(0)
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_POST = do_GET  # noqa: N815  the name is the library's

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@contextlib.contextmanager
def admin(*script: tuple[int, Any]) -> Iterator[type[Admin]]:
    handler = type("Scripted", (Admin,), {"script": list(script), "asked": []})
    assert issubclass(handler, Admin)
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        handler.port = server.server_port
        write_config(handler.port)
        try:
            yield handler
        finally:
            server.shutdown()
            thread.join()


def write_config(port: int, extra: str = 'admin_token = "t0p"') -> None:
    text = f'[listener]\nhost = "0.0.0.0"\nport = {port}\n{extra}\n[security]\nsecret_keys = ["0123456789abcdef"]\n'
    Path("s.toml").write_text(text, "utf-8")


def unused_port() -> int:
    with HTTPServer(("127.0.0.1", 0), Admin) as server:
        return int(server.server_port)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("IGNITE_SYNC_") or name in {"PORT", "DATABASE_URL"}]:
        monkeypatch.delenv(name)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def assert_one_line(result: Result, code: int, line: str) -> None:
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"ignite-sync: {line}\n")


# Usage


def test_it_says_its_version() -> None:
    assert call("--version").stdout == f"ignite-sync {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["rum"], "No such command 'rum'. Did you mean 'run'? (see: main --help)"),
        (["run", "--cofig"], "No such option '--cofig'. Did you mean '--config'? (see: main run --help)"),
        (
            ["sync", "live/x"],
            "Missing argument 'KIND'. Choose from: store, products, customers, orders, all (see: main sync --help)",
        ),
        (
            ["sync", "x", "products"],
            "Invalid value for 'SITE': write it as live/SITE_ID or test/SITE_ID. (see: main sync --help)",
        ),
        (
            ["status", "--config", "none.toml"],
            (
                "none.toml: cannot be read (No such file or directory);"
                " name a file that exists and can be read with --config"
            ),
        ),
    ],
)
def test_misuse_is_one_line_and_exit_2(arguments: list[str], line: str) -> None:
    assert_one_line(call(*arguments), 2, line)


def test_the_real_process_answers_bad_configuration_without_a_traceback() -> None:
    environ = os.environ | {"PYTHONPATH": str(ROOT), "DATABASE_URL": "postgres://u:hidden@h/d"}
    done = subprocess.run(
        [sys.executable, "-m", "daemon", "run"], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr == (
        "ignite-sync: environment: DATABASE_URL: only sqlite:///FILE is supported, not postgres://;"
        " set IGNITE_SYNC_DATABASE_URL=sqlite:///ignite-sync.db (and 1 more; all of it: ignite-sync check)\n"
    )


def test_a_dyno_starts_the_daemon_without_its_package_being_installed() -> None:
    process, _, command = (ROOT / "Procfile").read_text("utf-8").strip().partition(": ")
    python, *arguments = shlex.split(command)
    assert (process, python) == ("web", "python")  # a dyno installs requirements.txt, so `ignite-sync` is not there
    done = subprocess.run(
        [sys.executable, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert "Run the daemon until SIGTERM or Ctrl-C." in done.stdout


def test_a_start_that_is_stopped_ends_with_0(tmp_path: Path) -> None:
    """It hangs where it reads its settings: nobody writes them."""
    settings = tmp_path / "settings.toml"
    os.mkfifo(settings)
    starting = subprocess.Popen([sys.executable, "-m", "daemon", "run", "--config", str(settings)])
    with settings.open("w"):  # as soon as it reads
        starting.terminate()
        assert starting.wait(10) == 0


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, daemon.cli.group\n"
        "try: daemon.cli.group.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'trio', 'httpx', 'rich', 'sqlalchemy', 'cattrs', 'attrs', 'msgspec'} & set(sys.modules)))\n"
    )
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"


# run, demo, check


@pytest.mark.parametrize("code", [0, 1])
def test_run_ends_with_the_daemons_exit_code(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    write_config(1234)
    ports: list[int] = []

    def run(settings: Settings, read: Callable[[], Settings]) -> int:
        ports.extend([settings.listener.port, read().listener.port])
        return code

    monkeypatch.setattr("daemon.app.run", run)
    monkeypatch.setenv("IGNITE_SYNC_CONFIG", "s.toml")
    assert call("run").exit_code == code
    assert ports == [1234, 1234]


def test_demo_hands_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []

    def main(**options: Any) -> int:
        given.append(options)
        return 0

    monkeypatch.setattr("daemon.cli.demo.main", main)
    assert call("demo", "--exit", "--port", "0").exit_code == 0
    assert call("demo").exit_code == 0
    assert given == [{"exit_when_done": True, "port": 0}, {"exit_when_done": False, "port": 8080}]


@pytest.mark.parametrize(("ok", "configured", "code"), [(True, False, 0), (False, False, 1), (False, True, 2)])
def test_check_has_a_line_for_each_thing(
    monkeypatch: pytest.MonkeyPatch, *, ok: bool, configured: bool, code: int
) -> None:
    async def check_all(_: Survey) -> list[CheckResult]:
        return [
            CheckResult(subject="live/x BigCommerce", ok=True, detail="store abc"),
            CheckResult(subject="live/x SparkLayer", ok=ok, detail="as it is", configured=configured),
        ]

    write_config(1234)
    monkeypatch.setattr("daemon.cli.check.check_all", check_all)
    result = call("check", "--config", "s.toml")
    assert result.exit_code == code
    *lines, note, lost = result.stdout.splitlines()
    word = "ok    " if ok else "FAILED"
    assert lines == ["ok      live/x BigCommerce: store abc", f"{word}  live/x SparkLayer: as it is"]
    assert note.startswith("note    database: ")
    assert lost.startswith("note    lost database: ")
    assert all(left in lost for left in UNKNOWABLE.values())
