"""The state of a connection's webhooks on its platform, as it was when the daemon last looked, and its latest webhook.

The missing scopes, and the platform's reasons, are encrypted: another system's words may quote anything.
"""

from collections.abc import Sequence

from attrs import asdict, field, frozen
from sqlalchemy import Connection, case, delete, select

from daemon.model import ConnectionId
from daemon.storage.group_commit import ConnectionCall
from daemon.storage.outbox import active, while_active
from daemon.storage.tables import last_webhooks, registrations
from daemon.storage.upsert import insert, replacing


@frozen(kw_only=True)
class StoredRegistration(ConnectionCall):
    """A registration as it was at `looked_at` (None: the daemon never could look). Both numbers count scopes.

    `encrypted` has {"missing": {scope: reason}, "trouble": reason why the daemon could not look, or None,
    "destination": the address that the webhooks should have}. Once that was ever so it also has "well_at": the time at
    which all were last right, and "mended": {"at", "changes": their number, "made": scopes, "switched_off": scopes that
    the platform had switched off} of the last look that changed anything.
    """

    registered: int
    missing: int
    looked_at: float | None
    encrypted: bytes = field(repr=False)


@frozen(kw_only=True)
class Arrived(ConnectionCall):
    """A webhook of a connection came at a time."""

    at: float


@while_active  # a look at the platform takes seconds; the connection may have left in between
def store(conn: Connection, call: StoredRegistration) -> None:
    """Store a registration in place of an earlier one."""
    conn.execute(replacing(registrations, "registered", "missing", "looked_at", "encrypted"), [asdict(call)])


def found(conn: Connection, connection_id: ConnectionId) -> StoredRegistration | None:
    """Return a registration; None when webhooks are not registered, or not yet."""
    query = select(registrations).where(registrations.c.connection_id == connection_id)
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else StoredRegistration(**row)


def forget(conn: Connection, calls: Sequence[ConnectionId]) -> list[None]:
    """Forget registrations: no webhooks are wanted any more."""
    conn.execute(delete(registrations).where(registrations.c.connection_id.in_(calls)))
    return [None] * len(calls)


def note_arrival(conn: Connection, calls: Sequence[Arrived]) -> list[None]:
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


def arrivals(conn: Connection) -> dict[ConnectionId, float]:
    """Return the time of the latest webhook of each connection, whichever node took it."""
    return {ConnectionId(row.connection_id): row.at for row in conn.execute(select(last_webhooks))}
