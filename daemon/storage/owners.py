"""The nodes that work on connections, and what they tell of them, for the status that any node shows."""

from attrs import frozen
from sqlalchemy import Connection, select, update

from daemon.model import ConnectionId
from daemon.storage.group_commit import one_by_one
from daemon.storage.tables import leases, nodes


@frozen
class Owner:
    """The name of the node that works on a connection, and the JSON text that it has told last."""

    node: str
    told: str | None


@frozen(kw_only=True)
class OwnerReport:
    """A JSON text about a connection, from the node that works on it."""

    connection_id: ConnectionId
    text: str


def owners(conn: Connection) -> dict[ConnectionId, Owner]:
    """Return the owners of all connections that are worked on."""
    query = select(leases.c.connection_id, nodes.c.name, leases.c.told).join(nodes, nodes.c.id == leases.c.node_id)
    return {ConnectionId(row.connection_id): Owner(row.name, row.told) for row in conn.execute(query)}


@one_by_one
def tell(conn: Connection, call: OwnerReport) -> None:
    """Store what an owner tells. A connection without a lease has no other node that could ask."""
    conn.execute(update(leases).where(leases.c.connection_id == call.connection_id).values(told=call.text))
