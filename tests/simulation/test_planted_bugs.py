"""A simulator that finds nothing proves nothing: bugs that break a promise each are planted, and each must be found.

Every one undoes something that the daemon does for a reason. Which seed finds it first changes with everything that
draws from the seed; within `SEEDS` it must be found.
"""

import pytest

from tests.simulation.test_simulation import simulation

SEEDS = 200
PLANTED = (
    "acknowledge-before-commit",
    "settle-ignoring-revision",
    "no-second-look-after-a-duplicate",
    "report-before-settle",
    "no-unsure-marking",
    "cursor-before-its-page",
    "tag-lost-at-a-bump",
    "stale-pages-used",
    "full-sync-closed-early",
    "retry-after-ignored",
    "no-new-token-after-401",
    "sku-claimed-before-it-is-free",
    "claimed-twice",
    "always-written",
    "person-in-the-log",
    "no-backoff",
    "removal-without-confirmation",
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str) -> None:
    code, words = simulation("--bug", bug, "--seeds", str(SEEDS))
    assert code == 0, words
    assert f"{bug} is caught by seed" in words
