"""Leases: a connection has one, and the node that has it works on the connection.

A process is a node, with an id that is random for each. A node beats by writing the time into its row. A lease is valid
as long as its node has a row, so the lease of an expelled node may be taken. Its `token` grows with every change of
hands. What a node writes as the owner of a connection is committed only if `fence` finds the node's lease unchanged,
and keeps it unchanged until that transaction ends.

All times are the database's, since the clocks of nodes differ. With SQLite there is one process, and no lease.
"""

import functools
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from attrs import asdict, frozen
from sqlalchemy import Connection, delete, exists, func, or_, select, tuple_, update

from daemon.errors import LeaseLost
from daemon.model import ConnectionId
from daemon.storage import connections as stored_connections
from daemon.storage import failover
from daemon.storage.connections import Stored
from daemon.storage.group_commit import C, ConnectionCall, Operation, R, one_by_one
from daemon.storage.notify import CHANNEL
from daemon.storage.tables import Conditions, connections, leases, nodes
from daemon.storage.upsert import insert

EXPEL_AFTER = 10.0
"""Seconds without a beat after which other nodes expel a node."""

QUARANTINE_SECONDS = 60.0
LONGEST_QUARANTINE = 3600.0
"""A runner that has worked for this long after its last crash has healed."""

_TAKING = 0x69677380
"""The key of the lock of `take`, ours among all applications of the server."""


@frozen
class Lease:
    """A node's right to work on a connection."""

    connection_id: ConnectionId
    node_id: str
    token: int


@frozen(kw_only=True)
class Node:
    """A process that shares the database. `config` is a fingerprint of the settings that all nodes should share."""

    id: str
    name: str
    release: str
    config: str


@frozen(kw_only=True)
class Taken:
    """A lease that was taken. `given`: its last node had settled its work and given it back, or there was none."""

    lease: Lease
    given: bool


@frozen(kw_only=True)
class Look:
    """A node's look at the leases. `held` are those that it has; `may_accuse`: it may expel, and `may_take` leases.

    `timeline` is the server's at this process's last look; see `daemon.storage.failover`.
    """

    node_id: str
    held: Collection[ConnectionId]
    now: float
    may_accuse: bool
    may_take: bool
    timeline: int | None = None


@frozen(kw_only=True)
class Seen:
    """The result of a look: the names of expelled nodes, the node's leases, those of them just taken, and the share.

    `owned` has the connection of each lease as it is stored now.
    `differing` are the names of nodes that have other settings.
    """

    expelled: Sequence[str]
    differing: Sequence[str] = ()
    timeline: int | None = None
    failed_over: bool = False
    owned: Mapping[Lease, Stored]
    taken: Sequence[Taken]
    fair: int


@frozen(kw_only=True)
class Pulse:
    """The result of a beat. `offset` is to be added to this process's clock."""

    alive: bool
    now: float
    offset: float


@frozen
class Owner:
    """The name of the node that works on a connection, and the JSON text that it has told last."""

    node: str
    told: str | None


@frozen(kw_only=True)
class OwnerReport(ConnectionCall):
    """A JSON text about a connection, from the node that works on it."""

    text: str


def clock(conn: Connection) -> float:
    """Return the database's time in seconds since the epoch; for SQLite this process's."""
    if conn.dialect.name != "postgresql":
        return time.time()
    return float(conn.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())


def enter(conn: Connection, node: Node, now: float) -> None:
    """Store a node."""
    conn.execute(insert(nodes).values(**asdict(node), seen_at=now, draining=False))


def beat(conn: Connection, node_id: str, now: float) -> bool:
    """Note that a node is alive; False when it was expelled."""
    return conn.execute(update(nodes).where(nodes.c.id == node_id).values(seen_at=now)).rowcount == 1


def last_beat(conn: Connection) -> float:
    """Return the time of the last beat of any node; 0 when none has beaten within `EXPEL_AFTER`."""
    now = clock(conn)
    # A time that lies ahead is another server's, of which this database is a copy.
    latest = select(func.max(nodes.c.seen_at)).where(nodes.c.seen_at.between(now - EXPEL_AFTER, now))
    return conn.execute(latest).scalar_one() or 0.0


