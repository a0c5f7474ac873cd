"""The one table that `make bench` ends with: every figure beside its goal and the floor that was promised.

Nothing here judges: a benchmark is no test, and a busy machine makes every figure worse.
"""

from collections.abc import Sequence

from attrs import astuple, frozen


@frozen
class Figure:
    """One line of the table, in words; empty where nothing was promised."""

    what: str
    measured: str = ""
    goal: str = ""
    floor: str = ""


HEAD = Figure("", "measured", "goal", "floor")


def render(figures: Sequence[Figure]) -> str:
    """Return the table as text, each column as wide as its widest word."""
    rows = [astuple(row) for row in (HEAD, *figures)]
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *lines = ["  ".join([what.ljust(first), *map(str.rjust, words, others)]) for what, *words in rows]
    return "\n".join([head, "-" * len(head), *lines])
