"""Orders that are left out end as the one that was played instead of them."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.prove.interleavings.operations import EVERY
from tests.prove.interleavings.orders import Order, alike, commute, orders
from tests.prove.interleavings.session import Played
from tests.prove.interleavings.trial import Bench, Name

FENCE = "SELECT leases.token FROM leases WHERE leases.node_id = 'a' FOR KEY SHARE"


@pytest.mark.postgres
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "names",
    [
        ("start of another kind", "confirm an end"),
        ("withdraw a gap", "settle a failure"),
        ("cancel", "pause"),
        ("take", "tell, fenced"),
    ],
    ids=" + ".join,
)
def test_an_order_that_is_left_out_ends_as_the_one_that_was_played(bench: Bench, names: Name) -> None:
    make = [EVERY[name] for name in names]
    numbers = [bench.play(make, [number] * 99).statements[number] for number in (0, 1)]
    known: dict[Order, Any] = {}
    left_out = 0
    for order in orders(*numbers, long=True):
        played = bench.play(make, order.hands(numbers[order.begins]))
        end = _end(bench, played)
        if order in known:
            left_out += 1
            assert end == known[order], order
        else:
            known.update(dict.fromkeys(alike(order, played, numbers[1 - order.begins]), end))
    assert left_out


def _end(bench: Bench, played: Played) -> Any:
    mine, theirs = ([said for said in played.said if said.startswith(number)] for number in "01")
    return bench.content(), list(map(repr, played.results)), mine, theirs


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("UPDATE outbox SET kind = 'a'", "DELETE FROM outbox"),
        ("UPDATE outbox SET kind = 'a'", "WITH a AS (DELETE FROM outbox) SELECT 1"),
        ("SELECT 1 FROM outbox FOR UPDATE", "SELECT 1 FROM outbox FOR UPDATE SKIP LOCKED"),
        (FENCE, "UPDATE leases SET told = 'a'"),
        ("INSERT INTO leases VALUES (1)", "SELECT 1 FROM connections FOR UPDATE"),
        ("UPDATE leases SET told = 'a'", "DELETE FROM connections"),
        ("SELECT pg_advisory_xact_lock(1)", "SELECT pg_advisory_xact_lock(1)"),
    ],
)
def test_statements_that_may_wait_for_each_other_do_not_commute(one: str, other: str) -> None:
    assert not commute(one, [other], committed=False)
    assert not commute(other, [one], committed=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [("SELECT 1 FROM outbox", "SELECT 1 FROM outbox"), ("UPDATE ledger", "UPDATE outbox"), (FENCE, FENCE)],
)
def test_statements_without_a_change_that_the_other_uses_commute(one: str, other: str) -> None:
    assert commute(one, [other], committed=True)


def test_a_change_is_seen_once_it_is_committed() -> None:
    read, change = "SELECT 1 FROM outbox", "UPDATE outbox SET kind = 'a'"
    assert commute(read, [change], committed=False)
    assert commute(change, [read], committed=True)
    assert not commute(read, [change], committed=True)


def _played(said: Sequence[str]) -> Played:
    return Played(results=[], statements=[], said=said)


def test_a_commit_is_left_where_it_is() -> None:
    said = ["0: SELECT 1 FROM meta", "1: SELECT 1 FROM gaps", "0: COMMIT", "1: COMMIT"]
    assert list(alike(Order(0, 1, 1), _played(said), 2)) == [Order(0, 1, 1)]


def test_statements_that_commute_are_made_earlier_or_later() -> None:
    said = [
        *("0: UPDATE meta", "1: UPDATE meta", "0: UPDATE gaps", "0: UPDATE meta", "0: COMMIT"),
        *("1: UPDATE ledger", "1: UPDATE gaps", "1: COMMIT"),
    ]
    same = {Order(0, before, between) for before in (1, 2) for between in (1, 2)}
    assert set(alike(Order(0, 1, 1), _played(said), 4)) == same


def test_a_transaction_that_waits_makes_no_more_statements() -> None:
    said = ["0: UPDATE meta", "1: UPDATE meta", "0: UPDATE meta", "0: COMMIT", "1: UPDATE gaps", "1: COMMIT"]
    assert set(alike(Order(0, 1, 2), _played(said), 3)) == {Order(0, 1, 2), Order(0, 1, 3)}
