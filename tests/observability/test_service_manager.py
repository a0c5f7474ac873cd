"""The service manager hears when the daemon is ready, that it lives, why it is not ready, and that it stops."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.observability.service_manager import keep_informed
from tests.each import each


class Manager:
    """The manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def received(self) -> list[str]:
        """Return the messages that have come since the last call."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture(params=["{}/manager", "\0{}/manager"], ids=["a path", "an abstract name"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(tmp_path)


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    end = Manager(address)
    yield end
    end.socket.close()


async def _for(seconds: float, environ: dict[str, str], reasons: list[str]) -> None:
    async def why_not_ready() -> list[str]:
        return reasons

    with trio.move_on_after(seconds):
        await keep_informed(environ, why_not_ready)


async def test_it_hears_the_start_the_state_and_the_stop(
    autojump_clock: MockClock, manager: Manager, address: str
) -> None:
    environ = {"NOTIFY_SOCKET": address.replace("\0", "@")}
    await _for(45, environ, ["the database cannot be written (disk_full)"])
    alive = "WATCHDOG=1\nSTATUS=the database cannot be written (disk_full)"
    assert manager.received() == ["READY=1", alive, alive, "STOPPING=1"]


@pytest.mark.parametrize(("process", "times"), [(os.getpid(), 7), (1, 3)], ids=["ours", "another process"])
async def test_a_watchdog_hears_it_three_times_in_its_time(
    autojump_clock: MockClock, manager: Manager, address: str, process: int, times: int
) -> None:
    environ = {"NOTIFY_SOCKET": address.replace("\0", "@"), "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(process)}
    await _for(61, environ, [])
    assert manager.received().count("WATCHDOG=1\nSTATUS=ready") == times


async def test_a_look_that_hangs_is_not_told_as_life(autojump_clock: MockClock, manager: Manager, address: str) -> None:
    async def hangs() -> list[str]:
        await trio.Event().wait()
        return []

    with trio.move_on_after(300):
        await keep_informed({"NOTIFY_SOCKET": address.replace("\0", "@"), "WATCHDOG_USEC": "30000000"}, hangs)
    assert manager.received() == ["READY=1", "STOPPING=1"]


@each("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
async def test_without_a_manager_it_stops_nothing(autojump_clock: MockClock, environ: dict[str, str]) -> None:
    await _for(100, environ, [])
