"""Both sides end equal after every odd answer at an operation's first uses; see `tests.prove.simulation.walk`."""

import random
import re

import pytest

from tests.prove.simulation.odd import ANSWERS
from tests.prove.simulation.steady import HASH_SEED
from tests.prove.simulation.test_simulation import python

pytestmark = pytest.mark.holds("A1")


@pytest.mark.timeout(600)
def test_both_sides_end_equal_after_three_odd_answers_of_every_operation() -> None:
    """Walk over every operation that the daemon uses; the walk also fails if it struck not exactly these.

    `tests/test_machines.py` has the walk with one odd answer each.
    """
    code, words = python("-m", "tests.prove.simulation.walk", "--times", "3", hash_seed=HASH_SEED)
    assert code == 0, words
    [walks] = re.findall(r"^(\d+) walks over \d+ operations, 0 failed", words, re.MULTILINE)
    assert int(walks) == len(ANSWERS)


@pytest.mark.timeout(600)
def test_both_sides_end_equal_after_odd_answers_at_any_moment(chance: random.Random) -> None:
    """Try a tenth of all moments and answers, drawn by a seed; `make walk` tries all of them."""
    some = ("--moments", "--share", "0.1", "--seed", str(chance.randrange(1000)))
    code, words = python("-m", "tests.prove.simulation.walk", *some, hash_seed=HASH_SEED)
    assert code == 0, words
    assert " 0 failed" in words
