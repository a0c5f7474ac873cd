"""Since when each kind of a connection has not been swept, and what a sweep found."""

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection, select

from daemon.model import Change, ConnectionId, ExternalId, Kind, Lane
from daemon.storage.outbox import Record, active, record
from daemon.storage.tables import outbox, sweeps
from daemon.storage.touches import Touches
from daemon.storage.upsert import insert


@frozen(kw_only=True)
class Swept:
    """A page of what the platform says has changed."""

    connection_id: ConnectionId
    kind: Kind
    ids: Sequence[ExternalId]
    now: float
    touches: Touches


@frozen(kw_only=True)
class SweptUntil:
    """A sweep is through: the next one asks for what changed since `since` (seconds since the epoch)."""

    connection_id: ConnectionId
    kind: Kind
    since: float


def take_swept(conn: Connection, calls: Sequence[Swept]) -> list[set[ExternalId]]:
    """Put each page into the backfill lane; return the ids whose contents may be used, as `take_page` does."""
    return [_take(conn, call) for call in calls]


def _take(conn: Connection, call: Swept) -> set[ExternalId]:
    c = outbox.c
    mine = (c.connection_id == call.connection_id, c.kind == call.kind.value, c.external_id.in_(call.ids))
    waiting = {ExternalId(row.external_id) for row in conn.execute(select(c.external_id).where(*mine))}
    changes = [Change(call.kind, external_id) for external_id in call.ids]
    record(conn, [Record(connection_id=call.connection_id, changes=changes, now=call.now, lane=Lane.BACKFILL)])
    return set(call.ids) - waiting - call.touches.changed_since


def swept_since(conn: Connection, connection_id: ConnectionId, kind: Kind) -> float | None:
    """Return since when there was no sweep; None before the first."""
    c = sweeps.c
    return conn.execute(select(c.since).where(c.connection_id == connection_id, c.kind == kind.value)).scalar()


def store_swept(conn: Connection, calls: Sequence[SweptUntil]) -> list[None]:
    """Note that sweeps are through."""
    alive = active(conn, (call.connection_id for call in calls))
    new = insert(sweeps)
    upsert = new.on_conflict_do_update(index_elements=["connection_id", "kind"], set_={"since": new.excluded.since})
    for call in calls:
        if call.connection_id in alive:
            values = {"connection_id": call.connection_id, "kind": call.kind.value, "since": call.since}
            conn.execute(upsert, [values])
    return [None] * len(calls)
