"""SKUs that SparkLayer has of products that the ledger knows nothing of: what a lost database leaves behind.

A ledger that is empty when a full sync begins *owes* a look at SparkLayer (`owe`). A SKU with a price there that nobody
owns afterwards gets a row in the ledger, as an entity of its own that the store does not have (`leftover`): the next
read of everything that does not see it either removes its price and stock, under the brake. It owns nothing, so that a
product that has the SKU takes it at any time; `forget_owned` then drops it.
"""

from collections.abc import Iterable, Sequence

from attrs import field, frozen
from sqlalchemy import Connection, delete, exists, select

from daemon.model import ConnectionId, ExternalId, Kind, Sku
from daemon.outcome import Row
from daemon.storage import ledger as ledgers
from daemon.storage.outbox import active
from daemon.storage.tables import adapter_state, in_parts, issues, ledger, outbox, owners, removals
from daemon.storage.upsert import insert

PREFIX = "sku:"
_AFTER = "sku;"
"""The first text after all that begin with the prefix."""

SHELF = "leftovers"
OWED = "owed"


@frozen(kw_only=True)
class Found:
    """Rows of leftovers, by their SKUs, that SparkLayer has."""

    connection_id: ConnectionId
    kind: Kind
    rows: Sequence[Row] = field(repr=False)


@frozen(kw_only=True)
class Unread:
    """Entities that the ledger knows nothing of, and that may have keys: how many wait, and the issues of others."""

    waiting: int
    encrypted: Sequence[bytes] = field(repr=False)


def leftover(sku: Sku) -> ExternalId:
    """Return the id of a leftover; no platform has one like it."""
    return ExternalId(f"{PREFIX}{sku}")


def sku_of(external_id: ExternalId) -> Sku | None:
    """Return the SKU of a leftover; None for an entity of the platform."""
    return Sku(external_id.removeprefix(PREFIX)) if external_id.startswith(PREFIX) else None


def owe(conn: Connection, connection_id: ConnectionId, kind: Kind) -> None:
    """Note that a full sync begins with an empty ledger, if it does."""
    c = ledger.c
    mine = (c.connection_id == connection_id, c.kind == kind.value)
    if conn.execute(select(c.external_id).where(*mine).limit(1)).first() is None:
        row = {
            "connection_id": connection_id,
            "section": SHELF,
            "owner": kind.value,
            "name": OWED,
            "text": "",
            "scan_id": 0,
        }
        conn.execute(insert(adapter_state).on_conflict_do_nothing(), [row])


def owed(conn: Connection, connection_id: ConnectionId, kind: Kind) -> bool:
    """Return whether a look at SparkLayer is owed since the ledger was empty."""
    c = adapter_state.c
    mine = (c.connection_id == connection_id, c.section == SHELF, c.owner == kind.value)
    return conn.execute(select(c.name).where(*mine)).first() is not None


def settle_debt(conn: Connection, calls: Sequence[tuple[ConnectionId, Kind]]) -> list[None]:
    """Note that nothing is owed any more."""
    c = adapter_state.c
    for connection_id, kind in calls:
        conn.execute(
            delete(adapter_state).where(c.connection_id == connection_id, c.section == SHELF, c.owner == kind.value)
        )
    return [None] * len(calls)


def unread(conn: Connection, connection_id: ConnectionId, kind: Kind) -> Unread:
    """Return the entities of which it is not known yet what SparkLayer has of them."""
    c, row = ledger.c, outbox.c
    waiting = select(row.external_id).where(
        row.connection_id == connection_id,
        row.kind == kind.value,
        ~exists().where(c.connection_id == connection_id, c.kind == kind.value, c.external_id == row.external_id),
    )
    told = issues.c
    open_issues = select(told.encrypted).where(
        told.connection_id == connection_id,
        told.kind == kind.value,
        ~exists().where(c.connection_id == connection_id, c.kind == kind.value, c.external_id == told.external_id),
    )
    return Unread(
        waiting=len(conn.execute(waiting).all()), encrypted=[encrypted for (encrypted,) in conn.execute(open_issues)]
    )


def unowned(conn: Connection, connection_id: ConnectionId, kind: Kind, skus: Iterable[Sku]) -> set[Sku]:
    """Return the SKUs without an owner in this very spelling: few, where SparkLayer and the store agree."""
    left, c = set(skus), owners.c
    for (key,) in conn.execute(select(c.key).where(c.connection_id == connection_id, c.kind == kind.value)):
        left.discard(key)
    return left


def note(conn: Connection, calls: Sequence[Found]) -> list[int]:
    """Note the leftovers among what SparkLayer has; return how many there are."""
    alive = active(conn, (call.connection_id for call in calls))
    return [_note(conn, call) if call.connection_id in alive else 0 for call in calls]


def _note(conn: Connection, call: Found) -> int:
    free: dict[str, list[Row]] = {}
    for row in call.rows:
        free.setdefault(_alike(row.external_id.removeprefix(PREFIX)), []).append(row)
    c = owners.c
    mine = (c.connection_id == call.connection_id, c.kind == call.kind.value)
    # Whether SparkLayer keeps the case of a SKU is not known: what is owned in another spelling is none of these.
    for (key,) in conn.execute(select(c.key).where(*mine)):
        free.pop(_alike(key), None)
    rows = {row.external_id: row for alike in free.values() for row in alike}
    known = set[ExternalId]()
    for part in in_parts(rows):
        known |= ledgers.look_up(conn, call.connection_id, call.kind, part).keys()
    ledgers.store(conn, call.connection_id, call.kind, [row for key, row in rows.items() if key not in known])
    return len(rows)


def _alike(sku: str) -> str:
    return sku.strip().casefold()


def forget_owned(conn: Connection, calls: Sequence[tuple[ConnectionId, Kind]]) -> list[None]:
    """Drop the leftovers whose SKU a product has by now, held ones too."""
    for connection_id, kind in calls:
        c = ledger.c
        mine = (c.connection_id == connection_id, c.kind == kind.value)
        rows = conn.execute(select(c.external_id).where(*mine, c.external_id >= PREFIX, c.external_id < _AFTER))
        skus = {Sku(row.external_id.removeprefix(PREFIX)) for row in rows}
        owned = [leftover(sku) for sku in ledgers.owners(conn, connection_id, kind, skus)] if skus else []
        for part in in_parts(owned):
            conn.execute(delete(ledger).where(*mine, c.external_id.in_(part)))
            r = removals.c
            same = (r.connection_id == connection_id, r.kind == kind.value)
            conn.execute(delete(removals).where(*same, r.external_id.in_(part), r.state.in_(("waiting", "held"))))
    return [None] * len(calls)
