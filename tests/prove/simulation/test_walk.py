"""Both sides end equal after odd answers of every operation, and at any moment."""

import random
import re

import pytest

from tests.prove.simulation.odd import ANSWERS
from tests.prove.simulation.test_simulation import python

pytestmark = pytest.mark.holds("A1")


@pytest.mark.timeout(600)
def test_both_sides_end_equal_after_odd_answers_of_every_operation(chance: random.Random) -> None:
    """Try every odd answer, as many times in a row as the seed chooses; `make walk` tries each number.

    The walk also fails if the operations that answered oddly are not exactly those that the daemon uses.
    """
    some = ("--draw-times", "--seed", str(chance.randrange(1000)))
    code, words = python("-m", "tests.prove.simulation.walk", *some)
    assert code == 0, words
    [walks] = re.findall(r"^(\d+) walks over \d+ operations, 0 failed", words, re.MULTILINE)
    assert int(walks) == len(ANSWERS)


@pytest.mark.timeout(600)
def test_both_sides_end_equal_after_odd_answers_at_any_moment(chance: random.Random) -> None:
    """Try a twentieth of all moments and answers, drawn by a seed; `make walk` tries all of them."""
    some = ("--moments", "--share", "0.05", "--seed", str(chance.randrange(1000)))
    code, words = python("-m", "tests.prove.simulation.walk", *some)
    assert code == 0, words
    assert " 0 failed" in words


@pytest.mark.timeout(600)
def test_both_sides_end_equal_with_a_shop_of_woocommerce_too(chance: random.Random) -> None:
    """Try one odd answer, three times at each operation."""
    some = ("--platform", "woocommerce", "--times", "3", "--answer", chance.choice([*ANSWERS]))
    code, words = python("-m", "tests.prove.simulation.walk", *some)
    assert code == 0, words
    assert " 0 failed" in words
