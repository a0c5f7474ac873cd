"""A simulator that finds nothing proves nothing: bugs that break a promise each are planted, and each must be found.

Every one undoes something that the daemon does for a reason, and must be found by the breach that this causes. Which
seed finds it changes with everything that draws from the seed: the one in the table is tried first, which is quick
while the table is right, and then all others; within `SEEDS` it must be found. Whoever makes the table slow runs
`python -m tests.prove.simulation --bug NAME --breach WORDS` and puts the seed that it names there.
"""

import pytest

from tests.prove.simulation.bugs import BUGS
from tests.prove.simulation.stores.base import store_type
from tests.prove.simulation.test_simulation import simulation

SEEDS = 200
SOON = 50
"""Within how many seeds an odd answer that is believed, or an edit by hand that is undone, must be found."""

ODD_ANSWERS = {
    "foreign-404-believed",
    "put-without-carry-over",
    "brake-by-absence-only",
    "one-403-blocks-a-kind",
    "balance-written-back",
}
FOUND = {
    "acknowledge-before-commit": (0, "accepted before it was committed"),
    "settle-ignoring-revision": (2, "a change was dropped without a look"),
    "no-second-look-after-a-duplicate": (2, "not equal"),
    "report-before-settle": (3, "not equal"),
    "no-unsure-marking": (35, "not equal"),
    "cursor-before-its-page": (8, "has not seen"),
    "tag-lost-at-a-bump": (1, "was closed before"),
    "stale-pages-used": (25, "an older title was written over a newer one"),
    "full-sync-closed-early": (0, "was closed before"),
    "retry-after-ignored": (46, "before the time it asked for"),
    "no-new-token-after-401": (1, "still blocked"),
    "sku-claimed-before-it-is-free": (10, "not equal"),
    "claimed-twice": (0, "two pieces of work at once"),
    "always-written": (1, "a full sync that finds nothing new wrote"),
    "person-in-the-log": (0, "the log says"),
    "no-backoff": (2, "without a pause"),
    "one-403-blocks-a-kind": (9, "still blocked"),
    "no-quota": (0, "limit is used up"),
    "brake-by-absence-only": (5, "nobody has allowed it"),
    "foreign-404-believed": (74, "not equal"),
    "put-without-carry-over": (0, "an edit in SparkLayer was undone"),
    "balance-written-back": (7, "an edit in SparkLayer was undone"),
    "removal-without-confirmation": (13, "in the store all the time is gone"),
}
"""By bug: a seed that found it, and words of the breach that it causes."""

ADAPTERS = {
    "woocommerce": {
        "zone-without-flag": (3, "not equal"),
        "delivery-ids-trusted": (2, "accepted before it was committed"),
        "first-role-trusted": (1, "in the store all the time is gone"),
        "variation-taken-for-a-product": (12, "accepted before it was committed"),
        "no-overlap-between-pages": (3, "has not seen"),
    }
}
"""The same by platform, for bugs of its adapter."""


def test_every_bug_is_in_the_table() -> None:
    assert set(FOUND) == set(BUGS)
    assert {platform: set(bugs) for platform, bugs in ADAPTERS.items()} == {
        platform: set(store_type(platform).bugs) for platform in ADAPTERS
    }


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", FOUND)
def test_a_planted_bug_is_found(bug: str) -> None:
    first, breach = FOUND[bug]
    seeds = SOON if bug in ODD_ANSWERS else SEEDS
    code, words = simulation("--bug", bug, "--seeds", str(seeds), "--first", str(first), "--breach", breach)
    assert code == 0, words
    assert f"{bug} is caught by seed" in words


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("platform", "bug"), [(platform, bug) for platform, bugs in ADAPTERS.items() for bug in bugs])
def test_a_planted_bug_of_an_adapter_is_found(platform: str, bug: str) -> None:
    first, breach = ADAPTERS[platform][bug]
    asked = ("--bug", bug, "--seeds", str(SOON), "--first", str(first), "--breach", breach)
    code, words = simulation("--platform", platform, *asked)
    assert code == 0, words
    assert f"{bug} is caught by seed" in words
