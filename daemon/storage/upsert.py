"""The INSERT of every statement that says what to do about a row that is there already.

SQLAlchemy has one for each dialect. SQLite took its clause from PostgreSQL, and SQLAlchemy writes SQLite's for
PostgreSQL too, once it has the one attribute that only PostgreSQL's compiler reads. PostgreSQL's own would load its
whole dialect, 3 MB that a daemon on SQLite does not need. So this is the one place that names a dialect's INSERT.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    Connection,
    CursorResult,
    Dialect,
    Select,
    String,
    Table,
    bindparam,
    func,
    literal,
    select,
    types,
)
from sqlalchemy.dialects.sqlite.dml import Insert, OnConflictClause, insert
from sqlalchemy.sql.compiler import SQLCompiler

from daemon.storage.prepared import UNREAD, Compiled, Prepared, Row

__all__ = ["Insert", "Upsert", "insert"]

# The name of a constraint instead of columns, which SQLite has not. mypy knows no such attribute.
OnConflictClause.constraint_target = None  # type: ignore[attr-defined]


class Upsert(Prepared):
    """An INSERT of rows that updates those that are there already.

    `columns` are those that differ from row to row, `values` the others, and `set_` is the update. Of `among`, a column
    and a query, PostgreSQL leaves out the rows that the query does not find.

    SQLite takes a statement for each row. PostgreSQL takes one for all, with an array for each column: with a statement
    for each row, a group of 256 takes 2.5 times as long there. Its answer is not read, so that it can go together with
    the next statement, or with COMMIT.
    """

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        keys: Sequence[str],
        set_: Mapping[str, Any],
        among: tuple[str, Select[Any]] | None = None,
        **values: Any,
    ) -> None:
        clause: dict[str, Any] = {"index_elements": keys, "set_": set_}
        super().__init__(insert(table).values(**values).on_conflict_do_update(**clause), *columns)
        self._names, self._keys = columns, keys
        arrays = [bindparam(name, type_=ARRAY(_plain(table.c[name].type))) for name in columns]
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
        self._shared: list[str] = []

    def __call__(
        self, conn: Connection, rows: Iterable[Row], options: Mapping[str, Any] | None = UNREAD
    ) -> CursorResult[Any]:
        """Write the rows, in their order; there must be one. The result tells nothing."""
        if conn.dialect.name != "postgresql":
            return super().__call__(conn, rows)
        sql, fixed, arranged = self._compiled.get(conn.dialect.name) or self._compile(conn.dialect)
        key = itemgetter(*self._keys)
        shared = itemgetter(*self._shared) if self._shared else lambda _: None
        # Rows are locked in their order, so only neighbours can share a statement.
        for _, neighbours in itertools.groupby(rows, shared):
            # One statement must not meet a row twice: the last counts, as with a statement for each.
            group = list({key(row): row for row in neighbours}.values())
            arrays = {name: [row[name] for row in group] for name in self._names}
            result = conn.exec_driver_sql(sql, arranged(fixed | group[0] | arrays), execution_options=options)
        return result

    def _compile(self, dialect: Dialect) -> Compiled:
        if dialect.name != "postgresql":
            return super()._compile(dialect)
        compiled = self._from_arrays.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        needed = (bind.key for bind in compiled.binds.values() if bind.required)
        self._shared = [name for name in needed if name not in self._names]
        entry = self._compiled[dialect.name] = (str(compiled), compiled.params, dict)
        return entry


def _plain(type_: types.TypeEngine[Any]) -> types.TypeEngine[Any]:
    """Return the type of an array's members: a collation belongs to the column alone."""
    return String() if isinstance(type_, String) else type_
