"""The table at the end of `make bench`: every figure beside its goal and its promised floor.

A figure on the wrong side of its floor is named and fails the run. A person must judge if the daemon became worse or
the machine was busy, which makes every figure worse. So the benchmarks are not part of the tests.
"""

from collections.abc import Sequence

from attrs import astuple, frozen


@frozen
class Figure:
    """One line of the table, as text; `goal` and `floor` are empty without a promise."""

    what: str
    measured: str = ""
    goal: str = ""
    floor: str = ""

    @property
    def missed(self) -> bool:
        """True if it is worse than its floor, as both are printed. More is better where the goal is above the floor."""
        if not self.floor:
            return False
        measured, floor = _number(self.measured), _number(self.floor)
        more_is_better = self.goal != "" and _number(self.goal) > floor
        return measured < floor if more_is_better else measured > floor


HEAD = Figure("", "measured", "goal", "floor")


def render(figures: Sequence[Figure]) -> str:
    """Return the table as text, each column as wide as its widest cell."""
    rows = [astuple(row) for row in (HEAD, *figures)]
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *lines = ["  ".join([what.ljust(first), *map(str.rjust, words, others)]) for what, *words in rows]
    return "\n".join([head, "-" * len(head), *lines])


def misses(figures: Sequence[Figure]) -> list[str]:
    """Name the figures that are worse than their floors, a line each."""
    return [f"{row.what.strip()}: {row.measured}, the floor is {row.floor}" for row in figures if row.missed]


def _number(words: str) -> float:
    return float(words.replace(",", ""))
