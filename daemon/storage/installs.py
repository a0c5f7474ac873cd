"""The installs of platforms' apps, with the stores' credentials, and the sites that wait for an install.

A site waits for one store at a time. Credentials are encrypted. A pending connection expires.
"""

from collections.abc import Sequence

from attrs import field, frozen
from sqlalchemy import Connection, delete, select, update

from daemon.model import Site
from daemon.storage.tables import installs, pending_connections
from daemon.storage.upsert import insert

WISH_KEPT = 30 * 86_400.0
"""Seconds. SparkLayer's credentials are not kept for an install that never comes."""


@frozen(kw_only=True)
class Install:
    """An app's install in a store; `encrypted` has the store's settings value."""

    platform: str
    store_id: str
    encrypted: bytes = field(repr=False)
    now: float


@frozen(kw_only=True)
class PendingConnection:
    """A site to be connected as soon as its store has the app; `encrypted` has SparkLayer's key for the site."""

    site: Site
    store_id: str
    encrypted: bytes = field(repr=False)
    now: float


def install(conn: Connection, calls: Sequence[Install]) -> list[None]:
    """Store installs in place of earlier ones of the same stores."""
    # A store that installs the app again has new credentials; the earlier ones are void.
    new = insert(installs)
    replacing = {name: new.excluded[name] for name in ("encrypted", "installed_at")}
    for call in calls:
        values = {
            "platform": call.platform,
            "store_id": call.store_id,
            "encrypted": call.encrypted,
            "installed_at": call.now,
        }
        conn.execute(new.on_conflict_do_update(index_elements=["platform", "store_id"], set_=replacing), [values])
    return [None] * len(calls)


def forget_install(conn: Connection, platform: str, store_id: str) -> None:
    """Delete an install."""
    conn.execute(delete(installs).where(installs.c.platform == platform, installs.c.store_id == store_id))


def installed(conn: Connection, store_id: str) -> list[tuple[str, bytes]]:
    """Return (platform, encrypted settings value) of the installs in stores of this id."""
    c = installs.c
    query = select(c.platform, c.encrypted).where(c.store_id == store_id).order_by(c.platform)
    return [(row.platform, row.encrypted) for row in conn.execute(query)]


def pending(conn: Connection, calls: Sequence[PendingConnection]) -> list[None]:
    """Store pending connections in place of earlier ones of the same sites; delete those that have expired."""
    forget_expired(conn, [call.now for call in calls])
    new = insert(pending_connections)
    replacing = {name: new.excluded[name] for name in ("store_id", "encrypted", "asked_at")}
    for call in calls:
        values = {
            "site_env": call.site.env,
            "site_id": call.site.id,
            "store_id": call.store_id,
            "encrypted": call.encrypted,
            "asked_at": call.now,
        }
        conn.execute(new.on_conflict_do_update(index_elements=["site_env", "site_id"], set_=replacing), [values])
    return [None] * len(calls)


def forget_pending(conn: Connection, calls: Sequence[Site]) -> list[None]:
    """Delete the pending connections of sites."""
    c = pending_connections.c
    for site in calls:
        conn.execute(delete(pending_connections).where(c.site_env == site.env, c.site_id == site.id))
    return [None] * len(calls)


def forget_expired(conn: Connection, calls: Sequence[float]) -> list[None]:
    """Delete the pending connections that have expired at each of these times."""
    c = pending_connections.c
    for now in calls:
        # One that was asked for by a clock that was ahead would be kept for longer.
        conn.execute(update(pending_connections).where(c.asked_at > now).values(asked_at=now))
        conn.execute(delete(pending_connections).where(c.asked_at < now - WISH_KEPT))
    return [None] * len(calls)


def completable(conn: Connection) -> list[tuple[Site, str, bytes]]:
    """Return (site, store, encrypted key) of the pending connections whose store has the app, the oldest first."""
    c = pending_connections.c
    complete = select(pending_connections).where(c.store_id.in_(select(installs.c.store_id)))
    rows = conn.execute(complete.order_by(c.asked_at, c.site_env, c.site_id))
    return [(Site(row.site_env, row.site_id), row.store_id, row.encrypted) for row in rows]
