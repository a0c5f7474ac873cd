"""What SparkLayer was last told, and who owns what only one entity may have: a SKU, an e-mail address.

A row of the ledger is opaque here: `parts` is the engine's, `digest` stands for the whole of it and is None while
any part is *unsure*, which differs from everything. `mark` makes parts unsure before they are sent and takes the
keys they claim; `daemon.storage.settle` confirms them. A key has one owner of its kind at a time.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Generic

from attrs import field, frozen
from sqlalchemy import Connection, and_, func, select

from daemon.model import ConnectionId, ExternalId, K, Key, Kind, RunId
from daemon.outcome import Row
from daemon.storage import tables
from daemon.storage.outbox import active
from daemon.storage.prepared import Prepared
from daemon.storage.tables import full_syncs, in_parts, ledger
from daemon.storage.upsert import insert


@frozen(kw_only=True)
class Mark(Generic[K]):
    """Parts about to be sent, and the keys they claim.

    `claims` has the claimant of each key; `given_up` the owner that gives it up in the same batch.
    """

    connection_id: ConnectionId
    kind: Kind
    rows: Sequence[Row]
    claims: Mapping[K, ExternalId] = field(factory=dict)
    given_up: Mapping[K, ExternalId] = field(factory=dict)


def look_up(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]
) -> dict[ExternalId, Row]:
    """Return the rows of `ids` that exist."""
    c = ledger.c
    found = conn.execute(
        select(c.external_id, c.fingerprint, c.parts).where(
            c.connection_id == connection_id, c.kind == kind.value, c.external_id.in_(ids)
        )
    )
    return {row.external_id: Row(*row) for row in found}


def confirmed_id(conn: Connection, connection_id: ConnectionId, kind: Kind, other_than: str) -> str | None:
    """Return the id of an entity that SparkLayer surely has, each time another one; None when there is none."""
    c = ledger.c
    sure = (c.connection_id == connection_id, c.kind == kind.value, c.fingerprint.is_not(None))
    query = select(c.external_id).where(*sure, c.external_id != other_than)
    found: str | None = conn.execute(query.order_by(func.random()).limit(1)).scalar()
    return found


def confirmed_key(conn: Connection, connection_id: ConnectionId, kind: Kind, other_than: str) -> str | None:
    """Return a key whose owner SparkLayer surely has, as `confirmed_id` does."""
    c, owned = ledger.c, tables.owners.c
    same = and_(owned.connection_id == c.connection_id, owned.kind == c.kind, owned.external_id == c.external_id)
    sure = (c.connection_id == connection_id, c.kind == kind.value, c.fingerprint.is_not(None))
    query = select(owned.key).join(ledger, same).where(*sure, owned.key != other_than)
    found: str | None = conn.execute(query.order_by(func.random()).limit(1)).scalar()
    return found


def owners(conn: Connection, connection_id: ConnectionId, kind: Kind, keys: Collection[K]) -> dict[K, ExternalId]:
    """Return the present owner of each of `keys` that has one."""
    c = tables.owners.c
    query = select(c.key, c.external_id).where(c.connection_id == connection_id, c.kind == kind.value)
    return {row.key: row.external_id for part in in_parts(keys) for row in conn.execute(query.where(c.key.in_(part)))}


def lost(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]
) -> set[tuple[ExternalId, Key]]:
    """Return what those of `ids` wait for that is another's: it is no part of what SparkLayer has of them."""
    c, owned = tables.waiters.c, tables.owners.c
    same = and_(owned.connection_id == c.connection_id, owned.kind == c.kind, owned.key == c.key)
    query = (
        select(c.external_id, c.key)
        .join(tables.owners, same)
        .where(c.connection_id == connection_id, c.kind == kind.value, owned.external_id != c.external_id)
    )
    rows = (row for part in in_parts(ids) for row in conn.execute(query.where(c.external_id.in_(part))))
    return {(ExternalId(row.external_id), row.key) for row in rows}


def mark(conn: Connection, calls: Sequence[Mark[Any]]) -> list[frozenset[Key]]:
    """Make parts unsure and take keys, all or nothing for each call.

    Returns the keys that somebody else owns by now; when there are any, nothing of that call was written.
    """
    alive = active(conn, (call.connection_id for call in calls))
    return [_mark(conn, call) if call.connection_id in alive else frozenset() for call in calls]


def _mark(conn: Connection, call: Mark[Any]) -> frozenset[Key]:
    present = owners(conn, call.connection_id, call.kind, list(call.claims))
    refused = frozenset(
        key for key, owner in present.items() if owner not in (call.claims[key], call.given_up.get(key))
    )
    if refused:
        return refused
    taken = [(key, claimant) for key, claimant in call.claims.items() if present.get(key) != claimant]
    if taken:
        mine = {"connection_id": call.connection_id, "kind": call.kind.value}
        _TAKE(conn, [{**mine, "key": key, "external_id": owner} for key, owner in taken])
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
                "fingerprint": row.fingerprint,
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


_OWNER = insert(tables.owners)
_TAKE = Prepared(
    _OWNER.on_conflict_do_update(
        index_elements=["connection_id", "kind", "key"], set_={"external_id": _OWNER.excluded.external_id}
    ),
    *tables.owners.columns.keys(),
)
_ROW = insert(ledger)
_STORE = Prepared(
    _ROW.on_conflict_do_update(
        index_elements=["connection_id", "kind", "external_id"],
        set_={name: _ROW.excluded[name] for name in ("fingerprint", "parts", "settled_run")},
    ),
    *ledger.columns.keys(),
)
