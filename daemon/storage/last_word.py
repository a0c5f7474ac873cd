"""Stale writes: those that a node without the lease of a connection may have sent after its successor's own.

SparkLayer knows no leases. A node that was suspended between its look at the lease and a request may send an old state
after the next owner's newer one. So it says its *last word*, which needs no lease:

* entities that it has marked and not settled: their rows become `doubted`. A claim of a doubted row writes the entity
  even if the ledger says that SparkLayer has it. The row's revision grows, so no settlement in flight deletes it.
* reports that it has taken and not confirmed: a PUT is owed for each, which has the whole state.

A request of an owner that has *died* may be under way while the next owner settles a newer state of the same entity. So
the entities that are unsure at a takeover are looked at once more, as doubted ones, when that request is over. These
*second looks* are stored, because the next owner may die before that, and a later one could not tell which they were.
A PUT of each kind's sync-log is owed with them: a report may have been under way as well.

The successor may have removed such an entity, or one of its variants or keys, by then: its ledger no longer lists what
a stale write has brought back. So an entity is doubted together with its *stale parts*, those that the earlier owner
was sending. They wait in its outbox row, and `restore` lists them in the ledger again, as unsure, before the entity is
worked on. So the writer removes them again, or writes over them, as it does with everything in the ledger.

A key of theirs may belong to another entity by now, whose stock or price the stale write has replaced. That entity is
doubted too. A key without an owner is the entity's own again, so that nothing takes it while it is removed.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from operator import attrgetter
from typing import Any

import msgspec
from attrs import field, frozen
from sqlalchemy import Connection, bindparam, delete, func, select, true, update

from daemon.model import Change, ConnectionId, ExternalId, Key, Kind
from daemon.model.outcome import Row
from daemon.storage import ledger, outbox, sync_log, tables
from daemon.storage.group_commit import ConnectionCall, KindCall, Operation
from daemon.storage.ledger import Mark, mark
from daemon.storage.outbox import Claim, Record, record, while_active
from daemon.storage.prepared import among
from daemon.storage.resync import Remap, remap
from daemon.storage.settle import Settlement, settle
from daemon.storage.sync_log import Report
from daemon.storage.tables import of_kind, second_looks
from daemon.storage.upsert import Upsert, excluded

MOST_LOOKED_AT = 10_000
"""Unsure entities of a kind that are looked at twice. More are unsure only after a remap, which a run works off."""

_REPORT = ""
"""Stands for the report of a kind among the ids of its entities."""

Doubted = Mapping[ExternalId, Collection[bytes]]
"""Doubted entities of a kind, each with the parts that may have been sent late; none where only its data may be old."""


@frozen(kw_only=True)
class LastWord(ConnectionCall):
    """Things that may have been sent without the lease: entities, and reports to the sync-log."""

    now: float
    doubted: Mapping[Kind, Doubted]
    reported: Collection[Kind] = ()


@frozen(kw_only=True)
class SecondLooks(ConnectionCall):
    """The second looks of a connection that are to be owed until `at`, or are due at that time."""

    at: float


@frozen(kw_only=True)
class Restore(KindCall):
    """Ledger rows that list stale parts again, by the claims that brought these, and the keys of each entity's."""

    now: float
    rows: Mapping[Claim, Row]
    keys: Mapping[ExternalId, Collection[Key]]


@while_active
def say(conn: Connection, call: LastWord) -> None:
    """Store a last word. That about a connection which is no longer active is dropped."""
    for kind, doubted in sorted(call.doubted.items()):  # in the order of kinds, as all lock rows
        doubt(conn, call.connection_id, kind, doubted, call.now)
    for kind in sorted(call.reported):
        sync_log.owe_one_more(conn, call.connection_id, kind)


@while_active
def owe(conn: Connection, call: SecondLooks) -> None:
    """Store which entities are unsure, and which kinds are reported. Those of an earlier takeover stay."""
    c, log, look = tables.ledger.c, tables.sync_log.c, second_looks.c
    reported = select(log.kind).where(log.connection_id == call.connection_id, log.ever_put)
    found: dict[tuple[str, str], bytes | None] = {(kind, _REPORT): None for kind in conn.execute(reported).scalars()}
    for kind in sorted(Kind):
        # The price list is set up for products before anything is marked, and is written again with the store.
        unsure = true() if kind is Kind.STORE else c.fingerprint.is_(None)
        sent = select(c.external_id, c.parts).where(*of_kind(tables.ledger, call.connection_id, kind), unsure)
        for row in conn.execute(sent.limit(MOST_LOOKED_AT)):
            found[kind.value, row.external_id] = packed(more=[row.parts])
    # What an earlier owner was sending may still be under way.
    owed = select(look.kind, look.external_id, look.stale_parts).where(look.connection_id == call.connection_id)
    for earlier in conn.execute(owed.order_by(*second_looks.primary_key).with_for_update()):
        if (key := (earlier.kind, earlier.external_id)) in found:
            found[key] = packed(earlier.stale_parts, found[key])
    fixed = {"connection_id": call.connection_id, "due_at": call.at}
    rows = [
        {**fixed, "kind": kind, "external_id": external_id, "stale_parts": parts}
        for (kind, external_id), parts in sorted(found.items())
    ]
    if rows:
        _OWE(conn, rows)


