"""Reads the tables of `daemon/sandbox/data/adventureworks`; their columns are told in its README."""

from collections.abc import Iterator
from importlib.resources import files


def rows(table: str, between: str = "\t", end: str = "\n") -> Iterator[list[str]]:
    """Return the rows of a table whose fields are separated by tabs, or by what is given."""
    path = files("daemon.sandbox") / "data" / "adventureworks" / f"{table}.csv"
    for row in path.read_text("utf-8").split(end):
        if row.strip():
            yield row.lstrip("\n").split(between)


def marked_rows(table: str) -> Iterator[list[str]]:
    """Return the rows of a table with `+|` between fields and `&|` at row ends."""
    return rows(table, "+|", "&|")
