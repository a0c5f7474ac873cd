"""The ledger: fingerprints of what SparkLayer was last told, and the owners of unique keys.

A row's `parts` belong to the engine; nothing here reads them. `fingerprint` stands for all of them, and is None while
a part is *unsure*. `mark` makes parts unsure before they are sent, and takes the keys that they claim;
`daemon.storage.settle` confirms them. A key (a SKU, an e-mail address, a cart) has one owner of its kind at a time.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Generic

from attrs import field, frozen
from sqlalchemy import Connection, and_, delete, exists, func, select, update

from daemon.model import ConnectionId, ExternalId, K, Key, Kind, RunId
from daemon.model.outcome import Row
from daemon.storage import tables
from daemon.storage.group_commit import KindCall
from daemon.storage.outbox import active
from daemon.storage.prepared import PreparedAmong, among, given, of_given_kind
from daemon.storage.states import DependencyReason, RowState
from daemon.storage.tables import full_syncs, ledger, of_kind
from daemon.storage.upsert import Upsert, excluded


@frozen(kw_only=True)
class Mark(KindCall, Generic[K]):
    """Parts that will be sent, and the keys that they claim.

    `claims` has the claimant of each key, `given_up` the owner that may give it up in the same batch.
    """

    rows: Sequence[Row]
    claims: Mapping[K, ExternalId] = field(factory=dict)
    given_up: Mapping[K, ExternalId] = field(factory=dict)


def look_up(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]
) -> dict[ExternalId, Row]:
    """Return the rows of `ids` that exist."""
    return {row.external_id: Row(*tuple(row)) for row in _ROWS(conn, ids, **given(connection_id, kind)).all()}


def confirmed_id(conn: Connection, connection_id: ConnectionId, kind: Kind, other_than: str) -> str | None:
    """Return the id of a random entity that SparkLayer surely has; None when there is none."""
    c = ledger.c
    sure = (*of_kind(ledger, connection_id, kind), c.fingerprint.is_not(None), c.external_id != other_than)
    external_id: str | None = conn.execute(select(c.external_id).where(*sure).order_by(func.random()).limit(1)).scalar()
    return external_id


def confirmed_key(conn: Connection, connection_id: ConnectionId, kind: Kind, other_than: str) -> str | None:
    """Return a random key whose owner SparkLayer surely has; None when there is none."""
    c, owned = ledger.c, tables.owners.c
    same = and_(owned.connection_id == c.connection_id, owned.kind == c.kind, owned.external_id == c.external_id)
    sure = (*of_kind(ledger, connection_id, kind), c.fingerprint.is_not(None), owned.key != other_than)
    query = select(owned.key).join(ledger, same).where(*sure).order_by(func.random()).limit(1)
    key: str | None = conn.execute(query).scalar()
    return key


def owners(conn: Connection, connection_id: ConnectionId, kind: Kind, keys: Collection[K]) -> dict[K, ExternalId]:
    """Return the present owner of each of `keys` that has one."""
    if not keys:
        return {}
    return {row.key: row.external_id for row in _OWNERS(conn, keys, **given(connection_id, kind)).all()}


def lost(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]
) -> set[tuple[ExternalId, Key]]:
    """Return (id, key) of the keys that `ids` wait for and others own: SparkLayer has these keys from the others."""
    c, owned = tables.dependencies.c, tables.owners.c
    same = and_(owned.connection_id == c.connection_id, owned.kind == c.kind, owned.key == c.key)
    query = (
        select(c.external_id, c.key)
        .join(tables.owners, same)
        .where(*of_kind(tables.dependencies, connection_id, kind), c.reason == DependencyReason.KEY)
        .where(owned.external_id != c.external_id)
    )
    rows = conn.execute(query.where(among(conn, c.external_id, ids)))
    return {(ExternalId(row.external_id), row.key) for row in rows}


def mark(conn: Connection, calls: Sequence[Mark[Any]]) -> list[frozenset[Key]]:
    """Make parts unsure and take keys, all or nothing for each call.

    Returns for each call the keys that another entity owns by now. If there are any, the call has written nothing.
    """
    alive = active(conn, (call.connection_id for call in calls))
    return [_mark(conn, call) if call.connection_id in alive else frozenset() for call in calls]


def _mark(conn: Connection, call: Mark[Any]) -> frozenset[Key]:
    present = owners(conn, call.connection_id, call.kind, list(call.claims))
    # Checked when the batch was planned, and again here: another batch may have taken a key in between.
    refused = frozenset(
        key for key, owner in present.items() if owner not in (call.claims[key], call.given_up.get(key))
    )
    if refused:
        return refused
    # An upsert writes even what is the same already.
    taken = {key: claimant for key, claimant in call.claims.items() if present.get(key) != claimant}
    take(conn, call.connection_id, call.kind, taken)
    store(conn, call.connection_id, call.kind, call.rows)
    return frozenset()


def take(conn: Connection, connection_id: ConnectionId, kind: Kind, taken: Mapping[Any, ExternalId]) -> None:
    """Give keys to new owners."""
    if taken:
        fixed = {"connection_id": connection_id, "kind": kind.value}
        _TAKE(conn, [{**fixed, "key": key, "external_id": claimant} for key, claimant in taken.items()])


def store(conn: Connection, connection_id: ConnectionId, kind: Kind, rows: Sequence[Row]) -> None:
    """Write rows, as settled in the latest full sync."""
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


def doubt(conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]) -> None:
    """Make entities unsure: SparkLayer no longer has what it was told of them."""
    if ids:
        _DOUBT(conn, ids, **given(connection_id, kind))


def forget(conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]) -> None:
    """Delete the rows of removed entities."""
    if ids:
        _FORGET(conn, ids, **given(connection_id, kind))


def latest_run(conn: Connection, connection_id: ConnectionId, kind: Kind) -> RunId:
    """Return the latest full sync's id, 0 before the first."""
    # "Before the run" is judged by these ids: unlike a clock, they never go back.
    return RunId(conn.execute(_LATEST_RUN, given(connection_id, kind)).scalar() or 0)


