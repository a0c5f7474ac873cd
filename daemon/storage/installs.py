"""Where a platform's app is installed, and which sites wait for an install: the store's credentials come with it.

A site waits for one store at a time. Credentials and pending connections are encrypted. A pending connection expires.
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
    """An app is installed in a store; `encrypted` has the store's settings value."""

    platform: str
    store_id: str
    encrypted: bytes = field(repr=False)
    now: float


@frozen(kw_only=True)
class PendingConnection:
    """A site shall be connected to a store as soon as that is known; `encrypted` has SparkLayer's key for the site."""

    site: Site
    store_id: str
    encrypted: bytes = field(repr=False)
    now: float


def install(conn: Connection, calls: Sequence[Install]) -> list[None]:
    """Store installs; one that is there is replaced."""
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
    """Forget what an install has brought."""
    conn.execute(delete(installs).where(installs.c.platform == platform, installs.c.store_id == store_id))


def installed(conn: Connection, store_id: str) -> list[tuple[str, bytes]]:
    """Return the platforms where a store of this id has the app, with what is encrypted."""
    c = installs.c
    query = select(c.platform, c.encrypted).where(c.store_id == store_id).order_by(c.platform)
    return [(row.platform, row.encrypted) for row in conn.execute(query)]


def pending(conn: Connection, calls: Sequence[PendingConnection]) -> list[None]:
    """Store pending connections; an earlier one of the same site is forgotten, and so are those that have expired."""
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
    """Forget what was wished for sites."""
    for site in calls:
        forget_wish(conn, site)
    return [None] * len(calls)


def forget_expired(conn: Connection, calls: Sequence[float]) -> list[None]:
    """Forget the pending connections that nobody has fulfilled, as of each of these times."""
    for now in calls:
        conn.execute(update(pending_connections).where(pending_connections.c.asked_at > now).values(asked_at=now))
        conn.execute(delete(pending_connections).where(pending_connections.c.asked_at < now - WISH_KEPT))
    return [None] * len(calls)


def forget_wish(conn: Connection, site: Site) -> None:
    """Forget what was wished for a site."""
    conn.execute(
        delete(pending_connections).where(
            pending_connections.c.site_env == site.env, pending_connections.c.site_id == site.id
        )
    )


def completable(conn: Connection) -> list[tuple[Site, str, bytes]]:
    """Return (site, store, encrypted key) of the pending connections whose store has the app, the oldest first."""
    c = pending_connections.c
    known = select(installs.c.store_id)
    rows = conn.execute(
        select(pending_connections).where(c.store_id.in_(known)).order_by(c.asked_at, c.site_env, c.site_id)
    )
    return [(Site(row.site_env, row.site_id), row.store_id, row.encrypted) for row in rows]
