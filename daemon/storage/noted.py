"""Everything that the database has of one entity, for a person who asks about it."""

from collections.abc import Sequence
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, Row, Table, select

from daemon.model import ConnectionId, ExternalId, Kind
from daemon.storage import removals, tables
from daemon.storage.removals import Shown


@frozen(kw_only=True)
class Change:
    """The entity's row in the outbox; `encrypted` has its last error."""

    state: str
    attempts: int
    since: float
    due_at: float
    run: int | None = None
    encrypted: bytes | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Noted:
    """What waits of an entity, its open issue (encrypted), its held removals, and whether SparkLayer was told of it.

    `reading` is the full sync that reads the store now.
    """

    change: Change | None = None
    issue: bytes | None = field(default=None, repr=False)
    held: Sequence[Shown] = ()
    told: bool = False
    reading: int | None = None

    @property
    def known(self) -> bool:
        """Whether there is anything at all."""
        return self.told or self.change is not None or self.issue is not None or bool(self.held)


def noted(conn: Connection, connection_id: ConnectionId, kind: Kind, external_id: ExternalId) -> Noted:
    """Look an entity up in every table."""

    def row(table: Table) -> Row[Any] | None:
        c = table.c
        mine = (c.connection_id == connection_id, c.kind == kind.value, c.external_id == external_id)
        return conn.execute(select(table).where(*mine)).one_or_none()

    runs = tables.full_syncs.c
    mine = (runs.connection_id == connection_id, runs.kind == kind.value, runs.state == "enumerating")
    change, issue = row(tables.outbox), row(tables.issues)
    return Noted(
        change=None if change is None else _change(change),
        issue=None if issue is None else issue.encrypted,
        held=[one for one in removals.listed(conn, connection_id, kind) if one.external_id == external_id],
        told=row(tables.ledger) is not None,
        reading=conn.execute(select(runs.id).where(*mine).limit(1)).scalar(),
    )


def _change(row: Row[Any]) -> Change:
    return Change(
        state=row.state,
        attempts=row.attempts,
        since=row.first_queued_at,
        due_at=row.due_at,
        run=row.full_sync_id,
        encrypted=row.encrypted,
    )
