"""Marks every test here as `e2e`, has them run last, and opens houses for them."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import OpenHouse, open_house

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark and move to the end."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("e2e")
    items.sort(key=lambda item: item.get_closest_marker("e2e") is not None)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[OpenHouse]:
    """Open a house with its files in a folder of its own; what the daemon printed is shown if the test fails."""
    yield functools.partial(open_house, tmp_path)
    for log in tmp_path.glob("*.log"):
        print(log.read_text("utf-8"))  # noqa: T201  pytest shows it with a failure only
