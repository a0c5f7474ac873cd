"""The command line itself: usage, exit codes, and the processes that start it."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon import __version__
from daemon.config import Settings
from tests.cli.admin import assert_one_line, call, write_config

ROOT = Path(__file__).parents[2]


def test_it_says_its_version() -> None:
    assert call("--version").stdout == f"ignite-sync {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["isues"], "No such command 'isues'. Did you mean 'issues'? (see: main --help)"),
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
    environ = os.environ | {"PYTHONPATH": str(ROOT), "DATABASE_URL": "mysql://u:hidden@h/d"}
    done = subprocess.run(
        [sys.executable, "-m", "daemon", "run"], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr == (
        "ignite-sync: environment: DATABASE_URL: must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME, not mysql://;"
        " set IGNITE_SYNC_DATABASE_URL=sqlite:///ignite-sync.db (and 1 more; all of it: ignite-sync check)\n"
    )


def test_a_dyno_starts_the_daemon_without_its_package_being_installed() -> None:
    process, _, command = (ROOT / "Procfile").read_text("utf-8").strip().partition(": ")
    _, python, *arguments = shlex.split(command)  # the first gives the daemon a variable
    assert (process, python) == ("web", "python")  # a dyno installs requirements.txt, so `ignite-sync` is not there
    done = subprocess.run(
        [sys.executable, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert "Run the daemon until SIGTERM or Ctrl-C." in done.stdout


def test_a_dyno_has_the_driver_of_its_database() -> None:
    """The host installs everything before the daemon knows its database."""
    installed = {line.partition("==")[0] for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()}
    assert {"psycopg", "psycopg-binary"} <= installed


def test_a_start_that_is_stopped_ends_with_0(tmp_path: Path) -> None:
    """The daemon waits for its settings, which come from a pipe without a writer."""
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
