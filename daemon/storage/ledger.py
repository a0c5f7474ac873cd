"""What SparkLayer was last told, and who owns which SKU.

A row of the ledger is opaque here: `parts` is the engine's, `digest` stands for the whole of it and is None while
any part is *unsure*, which differs from everything. `mark` makes parts unsure before they are sent and takes the
SKUs they claim; `daemon.storage.settle` confirms them. SKUs are taken one owner at a time: the key is unique.
"""

from collections.abc import Collection, Mapping, Sequence

from attrs import field, frozen
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert

from daemon.model import ConnectionId, ExternalId, Kind, RunId, Sku
from daemon.storage.outbox import active
from daemon.storage.prepared import Prepared
from daemon.storage.tables import full_syncs, in_parts, ledger, sku_owners


@frozen
class Row:
    """One entity's row."""

    external_id: ExternalId
    digest: bytes | None
    parts: bytes = field(repr=False)


@frozen(kw_only=True)
class Mark:
    """Parts about to be sent, and the SKUs they claim.

    `claims` has the claimant of each SKU; `given_up` the owner that gives it up in the same batch.
    """

    connection_id: ConnectionId
    kind: Kind
    rows: Sequence[Row]
    claims: Mapping[Sku, ExternalId]
    given_up: Mapping[Sku, ExternalId]


def look_up(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]
) -> dict[ExternalId, Row]:
    """Return the rows of `ids` that exist."""
    c = ledger.c
    found = conn.execute(
        select(c.external_id, c.digest, c.parts).where(
            c.connection_id == connection_id, c.kind == kind.value, c.external_id.in_(ids)
        )
    )
    return {row.external_id: Row(*row) for row in found}


def owners(conn: Connection, connection_id: ConnectionId, skus: Collection[Sku]) -> dict[Sku, ExternalId]:
    """Return the present owner of each of `skus` that has one."""
    c = sku_owners.c
    query = select(c.sku, c.external_id).where(c.connection_id == connection_id)
    return {row.sku: row.external_id for part in in_parts(skus) for row in conn.execute(query.where(c.sku.in_(part)))}


def mark(conn: Connection, calls: Sequence[Mark]) -> list[frozenset[Sku]]:
    """Make parts unsure and take SKUs, all or nothing for each call.

    Returns the SKUs that somebody else owns by now; when there are any, nothing of that call was written.
    """
    alive = active(conn, (call.connection_id for call in calls))
    return [_mark(conn, call) if call.connection_id in alive else frozenset() for call in calls]


def _mark(conn: Connection, call: Mark) -> frozenset[Sku]:
    present = owners(conn, call.connection_id, list(call.claims))
    refused = frozenset(
        sku for sku, owner in present.items() if owner not in (call.claims[sku], call.given_up.get(sku))
    )
    if refused:
        return refused
    taken = [(sku, claimant) for sku, claimant in call.claims.items() if present.get(sku) != claimant]
    if taken:
        _TAKE(
            conn,
            [{"connection_id": call.connection_id, "sku": sku, "external_id": owner} for sku, owner in taken],
        )
    store(conn, call.connection_id, call.kind, call.rows)
    return frozenset()


def store(conn: Connection, connection_id: ConnectionId, kind: Kind, rows: Sequence[Row]) -> None:
    """Write rows, noting that they were settled in the present run."""
    if not rows:
        return
    run = latest_run(conn, connection_id, kind)
    _STORE(
        conn,
        [
            {
                "connection_id": connection_id,
                "kind": kind.value,
                "external_id": row.external_id,
                "digest": row.digest,
                "parts": row.parts,
                "settled_run": run,
                "seen_run": run,
            }
            for row in rows
        ],
    )


def latest_run(conn: Connection, connection_id: ConnectionId, kind: Kind) -> RunId:
    """Return the latest full sync's id, 0 before the first: the sequence that 'before the run' is measured by."""
    c = full_syncs.c
    newest = select(func.max(c.id)).where(c.connection_id == connection_id, c.kind == kind.value)
    return RunId(conn.execute(newest).scalar() or 0)


def size(conn: Connection, connection_id: ConnectionId, kind: Kind) -> int:
    """Return how many entities SparkLayer was told of."""
    c = ledger.c
    mine = (c.connection_id == connection_id, c.kind == kind.value)
    return conn.execute(select(func.count()).where(*mine)).scalar_one()


_OWNER = insert(sku_owners)
_TAKE = Prepared(
    _OWNER.on_conflict_do_update(
        index_elements=["connection_id", "sku"], set_={"external_id": _OWNER.excluded.external_id}
    ),
    *sku_owners.columns.keys(),
)
_ROW = insert(ledger)
_STORE = Prepared(
    _ROW.on_conflict_do_update(
        index_elements=["connection_id", "kind", "external_id"],
        set_={name: _ROW.excluded[name] for name in ("digest", "parts", "settled_run")},
    ),
    *ledger.columns.keys(),
)
