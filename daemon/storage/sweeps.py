"""Catch-ups: the time up to which each kind of a connection was swept, the pages that a sweep found, and censuses.

A census compares the ids of a kind with the ledger.
"""

from collections.abc import Sequence

from attrs import asdict, frozen
from sqlalchemy import Connection, select, update

from daemon.model import Change, ConnectionId, ExternalId, Kind, Lane
from daemon.storage.group_commit import KindCall, one_by_one
from daemon.storage.outbox import Record, record, while_active
from daemon.storage.prepared import among
from daemon.storage.tables import censuses, ledger, of_kind, outbox, sweeps
from daemon.storage.upsert import replacing


@frozen(kw_only=True)
class Swept(KindCall):
    """A page of entities that the platform lists as changed."""

    ids: Sequence[ExternalId]
    now: float


@frozen(kw_only=True)
class SweptUntil(KindCall):
    """A sweep has ended: the next one asks for changes since `since` (seconds since the epoch)."""

    since: float


@frozen(kw_only=True)
class PastCensus(KindCall):
    """A census that began at `began_at` (seconds since the epoch), and took `seconds` without blocked time."""

    began_at: float
    seconds: float


@one_by_one
def take_swept(conn: Connection, call: Swept) -> set[ExternalId]:
    """Put a page into the backfill lane; return the ids whose rows are new, as `take_page` does."""
    c = outbox.c
    mine = (*of_kind(outbox, call.connection_id, call.kind), among(conn, c.external_id, call.ids))
    # A row that waits may be of a change later than the page: its entity is read by id.
    waiting = set(conn.execute(select(c.external_id).where(*mine)).scalars())
    changes = [Change(call.kind, external_id) for external_id in call.ids]
    record(conn, [Record(connection_id=call.connection_id, changes=changes, now=call.now, lane=Lane.BACKFILL)])
    return set(call.ids) - waiting


def swept_since(conn: Connection, connection_id: ConnectionId, kind: Kind) -> float | None:
    """Return the time up to which a kind was swept; None before the first sweep."""
    return conn.execute(select(sweeps.c.since).where(*of_kind(sweeps, connection_id, kind))).scalar()


def touch(conn: Connection, calls: Sequence[ConnectionId]) -> list[None]:
    """Write rows as they are, which fails as long as the database cannot be written."""
    conn.execute(update(sweeps).where(sweeps.c.connection_id.in_(calls)).values(since=sweeps.c.since))
    return [None] * len(calls)


@while_active
def store_swept(conn: Connection, call: SweptUntil) -> None:
    """Note that a sweep has ended."""
    row = {"connection_id": call.connection_id, "kind": call.kind.value, "since": call.since}
    conn.execute(replacing(sweeps, "since"), [row])


@while_active  # a census waits for the platform's whole list; the connection may have left in between
def store_census(conn: Connection, call: PastCensus) -> None:
    """Store a census in place of an earlier one."""
    conn.execute(replacing(censuses, "began_at", "seconds"), [asdict(call) | {"kind": call.kind.value}])


def last_census(conn: Connection, connection_id: ConnectionId, kind: Kind) -> PastCensus | None:
    """Return the last census of a kind; None before the first."""
    query = select(censuses.c.began_at, censuses.c.seconds).where(*of_kind(censuses, connection_id, kind))
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else PastCensus(connection_id=connection_id, kind=kind, **row)


def known_ids(conn: Connection, connection_id: ConnectionId, kind: Kind, after: str, most: int) -> list[ExternalId]:
    """Return at most `most` ids of the ledger after `after`, in text order."""
    c = ledger.c
    mine = (*of_kind(ledger, connection_id, kind), c.external_id > after)
    return list(conn.execute(select(c.external_id).where(*mine).order_by(c.external_id).limit(most)).scalars())
