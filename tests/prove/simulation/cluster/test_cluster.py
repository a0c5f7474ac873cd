"""Several nodes on one database survive what befalls their machines, and planted bugs of theirs are found.

The seed in the table is tried first, then all others; see `test_planted_bugs`.
"""

import pytest

from tests.prove.simulation.cluster.bugs import BUGS
from tests.prove.simulation.test_simulation import simulation, traces

SEEDS = 3
WITHIN = 40
"""Number of seeds within which a planted bug must be found."""

SHORT = ("no-fence", "no-last-word")
"""Bugs that `make prove` plants; `make simulate NODES=3 ARGS="--bug all"` plants all."""

FOUND: dict[str, tuple[int, str]] = {}
"""By bug: a seed that found it, and words of the breach that it causes."""


@pytest.mark.timeout(900)
def test_they_survive_every_seed() -> None:
    code, words = simulation("--nodes", "3", "--seeds", str(SEEDS))
    assert code == 0, words
    assert f"{SEEDS} seeds are good" in words


@pytest.mark.timeout(900)
def test_a_seed_repeats_exactly() -> None:
    first, again = (traces(*simulation("--nodes", "2", "--seed", "1", "--digests", hash_seed=seed)) for seed in "79")
    assert first == again


def test_every_bug_is_in_the_table() -> None:
    assert set(FOUND) == set(BUGS)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("bug", SHORT)
def test_a_planted_bug_is_found(bug: str) -> None:
    first, breach = FOUND[bug]
    asked = ("--bug", bug, "--seeds", str(WITHIN), "--first", str(first), "--breach", breach)
    code, words = simulation("--nodes", "3", *asked)
    assert code == 0, words
    assert f"{bug} is caught by seed" in words
