"""A simulator that finds nothing proves nothing: bugs that break a promise each are planted, and each must be found.

Every one undoes something that the daemon does for a reason, and must be found by the breach that this causes. Which
seed finds it changes with everything that draws from the seed: the one in the table is tried first, which is quick
while the table is right, and then all others; within `SEEDS` it must be found. Whoever makes the table slow runs
`make simulate ARGS="--bug NAME"` and puts the seed that it names there.
"""

from collections.abc import Iterable

import pytest

from tests.prove.simulation.bugs import BUGS, FOUND
from tests.prove.simulation.stores.base import store_type
from tests.prove.simulation.test_simulation import simulation

SEEDS = 200
PARTS = 4
"""The bugs are planted one after the other in so many processes: to start one takes longer than to find a bug."""
ELSEWHERE = ["woocommerce"]
"""Platforms whose adapters have bugs of their own."""


def test_every_bug_is_in_the_table() -> None:
    assert set(FOUND) == set(BUGS)
    for platform in ELSEWHERE:
        store = store_type(platform)
        assert set(store.found) == set(store.bugs) != set()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_planted_bug_is_found(part: int) -> None:
    find([*BUGS][part::PARTS])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("platform", ELSEWHERE)
def test_every_planted_bug_of_an_adapter_is_found(platform: str) -> None:
    find(store_type(platform).bugs, "--platform", platform)


def find(bugs: Iterable[str], *more: str) -> None:
    """Fail unless each bug is found."""
    code, words = simulation("--seeds", str(SEEDS), *more, "--bug", *bugs)
    assert code == 0, words
    found = [line.partition(" is caught by seed")[0] for line in words.splitlines()]
    assert found == [*bugs], words
