"""How the registration of a connection's webhooks was found when it was last looked at.

What is missing, and why in the platform's words, is encrypted: words of others may quote anything.
"""

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from attrs import field, frozen
from sqlalchemy import Connection, delete, select

from daemon.model import ConnectionId, Site
from daemon.storage.outbox import active
from daemon.storage.tables import registrations
from daemon.storage.upsert import insert


@frozen(kw_only=True)
class Found:
    """A registration as found at `looked_at`; None: it never could be looked at. Both numbers count scopes.

    `encrypted` has {"missing": {scope: why}, "trouble": why it could not be looked at, or None}.
    """

    connection_id: ConnectionId
    registered: int
    missing: int
    looked_at: float | None
    encrypted: bytes = field(repr=False)


def store(conn: Connection, calls: Sequence[Found]) -> list[None]:
    """Note how registrations were found."""
    alive = active(conn, (call.connection_id for call in calls))
    new = insert(registrations)
    values = {name: new.excluded[name] for name in ("registered", "missing", "looked_at", "encrypted")}
    upsert = new.on_conflict_do_update(index_elements=["connection_id"], set_=values)
    for call in calls:
        if call.connection_id in alive:
            numbers = {"registered": call.registered, "missing": call.missing, "looked_at": call.looked_at}
            conn.execute(upsert, [{"connection_id": call.connection_id, "encrypted": call.encrypted, **numbers}])
    return [None] * len(calls)


def found(conn: Connection, connection_id: ConnectionId) -> Found | None:
    """Return how the registration was found; None when webhooks are not registered at all, or were not tried yet."""
    c = registrations.c
    query = select(registrations).where(c.connection_id == connection_id)
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else Found(**row)


def peek(path: Path) -> dict[Site, Found]:
    """Return how the registrations of active connections were found, without opening the database as a daemon does.

    A database that is not there, or that cannot be read, tells of none.
    """
    if not path.exists():
        return {}
    query = (
        "SELECT site_env, site_id, connection_id, registered, missing, looked_at, registrations.encrypted"
        " FROM registrations JOIN connections ON connections.id = connection_id WHERE state = 'active'"
    )
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
            rows = database.execute(query).fetchall()
    except sqlite3.Error:
        return {}
    names = ("connection_id", "registered", "missing", "looked_at", "encrypted")
    return {Site(env, site_id): Found(**dict(zip(names, row, strict=True))) for env, site_id, *row in rows}


def forget(conn: Connection, calls: Sequence[ConnectionId]) -> list[None]:
    """Forget registrations: no webhooks are wanted any more."""
    conn.execute(delete(registrations).where(registrations.c.connection_id.in_(calls)))
    return [None] * len(calls)
