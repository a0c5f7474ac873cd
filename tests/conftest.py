"""Has assertions beside the tests tell what they compared; draws seeds; prints the table of classes."""

import random

import pytest

from tests.classes import held, table
from tests.seed import draw

pytest.register_assert_rewrite(
    "tests.e2e.harness", "tests.e2e.process", "tests.prove.process.watch", "tests.conformance.promises"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what prints which tests hold which class of wrong behaviour."""
    parser.addoption("--classes", action="store_true", help="print the classes of tests/classes.py with their tests")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Print that table."""
    if session.config.getoption("--classes"):
        print(table(held(session.items)))  # noqa: T201  it was asked for


@pytest.fixture
def chance() -> random.Random:
    seed = draw()
    print(f"seed {seed}")  # noqa: T201  pytest shows it with a failure
    return random.Random(seed)
