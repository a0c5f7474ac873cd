"""The database's rows of one entity, for a person who asks about it."""

from collections.abc import Sequence
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, Row, Table, select

from daemon.model import ConnectionId, ExternalId, Kind
from daemon.storage import full_syncs, removals, tables
from daemon.storage.removals import Shown
from daemon.storage.states import RowState, RunState
from daemon.storage.tables import of_kind


@frozen(kw_only=True)
class PendingChange:
    """The entity's row in the outbox, pending or parked; `encrypted` has its last error."""

    state: RowState
    attempts: int
    since: float
    due_at: float
    run: int | None = None
    encrypted: bytes | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Noted:
    """An entity's change, its open issue (encrypted), its held removals; `told` if SparkLayer has it.

    `reading` is the full sync that reads the store now.
    """

    change: PendingChange | None = None
    issue: bytes | None = field(default=None, repr=False)
    held: Sequence[Shown] = ()
    told: bool = False
    reading: int | None = None

    @property
    def known(self) -> bool:
        """True if the database has anything of the entity."""
        return self.told or self.change is not None or self.issue is not None or bool(self.held)


def noted(conn: Connection, connection_id: ConnectionId, kind: Kind, external_id: ExternalId) -> Noted:
    """Look an entity up in every table."""

    def row_of(table: Table) -> Row[Any] | None:
        mine = (*of_kind(table, connection_id, kind), table.c.external_id == external_id)
        return conn.execute(select(table).where(*mine)).one_or_none()

    run = full_syncs.current(conn, connection_id, kind)
    row, issue = row_of(tables.outbox), row_of(tables.issues)
    return Noted(
        change=None
        if row is None
        else PendingChange(
            state=row.state,
            attempts=row.attempts,
            since=row.first_queued_at,
            due_at=row.due_at,
            run=row.full_sync_id,
            encrypted=row.encrypted,
        ),
        issue=None if issue is None else issue.encrypted,
        held=[removal for removal in removals.listed(conn, connection_id, kind) if removal.external_id == external_id],
        told=row_of(tables.ledger) is not None,
        reading=run.id if run is not None and run.state is RunState.ENUMERATING else None,
    )
