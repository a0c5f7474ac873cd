"""Who names whom as its parent, of customers whose parent SparkLayer was told of or is yet to be told of.

A customer that names a parent has a row of `waiters`, its *edge*:

    key              what it means
    follows:PARENT   SparkLayer was told of the parent; when that goes, the customer is synced without one
    parent:PARENT    SparkLayer was not told: the customer is looked at again once the parent is confirmed
    circle:PARENT    the parent is among the customer's own sub-accounts, and the customer has the lowest id of those
                     in the circle, so it was synced without a parent

One that was told of a parent and names another now, which it waits for, has two; the last two kinds come first.
"""

from collections.abc import Collection, Mapping

from attrs import frozen
from sqlalchemy import Connection, select

from daemon.model import ConnectionId, ExternalId, Kind, RunId
from daemon.model.outcome import Row
from daemon.storage import ledger
from daemon.storage.tables import full_syncs, in_parts, outbox, waiters

PARENT = "parent:"
CIRCLE = "circle:"
FOLLOWS = "follows:"


@frozen(kw_only=True)
class Edge:
    """The parent that a customer names, and the one that SparkLayer was told of; `breaks` a circle by having none."""

    named: ExternalId
    told: ExternalId | None = None
    breaks: bool = False


@frozen(kw_only=True)
class Relations:
    """What is known of the parents that a batch names.

    `rows` are the ledger's of those that have one, `coming` those that wait in the outbox. `edges` are theirs and those
    of all above them. Pages of the runs in `unread` are still to be read: a parent may be on one.
    """

    rows: Mapping[ExternalId, Row]
    coming: frozenset[ExternalId]
    edges: Mapping[ExternalId, Edge]
    unread: frozenset[RunId]


def look_up(
    conn: Connection,
    connection_id: ConnectionId,
    kind: Kind,
    parents: Collection[ExternalId],
    runs: Collection[RunId],
) -> Relations:
    """Return what is known of `parents`, and which of `runs` have pages that are not read yet."""
    c, run = outbox.c, full_syncs.c
    pending = (c.connection_id == connection_id, c.kind == kind.value, c.state == "pending")
    coming = conn.execute(select(c.external_id).where(*pending, c.external_id.in_(parents)))
    unread = conn.execute(select(run.id).where(run.id.in_(runs), run.state == "enumerating", run.cursor.is_not(None)))
    return Relations(
        rows=ledger.look_up(conn, connection_id, kind, parents),
        coming=frozenset(ExternalId(row.external_id) for row in coming),
        edges=_edges_above(conn, connection_id, kind, parents),
        unread=frozenset(RunId(row.id) for row in unread),
    )


def circle_breakers(
    conn: Connection, connection_id: ConnectionId, kind: Kind, now: Mapping[ExternalId, ExternalId | None]
) -> set[ExternalId]:
    """Return the customers that break a circle which is perhaps none any more.

    `now` has the parents that customers name from now on; their edges are still those of before.
    """
    before = edges(conn, connection_id, kind, now)
    changed = {edge.named for one, edge in before.items() if edge.named != now[one]}
    above = _edges_above(conn, connection_id, kind, changed)
    return {one for one, edge in above.items() if edge.breaks} - now.keys()


def edges(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]
) -> dict[ExternalId, Edge]:
    """Return the edges of those of `ids` that name a parent."""
    c = waiters.c
    query = select(c.key, c.external_id).where(c.connection_id == connection_id, c.kind == kind.value)
    named: dict[ExternalId, tuple[bool, ExternalId]] = {}
    told: dict[ExternalId, ExternalId] = {}
    for part in in_parts(ids):
        for key, one in conn.execute(query.where(c.external_id.in_(part))):
            for prefix in (PARENT, CIRCLE):
                if key.startswith(prefix):
                    named[one] = (prefix is CIRCLE, ExternalId(key.removeprefix(prefix)))
            if key.startswith(FOLLOWS):
                told[one] = ExternalId(key.removeprefix(FOLLOWS))
    return {
        one: Edge(named=parent, told=told.get(one), breaks=breaks)
        for one, (breaks, parent) in ({key: (False, parent) for key, parent in told.items()} | named).items()
    }


def _edges_above(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]
) -> dict[ExternalId, Edge]:
    """Return the edges of `ids` and of all above them; a circle ends where it began."""
    found: dict[ExternalId, Edge] = {}
    asked, ahead = set[ExternalId](), set(ids)
    while ahead:
        asked |= ahead
        level = edges(conn, connection_id, kind, ahead)
        found |= level
        ahead = {edge.named for edge in level.values()} - asked
    return found
