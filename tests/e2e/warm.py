"""Starts `python -m daemon` from a process that has imported the daemon already: a start takes its own time only.

    process = await start(["run", "--config", "x.toml"], environment, log)    # with the part of trio.Process used here

Imports take longer than most tests of the real process do. The first start also starts a server, which forks for each
daemon; it ends with the tests' process. A test of the start itself runs the command as people do. A daemon that is
forked is a process of its own in all but that: it has its own environment, streams, signals and exit code.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

ROOT = Path(__file__).parents[2]
MOST_BYTES = 128 * 1024
"""Size of a request, which has arguments and an environment."""


class ForkedProcess:
    """A process that the server has forked."""

    def __init__(self, pid: int, ending: socket.socket) -> None:
        self.pid = pid
        self._ending = ending
        self._returncode: int | None = None

    @property
    def returncode(self) -> int | None:
        """The exit code, negative after a signal; None while it lives."""
        if self._returncode is None:
            try:
                said = self._ending.recv(16)
            except BlockingIOError:
                return None
            trio.lowlevel.notify_closing(self._ending)  # another task may wait for it
            self._ending.close()
            self._returncode = os.waitstatus_to_exitcode(int(said))
        return self._returncode

    async def wait(self) -> int:
        """Wait until it ends; return the exit code."""
        while (code := self.returncode) is None:
            with contextlib.suppress(trio.ClosedResourceError):  # another task has read it
                await trio.lowlevel.wait_readable(self._ending)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it lives."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # its end is told a moment later
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, if it lives."""
        self.send_signal(signal.SIGKILL)


async def start(arguments: Sequence[str], environment: Mapping[str, str], out: int, errors: int) -> ForkedProcess:
    """Start `python -m daemon` with these arguments and streams, and without input."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        request = json.dumps([list(arguments), dict(environment)]).encode()
        assert len(request) <= MOST_BYTES
        socket.send_fds(_server(), [request], [theirs.fileno(), out, errors])
    pid = int(await trio.to_thread.run_sync(ours.recv, 16))
    ours.setblocking(False)
    return ForkedProcess(pid, ours)


@functools.cache
def _server() -> socket.socket:
    """Start the server; return the socket that takes requests."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", "tests.e2e.warm", str(theirs.fileno())]
        server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours


def serve(requests: socket.socket) -> None:
    """Fork for each request, until the tests' process has gone; the daemon's own fork returns when that has ended."""
    import daemon.cli  # noqa: PLC0415  the tests' process needs none of it
    from daemon.platforms import load_platforms  # noqa: PLC0415

    for module in pkgutil.iter_modules(daemon.cli.__path__, "daemon.cli."):
        importlib.import_module(module.name)
    load_platforms()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        request, files, _, _ = socket.recv_fds(requests, MOST_BYTES, 3)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            _watch(*json.loads(request), *files)
            return
        for number in files:
            os.close(number)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _watch(arguments: list[str], environment: dict[str, str], ending: int, out: int, errors: int) -> None:
    """Run the daemon in a child, and tell how it ended."""
    pid = os.fork()
    if pid == 0:
        os.close(ending)
        _become(arguments, environment, out, errors)
        return
    with socket.socket(fileno=ending) as told:
        told.send(str(pid).encode())
        told.send(str(os.waitpid(pid, 0)[1]).encode())
    os._exit(0)


def _become(arguments: list[str], environment: dict[str, str], out: int, errors: int) -> None:
    """Be what `python -m daemon` would be."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for stream, number in ((out, 1), (errors, 2)):
        os.dup2(stream, number)
    os.close(out)
    if errors != out:
        os.close(errors)
    main: Any = importlib.import_module("daemon.__main__")
    sys.modules["__main__"] = main
    sys.argv = [main.__file__, *arguments]
    main.main()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as taken:
        serve(taken)
