"""Statements of the hot path, compiled once for each dialect.

They are written as SQLAlchemy's constructs like every other. Their SQL is made at the first call instead of being
looked up at each, and a row costs a tuple instead of a round through the compiler's parameters: 15 us less for each
row, and 0.2 ms for each statement (`python -m benchmarks webhooks`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    CursorResult,
    Delete,
    Dialect,
    Executable,
    Select,
    any_,
    bindparam,
)
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

Row = Mapping[str, Any]
Compiled = tuple[str, Any, Callable[[Any], Any]]
"""The SQL, the parameters that every row shares, and the form in which the driver takes a row's parameters."""

UNREAD: Mapping[str, Any] = {"unread": True}
"""The execution options of a statement whose answer is not read. An engine may send it later, in the same order."""


class Prepared:
    """A statement with at least two parameters; `columns` are those that its rows give an INSERT values for."""

    def __init__(self, statement: Executable, *columns: str) -> None:
        assert isinstance(statement, ClauseElement)
        self._statement = statement
        self._columns = list(columns) or None
        self._compiled: dict[str, Compiled] = {}

    def __call__(
        self, conn: Connection, rows: Iterable[Row], options: Mapping[str, Any] | None = None
    ) -> CursorResult[Any]:
        """Execute it for each row of parameters, of which there must be one."""
        # By name: each engine has a dialect object of its own, and one daemon has several engines.
        sql, fixed, arranged = self._compiled.get(conn.dialect.name) or self._compile(conn.dialect)
        return conn.exec_driver_sql(sql, [arranged(fixed | row) for row in rows], options)

    def _compile(self, dialect: Dialect) -> Compiled:
        compiled = self._statement.compile(dialect=dialect, column_keys=self._columns)
        assert isinstance(compiled, SQLCompiler)
        # A driver without positions takes parameters by name.
        arranged = itemgetter(*compiled.positiontup) if compiled.positiontup else dict
        entry = self._compiled[dialect.name] = (str(compiled), compiled.params, arranged)
        return entry


class PreparedLookup:
    """A query for those of some values that a column has in rows that meet the query; it locks them in their order.

    SQLite gets a statement for each value, since there are few; PostgreSQL one for all, since each takes a round trip.
    """

    def __init__(self, query: Select[Any], column: Column[Any]) -> None:
        self.one = Prepared(query.where(column == bindparam("value")))
        self.all = Prepared(query.where(column == any_(bindparam("values", type_=ARRAY(column.type)))).order_by(column))

    def __call__(self, conn: Connection, values: Sequence[Any]) -> set[Any]:
        """Return those of `values` that are there."""
        if conn.dialect.name == "postgresql":
            return set(self.all(conn, [{"values": list(values)}]).scalars()) if values else set()
        return {value for value in values if self.one(conn, [{"value": value}]).first()}

    def lock(self, conn: Connection, values: Sequence[Any]) -> None:
        """On PostgreSQL: lock the same, without asking which they are."""
        if values:
            self.all(conn, [{"values": list(values)}], UNREAD)


class PreparedForEach:
    """A DELETE of the rows of some values of a column: for each on SQLite, in one statement on PostgreSQL."""

    def __init__(self, statement: Delete, column: Column[Any]) -> None:
        self.one = Prepared(statement.where(column == bindparam("value")))
        self.all = Prepared(statement.where(column == any_(bindparam("values", type_=ARRAY(column.type)))))

    def __call__(self, conn: Connection, values: Sequence[Any], **shared: Any) -> None:
        """Execute it for the values, of which there must be one; all share the other parameters."""
        if conn.dialect.name == "postgresql":
            self.all(conn, [{**shared, "values": list(values)}], UNREAD)
        else:
            self.one(conn, [{**shared, "value": value} for value in values])
