"""Parts of entities that a node without its lease may have sent after its successor's own writes.

The successor may have removed such an entity, or one of its variants or keys, by then: its ledger no longer lists what
a stale write has brought back. So an entity is doubted together with the parts that the earlier owner was sending. They
wait in its outbox row, and `restore` lists them in the ledger again, as unsure, before the entity is worked on. So the
writer removes them again, or writes over them, as it does with everything in the ledger.

A key of theirs may belong to another entity by now, whose stock or price the stale write has replaced. That entity is
doubted too. A key without an owner is the entity's own again, so that nothing takes it while it is removed.
"""

from collections.abc import Collection, Mapping
from operator import attrgetter

import msgspec
from attrs import frozen
from sqlalchemy import Connection, bindparam, select, update

from daemon.model import Change, ConnectionId, ExternalId, Key, Kind
from daemon.model.outcome import Row
from daemon.storage import ledger, outbox
from daemon.storage.outbox import Claim, Record, record, while_active
from daemon.storage.prepared import among
from daemon.storage.tables import of_kind
from daemon.storage.tables import outbox as rows_of

Doubted = Mapping[ExternalId, Collection[bytes]]
"""Doubted entities of a kind, each with the parts that may have been sent late; none where only its data may be old."""


@frozen(kw_only=True)
class Restore:
    """Ledger rows that list stale parts again, by the claims that brought these, and the keys of each entity's."""

    connection_id: ConnectionId
    kind: Kind
    now: float
    rows: Mapping[Claim, Row]
    keys: Mapping[ExternalId, Collection[Key]]


def unpacked(column: bytes | None) -> list[bytes]:
    """Return the parts of a column; an entity has several after several takeovers."""
    return [] if column is None else _decode(column)


def packed(*columns: bytes | None, more: Collection[bytes] = ()) -> bytes | None:
    """Return the column that has the parts of `columns`, and `more`; None if there are none."""
    parts = {part: None for column in columns for part in unpacked(column)} | dict.fromkeys(more)
    return _encode([*parts]) if parts else None


def doubt(conn: Connection, connection_id: ConnectionId, kind: Kind, doubted: Doubted, now: float) -> None:
    """Have entities written though the ledger is sure of them, and their stale parts removed or written over."""
    changes = [Change(kind, external_id) for external_id in sorted(doubted)]
    # First, since an entity without a row would not be doubted by the UPDATE.
    record(conn, [Record(connection_id=connection_id, changes=changes, now=now)])
    c = rows_of.c
    mine = (*of_kind(rows_of, connection_id, kind), among(conn, c.external_id, doubted))
    present = {
        row.external_id: row.stale_parts for row in conn.execute(select(c.external_id, c.stale_parts).where(*mine))
    }
    conn.execute(update(rows_of).where(*mine).values(doubted=True))
    stale = [
        {"b_id": external_id, "b_parts": packed(present[external_id], more=doubted[external_id])}
        for external_id in sorted(doubted)
        if doubted[external_id]
    ]
    if stale:
        by_id = (*of_kind(rows_of, connection_id, kind), c.external_id == bindparam("b_id"))
        conn.execute(update(rows_of).where(*by_id).values(stale_parts=bindparam("b_parts")), stale)


@while_active
def restore(conn: Connection, call: Restore) -> None:
    """List stale parts in the ledger; the claims' rows lose them, unless more of them have come since."""
    mine = (conn, call.connection_id, call.kind)
    present = ledger.owners(*mine, {key for keys in call.keys.values() for key in keys})
    others, free = set[ExternalId](), dict[Key, ExternalId]()
    for external_id, keys in sorted(call.keys.items()):
        for key in sorted(keys):
            owner = present.get(key) or free.setdefault(key, external_id)
            if owner != external_id:
                others.add(owner)
    ledger.take(*mine, free)
    ledger.store(*mine, sorted(call.rows.values(), key=attrgetter("external_id")))
    ids = others.union(claim.external_id for claim in call.rows)
    outbox.hold(*mine, ids, call.now)
    c = rows_of.c
    as_claimed = (c.external_id == bindparam("b_id"), c.revision == bindparam("b_revision"))
    conn.execute(
        update(rows_of).where(*of_kind(rows_of, call.connection_id, call.kind), *as_claimed).values(stale_parts=None),
        [{"b_id": claim.external_id, "b_revision": claim.revision} for claim in call.rows],
    )
    doubt(*mine, dict.fromkeys(others, ()), call.now)
    outbox.release(*mine)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes]).decode