def pulse(conn: Connection, node_id: str, clock: Callable[[Connection], float], wall: Callable[[], float]) -> Pulse:
    """Beat by the time of `clock`, and compare it with `wall`, this process's clock."""
    before = wall()
    now = clock(conn)
    # The database looked at its clock between the two.
    offset = now - (before + wall()) / 2
    return Pulse(alive=beat(conn, node_id, now), now=now, offset=offset)


def look(conn: Connection, call: Look) -> Seen:
    """Expel silent nodes, take free leases, and return the leases of a node."""
    expelled = expel(conn, call.now) if call.may_accuse else []
    taken = take(conn, call.node_id, call.held, call.now) if call.may_take else []
    timeline, failed_over = failover.look(conn, call.timeline, call.now)
    config = select(nodes.c.config).where(nodes.c.id == call.node_id).scalar_subquery()
    differing = select(nodes.c.name).where(nodes.c.config != config)
    return Seen(
        expelled=expelled,
        owned=owned(conn, call.node_id),
        taken=taken,
        fair=fair_share(conn),
        differing=list(conn.execute(differing.order_by(nodes.c.name)).scalars()),
        timeline=timeline,
        failed_over=failed_over,
    )


def drain(conn: Connection, node_id: str) -> None:
    """Note that a node is about to stop. It takes no leases any more, and keeps those that it has."""
    conn.execute(update(nodes).where(nodes.c.id == node_id).values(draining=True))


def leave(conn: Connection, node_id: str) -> None:
    """Delete a node, so that others may take the leases that it still has."""
    conn.execute(delete(nodes).where(nodes.c.id == node_id))
    _wake_others(conn)


def expel(conn: Connection, now: float) -> list[str]:
    """Delete the nodes that have not beaten for `EXPEL_AFTER`; return their names."""
    silent = select(nodes.c.id, nodes.c.name).where(nodes.c.seen_at < now - EXPEL_AFTER)
    # A row that is locked belongs to a node that beats just now, or is expelled by another one.
    rows = conn.execute(silent.with_for_update(skip_locked=True)).all()
    if rows:
        conn.execute(delete(nodes).where(nodes.c.id.in_([row.id for row in rows])))
    return [row.name for row in rows]


def fair_share(conn: Connection) -> int:
    """Return the number of leases that a node may have, after making a lease for each connection that has none."""
    # A tombstone keeps the row of its connection, so no cascade has deleted the lease.
    gone = select(connections.c.id).where(connections.c.state == "gone")
    conn.execute(delete(leases).where(leases.c.connection_id.in_(gone)))
    alive = select(connections.c.id).where(connections.c.state.in_(["active", "leaving"]))
    without = alive.where(~exists().where(leases.c.connection_id == connections.c.id))
    # Locked, because the lease of a connection that is deleted meanwhile would refer to nothing.
    locked = without.order_by(connections.c.id).with_for_update(read=True, key_share=True, skip_locked=True)
    for connection_id in conn.execute(locked).scalars().all():
        new = insert(leases).values(connection_id=connection_id, token=0, not_before=0.0, crashes=0)
        conn.execute(new.on_conflict_do_nothing(index_elements=["connection_id"]))
    present = conn.execute(select(func.count()).select_from(leases)).scalar_one()
    working = conn.execute(select(func.count()).select_from(nodes).where(~nodes.c.draining)).scalar_one()
    # Rounded up, or some leases would have no node.
    return -(-present // max(1, working))


def take(conn: Connection, node_id: str, held: Collection[ConnectionId], now: float) -> list[Taken]:
    """Take free leases, up to the node's fair share; each has a higher token than before.

    `held` are the leases that the node has and works with.
    A lease is free without a node, and when its node is gone. So is one that the node has itself but does not work
    with: it lost it, and its row stayed.
    """
    # One node after the other. Else one could see a lease as another has just taken it, but not yet its node.
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TAKING})")
    most = fair_share(conn) - len(held)
    if most <= 0:
        return []
    c = leases.c
    free = or_(~exists().where(nodes.c.id == c.node_id), c.node_id == node_id)
    idle = c.connection_id.not_in(list(held))
    query = select(c.connection_id, c.node_id, c.token).where(free, idle, c.not_before <= now)
    # A transaction of the last owner that is still under way keeps its lease from being taken until it has ended.
    locked = query.order_by(c.connection_id).limit(most).with_for_update(of=leases, skip_locked=True)
    rows = conn.execute(locked).all()
    ids = [row.connection_id for row in rows]
    if ids:
        values = {"node_id": node_id, "token": c.token + 1, "taken_at": now}
        conn.execute(update(leases).where(c.connection_id.in_(ids)).values(**values))
    return [Taken(lease=Lease(row.connection_id, node_id, row.token + 1), given=row.node_id is None) for row in rows]


