"""Full syncs of products after a change that every product depends on: of a store setting, or of the stock location.

The change and the full sync are stored together. So one change starts one run, even if the store's settings must be
sent several times until SparkLayer takes them, and no crash in between loses the run.

A connection's stock location is stored, so that a location which the merchant adds later does not draw the stock away.
Stock at an earlier location stays there, and the ledger does not know that it is missing at the new one. So a location
that the settings did not ask for starts a run. A location that they ask for has its run already, since the settings
have changed.
"""

from attrs import frozen
from sqlalchemy import Connection, select

from daemon.model import ConnectionId, Kind
from daemon.storage import ledger
from daemon.storage.full_syncs import Start, start
from daemon.storage.group_commit import ConnectionCall, one_by_one
from daemon.storage.ledger import Mark, mark
from daemon.storage.outbox import active
from daemon.storage.states import RunMode
from daemon.storage.tables import places
from daemon.storage.upsert import replacing


@frozen
class StockPlace:
    """A stock location, by its id on the site. `wanted` is the name in the settings, None without one."""

    location: str
    wanted: str | None = None


@frozen(kw_only=True)
class Settle(ConnectionCall):
    """The place where a connection puts its stock from now on."""

    place: StockPlace
    now: float


def place_of(conn: Connection, connection_id: ConnectionId) -> StockPlace | None:
    """Return the place where a connection puts its stock; None before the first time."""
    row = conn.execute(select(places).where(places.c.connection_id == connection_id)).one_or_none()
    return None if row is None else StockPlace(row.location, row.wanted)


@one_by_one
def settle_at(conn: Connection, call: Settle) -> bool:
    """Store a place; return True if it started a full sync of products."""
    if not active(conn, [call.connection_id]):
        return False
    before = place_of(conn, call.connection_id)
    row = {"connection_id": call.connection_id, "location": call.place.location, "wanted": call.place.wanted}
    conn.execute(replacing(places, "location", "wanted"), [row])
    if before is None:
        # A release that stored no place may have put the stock of this ledger anywhere.
        moved = bool(ledger.size(conn, call.connection_id, Kind.PRODUCTS))
    else:
        moved = before.wanted == call.place.wanted and before.location != call.place.location
    # In this transaction: a crash in between would leave the stock at the earlier place.
    if moved:
        run = Start(
            connection_id=call.connection_id, kind=Kind.PRODUCTS, mode=RunMode.NORMAL, now=call.now, internal=True
        )
        start(conn, [run])
    return moved


@frozen(kw_only=True)
class Remap:
    """The store's row with the new fingerprint in its parts, and the run that is started because of it."""

    mark: Mark[str]
    resync: Start


@one_by_one
def remap(conn: Connection, call: Remap) -> None:
    """Mark the store unsure and start the run."""
    start(conn, [call.resync])  # first: it takes the stronger lock of the connection
    mark(conn, [call.mark])
