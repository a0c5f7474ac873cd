"""Ctrl-C is answered at once, at whatever moment it comes; and a command whose reader has gone ends without a word.

What hangs here is a stand-in that takes connections and never answers, or a file of settings that nobody writes.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.e2e.process import ROOT, free_port

pytestmark = pytest.mark.holds("O6")

TIMEOUT = 60
CONFIG = """
[listener]
port = {port}
admin_token = "an-admin-token"
[database]
url = "sqlite:///{folder}/x.db"
[sparklayer]
test_url = "{api}"
[security]
secret_keys = ["0123456789abcdef"]
[[connections]]
site_env = "test"
site_id = "x"
client_id = "c"
client_secret = "s"
platform = "bigcommerce"
[connections.bigcommerce]
api_url = "{api}"
store_hash = "abc"
access_token = "t"
"""


@contextlib.contextmanager
def silent() -> Iterator[tuple[socket.socket, str]]:
    """Listen at a port of loopback and answer nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, f"http://127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command; it is gone at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "daemon", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupted(process: subprocess.Popen[str]) -> tuple[int, Sequence[str]]:
    """Interrupt a process; return its exit code and the lines of stderr from the answer on."""
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=TIMEOUT)
    lines = errors.splitlines()
    assert sum("stopping" in line for line in lines) == 1, errors
    first = next(number for number, line in enumerate(lines) if "stopping" in line)
    return process.returncode, lines[first:]


@pytest.mark.parametrize(("word", "code"), [("run", 0), ("status", 1)])
def test_while_settings_are_read(tmp_path: Path, word: str, code: int) -> None:
    settings = tmp_path / "s.toml"
    os.mkfifo(settings)
    with started(word, "--config", str(settings)) as process, settings.open("w"):  # open: as soon as it reads
        assert interrupted(process) == (code, ["ignite-sync: stopping"])


@pytest.mark.parametrize("words", [["check"], ["sync", "test/x", "products", "--watch"]])
def test_while_the_other_side_does_not_answer(tmp_path: Path, words: Sequence[str]) -> None:
    with silent() as (server, api):
        port = server.getsockname()[1] if words != ["check"] else free_port()
        (tmp_path / "s.toml").write_text(CONFIG.format(port=port, folder=tmp_path, api=api), "utf-8")
        with started(*words, "--config", str(tmp_path / "s.toml")) as process:
            connection, _ = server.accept()
            with connection:
                assert interrupted(process) == (1, ["ignite-sync: stopping"])


@pytest.mark.postgres
def test_by_a_daemon_that_waits_for_its_database(tmp_path: Path) -> None:
    settings = CONFIG.format(port=0, folder=tmp_path, api="http://127.0.0.1:9")
    absent = settings.replace(f"sqlite:///{tmp_path}/x.db", f"postgresql://x@/x?host={tmp_path}")
    (tmp_path / "s.toml").write_text(absent, "utf-8")
    with started("run", "--config", str(tmp_path / "s.toml")) as process:
        assert process.stderr is not None
        assert "waiting for the database" in process.stderr.readline()
        code, [line] = interrupted(process)  # one that waits to the end ends with 1
        assert (code, '"event": "stopping"' in line) == (0, True)


COMMITTING = """
import contextlib, os, signal
import trio
from daemon import __main__, composition

begun = composition.load_fingerprint

async def stopped_first(*args):
    os.kill(os.getpid(), signal.SIGTERM)
    with contextlib.suppress(trio.Cancelled):  # the start is given up, and the writer with it
        await trio.sleep_forever()
    return await begun(*args)

composition.load_fingerprint = stopped_first
__main__.main()
"""