@while_active
def look_again(conn: Connection, call: SecondLooks) -> float | None:
    """Have what is due written and reported once more; return when the next look is due, None for never."""
    c = second_looks.c
    due = (c.connection_id == call.connection_id, c.due_at <= call.at)
    doubted, reported = defaultdict[Kind, dict[ExternalId, list[bytes]]](dict), []
    # Locked: a node that has lost the lease meanwhile may look too.
    query = select(c.kind, c.external_id, c.stale_parts).where(*due).order_by(*second_looks.primary_key)
    for row in conn.execute(query.with_for_update()):
        if row.external_id == _REPORT:
            reported.append(Kind(row.kind))
        else:
            doubted[Kind(row.kind)][row.external_id] = unpacked(row.stale_parts)
    if doubted or reported:
        word = LastWord(connection_id=call.connection_id, now=call.at, doubted=doubted, reported=reported)
        say(conn, [word])
        conn.execute(delete(second_looks).where(*due))
    next_due: float | None = conn.execute(select(func.min(c.due_at)).where(due[0])).scalar()
    return next_due


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
    c = tables.outbox.c
    mine = (*of_kind(tables.outbox, connection_id, kind), among(conn, c.external_id, doubted))
    present = {
        row.external_id: row.stale_parts for row in conn.execute(select(c.external_id, c.stale_parts).where(*mine))
    }
    conn.execute(update(tables.outbox).where(*mine).values(doubted=True))
    stale = [
        {"b_id": external_id, "b_parts": packed(present[external_id], more=doubted[external_id])}
        for external_id in sorted(doubted)
        if doubted[external_id]
    ]
    if stale:
        by_id = (*of_kind(tables.outbox, connection_id, kind), c.external_id == bindparam("b_id"))
        conn.execute(update(tables.outbox).where(*by_id).values(stale_parts=bindparam("b_parts")), stale)


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
    c = tables.outbox.c
    as_claimed = (c.external_id == bindparam("b_id"), c.revision == bindparam("b_revision"))
    mine_as_claimed = (*of_kind(tables.outbox, call.connection_id, call.kind), *as_claimed)
    conn.execute(
        update(tables.outbox).where(*mine_as_claimed).values(stale_parts=None),
        [{"b_id": claim.external_id, "b_revision": claim.revision} for claim in call.rows],
    )
    doubt(*mine, dict.fromkeys(others, ()), call.now)
    outbox.release(*mine)


@frozen
class Unsettled:
    """Things that the owner of a connection is sending: marked and not settled, or taken and not confirmed."""

    entities: dict[Kind, dict[ExternalId, bytes]] = field(init=False, factory=lambda: defaultdict(dict))
    """The marked parts of each; a later mark lists those of an earlier one."""
    reports: set[Kind] = field(init=False, factory=set)

    def note(self, operation: Operation[Any, Any], call: Any, result: Any) -> None:
        """Follow an operation that was committed."""
        if (follow := _FOLLOWED.get(operation)) is not None:
            follow(self, call, result)

    def marked(self, call: Mark[Any], _result: object) -> None:
        """Note a batch that is about to be sent."""
        self.entities[call.kind].update((row.external_id, row.parts) for row in call.rows)

    def remapped(self, call: Remap, result: object) -> None:
        """Note a batch that is about to be sent, as `marked` does."""
        self.marked(call.mark, result)

    def settled(self, call: Settlement, _result: object) -> None:
        """Note that nothing more is sent for the entities of a batch."""
        claims = (*call.done, *(retry.claim for retry in call.again))
        for claim in claims:
            # One that needed no write was never marked.
            self.entities[call.kind].pop(claim.external_id, None)

    def taken(self, call: tuple[ConnectionId, Kind], report: Report | None) -> None:
        """Note a report that is about to be sent."""
        if report is not None:
            self.reports.add(call[1])

    def confirmed(self, call: Report, _result: object) -> None:
        """Note that SparkLayer has accepted a report."""
        self.reports.discard(call.kind)

    def last_word(self, connection_id: ConnectionId, now: float) -> LastWord | None:
        """Return what may have been sent in vain; None when there is nothing."""
        doubted = {
            kind: {key: (parts,) for key, parts in marked.items()} for kind, marked in self.entities.items() if marked
        }
        if not doubted and not self.reports:
            return None
        return LastWord(connection_id=connection_id, now=now, doubted=doubted, reported=sorted(self.reports))


_FOLLOWED: Mapping[Operation[Any, Any], Any] = {
    mark: Unsettled.marked,
    remap: Unsettled.remapped,
    settle: Unsettled.settled,
    sync_log.take: Unsettled.taken,
    sync_log.confirm: Unsettled.confirmed,
}

_OWE = Upsert(second_looks, second_looks.columns.keys(), excluded(second_looks, "due_at", "stale_parts"))

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes]).decode
