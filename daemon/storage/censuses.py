"""Censuses: when the ids of a kind were last compared with the ledger, and how long the platform took to list them."""

from attrs import asdict, frozen
from sqlalchemy import Connection, select

from daemon.model import ConnectionId, ExternalId, Kind
from daemon.storage.group_commit import KindCall
from daemon.storage.outbox import while_active
from daemon.storage.tables import censuses, ledger, of_kind
from daemon.storage.upsert import replacing


@frozen(kw_only=True)
class PastCensus(KindCall):
    """A census that began at `began_at` (seconds since the epoch), and took `seconds` without blocked time."""

    began_at: float
    seconds: float


@while_active  # a census waits for the platform's whole list; the connection may have left in between
def store(conn: Connection, call: PastCensus) -> None:
    """Store a census in place of an earlier one."""
    conn.execute(replacing(censuses, "began_at", "seconds"), [asdict(call) | {"kind": call.kind.value}])


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