def test_by_a_daemon_whose_start_waits_for_a_commit(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(CONFIG.format(port=0, folder=tmp_path, api="http://127.0.0.1:9"), "utf-8")
    line = [sys.executable, "-c", COMMITTING, "run", "--config", str(tmp_path / "s.toml")]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    [said] = done.stderr.splitlines()
    assert (done.returncode, '"event": "stopping"' in said) == (0, True)


def test_by_the_daemon_however_little_it_logs(tmp_path: Path) -> None:
    with silent() as (server, api):
        quiet = '[logging]\nlevel = "error"\n'
        (tmp_path / "s.toml").write_text(quiet + CONFIG.format(port=0, folder=tmp_path, api=api), "utf-8")
        with started("run", "--config", str(tmp_path / "s.toml")) as process:
            connection, _ = server.accept()  # its first request: it runs
            with connection:
                code, lines = interrupted(process)
        assert code == 0
        assert lines[0].startswith('{"event": "stopping"')


def test_by_a_demo_that_has_only_begun() -> None:
    """It loads its modules: nothing is printed yet."""
    code = "import sys; from daemon.cli import stopping; stopping.watch_start(); print(flush=True); sys.stdin.read()"
    line = [sys.executable, "-c", code, "demo"]
    with subprocess.Popen(
        line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 0
        assert process.stderr is not None
        assert process.stderr.read() == "ignite-sync: stopping\n"


BUSY = """
import select, sys
import trio
from daemon import app, __main__
from daemon.cli import demo, stopping

call = sys.argv.pop()

@trio.lowlevel.enable_ki_protection
def work():
    print(flush=True)
    if call == "waits":
        sys.stdin.buffer.read()
    while not select.select([0], [], [], 0)[0]:
        pass

async def serve(settings, stop, task_status=trio.TASK_STATUS_IGNORED, **_):
    work()
    task_status.started(("127.0.0.1", 1))
    await stop.wait()

async def command():
    work()
    await trio.sleep_forever()

app.serve = serve
demo._Stage.play = lambda _stage: trio.sleep_forever()
if sys.argv[1] != "command":
    __main__.main()
try:
    with stopping.interrupting():
        stopping.run(command)
except KeyboardInterrupt:
    sys.exit(1)
"""


@pytest.mark.parametrize("call", ["waits", "computes"])
@pytest.mark.parametrize(("word", "code"), [("run", 0), ("demo", 0), ("command", 1)])
def test_before_anything_else_while_a_call_keeps_the_event_loop_busy(
    tmp_path: Path, word: str, code: int, call: str
) -> None:
    """The call lasts until the test closes stdin, which it does only once it has read the line."""
    (tmp_path / "s.toml").write_text(CONFIG.format(port=0, folder=tmp_path, api="http://127.0.0.1:9"), "utf-8")
    words = ["run", "--config", str(tmp_path / "s.toml")] if word == "run" else [word]
    line = [sys.executable, "-c", BUSY, *words, call]
    with subprocess.Popen(line, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == b"\n"
            process.send_signal(signal.SIGINT)
            assert select.select([process.stderr], [], [], TIMEOUT)[0], "it says nothing"
            assert b"stopping" in os.read(process.stderr.fileno(), 1000)
            process.stdin.close()
            assert process.wait(TIMEOUT) == code
            assert b"stopping" not in process.stderr.read()
        finally:
            process.kill()


def test_by_nobody_whom_a_shell_has_put_in_the_background(tmp_path: Path) -> None:
    settings = tmp_path / "s.toml"
    os.mkfifo(settings)
    line = [sys.executable, "-m", "daemon", "status", "--config", str(settings)]
    with subprocess.Popen(
        ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *line], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        with settings.open("w") as written:
            process.send_signal(signal.SIGINT)
            written.write("[security\n")
        _, errors = process.communicate(timeout=TIMEOUT)
    assert "is not valid TOML" in errors


@pytest.mark.parametrize(
    ("words", "lines"),
    [(["demo", "--port", "0", "--exit"], 1), (["--help"], 0), (["status"], 0)],
    ids=["demo", "help", "status"],
)
def test_a_reader_that_has_gone_is_no_trouble(tmp_path: Path, words: Sequence[str], lines: int) -> None:
    (tmp_path / "s.toml").write_text(
        f'[database]\nurl = "sqlite:///{tmp_path}/x.db"\n[listener]\nport = {free_port()}\nadmin_token = "t"\n'
        '[security]\nsecret_keys = ["0123456789abcdef"]\n',
        "utf-8",
    )
    if words == ["status"]:
        subprocess.run([sys.executable, "-c", MADE, str(tmp_path / "x.db")], cwd=ROOT, check=True)
        words = [*words, "--config", str(tmp_path / "s.toml")]
    with started(*words) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(TIMEOUT) in {0, 1}
    # The demo shows its progress there; beside `status` no daemon runs, and it says so.
    told = ("Full sync ", "ignite-sync: no daemon answers")
    assert [line for line in errors.splitlines() if not line.startswith(told)] == []


MADE = """
import sys, trio
from pathlib import Path
from daemon.storage.database import open_database
async def made():
    async with open_database(Path(sys.argv[1])):
        pass
trio.run(made)
"""
