"""States, modes and reasons as the database has them, and the steps between states.

The tables make their CHECKs from these enums. The life of an outbox row is in `daemon.storage.outbox`, that of a run in
`daemon.storage.full_syncs`: each opens with a table of `Transition`s, and every change of state goes through it.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, Delete, Table, Update, delete, update

S = TypeVar("S")


class RowState(StrEnum):
    """State of an outbox row."""

    PENDING = "pending"
    PARKED = "parked"


class RunState(StrEnum):
    """State of a full sync."""

    ENUMERATING = "enumerating"
    DRAINING = "draining"
    ENDING = "ending"
    ENDED = "ended"


class AuditOutcome(StrEnum):
    """Result of an operator's action: `refused` if impossible or not allowed, `failed` if the daemon failed."""

    BEGUN = "begun"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class RunMode(StrEnum):
    """Mode of a full sync, the one that does most first.

    A refresh run ignores the ledger and writes everything. A daily run finds silent changes; SparkLayer is not told.
    """

    REFRESH = "refresh"
    NORMAL = "normal"
    DAILY = "daily"


class RemovalState(StrEnum):
    """State of a removal."""

    WAITING = "waiting"
    HELD = "held"
    ALLOWED = "allowed"
    GOING = "going"


class RemovalCause(StrEnum):
    """Cause of a removal.

    The entity was not seen by an enumeration that saw nothing, was deleted, or maps to nothing; or a variant vanished.
    """

    ABSENT = "absent"
    DELETED = "deleted"
    EXCLUDED = "excluded"
    VARIANT = "variant"


class DependencyReason(StrEnum):
    """Reason why one entity depends on a key or on another entity; see `daemon.storage.dependencies`."""

    KEY = "key"
    PARENT = "parent"
    CIRCLE = "circle"
    FOLLOWS = "follows"


class NotificationState(StrEnum):
    """State of a notification to one receiver: being told, or told, that a condition has begun or is over."""

    OPENING = "opening"
    OPEN = "open"
    RESOLVING = "resolving"
    RESOLVED = "resolved"


class IllegalTransition(Exception):
    """A state was left in a way that its table does not have: a bug of ours."""


@frozen
class Transition(Generic[S]):
    """A step from one of the states in `sources` to `target`. As a state, None means that there is no row."""

    sources: Sequence[S | None]
    target: S

    def of(self, state: S | None) -> S:
        """Return the next state. Raises IllegalTransition."""
        if state not in self.sources:
            raise IllegalTransition(f"no step from {state} to {self.target}")
        return self.target

    def apply(
        self,
        conn: Connection,
        table: Table,
        conditions: Sequence[ColumnElement[bool]],
        values: Mapping[str, Any] = MappingProxyType({}),
        rows: Sequence[Mapping[str, Any]] | None = None,
    ) -> int:
        """Take those rows of a table that meet `conditions` and may take this step; return their number.

        `values` are stored with the new state. `rows` has a set of parameters for each row, if conditions and values
        have any.
        """
        if rows is not None and not rows:
            return 0
        return conn.execute(self.statement(table, conditions, values), rows).rowcount

    def statement(
        self,
        table: Table,
        conditions: Sequence[ColumnElement[bool]],
        values: Mapping[str, Any] = MappingProxyType({}),
    ) -> Update | Delete:
        """Return the statement of `apply`."""
        # No index serves an inequality. For an equality, SQLite walks all pending rows instead of the given ids.
        others = [state for state in table.c.state.type.python_type if state not in self.sources]
        may = [table.c.state != state for state in others]
        if self.target is None:
            return delete(table).where(*conditions, *may)
        return update(table).where(*conditions, *may).values(state=self.target, **values)
