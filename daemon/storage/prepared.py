"""Statements of the hot path, compiled once for each dialect.

They are written as SQLAlchemy's constructs like every other. Their SQL is made at the first call instead of being
looked up at each, and a row costs a tuple instead of a round through the compiler's parameters: 15 us less for each
row, and 0.2 ms for each statement (`python -m benchmarks webhooks`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Delete,
    Dialect,
    Executable,
    Select,
    String,
    Update,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

Row = Mapping[str, Any]

UNREAD: Mapping[str, Any] = {"unread": True}
"""The execution options of a statement whose answer is not read. An engine may send it later, in the same order."""


class Prepared:
    """A statement with at least two parameters; `columns` are those that its rows give an INSERT values for."""

    def __init__(self, statement: Executable, *columns: str) -> None:
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, tuple[str, Any, Callable[[Any], Any]]] = {}

    def __call__(
        self, conn: Connection, rows: Iterable[Row], options: Mapping[str, Any] | None = None
    ) -> CursorResult[Any]:
        """Execute it for each row of parameters, of which there must be one."""
        sql, fixed, arranged = self.compile_for(conn.dialect)
        return conn.exec_driver_sql(sql, [arranged(fixed | row) for row in rows], options)

    def compile_for(self, dialect: Dialect) -> tuple[str, Any, Callable[[Any], Any]]:
        """Return the SQL, the parameters that every row shares, and the form in which the driver takes a row's."""
        # By name: each engine has a dialect object of its own, and one daemon has several engines.
        if dialect.name not in self._compiled:
            sql, fixed, _, names = compile_for(self._statement, dialect, self._columns)
            # A driver without positions takes parameters by name.
            self._compiled[dialect.name] = (sql, fixed, itemgetter(*names) if names else dict)
        return self._compiled[dialect.name]


NUL = r"\u0000"
"""A NUL in JSON, where SQLite would end the text."""


class PreparedAmong:
    """A statement about the rows in which a column is among some values; see `among`. Locks rows in its order."""

    def __init__(self, statement: Select[Any] | Update | Delete, column: Column[Any]) -> None:
        self._statement = statement.order_by(column) if isinstance(statement, Select) else statement
        self._column = column
        values = func.json_each(bindparam("values")).table_valued("value")
        array = bindparam("values", type_=ARRAY(column.type))
        every = {"sqlite": column.in_(select(values.c.value)), "postgresql": column == any_(array)}
        self.by_dialect = {name: Prepared(self._statement.where(among)) for name, among in every.items()}

    def __call__(
        self, conn: Connection, values: Iterable[Any], options: Mapping[str, Any] | None = None, **shared: Any
    ) -> CursorResult[Any]:
        """Execute it for the values; `shared` are its other parameters."""
        listed = list(values)
        if conn.dialect.name == "postgresql":
            return self.by_dialect["postgresql"](conn, [{**shared, "values": listed}], options)
        text = _as_json(listed)
        if NUL in text:
            return conn.execute(self._statement.where(among(conn, self._column, listed)), shared)
        return self.by_dialect["sqlite"](conn, [{**shared, "values": text}], options)


def among(conn: Connection, column: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Return the condition that a column of texts or numbers has one of the values, as one parameter.

    PostgreSQL takes an array, SQLite JSON. An IN has a parameter for each value: SQLite takes 32,766 of them, 250
    products can have 150,000 SKUs, and SQLAlchemy takes 4 us for each of them.
    """
    listed = list(values)
    if conn.dialect.name == "postgresql":
        # A collation belongs to the column alone, not to the members of an array.
        plain = String() if isinstance(column.type, String) else column.type
        return column == any_(literal(listed, ARRAY(plain)))
    text = _as_json(listed)
    odd = [value for value in listed if isinstance(value, str) and "\0" in value] if NUL in text else []
    if odd:
        text = _as_json([value for value in listed if value not in odd])
    condition = column.in_(select(func.json_each(text).table_valued("value").c.value))
    return or_(condition, column.in_(odd)) if odd else condition


def _as_json(values: Sequence[Any]) -> str:
    return msgspec.json.encode(values).decode()


def compile_for(
    statement: Executable, dialect: Dialect, columns: Sequence[str] = ()
) -> tuple[str, dict[str, Any], Sequence[str], Sequence[str]]:
    """Return the SQL, the parameters with their values, the names of those without, and the order of all, if any."""
    assert isinstance(statement, ClauseElement)
    made = statement.compile(dialect=dialect, column_keys=list(columns) or None)
    assert isinstance(made, SQLCompiler)
    needed = [bind.key for bind in made.binds.values() if bind.required]
    return str(made), dict(made.params), needed, made.positiontup or ()
