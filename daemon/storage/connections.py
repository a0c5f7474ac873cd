"""The links between stores and sites, with encrypted credentials.

The life of a connection; `MOVES` is the same table, and a CHECK repeats the states:

    event    from      to        why
    adopt    -         active    the configuration names a site that has no connection yet
    begin    -         active    Ignite or an app connects the site
    renew    active    active    other credentials for the same store
    pause    active    active    an operator wants no calls made: changes are recorded, and wait
    resume   active    active    the operator wants them made again
    leave    active    leaving   disconnected, or another store takes its place: no more changes are recorded for it
    wipe     leaving   gone      cleaned up on both sides, or given up: its rows and credentials are deleted
    forget   leaving   -         wiped while the site has another connection, or the same store is connected again
    forget   gone      -         the site is connected again

An id is never used twice, so it doubles as the generation: work in flight for an earlier connection of the same site
writes nothing. A site has at most one active connection. A `gone` row is the tombstone that keeps the configuration
from reviving what was disconnected; it has the identity only.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, Select, delete, select, text, update

from daemon.model import ConnectionId, Kind, Site
from daemon.storage.full_syncs import Start, newest, start
from daemon.storage.group_commit import one_by_one
from daemon.storage.installs import forget_install, forget_pending
from daemon.storage.states import RunMode
from daemon.storage.tables import connections, metadata
from daemon.storage.upsert import Insert, insert


class State(StrEnum):
    """The state of a connection, in the order in which a site's connections are listed."""

    ACTIVE = "active"
    LEAVING = "leaving"
    GONE = "gone"


MOVES: Mapping[tuple[str, State | None], State | None] = {
    ("adopt", None): State.ACTIVE,
    ("begin", None): State.ACTIVE,
    ("renew", State.ACTIVE): State.ACTIVE,
    ("pause", State.ACTIVE): State.ACTIVE,
    ("resume", State.ACTIVE): State.ACTIVE,
    ("leave", State.ACTIVE): State.LEAVING,
    ("wipe", State.LEAVING): State.GONE,
    ("forget", State.LEAVING): None,
    ("forget", State.GONE): None,
}
"""The state after an event in a state. An event that is not listed for a state changes nothing."""


@frozen
class Stored:
    """A connection's row; `encrypted` has its credentials. One `by_ignite` need not be in the configuration.

    `paused_at` is the time at which an operator paused it, None while it is not paused.
    """

    id: ConnectionId
    site: Site
    platform: str
    state: State
    encrypted: bytes = field(repr=False)
    by_ignite: bool = False
    leaving_since: float | None = None
    paused_at: float | None = None


@frozen(kw_only=True)
class Adopt:
    """A connection that the configuration names.

    `before` are the credentials that `encrypted` was made from, None without an active connection. The kinds in
    `read_again` are read whole once more, except those that never were: `full_sync_on_start` decides about these.
    """

    site: Site
    platform: str
    encrypted: bytes = field(repr=False)
    before: bytes | None = field(default=None, repr=False)
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
    """Other credentials of an active connection, made from those that it had `before`."""

    id: ConnectionId
    before: bytes = field(repr=False)
    encrypted: bytes = field(repr=False)
    by_ignite: bool


@frozen(kw_only=True)
class SetPause:
    """The pause of an active connection: begun at `at`, or ended when that is None."""

    id: ConnectionId
    at: float | None


@frozen(kw_only=True)
class Leave:
    """The disconnection of a site; `encrypted` replaces the credentials."""

    site: Site
    now: float
    encrypted: bytes | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Uninstall:
    """The removal of a platform's app from a store, which takes back the credentials of the connections that leave."""

    platform: str
    store_id: str
    leaves: Sequence[Leave]


@frozen(kw_only=True)
class Wipe:
    """The end of a connection that leaves. `blank` is an encrypted nothing."""

    id: ConnectionId
    blank: bytes = field(repr=False)


