"""A failover of the server to a standby, which may have lost the last commits: everything is read once more.

PostgreSQL gives each life of a promoted server a new timeline. Nothing tells which commits are missing, or if any are.
So each kind of each connection gets a gap, as after missed webhooks.
"""

from sqlalchemy import Connection, select

from daemon.model import ConnectionId, Kind
from daemon.storage import gaps
from daemon.storage.gaps import GapNote
from daemon.storage.notify import CHANNEL
from daemon.storage.tables import connections, full_syncs


def timeline(conn: Connection) -> int | None:
    """Return the number of the server's present life; None for SQLite, and where this user may not ask."""
    if conn.dialect.name != "postgresql":
        return None
    if not conn.exec_driver_sql("SELECT has_function_privilege('pg_control_checkpoint()', 'EXECUTE')").scalar_one():
        return None
    return int(conn.exec_driver_sql("SELECT timeline_id FROM pg_control_checkpoint()").scalar_one())


def note(conn: Connection, now: float) -> None:
    """Have all that was ever synced read whole, and wake the nodes that work on it."""
    c = full_syncs.c
    synced = select(c.connection_id, c.kind).distinct().join(connections, connections.c.id == c.connection_id)
    rows = conn.execute(synced.where(connections.c.state == "active").order_by(c.connection_id, c.kind)).all()
    for connection_id, kind in rows:
        call = GapNote(connection_id=ConnectionId(connection_id), kinds=[Kind(kind)], due_at=now, at_once=True)
        gaps.note(conn, [call])
        if conn.dialect.name == "postgresql":
            conn.exec_driver_sql(f"SELECT pg_notify('{CHANNEL}', %s)", (f"gap {connection_id} {Kind(kind).value}",))
