"""Where on its site a connection puts stock, so that a location which the merchant adds there does not draw it away.

What was put at another place before stays there, and what the ledger knows is not there yet: so a place that nobody
asked for starts the full sync of products which brings it, in the transaction that notes the place. One that the
settings ask for has its run already, since the settings have changed. Where a ledger is there and no place is noted, it
is that of an earlier release, which may have put the stock anywhere.
"""

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection, select

from daemon.model import ConnectionId, Kind
from daemon.storage import ledger
from daemon.storage.full_syncs import Start, start
from daemon.storage.outbox import active
from daemon.storage.tables import places
from daemon.storage.upsert import insert


@frozen
class Place:
    """A stock location of the site, by its id there. `wanted` is what the settings named, None for nothing."""

    location: str
    wanted: str | None = None


@frozen(kw_only=True)
class Settle:
    """A connection puts its stock there from now on."""

    connection_id: ConnectionId
    place: Place
    now: float


def place_of(conn: Connection, connection_id: ConnectionId) -> Place | None:
    """Return where a connection puts its stock; None before the first time."""
    row = conn.execute(select(places).where(places.c.connection_id == connection_id)).one_or_none()
    return None if row is None else Place(row.location, row.wanted)


def settle_at(conn: Connection, calls: Sequence[Settle]) -> list[bool]:
    """Note the places; return for each whether it started a full sync of products."""
    alive = active(conn, (call.connection_id for call in calls))
    return [call.connection_id in alive and _settle_at(conn, call) for call in calls]


def _settle_at(conn: Connection, call: Settle) -> bool:
    before = place_of(conn, call.connection_id)
    values = {"location": call.place.location, "wanted": call.place.wanted}
    new = insert(places).values(connection_id=call.connection_id, **values)
    conn.execute(new.on_conflict_do_update(index_elements=["connection_id"], set_=values))
    if before is None:
        moved = bool(ledger.size(conn, call.connection_id, Kind.PRODUCTS))
    else:
        moved = before.wanted == call.place.wanted and before.location != call.place.location
    if moved:
        run = Start(connection_id=call.connection_id, kind=Kind.PRODUCTS, mode="normal", now=call.now, internal=True)
        start(conn, [run])
    return moved
