"""Several nodes on one database survive what befalls their machines, and planted bugs of theirs are found.

A planted bug must be found by its seed in the table; `make simulate NODES=3 ARGS="--bug NAME"` looks for another seed.
"""

import pytest

from tests.prove.simulation.cluster.bugs import BUGS, FOUND
from tests.prove.simulation.test_simulation import simulation, traces

SEEDS = 3


@pytest.mark.timeout(900)
def test_they_survive_every_seed() -> None:
    code, words = simulation("--nodes", "3", "--seeds", str(SEEDS))
    assert code == 0, words
    assert f"{SEEDS} seeds are good" in words


@pytest.mark.timeout(900)
def test_a_seed_repeats_exactly() -> None:
    first, again = (traces(*simulation("--nodes", "2", "--seed", "1", "--digests", hash_seed=seed)) for seed in "79")
    assert first == again


def test_every_planted_bug_is_in_the_table() -> None:
    assert set(FOUND) == set(BUGS)


@pytest.mark.timeout(900)
def test_every_planted_bug_is_found_by_its_seed() -> None:
    code, words = simulation("--nodes", "3", "--bug", "all", "--seeds", "0")
    assert code == 0, words
    assert [line for line in words.splitlines() if "is caught by seed" not in line] == []
    assert len(words.splitlines()) == len(BUGS)
