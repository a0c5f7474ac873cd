"""Has assertions that stand beside the tests tell what they compared, as those in tests do; and draws seeds."""

import random

import pytest

from tests.seed import draw

pytest.register_assert_rewrite(
    "tests.e2e.harness", "tests.e2e.process", "tests.e2e.watch", "tests.conformance.promises"
)


@pytest.fixture
def chance() -> random.Random:
    seed = draw()
    print(f"seed {seed}")  # noqa: T201  pytest shows it with a failure
    return random.Random(seed)
