"""Whatever odd answers each operation gives at its first uses, both sides end equal; see `tests.simulation.walk`."""

import random
import re

import pytest

from tests.simulation.odd import ANSWERS
from tests.simulation.steady import HASH_SEED
from tests.simulation.test_simulation import python

pytestmark = pytest.mark.holds("A1")

OPERATIONS = 30
"""Fewer than the operations of both APIs that a walk meets."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("times", [1, 3])
def test_both_sides_end_equal_after_every_odd_answer(times: int) -> None:
    code, words = python("-m", "tests.simulation.walk", "--times", str(times), hash_seed=HASH_SEED)
    assert code == 0, words
    [(walks, operations)] = re.findall(r"^(\d+) walks over (\d+) operations, 0 failed", words, re.MULTILINE)
    assert int(walks) == len(ANSWERS)
    assert int(operations) > OPERATIONS


@pytest.mark.timeout(600)
def test_both_sides_end_equal_after_odd_answers_at_any_moment(chance: random.Random) -> None:
    """A tenth of all moments and answers, drawn by a seed; without a share it is all of them."""
    tenth = ("--moments", "--share", "0.1", "--seed", str(chance.randrange(1000)))
    code, words = python("-m", "tests.simulation.walk", *tenth, hash_seed=HASH_SEED)
    assert code == 0, words
    assert " 0 failed" in words
