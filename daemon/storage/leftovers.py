"""Leftovers of a lost database: SKUs that SparkLayer has, of products that the ledger does not know.

A full sync that begins with an empty ledger *owes* a look at SparkLayer (`owe`). A SKU with a price there that has no
owner afterwards gets a row in the ledger, as an entity that the store does not have (`leftover`). So the next read of
everything, which does not see it either, removes its price and stock, unless too many are to be removed at once. A
product that gets the SKU takes it, and `forget_owned` then drops the leftover. A leftover owns its SKU only during its
removal: until SparkLayer has carried that out, or refused it.
"""

from collections.abc import Iterable, Sequence

from attrs import field, frozen
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, select

from daemon.model import ConnectionId, ExternalId, Kind, Sku
from daemon.model.outcome import Row
from daemon.storage import ledger as ledgers
from daemon.storage.group_commit import KindCall, one_by_one
from daemon.storage.outbox import active
from daemon.storage.prepared import among
from daemon.storage.states import RemovalState
from daemon.storage.tables import adapter_state, issues, ledger, of_kind, outbox, owners, removals
from daemon.storage.upsert import insert

PREFIX = "sku:"
_AFTER = "sku;"
"""The first text after all that begin with the prefix."""

SECTION = "leftovers"
OWED = "owed"


@frozen(kw_only=True)
class LeftoverRows(KindCall):
    """Ledger rows for the SKUs that SparkLayer has."""

    rows: Sequence[Row] = field(repr=False)


@frozen(kw_only=True)
class Unread:
    """Entities that may have keys and have no row in the ledger: the number that waits, and the issues of others."""

    waiting: int
    encrypted: Sequence[bytes] = field(repr=False)


def leftover(sku: Sku) -> ExternalId:
    """Return the id of a leftover; no platform has ids like it."""
    return ExternalId(f"{PREFIX}{sku}")


def sku_of(external_id: ExternalId) -> Sku | None:
    """Return the SKU of a leftover; None for an entity of the platform."""
    return Sku(external_id.removeprefix(PREFIX)) if external_id.startswith(PREFIX) else None


def owe(conn: Connection, connection_id: ConnectionId, kind: Kind) -> None:
    """Note that a full sync begins with an empty ledger, if it does."""
    if conn.execute(select(ledger.c.external_id).where(*of_kind(ledger, connection_id, kind)).limit(1)).first() is None:
        row = {"connection_id": connection_id, "section": SECTION, "owner": kind.value, "name": OWED}
        conn.execute(insert(adapter_state).on_conflict_do_nothing(), [row | {"text": "", "scan_id": 0}])


def owed(conn: Connection, connection_id: ConnectionId, kind: Kind) -> bool:
    """Return whether a look at SparkLayer is owed since the ledger was empty."""
    return conn.execute(select(adapter_state.c.name).where(_debt(connection_id, kind))).first() is not None


@one_by_one
def settle_debt(conn: Connection, of: tuple[ConnectionId, Kind]) -> None:
    """Note that no look at SparkLayer is owed any more."""
    conn.execute(delete(adapter_state).where(_debt(*of)))


def _debt(connection_id: ConnectionId, kind: Kind) -> ColumnElement[bool]:
    c = adapter_state.c
    return and_(c.connection_id == connection_id, c.section == SECTION, c.owner == kind.value)


def unread(conn: Connection, connection_id: ConnectionId, kind: Kind) -> Unread:
    """Return the entities that the ledger does not know yet, although they wait or have an issue."""

    def unknown(table: Table) -> tuple[ColumnElement[bool], ...]:
        known = exists().where(*of_kind(ledger, connection_id, kind), ledger.c.external_id == table.c.external_id)
        return (*of_kind(table, connection_id, kind), ~known)

    waiting = conn.execute(select(func.count()).where(*unknown(outbox))).scalar_one()
    return Unread(
        waiting=waiting, encrypted=conn.execute(select(issues.c.encrypted).where(*unknown(issues))).scalars().all()
    )


def unowned(conn: Connection, connection_id: ConnectionId, kind: Kind, skus: Iterable[Sku]) -> set[Sku]:
    """Return the SKUs without an owner in exactly this spelling."""
    # Few are left over where SparkLayer and the store agree, so every owned key is read once.
    owned = conn.execute(select(owners.c.key).where(*of_kind(owners, connection_id, kind))).scalars()
    return set(skus).difference(owned)


@one_by_one
def note(conn: Connection, call: LeftoverRows) -> int:
    """Store the leftovers among what SparkLayer has; return their number."""
    if not active(conn, [call.connection_id]):
        return 0
    # Two spellings that SparkLayer keeps apart are two leftovers.
    free: dict[str, list[Row]] = {}
    for row in call.rows:
        free.setdefault(_alike(row.external_id.removeprefix(PREFIX)), []).append(row)
    # SparkLayer may or may not keep the case of a SKU: one that is owned in another spelling is no leftover.
    for key in conn.execute(select(owners.c.key).where(*of_kind(owners, call.connection_id, call.kind))).scalars():
        free.pop(_alike(key), None)
    rows = {row.external_id: row for alike in free.values() for row in alike}
    known = ledgers.look_up(conn, call.connection_id, call.kind, rows)
    unknown = [row for external_id, row in rows.items() if external_id not in known]
    ledgers.store(conn, call.connection_id, call.kind, unknown)
    return len(rows)


def _alike(sku: str) -> str:
    return sku.strip().casefold()


@one_by_one
def forget_owned(conn: Connection, of: tuple[ConnectionId, Kind]) -> None:
    """Drop the leftovers whose SKU a product owns by now, held ones too."""
    c, removal = ledger.c, removals.c
    # Not BETWEEN: PostgreSQL takes no collation inside it.
    leftovers = (*of_kind(ledger, *of), c.external_id >= PREFIX, c.external_id < _AFTER)
    ids = conn.execute(select(c.external_id).where(*leftovers)).scalars()
    skus = [Sku(external_id.removeprefix(PREFIX)) for external_id in ids]
    present = ledgers.owners(conn, *of, skus)
    owned = [key for sku, owner in present.items() if (key := leftover(sku)) != owner]
    if owned:
        conn.execute(delete(ledger).where(*of_kind(ledger, *of), among(conn, c.external_id, owned)))
        # One that is allowed or under way belongs to a person or to a batch by now.
        undecided = removal.state.in_((RemovalState.WAITING, RemovalState.HELD))
        mine = of_kind(removals, *of)
        conn.execute(delete(removals).where(*mine, among(conn, removal.external_id, owned), undecided))
