"""Statements of the hot path, compiled once for each dialect.

They are written as SQLAlchemy's constructs like every other. Their SQL is made at the first call instead of being
looked up at each, and a row costs a tuple instead of a round through the compiler's parameters: 15 us less for each
row, and 0.2 ms for each statement (`python -m benchmarks webhooks`). Where types of SQLAlchemy are needed, as for enums
in an answer, a statement that is built once and executed with parameters costs a third of one that is built each time.
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
    Table,
    Update,
    any_,
    bindparam,
    func,
    literal,
    select,
    types,
)
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from daemon.model import ConnectionId, Kind
from daemon.storage.odd_texts import ESCAPE, escaped

Row = Mapping[str, Any]

UNREAD: Mapping[str, Any] = {"unread": True}
"""The execution options of a statement whose answer is not read. An engine may send it later, in the same order."""


class Prepared:
    """A statement with at least two parameters."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, Any, Callable[[Any], Any]]] = {}

    def __call__(
        self, conn: Connection, rows: Iterable[Row], options: Mapping[str, Any] | None = None
    ) -> CursorResult[Any]:
        """Execute it for each row of parameters; there must be at least one."""
        sql, fixed, arranged = self.compile_for(conn.dialect)
        return conn.exec_driver_sql(sql, [arranged(fixed | row) for row in rows], options)

    def compile_for(self, dialect: Dialect) -> tuple[str, Any, Callable[[Any], Any]]:
        """Return the SQL, the parameters that every row shares, and the form in which the driver takes a row's."""
        # By name: each engine has a dialect object of its own, and one daemon has several engines.
        if dialect.name not in self._compiled:
            sql, fixed, _, names = compile_for(self._statement, dialect)
            # A driver without positions takes parameters by name.
            self._compiled[dialect.name] = (sql, fixed, itemgetter(*names) if names else dict)
        return self._compiled[dialect.name]


def of_given_kind(table: Table) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for a connection's rows of one kind; the parameters `given` name the kind."""
    return table.c.connection_id == bindparam("connection"), table.c.kind == bindparam("of_kind")


def given(connection_id: ConnectionId, kind: Kind) -> dict[str, Any]:
    """Return the parameters of `of_given_kind`."""
    return {"connection": connection_id, "of_kind": kind.value}


Values = Iterable[str | int]
"""Values of a column that `among` can compare on both engines."""


class PreparedAmong:
    """A statement about the rows in which a column is among some values; see `among`.

    A SELECT returns the rows in the order of the column, and locks them so if it locks any.
    """

    def __init__(self, statement: Select[Any] | Update | Delete, column: Column[Any]) -> None:
        self._statement = statement.order_by(column) if isinstance(statement, Select) else statement
        self._column = column
        values = func.json_each(bindparam("values")).table_valued("value")
        every = {
            "sqlite": column.in_(select(values.c.value)),
            "postgresql": column == any_(bindparam("values", type_=ARRAY(of_members(column.type)))),
        }
        self.by_dialect = {name: Prepared(self._statement.where(condition)) for name, condition in every.items()}

    def __call__(
        self, conn: Connection, values: Values, options: Mapping[str, Any] | None = None, **shared: Any
    ) -> CursorResult[Any]:
        """Execute it for the values; `shared` are its other parameters."""
        listed = list(values)
        if conn.dialect.name == "postgresql":
            return self.by_dialect["postgresql"](conn, [{**shared, "values": listed}], options)
        text = _as_json(listed)
        if NUL in text:
            return conn.execute(self._statement.where(among(conn, self._column, listed)), shared)
        return self.by_dialect["sqlite"](conn, [{**shared, "values": text}], options)


def among(conn: Connection, column: ColumnElement[Any], values: Values) -> ColumnElement[bool]:
    """Return the condition that a column of texts or numbers has one of the values, as one parameter.

    PostgreSQL takes an array, SQLite JSON. An IN has a parameter for each value: SQLite takes 32,766 of them, 250
    products can have 150,000 SKUs, and SQLAlchemy takes 4 us for each of them.
    """
    listed = list(values)
    if conn.dialect.name == "postgresql":
        return column == any_(literal(listed, ARRAY(of_members(column.type))))
    text = _as_json(listed)
    if NUL not in text:
        return column.in_(select(func.json_each(text).table_valued("value").c.value))
    # Escaped, and put back by SQLite: in another condition beside this one, no index would be used.
    texts = _as_json([escaped(str(value)) for value in listed])
    given: ColumnElement[Any] = func.json_each(texts).table_valued("value").c.value
    for character in ("\0", ESCAPE):
        given = func.replace(given, escaped(character), func.char(ord(character)))
    return column.in_(select(given))


NUL = r"\u0000"
"""A NUL in JSON, where SQLite would end the text."""


def _as_json(values: Sequence[Any]) -> str:
    return msgspec.json.encode(values).decode()


def of_members(type_: types.TypeEngine[Any]) -> types.TypeEngine[Any]:
    """Return the type of an array's members: a collation belongs to the column alone."""
    return String() if isinstance(type_, String) else type_


def compile_for(
    statement: Executable, dialect: Dialect, columns: Sequence[str] = ()
) -> tuple[str, dict[str, Any], Sequence[str], Sequence[str]]:
    """Return the SQL, the parameters with their values, the names of those without, and the order of all, if any.

    `columns` are those that the rows of an INSERT give values for.
    """
    assert isinstance(statement, ClauseElement)
    made = statement.compile(dialect=dialect, column_keys=list(columns) or None)
    assert isinstance(made, SQLCompiler)
    needed = [bind.key for bind in made.binds.values() if bind.required]
    return str(made), dict(made.params), needed, made.positiontup or ()
