"""Which stores are linked to which sites, with their credentials sealed.

An id is never used twice, so it doubles as the generation: whatever was in flight for an earlier connection of the
same site writes nothing. A `gone` row is the tombstone that keeps the configuration from reviving what was
disconnected.
"""

from collections.abc import Sequence

from attrs import field, frozen
from sqlalchemy import Connection, select, update

from daemon.model import ConnectionId, Site
from daemon.storage.tables import connections


@frozen
class Stored:
    """A connection's row; `sealed` has its credentials."""

    id: ConnectionId
    site: Site
    platform: str
    state: str
    sealed: bytes = field(repr=False)


@frozen(kw_only=True)
class Adopt:
    """A connection that the configuration names."""

    site: Site
    platform: str
    sealed: bytes = field(repr=False)
    now: float


def adopt(conn: Connection, calls: Sequence[Adopt]) -> list[Stored]:
    """Store the connections of the configuration; what was disconnected stays disconnected."""
    return [_adopt(conn, call) for call in calls]


def _adopt(conn: Connection, call: Adopt) -> Stored:
    present = find(conn, call.site)
    if present is None:
        conn.execute(
            connections.insert().values(
                site_env=call.site.env,
                site_id=call.site.id,
                platform=call.platform,
                state="active",
                sealed=call.sealed,
                created_at=call.now,
            )
        )
    elif present.state == "active":
        conn.execute(
            update(connections).where(connections.c.id == present.id).values(sealed=call.sealed, platform=call.platform)
        )
    stored = find(conn, call.site)
    assert stored is not None  # it was there or has just been inserted
    return stored


def find(conn: Connection, site: Site) -> Stored | None:
    """Return the connection of a site."""
    c = connections.c
    row = conn.execute(select(connections).where(c.site_env == site.env, c.site_id == site.id)).one_or_none()
    return None if row is None else Stored(row.id, site, row.platform, row.state, row.sealed)


def everyone(conn: Connection) -> list[Stored]:
    """Return every connection, tombstones too."""
    rows = conn.execute(select(connections).order_by(connections.c.id))
    return [Stored(row.id, Site(row.site_env, row.site_id), row.platform, row.state, row.sealed) for row in rows]
