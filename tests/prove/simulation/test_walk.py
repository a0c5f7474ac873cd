"""Both sides end equal after odd answers of every operation, and at any moment."""

import random
import re

import pytest

from tests.prove.simulation.odd import ANSWERS
from tests.prove.simulation.steady import HASH_SEED
from tests.prove.simulation.test_simulation import python
from tests.prove.simulation.walk import TIMES, first_uses

pytestmark = pytest.mark.holds("A1")


@pytest.mark.timeout(600)
def test_both_sides_end_equal_after_odd_answers_of_every_operation() -> None:
    """Walk over every operation that the daemon uses; the walk also fails if it struck not exactly these."""
    code, words = python("-m", "tests.prove.simulation.walk", hash_seed=HASH_SEED)
    assert code == 0, words
    [walks] = re.findall(r"^(\d+) walks over \d+ operations, 0 failed", words, re.MULTILINE)
    assert int(walks) == len([*first_uses()]) >= len(ANSWERS) * len(TIMES)


@pytest.mark.timeout(600)
def test_both_sides_end_equal_after_odd_answers_at_any_moment(chance: random.Random) -> None:
    """Try a tenth of all moments and answers, drawn by a seed; `make walk` tries all of them."""
    some = ("--moments", "--share", "0.1", "--seed", str(chance.randrange(1000)))
    code, words = python("-m", "tests.prove.simulation.walk", *some, hash_seed=HASH_SEED)
    assert code == 0, words
    assert " 0 failed" in words


@pytest.mark.timeout(600)
def test_both_sides_end_equal_with_a_shop_of_woocommerce_too(chance: random.Random) -> None:
    """Try one odd answer, three times at each operation."""
    some = ("--platform", "woocommerce", "--times", "3", "--answer", chance.choice([*ANSWERS]))
    code, words = python("-m", "tests.prove.simulation.walk", *some, hash_seed=HASH_SEED)
    assert code == 0, words
    assert " 0 failed" in words
