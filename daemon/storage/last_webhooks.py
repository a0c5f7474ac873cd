"""The time of the latest webhook of each connection, whichever node took it."""

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection, case, select

from daemon.model import ConnectionId
from daemon.storage.group_commit import ConnectionCall
from daemon.storage.outbox import active
from daemon.storage.tables import last_webhooks
from daemon.storage.upsert import insert


@frozen(kw_only=True)
class Arrived(ConnectionCall):
    """A webhook of a connection came at a time."""

    at: float


def note(conn: Connection, calls: Sequence[Arrived]) -> list[None]:
    """Store the times, unless later ones are stored."""
    # Rows in key order: nodes that note the same connections do not wait for each other in a circle.
    latest = {call.connection_id: call.at for call in sorted(calls, key=lambda call: call.at)}
    alive = active(conn, latest)
    new = insert(last_webhooks)
    later = case((new.excluded.at > last_webhooks.c.at, new.excluded.at), else_=last_webhooks.c.at)
    upsert = new.on_conflict_do_update(index_elements=["connection_id"], set_={"at": later})
    for connection_id in sorted(latest):
        if connection_id in alive:
            conn.execute(upsert, [{"connection_id": connection_id, "at": latest[connection_id]}])
    return [None] * len(calls)


def times(conn: Connection) -> dict[ConnectionId, float]:
    """Return the times by connection."""
    return {ConnectionId(row.connection_id): row.at for row in conn.execute(select(last_webhooks))}
