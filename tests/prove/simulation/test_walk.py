"""Both sides end equal after odd answers of every operation, and at any moment."""

import random
import re

import pytest

from tests.prove.simulation.odd import ANSWERS, PLAUSIBLE
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


ENTRIES = [(operation, answer) for (_, operation), answers in PLAUSIBLE.items() for answer in answers]


@pytest.mark.parametrize(("operation", "answer"), ENTRIES)
def test_nothing_but_a_whole_read_contradicts_what_the_table_of_plausible_answers_has(
    operation: str, answer: str
) -> None:
    """Judge it like all others: what loses nothing then has no place in the table."""
    alone = ("--answer", answer, "--operation", operation, "--strict")
    code, words = python("-m", "tests.prove.simulation.walk", *alone, hash_seed=HASH_SEED)
    assert code == 1, words
    assert "not equal" in words
