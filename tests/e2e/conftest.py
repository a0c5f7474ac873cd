"""Opens houses: the real process between the two stand-ins."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import OpenHouse, open_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[OpenHouse]:
    """Open a house with its files in a folder of its own; what the daemon printed is shown if the test fails."""
    yield functools.partial(open_house, tmp_path)
    for log in tmp_path.glob("*.log"):
        print(log.read_text("utf-8"))  # noqa: T201  pytest shows it with a failure only
