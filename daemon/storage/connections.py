"""Which stores are linked to which sites, with their credentials encrypted.

The life of a connection (a CHECK repeats the states, a test walks the table):

    event    from      to        why
    adopt    -         active    the configuration names a site that has no connection yet
    begin    -         active    Ignite or an app connects; whatever the site had before makes way
    renew    active    active    other credentials for the same store
    leave    active    leaving   disconnected, or another store takes its place: nothing is written for it any more
    wipe     leaving   gone      cleaned up on both sides, or given up: every row and the credentials are deleted
    wipe     leaving   -         ... while the site has another connection: nothing is left to remember
    begin    leaving   -         the same store is connected again before its clean-up was through
    begin    gone      -         the site is connected again

An id is never used twice, so it doubles as the generation: whatever was in flight for an earlier connection of the
same site writes nothing. A site has at most one active connection. A `gone` row is the tombstone that keeps the
configuration from reviving what was disconnected; it has the identity only.
"""

from collections.abc import Sequence
from typing import Any

from attrs import evolve, field, frozen
from sqlalchemy import Connection, Row, delete, select, update

from daemon.model import ConnectionId, Kind, Site
from daemon.storage.full_syncs import Start, newest, start
from daemon.storage.installs import forget_install, forget_wish
from daemon.storage.states import RunMode
from daemon.storage.tables import connections, metadata

TRANSITIONS: dict[tuple[str, str | None], set[str | None]] = {
    ("adopt", None): {"active"},
    ("begin", None): {"active"},
    ("renew", "active"): {"active"},
    ("leave", "active"): {"leaving"},
    ("wipe", "leaving"): {"gone", None},
    ("begin", "leaving"): {None},
    ("begin", "gone"): {None},
}


@frozen
class Stored:
    """A connection's row; `encrypted` has its credentials. One `by_ignite` needs nobody else to name it."""

    id: ConnectionId
    site: Site
    platform: str
    state: str
    encrypted: bytes = field(repr=False)
    by_ignite: bool = False
    leaving_since: float | None = None


@frozen(kw_only=True)
class Adopt:
    """A connection that the configuration names.

    The kinds in `read_again` are read whole once more, but for those that never were: that is `full_sync_on_start`'s.
    """

    site: Site
    platform: str
    encrypted: bytes = field(repr=False)
    now: float
    read_again: Sequence[Kind] = ()


@frozen(kw_only=True)
class Begin:
    """A new connection of a site. An active one there leaves; those that leave already and are in `instead_of` go.

    A first full sync of each of `kinds` starts with it.
    """

    site: Site
    platform: str
    encrypted: bytes = field(repr=False)
    now: float
    instead_of: Sequence[ConnectionId] = ()
    kinds: Sequence[Kind] = ()


@frozen(kw_only=True)
class Renew:
    """Other credentials of an active connection."""

    id: ConnectionId
    encrypted: bytes = field(repr=False)
    by_ignite: bool


@frozen(kw_only=True)
class Leave:
    """A site's active connection leaves; with other contents of its seal if there are any."""

    site: Site
    now: float
    encrypted: bytes | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Uninstall:
    """A store has removed the platform's app, and taken the credentials of these connections back."""

    platform: str
    store_id: str
    leaves: Sequence[Leave]


@frozen(kw_only=True)
class Wipe:
    """Nothing is left to do for a connection that leaves. `blank` is a seal around nothing."""

    id: ConnectionId
    blank: bytes = field(repr=False)


def adopt(conn: Connection, calls: Sequence[Adopt]) -> list[Stored]:
    """Store the connections of the configuration; what was disconnected stays disconnected."""
    return [_adopt(conn, call) for call in calls]


def _adopt(conn: Connection, call: Adopt) -> Stored:
    present = find(conn, call.site)
    if present is None:
        _insert(conn, call, by_ignite=False)
    elif present.state == "active":
        conn.execute(
            update(connections)
            .where(connections.c.id == present.id)
            .values(encrypted=call.encrypted, platform=call.platform)
        )
        known = [kind for kind in call.read_again if newest(conn, present.id, kind) is not None]
        pending_connections = (
            Start(connection_id=present.id, kind=kind, mode=RunMode.NORMAL, now=call.now, internal=True)
            for kind in known
        )
        start(conn, list(pending_connections))
    return _found(conn, call.site)


def begin(conn: Connection, calls: Sequence[Begin]) -> list[Stored]:
    """Store new connections, each with whatever makes way for it; what was wished for its site is fulfilled."""
    return [_begin(conn, call) for call in calls]


