"""Censuses: when the ids of a kind were last compared with the ledger, and how long the platform took to list them."""

from collections.abc import Sequence

from attrs import asdict, frozen
from sqlalchemy import Connection, select

from daemon.model import ConnectionId, ExternalId, Kind
from daemon.storage.outbox import active
from daemon.storage.tables import censuses, ledger, of_kind
from daemon.storage.upsert import insert


@frozen(kw_only=True)
class PastCensus:
    """A census that began at `began_at` (seconds since the epoch), and took `seconds` without blocked time."""

    connection_id: ConnectionId
    kind: Kind
    began_at: float
    seconds: float


def store(conn: Connection, calls: Sequence[PastCensus]) -> list[None]:
    """Store censuses in place of earlier ones."""
    # A census waits for the platform's whole list; the connection may have left in between.
    alive = active(conn, (call.connection_id for call in calls))
    new = insert(censuses)
    values = {"began_at": new.excluded.began_at, "seconds": new.excluded.seconds}
    upsert = new.on_conflict_do_update(index_elements=["connection_id", "kind"], set_=values)
    for call in calls:
        if call.connection_id in alive:
            conn.execute(upsert, [asdict(call) | {"kind": call.kind.value}])
    return [None] * len(calls)


def last(conn: Connection, connection_id: ConnectionId, kind: Kind) -> PastCensus | None:
    """Return the last census of a kind; None before the first."""
    query = select(censuses.c.began_at, censuses.c.seconds).where(*of_kind(censuses, connection_id, kind))
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else PastCensus(connection_id=connection_id, kind=kind, **row)


def known(conn: Connection, connection_id: ConnectionId, kind: Kind, after: str, most: int) -> list[ExternalId]:
    """Return at most `most` ids of the ledger after `after`, in text order."""
    c = ledger.c
    mine = (*of_kind(ledger, connection_id, kind), c.external_id > after)
    return list(conn.execute(select(c.external_id).where(*mine).order_by(c.external_id).limit(most)).scalars())
