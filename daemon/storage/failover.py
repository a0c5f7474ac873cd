"""A failover of the server to a standby, which may have lost the last commits: everything is read once more.

PostgreSQL gives each life of a promoted server a new timeline. Nothing tells which commits are missing, or if any are.
So each kind of each connection gets a gap, as after missed webhooks. The database has the last timeline, so that a
daemon which starts after a failover sees it too.
"""

from sqlalchemy import Connection, delete, select

from daemon.model import ConnectionId, Kind
from daemon.storage import gaps
from daemon.storage.gaps import GapNote
from daemon.storage.notify import CHANNEL
from daemon.storage.tables import connections, full_syncs, server_timeline
from daemon.storage.upsert import insert


def look(conn: Connection, known: int | None, now: float) -> tuple[int | None, bool]:
    """Return the server's timeline, and True if it has failed over since the last look of any node.

    `known` is the timeline at this process's last look. After a failover all is noted to be read once more.
    """
    present = timeline(conn)
    if present in {None, known}:
        return present, False
    stored = set(conn.execute(select(server_timeline.c.number)).scalars())
    if stored != {present}:
        conn.execute(delete(server_timeline).where(server_timeline.c.number != present))
        conn.execute(insert(server_timeline).on_conflict_do_nothing(), [{"number": present}])
    # The stored one may be the present one: an earlier primary that came back never saw the standby's.
    failed_over = bool({*stored, known} - {present, None})
    if failed_over:
        note(conn, now)
    return present, failed_over


def timeline(conn: Connection) -> int | None:
    """Return the number of the server's present life; None for SQLite, and where this user may not ask."""
    if conn.dialect.name != "postgresql":
        return None
    # Asked first, since a refusal would fail the transaction, and with it the node's look at the leases.
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
