"""The installs of platforms' apps, with the stores' credentials, and the sites that wait for an install.

A site waits for one store at a time. Credentials are encrypted. A pending connection expires.

Some platforms do not name the store that was installed. Then a *state* recognises the pending connection: a random text
in the address at which the merchant installs. Only its hash is stored; it is good once and for an hour.
"""

import hashlib
from collections.abc import Mapping

from attrs import field, frozen
from sqlalchemy import ColumnElement, Connection, delete, exists, func, not_, select, tuple_, update

from daemon.model import Site
from daemon.storage.group_commit import one_by_one
from daemon.storage.tables import install_states, installs, pending_connections
from daemon.storage.upsert import insert, replacing

STATE_KEPT = 3600.0
"""Seconds for which a state is valid."""

MOST_STATES = 100
"""Valid states of a site, beyond which none is made by hand: anyone may ask for one."""

PENDING_KEPT = 30 * 86_400.0
"""Seconds. SparkLayer's credentials are not kept for an install that never comes."""


@frozen(kw_only=True)
class Install:
    """An app's install in a store; `encrypted` has the store's settings value."""

    platform: str
    store_id: str
    encrypted: bytes = field(repr=False)
    now: float


@frozen(kw_only=True)
class AwaitedStore:
    """The store that a site waits for; `encrypted` has SparkLayer's key for the site."""

    site: Site
    platform: str
    store_id: str
    encrypted: bytes = field(repr=False)


@frozen(kw_only=True)
class PendingConnection(AwaitedStore):
    """A site to be connected as soon as its store has the app.

    `state` recognises its install, beside the states that it was given within the last hour.
    """

    now: float
    state: str = field(repr=False)


@frozen(kw_only=True)
class NewState:
    """A further state of a pending connection, at a time."""

    site: Site
    platform: str
    state: str = field(repr=False)
    now: float


@one_by_one
def install(conn: Connection, call: Install) -> None:
    """Store an install in place of an earlier one of the same store."""
    # A store that installs the app again has new credentials; the earlier ones are void.
    row = {
        "platform": call.platform,
        "store_id": call.store_id,
        "encrypted": call.encrypted,
        "installed_at": call.now,
    }
    conn.execute(replacing(installs, "encrypted", "installed_at"), [row])


def forget_install(conn: Connection, platform: str, store_id: str) -> None:
    """Delete an install."""
    conn.execute(delete(installs).where(installs.c.platform == platform, installs.c.store_id == store_id))


def installed(conn: Connection, store_ids: Mapping[str, str]) -> list[tuple[str, bytes]]:
    """Return (platform, encrypted settings value) of the installs in stores, whose ids are given by platform."""
    c = installs.c
    wanted = tuple_(c.platform, c.store_id).in_(list(store_ids.items()))
    rows = conn.execute(select(c.platform, c.encrypted).where(wanted).order_by(c.platform))
    return [(row.platform, row.encrypted) for row in rows]


@one_by_one
def pending(conn: Connection, call: PendingConnection) -> None:
    """Store a pending connection in place of an earlier one of the same site; delete those that have expired."""
    forget_expired(conn, [call.now])
    waiting = {
        "site_env": call.site.env,
        "site_id": call.site.id,
        "platform": call.platform,
        "store_id": call.store_id,
        "asked_at": call.now,
    }
    store = replacing(pending_connections, "platform", "store_id", "encrypted", "asked_at")
    conn.execute(store, [{**waiting, "encrypted": call.encrypted}])
    conn.execute(insert(install_states), [{**waiting, "hashed": _hashed(call.state)}])


@one_by_one
def forget_pending(conn: Connection, site: Site) -> None:
    """Delete the pending connection of a site."""
    c = pending_connections.c
    conn.execute(delete(pending_connections).where(c.site_env == site.env, c.site_id == site.id))


@one_by_one
def forget_expired(conn: Connection, now: float) -> None:
    """Delete the pending connections that have expired."""
    c = pending_connections.c
    # One that was asked for by a clock that was ahead would be kept for longer.
    conn.execute(update(pending_connections).where(c.asked_at > now).values(asked_at=now))
    conn.execute(delete(pending_connections).where(c.asked_at < now - PENDING_KEPT))
    conn.execute(delete(install_states).where(not_(_is_valid(now))))


@one_by_one
def take_state(conn: Connection, call: tuple[str, float]) -> AwaitedStore | None:
    """Use up a state at a time; None if it is unknown, used or too old, or its site no longer waits for that store."""
    state, now = call
    c = install_states.c
    mine = (c.hashed == _hashed(state), _is_valid(now))
    row = conn.execute(select(install_states).where(*mine).with_for_update()).one_or_none()
    if row is None or not conn.execute(delete(install_states).where(*mine)).rowcount:
        return None
    awaited = find_pending(conn, Site(row.site_env, row.site_id))
    same = awaited is not None and (awaited.platform, awaited.store_id) == (row.platform, row.store_id)
    return awaited if same else None


@one_by_one
def add_state(conn: Connection, call: NewState) -> AwaitedStore | None:
    """Store a further state; None if the site waits for no store of that platform, or has `MOST_STATES` already."""
    forget_expired(conn, [call.now])
    awaited, c = find_pending(conn, call.site), install_states.c
    if awaited is None or awaited.platform != call.platform:
        return None
    of_site = (c.site_env == call.site.env, c.site_id == call.site.id)
    if conn.execute(select(func.count()).where(*of_site)).scalar_one() >= MOST_STATES:
        return None
    row = {
        "hashed": _hashed(call.state),
        "site_env": call.site.env,
        "site_id": call.site.id,
        "platform": call.platform,
        "store_id": awaited.store_id,
        "asked_at": call.now,
    }
    conn.execute(insert(install_states), [row])
    return awaited


def find_pending(conn: Connection, site: Site) -> AwaitedStore | None:
    """Return the store that a site waits for; None if it waits for none."""
    c = pending_connections.c
    row = conn.execute(select(pending_connections).where(c.site_env == site.env, c.site_id == site.id)).first()
    if row is None:
        return None
    return AwaitedStore(site=site, platform=row.platform, store_id=row.store_id, encrypted=row.encrypted)


def _hashed(state: str) -> str:
    # Neither salt nor stretching: a state is 32 random bytes, which cannot be guessed.
    return hashlib.sha256(state.encode()).hexdigest()


def _is_valid(now: float) -> ColumnElement[bool]:
    return install_states.c.asked_at.between(now - STATE_KEPT, now)


def completable(conn: Connection) -> list[tuple[Site, str, bytes]]:
    """Return (site, store, encrypted key) of the pending connections whose store has the app, the oldest first."""
    c = pending_connections.c
    complete = select(pending_connections).where(
        exists().where(installs.c.platform == c.platform, installs.c.store_id == c.store_id)
    )
    rows = conn.execute(complete.order_by(c.asked_at, c.site_env, c.site_id))
    return [(Site(row.site_env, row.site_id), row.store_id, row.encrypted) for row in rows]
