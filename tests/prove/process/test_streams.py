"""The real process with standard streams that are closed at the start, full, or read by nobody."""

import os
import sqlite3
import sys
from pathlib import Path

import pytest
import trio

from tests.e2e.process import ROOT, Process, free_port
from tests.e2e.test_other_spellings import alone

CLOSED = ["<&-", ">&-", "2>&-"]


def redirected(how: str) -> list[str]:
    """Return what runs a command with its streams as a shell redirects them."""
    return ["bash", "-c", f'exec "$@" {how}', "bash"]


@pytest.fixture
def process(tmp_path: Path) -> Process:
    port = free_port()
    return Process(tmp_path, alone(port, str(tmp_path / "ignite-sync.db")), port)


@pytest.mark.holds("E21")
@pytest.mark.parametrize("how", CLOSED)
async def test_streams_that_are_closed_at_the_start_harm_nothing(process: Process, how: str) -> None:
    async with process:
        process.wrapper = redirected(how)
        await process.start()
        assert (await process.request("GET", "/admin/status")).json() == {"connections": []}
        assert await process.terminate() == 0
        with sqlite3.connect(process.database) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.close()
        assert b'"event"' not in process.database.read_bytes(), "nothing was logged into the database"


@pytest.mark.holds("E21")
async def test_a_command_does_its_work_with_closed_streams(process: Process) -> None:
    async with process:
        await process.start()
        process.wrapper = redirected("<&- >&- 2>&-")
        assert await process.command("check") == (0, "", "")


@pytest.mark.holds("E21")
async def test_bad_settings_end_it_with_2_whatever_the_streams_are(process: Process) -> None:
    async with process:
        process.config.write_text("[listener]\nport =\n", "utf-8")
        process.wrapper = redirected("2>/dev/full")
        assert (await process.command("run"))[0] == 2


@pytest.mark.holds("E21")
async def test_output_that_cannot_be_written_is_one_line_and_exit_1(process: Process) -> None:
    async with process:
        await process.start()
        process.wrapper = redirected(">/dev/full")
        line = "ignite-sync: standard output cannot be written (No space left on device)\n"
        assert await process.command("status") == (1, "", line)


@pytest.mark.holds("E21")
async def test_output_whose_reader_has_gone_ends_in_silence(process: Process) -> None:
    async with process:
        await process.start()
        reading, writing = os.pipe()
        os.close(reading)
        command = [sys.executable, "-m", "daemon", "status", "--config", str(process.config)]
        done = await trio.run_process(command, stdout=writing, capture_stderr=True, check=False, cwd=ROOT)
        os.close(writing)
        assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.holds("E21")
@pytest.mark.parametrize("how", [">/dev/full 2>&1", "> >(true) 2>&1"])
async def test_the_daemon_runs_though_nobody_can_read_what_it_says(process: Process, how: str) -> None:
    async with process:
        process.wrapper = redirected(how)
        await process.start()
        assert (await process.request("GET", "/admin/status")).json() == {"connections": []}
        assert await process.terminate() == 0


@pytest.mark.holds("E21")
async def test_the_demo_runs_with_closed_streams(process: Process) -> None:
    async with process:
        process.wrapper = redirected("<&- >&- 2>&-")
        await process.launch("demo", "--port", str(process.port))
        await process.ready()
        assert await process.terminate() == 0


@pytest.mark.holds("E21")
async def test_the_demo_ends_where_nothing_can_be_shown(process: Process) -> None:
    async with process:
        process.wrapper = redirected(">/dev/full 2>&1")
        await process.launch("demo", "--exit", "--port", "0")
        assert await process.wait() == 1