@one_by_one
def adopt(conn: Connection, call: Adopt) -> Stored:
    """Store a connection of the configuration; return the connection of its site.

    What was disconnected stays disconnected. An active connection whose credentials are no longer `before` is
    returned as it is: the caller reads it again.
    """
    # A tombstone, too, keeps the site from being adopted.
    present = find(conn, call.site)
    wanted = (State.ACTIVE, call.platform, call.encrypted)
    if present is None:
        conn.execute(_insert_unless_active(call, by_ignite=False))
    elif (present.state, present.platform, present.encrypted) == wanted and not call.read_again:
        # Without a lock: those of other nodes' webhooks could keep it waiting, and this node from starting.
        return present
    stored = _locked(conn, call.site)[0]
    # Each node puts random secrets into what it encrypts. If the later one won, webhooks that the platform signs with
    # the earlier node's secret would be refused.
    if stored.state is not State.ACTIVE or stored.encrypted != call.before:
        return stored
    _move(conn, stored, "renew", encrypted=call.encrypted, platform=call.platform)
    for kind in call.read_again:
        if newest(conn, stored.id, kind) is not None:
            _start(conn, stored, kind, call.now)
    return _locked(conn, call.site)[0]


def _start(conn: Connection, stored: Stored, kind: Kind, now: float) -> None:
    start(conn, [Start(connection_id=stored.id, kind=kind, mode=RunMode.NORMAL, now=now, internal=True)])


@one_by_one
def begin(conn: Connection, call: Begin) -> Stored:
    """Store a new connection, and let earlier ones of its site make way; a pending connection is fulfilled."""
    new = _insert_unless_active(call, by_ignite=True)
    while True:
        # One active connection a site: the index would refuse a second.
        leave(conn, [Leave(site=call.site, now=call.now)])
        for stored in _locked(conn, call.site):
            if stored.state is State.GONE or stored.id in call.instead_of:
                _move(conn, stored, "forget")
        # Unless it is asked to, SQLAlchemy keeps no count of an INSERT.
        if conn.execute(new, execution_options={"preserve_rowcount": True}).rowcount:
            break
        # Another node has begun one in between: that one leaves too.
    begun = of_site(conn, call.site)[0]
    # Stored here and not wished for later: a daemon that dies now would otherwise leave the new connection empty.
    for kind in call.kinds:
        _start(conn, begun, kind, call.now)
    return begun


@one_by_one
def renew(conn: Connection, call: Renew) -> bool:
    """Store other credentials of an active connection; False if it has changed since, so it must be read again."""
    # Another node may have stored a key or a store's credentials meanwhile, which this call would take back.
    stored = _locked_by_id(conn, call.id)
    if stored is None or stored.encrypted != call.before:
        return False
    return _move(conn, stored, "renew", encrypted=call.encrypted, by_ignite=call.by_ignite)


@one_by_one
def set_pause(conn: Connection, call: SetPause) -> bool:
    """Pause or resume a connection; False if it is not active, or is so already."""
    stored = _locked_by_id(conn, call.id)
    if stored is None or (stored.paused_at is None) == (call.at is None):
        return False
    return _move(conn, stored, "resume" if call.at is None else "pause", paused_at=call.at)


def is_paused(conn: Connection, connection_id: ConnectionId) -> bool:
    """Return whether an operator has paused a connection."""
    paused = select(connections.c.id).where(connections.c.id == connection_id, connections.c.paused_at.is_not(None))
    return conn.execute(paused).first() is not None


@one_by_one
def leave(conn: Connection, call: Leave) -> Stored | None:
    """Disconnect a site, and forget its pending connection; return the connection that was active."""
    forget_pending(conn, [call.site])
    for stored in _locked(conn, call.site):
        encrypted = call.encrypted or stored.encrypted
        # The pause ends: its clean-up has to call both sides.
        if _move(conn, stored, "leave", leaving_since=call.now, paused_at=None, encrypted=encrypted):
            return next(left for left in of_site(conn, call.site) if left.id == stored.id)
    return None


@one_by_one
def uninstall(conn: Connection, call: Uninstall) -> list[Stored]:
    """Forget an install, and disconnect the sites that lived on it; return the connections that were active."""
    forget_install(conn, call.platform, call.store_id)
    return [left for left in leave(conn, call.leaves) if left is not None]


