"""Changes that wait in the outbox, as a person sees them; the parked ones may be tried again or given up."""

from collections.abc import Sequence
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, Select, select

from daemon.model import ConnectionId, ExternalId, Kind, RunId
from daemon.storage import outbox as rows
from daemon.storage.group_commit import ConnectionCall, one_by_one
from daemon.storage.prepared import among
from daemon.storage.states import RowState
from daemon.storage.tables import Conditions, of_kind, outbox


@frozen(kw_only=True)
class WaitingChange:
    """A row of the outbox, pending or parked; `encrypted` has its last error."""

    kind: Kind
    external_id: ExternalId
    state: RowState
    attempts: int
    since: float
    due_at: float
    run: RunId | None = None
    encrypted: bytes | None = field(default=None, repr=False)


def waiting_changes(conn: Connection, query: Select[Any]) -> list[WaitingChange]:
    """Return the rows of the outbox that a query selects."""
    return [
        WaitingChange(
            kind=Kind(row.kind),
            external_id=row.external_id,
            state=row.state,
            attempts=row.attempts,
            since=row.first_queued_at,
            due_at=row.due_at,
            run=row.full_sync_id,
            encrypted=row.encrypted,
        )
        for row in conn.execute(query)
    ]


@frozen(kw_only=True)
class Choice(ConnectionCall):
    """Parked changes of a connection: of one kind or all, of some ids or all; `now` is when they are due again."""

    kind: Kind | None
    ids: Sequence[ExternalId]
    now: float


def parked(conn: Connection, connection_id: ConnectionId) -> list[WaitingChange]:
    """Return the parked changes of a connection, the oldest first."""
    c = outbox.c
    query = select(outbox).where(c.connection_id == connection_id, c.state == RowState.PARKED)
    return waiting_changes(conn, query.order_by(c.first_queued_at, c.external_id))


@one_by_one
def retry(conn: Connection, call: Choice) -> int:
    """Make parked changes pending again; return their number."""
    chosen = _chosen(conn, call)
    return 0 if chosen is None else rows.revive(conn, chosen, call.now)


@one_by_one
def drop(conn: Connection, call: Choice) -> int:
    """Give parked changes up; return their number. The entity's next change is recorded as usual."""
    chosen = _chosen(conn, call)
    return 0 if chosen is None else rows.drop(conn, chosen)


def _chosen(conn: Connection, call: Choice) -> Conditions | None:
    if not rows.active(conn, [call.connection_id]):
        return None
    c, mine = outbox.c, (outbox.c.connection_id == call.connection_id,)
    of = mine if call.kind is None else of_kind(outbox, call.connection_id, call.kind)
    return (*of, among(conn, c.external_id, call.ids)) if call.ids else of
