"""A systemd of our own, with this machine's files under it: namespaces, an overlay in memory, no network but loopback.

It takes root, Linux's namespaces and a cgroup of version 2; nothing is installed, and nothing outlives it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[3]
BOOT = Path(__file__).with_name("boot.sh")
PYTHON = "/usr/bin/python3"
"""The interpreter inside: one that every user may run."""

TIMEOUT = 60.0
NAMESPACES = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup")


@frozen
class Container:
    """A systemd that runs; `pid` is its process id outside."""

    pid: int

    def run(self, command: str, *, cwd: str = "/", code: int | None = 0) -> str:
        """Run a shell command inside, and return what it prints; its exit code must be `code` (None: any)."""
        line = ["nsenter", f"--target={self.pid}", "--all", "/bin/sh", "-c", f"cd {cwd} && {command}"]
        clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=TIMEOUT, env=clean)
        if code is not None and done.returncode != code:
            raise AssertionError(f"{command}: {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def write(self, path: str, text: str) -> None:
        """Write a file inside."""
        Path(f"/proc/{self.pid}/root{path}").write_text(text, "utf-8")

    def until(self, what: str, holds: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + TIMEOUT
        while not holds():
            assert time.monotonic() < deadline, f"it is not so: {what}"
            time.sleep(0.1)


@contextlib.contextmanager
def booted() -> Iterator[Container]:
    """Lend a container whose systemd is up."""
    folder = Path(tempfile.mkdtemp(prefix="ignite-sync-systemd-"))
    cgroup = _cgroups() / folder.name
    cgroup.mkdir()
    packages = sysconfig.get_path("purelib")
    boot = ["unshare", *NAMESPACES, "--fork", "--kill-child", "/bin/sh", str(BOOT), str(folder), str(ROOT), packages]
    join = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    outer = subprocess.Popen(["/bin/sh", "-c", join, str(cgroup), *boot], stdin=subprocess.DEVNULL)
    try:
        container = Container(_child(outer))
        container.until("systemd is up", lambda: "running" in container.run("systemctl is-system-running", code=None))
        yield container
    finally:
        outer.send_signal(signal.SIGKILL)  # takes its child, and so everything inside, with it
        outer.wait()
        _remove(cgroup)
        shutil.rmtree(folder, ignore_errors=True)


def _cgroups() -> Path:
    """Return where cgroups of version 2 are."""
    for line in Path("/proc/self/mounts").read_text("utf-8").splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    sys.exit("There is no cgroup of version 2 here, which a systemd of its own needs.")


def _child(outer: subprocess.Popen[bytes]) -> int:
    """Return the process that is the first one inside."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline and outer.poll() is None:
        with contextlib.suppress(OSError, IndexError):
            pid = int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text("utf-8").split()[0])
            if Path(f"/proc/{pid}/exe").readlink().name == "systemd":
                return pid
        time.sleep(0.05)
    sys.exit("No systemd could be booted here: it takes root, namespaces and /lib/systemd/systemd.")


def _remove(cgroup: Path) -> None:
    """Remove a cgroup with those inside; the processes may take a moment to go."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            for folder, _, _ in os.walk(cgroup, topdown=False):
                Path(folder).rmdir()
            return
        time.sleep(0.1)