@one_by_one
def wipe(conn: Connection, call: Wipe) -> None:
    """Delete every row of a connection that leaves, and its credentials; the last of a site becomes its tombstone."""
    blank = {"encrypted": call.blank, "leaving_since": None, "by_ignite": False}
    # Without a lock, since it only tells the site, whose rows are locked in one order.
    for known in _rows(conn, select(connections).where(connections.c.id == call.id)):
        # The whole site, since its other connections decide whether a tombstone is needed.
        of_its_site = _locked(conn, known.site)
        for stored in of_its_site:
            if stored.id == call.id and stored.state is State.LEAVING:
                _move(conn, stored, "wipe" if len(of_its_site) == 1 else "forget", **blank)


def _move(conn: Connection, stored: Stored, event: str, **values: Any) -> bool:
    """Change a connection as `MOVES` says, and return whether the event is possible in its state."""
    if (event, stored.state) not in MOVES:
        return False
    state = MOVES[event, stored.state]
    row = connections.c.id == stored.id
    if state not in {State.ACTIVE, State.LEAVING}:
        # Every table that has rows of connections, so that a new one cannot be left out.
        for table in metadata.sorted_tables:
            if "connection_id" in table.columns:
                conn.execute(delete(table).where(table.c.connection_id == stored.id))
    if state is None:
        conn.execute(delete(connections).where(row))
    else:
        conn.execute(update(connections).where(row).values(state=state.value, **values))
    return True


def _insert_unless_active(call: Adopt | Begin, *, by_ignite: bool) -> Insert:
    """Return the INSERT of a new connection. It does nothing when another node has stored one of the site since."""
    new = insert(connections).values(
        site_env=call.site.env,
        site_id=call.site.id,
        platform=call.platform,
        state=State.ACTIVE.value,
        encrypted=call.encrypted,
        created_at=call.now,
        by_ignite=by_ignite,
    )
    # Both engines find a partial index only by the index's own condition.
    return new.on_conflict_do_nothing(index_elements=["site_env", "site_id"], index_where=text("state = 'active'"))


def find(conn: Connection, site: Site) -> Stored | None:
    """Return the connection of a site: the active one, else one that leaves, else the tombstone."""
    return next(iter(of_site(conn, site)), None)


def of_site(conn: Connection, site: Site) -> list[Stored]:
    """Return every connection of a site: the active one first, then those that leave, then tombstones."""
    return _rows(conn, _query(site))


def everyone(conn: Connection) -> list[Stored]:
    """Return every connection, tombstones too; of each state the older ones first."""
    return _rows(conn, select(connections))


def _locked(conn: Connection, site: Site) -> list[Stored]:
    """Return the connections of a site as `of_site` does, for this transaction to change."""
    # In one order, so that no two transactions wait for each other; SQLAlchemy leaves the lock out on SQLite.
    query = _query(site).order_by(connections.c.id).with_for_update()
    while True:
        locked = _rows(conn, query)
        # A connection that was stored while this one waited for its locks is seen by the next statement only.
        if len(locked) == len(of_site(conn, site)):
            return locked


def _locked_by_id(conn: Connection, connection_id: ConnectionId) -> Stored | None:
    """Return a connection for this transaction to change."""
    return next(iter(_rows(conn, select(connections).where(connections.c.id == connection_id).with_for_update())), None)


def _query(site: Site) -> Select[Any]:
    return select(connections).where(connections.c.site_env == site.env, connections.c.site_id == site.id)


def _rows(conn: Connection, query: Select[Any]) -> list[Stored]:
    found = [
        Stored(
            id=row.id,
            site=Site(row.site_env, row.site_id),
            platform=row.platform,
            state=State(row.state),
            encrypted=row.encrypted,
            by_ignite=row.by_ignite,
            leaving_since=row.leaving_since,
            paused_at=row.paused_at,
        )
        for row in conn.execute(query)
    ]
    states = list(State)
    return sorted(found, key=lambda stored: (states.index(stored.state), stored.id))
