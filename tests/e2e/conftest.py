"""Opens harnesses: the real process between the two stand-ins."""

import functools
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import OpenHarness, open_harness


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[OpenHarness]:
    """Open a harness with its files in a folder of its own; what the daemon printed is shown if the test fails."""
    yield functools.partial(open_harness, tmp_path)
    for log in tmp_path.glob("*.log"):
        print(log.read_text("utf-8"))  # noqa: T201  pytest shows it with a failure only


@pytest.fixture(autouse=True)
def in_the_foreground() -> Iterator[None]:
    """Have Ctrl-C reach what is started, also where the tests themselves run in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
