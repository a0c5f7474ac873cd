"""The orders of two transactions' statements with two changes of hands, and those that cannot end differently."""

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from daemon.storage.tables import metadata
from tests.prove.interleavings.session import Played

COMMIT = "COMMIT"


@frozen
class Order:
    """Some statements of one transaction, some of the other one, and the rest of the first before that of the other."""

    begins: int
    before: int
    between: int

    def hands(self, statements: int) -> list[int]:
        """Return the number of the transaction of each statement; the one that begins has `statements`."""
        other = 1 - self.begins
        return [self.begins] * self.before + [other] * self.between + [self.begins] * statements


def orders(first: int, second: int, *, long: bool) -> Iterator[Order]:
    """Yield orders of two transactions with these numbers of statements, which differ from one after the other."""
    for begins, (mine, theirs) in enumerate([(first, second), (second, first)]):
        for before in range(1, mine):
            for between in range(1, theirs + 1) if long else [theirs]:
                yield Order(begins, before, between)


@frozen
class Footprint:
    """The tables that a statement uses, those of them in which it holds rows, and those in which it changes rows.

    A row is held so that others can hold it too (FOR KEY SHARE, FOR SHARE, a foreign key). One that is locked for a
    change counts as changed.
    """

    used: frozenset[str]
    held: frozenset[str]
    changed: frozenset[str]


@functools.cache
def footprint(statement: str) -> Footprint:
    """Return the tables of a statement, rather too many: each word that is a table's name counts."""
    used = set(_WORD.findall(statement)) & TABLES
    changed = set(_CHANGED.findall(statement)) & TABLES
    if _LOCKED.search(statement):
        changed |= used
    held = set(used) if _SHARED.search(statement) else set()
    # A foreign key: a row is looked up and kept when one that refers to it is stored, and takes those with it.
    held |= {parent for parent, child in REFERENCES if child in changed}
    changed |= {child for parent, child in REFERENCES if parent in _DELETED.findall(statement)}
    if _ADVISORY in statement:
        changed.add(_ADVISORY)
    held |= changed
    return Footprint(frozenset(used | held), frozenset(held), frozenset(changed))


def commute(statement: str, others: Iterable[str], *, committed: bool) -> bool:
    """Return true if a statement may as well be made before those of another transaction, instead of after them.

    Neither waits for the other, if neither holds rows of a table that the other one changes. What is not yet committed
    is seen by nobody else. So what the others change is seen only if they are `committed` in between, and what the
    statement changes by none of them.
    """
    mine = footprint(statement)
    for other in map(footprint, others):
        if mine.held & other.changed or mine.changed & other.held or (committed and mine.used & other.changed):
            return False
    return True


def alike(order: Order, played: Played, longest: int) -> Iterator[Order]:
    """Yield a played order, and later ones that end as it has ended, with `between` up to `longest`.

    They follow from the statements that were made. Let A begin, with its statements A1, A2, ..., and let B be the other
    transaction, whose statements in the middle are B1 to Bj; `before` is k. A statement depends on the results of
    those before it in its own transaction, and on the database.

    1. A(k+1) commutes with B1 to Bj: it may as well be made before them, and the rest goes on from the same rows,
       results and locks. So k+1 is the same as k, and so on. It is no COMMIT; Bj may be one.
    2. B(j+1) commutes with all statements of A and its COMMIT: it may as well be made after A's end. So j+1 is the same
       as j, and so on. It is no COMMIT.
    3. B made fewer than `between` statements before A went on: it had ended, or its last one waited for a lock, which
       A keeps until its end. More of them would be the same.

    Both 1 and 2 may be followed one after the other, hence every k of the one with every j of the other.
    """
    mine, theirs = ([said[3:] for said in played.said if int(said[0]) == number] for number in _numbers(order))
    window = sum(1 for _ in itertools.takewhile(lambda said: int(said[0]) != order.begins, played.said[order.before :]))
    middle, committed = theirs[:window], COMMIT in theirs[:window]
    later = _length(mine[order.before : -1], middle, committed=committed)
    waits = window < order.between
    longer = longest - order.between if waits else _length(theirs[window:-1], mine, committed=True)
    for before in range(order.before, order.before + later + 1):
        for between in range(order.between, order.between + longer + 1):
            yield Order(order.begins, before, between)


def _numbers(order: Order) -> tuple[int, int]:
    return order.begins, 1 - order.begins


def _length(statements: Sequence[str], others: Sequence[str], *, committed: bool) -> int:
    """Return the number of statements, from the first, that commute with all others."""
    both = itertools.takewhile(lambda one: commute(one, others, committed=committed), statements)
    return sum(1 for _ in both)


TABLES = frozenset(metadata.tables)
REFERENCES = [(key.column.table.name, table.name) for table in metadata.tables.values() for key in table.foreign_keys]
"""Pairs of a table, and one that refers to it."""

_WORD = re.compile(r"\w+")
_CHANGED = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)")
_DELETED = re.compile(r"\bDELETE FROM (\w+)")
_LOCKED = re.compile(r"\bFOR (?:NO KEY )?UPDATE\b")
_SHARED = re.compile(r"\bFOR (?:KEY )?SHARE\b")
_ADVISORY = "pg_advisory"
