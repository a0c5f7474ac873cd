"""Parents that customers name: confirmed ones, expected ones, and circles among them.

An *edge* leads from a customer to the parent that it names. It is made of the customer's rows in `dependencies`, whose
reasons are told in `daemon.storage.dependencies`.
"""

from collections.abc import Collection, Mapping

from attrs import frozen
from sqlalchemy import Connection, select

from daemon.model import ConnectionId, ExternalId, Kind, RunId
from daemon.model.outcome import Row
from daemon.storage import ledger
from daemon.storage.prepared import PreparedAmong, among, given, of_given_kind
from daemon.storage.states import DependencyReason, RowState, RunState
from daemon.storage.tables import dependencies, full_syncs, of_kind, outbox


@frozen(kw_only=True)
class Edge:
    """The parent that a customer names, and the one that SparkLayer has; `breaks` a circle by being synced without."""

    named: ExternalId
    told: ExternalId | None = None
    breaks: bool = False


@frozen(kw_only=True)
class Relations:
    """The stored facts about the parents that a batch names.

    `rows` are their ledger rows, `coming` the parents with a pending change. `edges` are those of the parents and of
    all above them. The runs in `unread` have pages to read: a parent may be on one.
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
    """Return the facts about `parents`, and those of `runs` that have pages to read."""
    c, run = outbox.c, full_syncs.c
    # An inequality: for an equality SQLite walks all pending rows by their index instead of the parents.
    pending = (*of_kind(outbox, connection_id, kind), c.state != RowState.PARKED, among(conn, c.external_id, parents))
    unread = (run.id.in_(runs), run.state == RunState.ENUMERATING, run.cursor.is_not(None))
    return Relations(
        rows=ledger.look_up(conn, connection_id, kind, parents),
        coming=frozenset(map(ExternalId, conn.execute(select(c.external_id).where(*pending)).scalars())),
        edges=_edges_above(conn, connection_id, kind, parents),
        unread=frozenset(map(RunId, conn.execute(select(run.id).where(*unread)).scalars())),
    )


def circle_breakers(
    conn: Connection, connection_id: ConnectionId, kind: Kind, named: Mapping[ExternalId, ExternalId | None]
) -> set[ExternalId]:
    """Return the customers that broke a circle which may be open now.

    `named` has the parents that customers name from now on; the stored edges are still the earlier ones.
    """
    before = _edges(conn, connection_id, kind, named)
    changed = {edge.named for customer, edge in before.items() if edge.named != named[customer]}
    above = _edges_above(conn, connection_id, kind, changed)
    return {customer for customer, edge in above.items() if edge.breaks} - named.keys()


def _edges(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]
) -> dict[ExternalId, Edge]:
    """Return the edges of those of `ids` that name a parent."""
    parents: dict[ExternalId, dict[DependencyReason, ExternalId]] = {}
    for row in _EDGES(conn, ids, **given(connection_id, kind)):
        parents.setdefault(row.external_id, {})[DependencyReason(row.reason)] = row.key
    # A parent that the customer waits for or circles with is the one it names now; the one it follows may be older.
    newest = (DependencyReason.CIRCLE, DependencyReason.PARENT, DependencyReason.FOLLOWS)
    return {
        customer: Edge(
            named=next(by_reason[reason] for reason in newest if reason in by_reason),
            told=by_reason.get(DependencyReason.FOLLOWS),
            breaks=DependencyReason.CIRCLE in by_reason,
        )
        for customer, by_reason in parents.items()
    }


def _edges_above(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]
) -> dict[ExternalId, Edge]:
    """Return the edges of `ids` and of all above them; a circle ends where it began."""
    above: dict[ExternalId, Edge] = {}
    asked, ahead = set[ExternalId](), set(ids)
    while ahead:
        asked |= ahead
        level = _edges(conn, connection_id, kind, ahead)
        above |= level
        ahead = {edge.named for edge in level.values()} - asked
    return above


_C = dependencies.c
_EDGES = PreparedAmong(
    select(_C.reason, _C.key, _C.external_id).where(
        *of_given_kind(dependencies), _C.reason != DependencyReason.KEY.value
    ),
    _C.external_id,
)
