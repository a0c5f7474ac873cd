"""The short form of the interleavings: the pairs that were once wrong, and some others.

`make interleavings` has all.
"""

import random
from collections.abc import Sequence

import outcome
import pytest
from sqlalchemy import Connection, text

from daemon.model import Secret
from tests.prove.interleavings.session import Work
from tests.prove.interleavings.trial import Bench, Name, pairs

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]

MEND = {
    ("record", "settle"): "a deadlock over what the settlement records, besides what it settles",
    ("begin again", "begin again"): "a second active connection of the site: the index refused it",
    ("begin again", "leave"): "a connection that was begun while the other one waited stayed",
    ("allow removals", "allow removals"): "both allowed the same removals",
    ("note a gap", "withdraw a gap"): "a note of several kinds was withdrawn for some of them",
    ("adopt", "take a page"): "a connection and its run locked in two orders",
    ("adopt", "finish enumeration"): "the same",
    ("cancel", "settle a run's"): "rows of a run and the run locked in two orders",
    ("start of another kind", "confirm an end"): "a run and the sync-log locked in two orders",
}
"""Pairs that were wrong once, with what was."""

LEASES = (
    ("beat", "expel and take"),
    ("expel and take", "expel and take"),
    ("expel and take", "settle, fenced"),
    ("give", "take a report, fenced"),
    ("expel and take", "leave the cluster"),
    ("quarantine", "mark, fenced"),
    ("take", "begin a new site"),
    ("say a last word", "settle"),
    ("look again", "settle"),
    ("owe second looks", "look again"),
)
"""Pairs of which each is a takeover or its like."""

OTHERS = 40


@pytest.mark.parametrize("names", MEND, ids=" + ".join)
def test_what_was_wrong_once_is_right_in_every_order(bench: Bench, names: Name) -> None:
    assert [str(wrong) for wrong in bench.wrong(names, long=False)] == []


@pytest.mark.parametrize("names", LEASES, ids=" + ".join)
def test_a_takeover_is_right_in_every_order(bench: Bench, names: Name) -> None:
    assert names in pairs()
    assert [str(wrong) for wrong in bench.wrong(names, long=False)] == []


def test_some_other_pairs_are_right_in_every_order(bench: Bench, chance: random.Random) -> None:
    before = bench.trials
    found = [str(wrong) for names in chance.sample(pairs(), OTHERS) for wrong in bench.wrong(names, long=False)]
    assert found == []
    assert bench.trials > before + OTHERS


def _read_then_write(conn: Connection) -> int:
    """Make the mistake that all of this is about."""
    number = int(conn.execute(text("SELECT count(*) FROM meta")).scalar_one())
    conn.execute(text("INSERT INTO meta VALUES (:name, '')"), {"name": f"row {number}"})
    return number


def _locks(*names: str) -> Work:
    def work(conn: Connection) -> None:
        for name in names:
            conn.execute(text("UPDATE meta SET encrypted = 'x' WHERE name = :name"), {"name": name})

    return work


@pytest.mark.parametrize(
    ("order", "numbers"),
    [([0, 0, 0, 1, 1, 1], [0, 1]), ([1, 1, 1, 0, 0, 0], [1, 0])],
)
def test_transactions_advance_as_they_are_told(bench: Bench, order: Sequence[int], numbers: Sequence[int]) -> None:
    bench.empty()
    played = bench.pair.play(_read_then_write, _read_then_write, order)
    assert [result.unwrap() for result in played.results] == numbers
    assert [int(said[0]) for said in played.said] == order
    assert played.statements == [3, 3]


def test_a_race_is_met(bench: Bench) -> None:
    bench.empty()
    played = bench.pair.play(_read_then_write, _read_then_write, [0, 1, 1, 1, 0, 0])
    assert [type(result) for result in played.results] == [outcome.Error, outcome.Value]


def test_a_deadlock_is_met(bench: Bench, url: Secret) -> None:
    bench.empty("a", "b")
    played = bench.pair.play(_locks("a", "b"), _locks("b", "a"), [0, 1, 0, 1])
    [error] = [result.error for result in played.results if isinstance(result, outcome.Error)]
    assert "deadlock detected" in str(error)