def size(conn: Connection, connection_id: ConnectionId, kind: Kind) -> int:
    """Return the number of entities that SparkLayer was told of."""
    return conn.execute(select(func.count()).where(*of_kind(ledger, connection_id, kind))).scalar_one()


def absent(
    conn: Connection, connection_id: ConnectionId, kind: Kind, run: RunId
) -> tuple[list[ExternalId], list[ExternalId]]:
    """Return the entities that a run which has read everything did not see: those with a ledger row, and the others.

    They are read by their ids:

        known of the entity           read when
        a row of the ledger           not seen by the run, and settled before it began
        an open issue, no row         the same: its merchant may have deleted it
        a parked change, no row       the same, and parked before the run began

    "Before" compares the ids of runs, which are stored when something is settled or parked; no clock is asked. An
    entity without a ledger row is unknown to SparkLayer: nothing can be removed there, so no brake concerns it.
    """
    row, issue, change = ledger.c, tables.issues.c, tables.outbox.c
    synced = select(row.external_id).where(
        *of_kind(ledger, connection_id, kind), row.seen_run != run, row.settled_run < run
    )
    with_issue = select(issue.external_id).where(
        *of_kind(tables.issues, connection_id, kind),
        issue.settled_run < run,
        ~exists().where(*of_kind(ledger, connection_id, kind), row.external_id == issue.external_id),
        # An entity that was seen and is not settled yet carries the run's tag.
        ~exists().where(
            *of_kind(tables.outbox, connection_id, kind),
            change.external_id == issue.external_id,
            change.full_sync_id == run,
        ),
    )
    parked = select(change.external_id).where(
        *of_kind(tables.outbox, connection_id, kind),
        change.state == RowState.PARKED,
        # An entity that was seen is no longer parked.
        func.coalesce(change.parked_run, 0) < run,
        ~exists().where(*of_kind(ledger, connection_id, kind), row.external_id == change.external_id),
    )
    unsynced = {external_id for query in (with_issue, parked) for external_id in conn.execute(query).scalars()}
    return list(conn.execute(synced).scalars()), sorted(unsynced)


_C = ledger.c
_MINE = of_given_kind(ledger)
_ROWS = PreparedAmong(select(_C.external_id, _C.fingerprint, _C.parts).where(*_MINE), _C.external_id)
_DOUBT = PreparedAmong(update(ledger).where(*_MINE).values(fingerprint=None), _C.external_id)
_FORGET = PreparedAmong(delete(ledger).where(*_MINE), _C.external_id)
_OWNERS = PreparedAmong(
    select(tables.owners.c.key, tables.owners.c.external_id).where(*of_given_kind(tables.owners)), tables.owners.c.key
)
_LATEST_RUN = select(func.max(full_syncs.c.id)).where(*of_given_kind(full_syncs))
_TAKE = Upsert(tables.owners, tables.owners.columns.keys(), excluded(tables.owners, "external_id"))
# `seen_run` stays: only a page says that a full sync saw the entity.
_STORE = Upsert(ledger, ledger.columns.keys(), excluded(ledger, "fingerprint", "parts", "settled_run"))
