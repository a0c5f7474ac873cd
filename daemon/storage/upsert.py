"""The INSERT of every statement that says what to do about a row that is there already.

SQLAlchemy has one for each dialect. SQLite took its clause from PostgreSQL, and SQLAlchemy writes SQLite's for
PostgreSQL too, once it has the one attribute that only PostgreSQL's compiler reads. PostgreSQL's own would load its
whole dialect, 3 MB that a daemon on SQLite does not need. So this is the one place that names a dialect's INSERT.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    Connection,
    Dialect,
    Select,
    Table,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.sqlite.dml import Insert, OnConflictClause, insert

from daemon.storage.prepared import UNREAD, Row, compile_for, of_members

__all__ = ["Insert", "Upsert", "excluded", "insert", "replacing"]

# The name of a constraint instead of columns, which SQLite lacks. mypy knows no such attribute.
OnConflictClause.constraint_target = None  # type: ignore[attr-defined]


def excluded(table: Table, *columns: str) -> dict[str, Any]:
    """Return the values that an INSERT gives to columns, for the update of a row that is there already."""
    given = insert(table).excluded
    return {name: given[name] for name in columns}


def replacing(table: Table, *columns: str) -> Insert:
    """Return the INSERT of a row that gives a present one with the same key its values of `columns`."""
    keys = table.primary_key.columns.keys()
    return insert(table).on_conflict_do_update(index_elements=keys, set_=excluded(table, *columns))


ROWS = 256
"""Most rows of one statement on SQLite: a whole batch, far below the 32,766 parameters that it takes."""

Arranged = Callable[[Sequence[Row]], Any]
"""Returns the parameters of a statement, in the form in which the driver takes them, from those of its rows."""


class Upsert:
    """An INSERT of rows that updates those that are there already.

    `columns` are those that differ from row to row, `values` the others, and `set_` is the update. `among` is a
    column and a query: PostgreSQL leaves out the rows that the query does not find.

    PostgreSQL takes one statement for all rows, with an array for each column: with a statement for each row, a group
    of 256 takes 2.5 times as long there. Its answer is not read, so that it can go together with the next statement, or
    with COMMIT. SQLite takes a statement for up to `ROWS`. At each, the driver lets other threads run: with one for
    each row, a page of 250 took 20 ms of CPU beside a busy event loop, instead of 3.
    """

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        set_: Mapping[str, Any],
        among: tuple[str, Select[Any]] | None = None,
        **values: Any,
    ) -> None:
        self._columns, self._keys = columns, table.primary_key.columns.keys()
        clause: dict[str, Any] = {"index_elements": self._keys, "set_": set_}
        self._from_row = insert(table).values(**values).on_conflict_do_update(**clause)
        arrays = [bindparam(name, type_=ARRAY(of_members(table.c[name].type))) for name in columns]
        rows = func.unnest(*arrays).table_valued(*columns, name="rows").render_derived()
        # A parameter that is only selected needs its column's type.
        others = [
            bindparam(value.key, type_=table.c[name].type) if isinstance(value, BindParameter) else literal(value)
            for name, value in values.items()
        ]
        read = select(*(rows.c[name] for name in columns), *others)
        if among is not None:
            name, query = among
            read = read.where(rows.c[name].in_(query))
        self._from_arrays = insert(table).from_select([*columns, *values], read).on_conflict_do_update(**clause)
        self._compiled: dict[str, tuple[Callable[[int], str], Arranged, Sequence[str]]] = {}

    def __call__(self, conn: Connection, rows: Iterable[Row], options: Mapping[str, Any] | None = UNREAD) -> None:
        """Write the rows, in their order."""
        sql, arranged, names = self.compile_for(conn.dialect)
        shared = itemgetter(*names) if names else lambda _: None
        # Rows are locked in their order, so only neighbours can share a statement.
        for _, neighbours in itertools.groupby(rows, shared):
            for group in self._groups(conn, list(neighbours)):
                conn.exec_driver_sql(sql(len(group)), arranged(group), execution_options=options)

    def compile_for(self, dialect: Dialect) -> tuple[Callable[[int], str], Arranged, Sequence[str]]:
        """Return the SQL by the number of rows, their form, and the parameters that the rows of a statement share."""
        # By name: each engine has a dialect object of its own, and one daemon has several engines.
        if dialect.name not in self._compiled:
            made = self._with_arrays(dialect) if dialect.name == "postgresql" else self._with_rows(dialect)
            self._compiled[dialect.name] = made
        return self._compiled[dialect.name]

    def _groups(self, conn: Connection, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """Yield the rows of each statement."""
        if conn.dialect.name == "postgresql":
            # One statement must not meet a row twice: the last counts, as with a statement for each.
            key = itemgetter(*self._keys)
            yield list({key(row): row for row in rows}.values())
            return
        yield from (rows[first : first + ROWS] for first in range(0, len(rows), ROWS))

    def _with_arrays(self, dialect: Dialect) -> tuple[Callable[[int], str], Arranged, Sequence[str]]:
        sql, fixed, needed, _ = compile_for(self._from_arrays, dialect)

        def arranged(group: Sequence[Row]) -> Row:
            return {**fixed, **group[0]} | {name: [row[name] for row in group] for name in self._columns}

        return lambda _rows: sql, arranged, [name for name in needed if name not in self._columns]

    def _with_rows(self, dialect: Dialect) -> tuple[Callable[[int], str], Arranged, Sequence[str]]:
        sql, fixed, needed, names = compile_for(self._from_row, dialect, self._columns)
        into, _, rest = sql.partition(" VALUES ")
        row, _, update = rest.partition(" ON CONFLICT ")
        if not set(row) <= set("(?, )"):
            raise TypeError(f"the values of a row must be parameters, not {row}")
        number = row.count("?")
        of_row, in_update = itemgetter(*names[:number]), names[number:]

        def arranged(group: Sequence[Row]) -> tuple[Any, ...]:
            values = itertools.chain.from_iterable(of_row({**fixed, **each}) for each in group)
            return (*values, *({**fixed, **group[0]}[name] for name in in_update))

        def repeated(rows: int) -> str:
            return f"{into} VALUES {', '.join([row] * rows)} ON CONFLICT {update}"

        return repeated, arranged, [name for name in needed if name in in_update]
