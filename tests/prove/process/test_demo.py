"""The demo with a few entities, as a real process: it ends with 0 only when everything that it claims held."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.cli.demo_shops import SHOPS
from tests.e2e.process import ROOT
from tests.test_docs import printed, shape

pytestmark = pytest.mark.timeout(400)

TIMEOUT = 360
"""Seconds; a busy machine takes its time, and the demo itself tells when nothing moves."""

DEMO = [sys.executable, "-u", "-m", "daemon", "demo", "--port", "0"]

FORGETFUL = """
import contextlib
from daemon.cli import demo
from daemon.sandbox import answer

opened = demo.open_demo_shop

@contextlib.asynccontextmanager
async def forgetful(*args, **options):
    async with opened(*args, **options) as (shop, site):
        site.faults.add("PATCH */pricing", answer(204), times=1)
        yield shop, site

demo.open_demo_shop = forgetful
raise SystemExit(demo.main(exit_when_done=True, port=0, platform="{}", few=True))
"""
"""The demo with a SparkLayer that says yes to some prices and does not keep them."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_or_a_closed_terminal_ends_the_demo_with_0_and_leaves_no_file(
    number: signal.Signals, tmp_path: Path
) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        DEMO, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        try:
            assert demo.stdout is not None
            assert demo.stdout.readline().startswith("The daemon listens on http://127.0.0.1:")
            assert list(tmp_path.iterdir())
            demo.send_signal(number)
            _, errors = demo.communicate(timeout=60)
            assert (demo.returncode, errors.partition("Traceback")[1]) == (0, "")
            assert list(tmp_path.iterdir()) == []
        finally:
            demo.kill()


ARRIVALS = {"bigcommerce": 9, "woocommerce": 12}
"""Number of things that the demo sees arrive by webhook, by platform."""


@pytest.mark.parametrize("platform", SHOPS)
def test_the_demo_ends_with_0_after_everything_it_claims(platform: str) -> None:
    done = ended([*DEMO, "--exit", "--platform", platform, "--few"])
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.endswith("it agrees with the store.") for line in lines) == 2
    assert any(line.endswith("and wrote nothing.") for line in lines)
    assert sum(" arrived in SparkLayer after " in line for line in lines) == ARRIVALS[platform]
    assert lines[-3] == "  and the fixed product's error left the sync-log"
    assert re.fullmatch(r"All of it took [\d.]+ s\.", lines[-1])


def test_the_whole_demo_prints_what_the_pages_show() -> None:
    done = ended([*DEMO, "--exit"])
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert sum(" arrived in SparkLayer after " in line for line in lines) == ARRIVALS["bigcommerce"]
    times = [line for line in lines if re.fullmatch(r"Full sync [12] of \w+: \d+ done, [\d.]+ s", line)]
    assert len(times) == 8
    for page, mention in (("README.md", "make demo"), ("docs/commands.md", "ignite-sync demo")):
        shown = shape(printed(page, mention))
        assert shown.fullmatch(done.stdout), f"{page} shows something else:\n{done.stdout}"


@pytest.mark.parametrize("platform", SHOPS)
def test_a_claim_that_does_not_hold_ends_the_demo_with_1(platform: str) -> None:
    done = ended([sys.executable, "-c", FORGETFUL.replace("{}", platform)])
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The demo failed: SparkLayer differs from the store" in done.stderr
    assert "it agrees with the store" not in done.stdout
    assert "Traceback" not in done.stderr


def ended(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder until it ends."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=TIMEOUT)
