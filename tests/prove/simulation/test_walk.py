"""Both sides end equal after odd answers at any moment; `tests/test_machines.py` has the walk over every operation."""

import random

import pytest

from tests.prove.simulation.steady import HASH_SEED
from tests.prove.simulation.test_simulation import python

pytestmark = pytest.mark.holds("A1")


@pytest.mark.timeout(600)
def test_both_sides_end_equal_after_odd_answers_at_any_moment(chance: random.Random) -> None:
    """Try a tenth of all moments and answers, drawn by a seed; `make walk` tries all of them."""
    some = ("--moments", "--share", "0.1", "--seed", str(chance.randrange(1000)))
    code, words = python("-m", "tests.prove.simulation.walk", *some, hash_seed=HASH_SEED)
    assert code == 0, words
    assert " 0 failed" in words
