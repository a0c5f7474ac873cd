"""Several nodes on one database survive what befalls their machines, and planted bugs of theirs are found.

The seed in the table is tried first, then all others; see `test_planted_bugs`.
"""

import pytest

from tests.prove.simulation.cluster.bugs import BUGS
from tests.prove.simulation.test_simulation import simulation, traces

SEEDS = 3
WITHIN = 40
"""Number of seeds within which a planted bug must be found."""

FOUND = {
    "never-expelled": (0, "was left alone"),
    "no-last-word": (11, "not equal"),
    "last-word-without-doubt": (11, "not equal"),
    "no-self-fence": (11, "without the lease"),
}
"""By bug: a seed that found it, and words of the breach that it causes. `--bug all` tries the others too."""

SHORT = ("no-self-fence", "no-last-word")
"""Bugs that are planted in `make prove`."""


@pytest.mark.timeout(900)
def test_they_survive_every_seed() -> None:
    code, words = simulation("--nodes", "3", "--seeds", str(SEEDS))
    assert code == 0, words
    assert f"{SEEDS} seeds are good" in words


@pytest.mark.timeout(900)
def test_a_seed_repeats_exactly() -> None:
    first, again = (traces(*simulation("--nodes", "2", "--seed", "1", "--digests", hash_seed=seed)) for seed in "79")
    assert first == again


def test_the_table_has_bugs_that_can_be_planted() -> None:
    assert set(FOUND) <= set(BUGS)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("bug", SHORT)
def test_a_planted_bug_is_found(bug: str) -> None:
    first, breach = FOUND[bug]
    asked = ("--bug", bug, "--seeds", str(WITHIN), "--first", str(first), "--breach", breach)
    code, words = simulation("--nodes", "3", *asked)
    assert code == 0, words
    assert f"{bug} is caught by seed" in words
