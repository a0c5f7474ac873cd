"""Parked changes, which used up their retries: kept, shown, tried again or given up by a person."""

from collections.abc import Sequence

from attrs import field, frozen
from sqlalchemy import Connection, select

from daemon.model import ConnectionId, ExternalId, Kind
from daemon.storage import outbox as rows
from daemon.storage.group_commit import one_by_one
from daemon.storage.prepared import among
from daemon.storage.states import RowState
from daemon.storage.tables import Conditions, of_kind, outbox


@frozen(kw_only=True)
class Parked:
    """One parked change; `encrypted` has its last error."""

    kind: Kind
    external_id: ExternalId
    attempts: int
    since: float
    encrypted: bytes | None = field(repr=False)


@frozen(kw_only=True)
class Choice:
    """Parked changes of a connection: of one kind or all, of some ids or all; `now` is when they are due again."""

    connection_id: ConnectionId
    kind: Kind | None
    ids: Sequence[ExternalId]
    now: float


def parked(conn: Connection, connection_id: ConnectionId) -> list[Parked]:
    """Return the parked changes of a connection, the oldest first."""
    c = outbox.c
    found = conn.execute(
        select(c.kind, c.external_id, c.attempts, c.first_queued_at, c.encrypted)
        .where(c.connection_id == connection_id, c.state == RowState.PARKED)
        .order_by(c.first_queued_at, c.external_id)
    )
    return [
        Parked(kind=Kind(kind), external_id=external_id, attempts=attempts, since=since, encrypted=encrypted)
        for kind, external_id, attempts, since, encrypted in found
    ]


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
