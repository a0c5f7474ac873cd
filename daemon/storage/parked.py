"""Changes that used up their retries: kept, shown, tried again or given up by a person."""

from collections.abc import Sequence

from attrs import field, frozen
from sqlalchemy import ColumnElement, Connection, delete, select, update

from daemon.model import ConnectionId, ExternalId, Kind
from daemon.storage.outbox import active
from daemon.storage.tables import in_parts, outbox


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
    """Return what is parked, the oldest first."""
    c = outbox.c
    query = select(c.kind, c.external_id, c.attempts, c.first_queued_at, c.encrypted)
    rows = conn.execute(
        query.where(c.connection_id == connection_id, c.state == "parked").order_by(c.first_queued_at, c.external_id)
    )
    return [
        Parked(kind=Kind(kind), external_id=external_id, attempts=attempts, since=since, encrypted=encrypted)
        for kind, external_id, attempts, since, encrypted in rows
    ]


def retry(conn: Connection, calls: Sequence[Choice]) -> list[int]:
    """Make parked changes pending again, as their entity's next change would; return how many."""
    return [sum(_revive(conn, mine, call.now) for mine in _chosen(conn, call)) for call in calls]


def _revive(conn: Connection, mine: Sequence[ColumnElement[bool]], now: float) -> int:
    anew = {"state": "pending", "attempts": 0, "due_at": now, "first_queued_at": now}
    return conn.execute(update(outbox).where(*mine).values(**anew, revision=outbox.c.revision + 1)).rowcount


def drop(conn: Connection, calls: Sequence[Choice]) -> list[int]:
    """Give parked changes up; return how many. Their entities' next change is worked on as ever."""
    return [sum(conn.execute(delete(outbox).where(*mine)).rowcount for mine in _chosen(conn, call)) for call in calls]


def _chosen(conn: Connection, call: Choice) -> list[list[ColumnElement[bool]]]:
    if call.connection_id not in active(conn, [call.connection_id]):
        return []
    c = outbox.c
    mine: list[ColumnElement[bool]] = [c.connection_id == call.connection_id, c.state == "parked"]
    if call.kind is not None:
        mine.append(c.kind == call.kind.value)
    return [[*mine, c.external_id.in_(part)] for part in in_parts(call.ids)] if call.ids else [mine]