def owned(conn: Connection, node_id: str) -> dict[Lease, Stored]:
    """Return the leases of a node, with their connections."""
    mine = conn.execute(select(leases.c.connection_id, leases.c.token).where(leases.c.node_id == node_id)).all()
    if not mine:
        return {}
    stored = {row.id: row for row in stored_connections.everyone(conn)}
    return {
        Lease(row.connection_id, node_id, row.token): stored[row.connection_id]
        for row in mine
        if row.connection_id in stored
    }


def owners(conn: Connection) -> dict[ConnectionId, Owner]:
    """Return the owners of all connections that are worked on."""
    query = select(leases.c.connection_id, nodes.c.name, leases.c.told).join(nodes, nodes.c.id == leases.c.node_id)
    return {ConnectionId(row.connection_id): Owner(row.name, row.told) for row in conn.execute(query)}


@one_by_one
def tell(conn: Connection, call: OwnerReport) -> None:
    """Store what an owner tells. A connection without a lease has no other node that could ask."""
    conn.execute(update(leases).where(leases.c.connection_id == call.connection_id).values(told=call.text))


def fence(conn: Connection, asked: Iterable[Lease]) -> set[Lease]:
    """Return those of `asked` that are still valid, and keep them so until the transaction ends."""
    # Token and node: after a failover of the server that has lost a takeover, two nodes may have the same token.
    c = leases.c
    tuples = sorted({(lease.connection_id, lease.node_id, lease.token) for lease in asked})
    query = select(c.connection_id, c.node_id, c.token).where(tuple_(c.connection_id, c.node_id, c.token).in_(tuples))
    rows = conn.execute(query.order_by(c.connection_id).with_for_update(read=True, key_share=True))
    return {Lease(row.connection_id, row.node_id, row.token) for row in rows}


@functools.cache
def fenced(operation: Operation[C, R]) -> Operation[tuple[Lease, C], R | LeaseLost]:
    """Return an operation for the owners of connections: calls without a valid lease do nothing and get LeaseLost."""

    @functools.wraps(operation)
    def for_owners(conn: Connection, calls: Sequence[tuple[Lease, C]]) -> list[R | LeaseLost]:
        valid = fence(conn, (lease for lease, _ in calls))
        allowed = [call for lease, call in calls if lease in valid]
        results = iter(operation(conn, allowed) if allowed else ())
        return [next(results) if lease in valid else LeaseLost() for lease, _ in calls]

    return for_owners


@one_by_one
def give(conn: Connection, lease: Lease) -> None:
    """Give a lease back, for another node to take; its work is settled."""
    # By its token: a lease that another node has taken by now stays with that one.
    conn.execute(update(leases).where(*_same(lease)).values(node_id=None))
    _wake_others(conn)


def quarantine(conn: Connection, lease: Lease, now: float) -> float:
    """Give a lease back because its runner has crashed; return the seconds during which no node may take it.

    They double with each crash, unless the runner had worked for long.
    """
    c = leases.c
    row = conn.execute(select(c.crashes, c.taken_at).where(*_same(lease)).with_for_update()).one_or_none()
    # The lease is lost: its next owner starts a runner without any wait.
    if row is None:
        return 0.0
    healed = now - row.taken_at > LONGEST_QUARANTINE
    crashes = 0 if healed else row.crashes
    seconds = min(QUARANTINE_SECONDS * 2.0**crashes, LONGEST_QUARANTINE)
    values = {"node_id": None, "crashes": crashes + 1, "not_before": now + seconds}
    conn.execute(update(leases).where(*_same(lease)).values(**values))
    return seconds


def _same(lease: Lease) -> Conditions:
    c = leases.c
    return c.connection_id == lease.connection_id, c.node_id == lease.node_id, c.token == lease.token


def _wake_others(conn: Connection) -> None:
    """Tell the other nodes that a lease may be free."""
    # In this transaction, so that no node looks before its commit and finds no lease free.
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"SELECT pg_notify('{CHANNEL}', 'leases')")