def _begin(conn: Connection, call: Begin) -> Stored:
    c = connections.c
    _leave(conn, Leave(site=call.site, now=call.now))
    for one in of_site(conn, call.site):
        if one.state == "gone" or one.id in call.instead_of:
            _delete_rows(conn, one.id)
            conn.execute(delete(connections).where(c.id == one.id))
    _insert(conn, call, by_ignite=True)
    begun = _found(conn, call.site)
    # Stored here and not wished for later: a daemon that dies now would otherwise leave the new connection empty.
    wishes = (
        Start(connection_id=begun.id, kind=kind, mode=RunMode.NORMAL, now=call.now, internal=True)
        for kind in call.kinds
    )
    start(conn, list(wishes))
    return begun


def renew(conn: Connection, calls: Sequence[Renew]) -> list[None]:
    """Store other credentials."""
    for call in calls:
        mine = (connections.c.id == call.id, connections.c.state == "active")
        conn.execute(update(connections).where(*mine).values(encrypted=call.encrypted, by_ignite=call.by_ignite))
    return [None] * len(calls)


def leave(conn: Connection, calls: Sequence[Leave]) -> list[Stored | None]:
    """Let sites' connections leave, and forget what was wished for them; return those that were active."""
    return [_leave(conn, call) for call in calls]


def _leave(conn: Connection, call: Leave) -> Stored | None:
    forget_wish(conn, call.site)
    present = find(conn, call.site)
    if present is None or present.state != "active":
        return None
    left = evolve(present, state="leaving", leaving_since=call.now, encrypted=call.encrypted or present.encrypted)
    values = {"state": left.state, "leaving_since": left.leaving_since, "encrypted": left.encrypted}
    conn.execute(update(connections).where(connections.c.id == left.id).values(values))
    return left


def uninstall(conn: Connection, calls: Sequence[Uninstall]) -> list[list[Stored]]:
    """Forget installs, and let the connections that lived on them leave with them; return those."""
    return [_uninstall(conn, call) for call in calls]


def _uninstall(conn: Connection, call: Uninstall) -> list[Stored]:
    forget_install(conn, call.platform, call.store_id)
    left = [_leave(conn, one) for one in call.leaves]
    return [one for one in left if one is not None]


def wipe(conn: Connection, calls: Sequence[Wipe]) -> list[None]:
    """Delete every row of connections that leave, and their credentials; a tombstone stays where it is the last."""
    for call in calls:
        _wipe(conn, call)
    return [None] * len(calls)


def _wipe(conn: Connection, call: Wipe) -> None:
    c = connections.c
    mine = (c.id == call.id, c.state == "leaving")
    row = conn.execute(select(connections).where(*mine)).one_or_none()
    if row is None:
        return
    _delete_rows(conn, call.id)
    if len(of_site(conn, Site(row.site_env, row.site_id))) > 1:
        conn.execute(delete(connections).where(*mine))
    else:
        values = {"state": "gone", "encrypted": call.blank, "leaving_since": None, "by_ignite": False}
        conn.execute(update(connections).where(*mine).values(values))


def _delete_rows(conn: Connection, connection_id: ConnectionId) -> None:
    """Delete whatever belongs to a connection, in every table that there is."""
    for table in metadata.sorted_tables:
        if "connection_id" in table.columns:
            conn.execute(delete(table).where(table.c.connection_id == connection_id))


def _insert(conn: Connection, call: Adopt | Begin, *, by_ignite: bool) -> None:
    conn.execute(
        connections.insert().values(
            site_env=call.site.env,
            site_id=call.site.id,
            platform=call.platform,
            state="active",
            encrypted=call.encrypted,
            created_at=call.now,
            by_ignite=by_ignite,
        )
    )


def find(conn: Connection, site: Site) -> Stored | None:
    """Return the connection of a site: the active one, else one that leaves, else the tombstone."""
    return next(iter(of_site(conn, site)), None)


def of_site(conn: Connection, site: Site) -> list[Stored]:
    """Return every connection of a site: the active one first, then those that leave, then tombstones."""
    c = connections.c
    rows = conn.execute(select(connections).where(c.site_env == site.env, c.site_id == site.id))
    return _in_order([_stored(row) for row in rows])


def everyone(conn: Connection) -> list[Stored]:
    """Return every connection, tombstones too; of each state the older ones first."""
    return _in_order([_stored(row) for row in conn.execute(select(connections))])


def _in_order(found: list[Stored]) -> list[Stored]:
    return sorted(found, key=lambda one: (("active", "leaving", "gone").index(one.state), one.id))


def _found(conn: Connection, site: Site) -> Stored:
    stored = find(conn, site)
    assert stored is not None  # it was there or has just been inserted
    return stored


def _stored(row: Row[Any]) -> Stored:
    site = Site(row.site_env, row.site_id)
    return Stored(row.id, site, row.platform, row.state, row.encrypted, row.by_ignite, row.leaving_since)
