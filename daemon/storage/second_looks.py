"""Second looks after a takeover, owed until the last request of an earlier owner is over.

A request of an owner that has died may be under way while the next owner settles a newer state of the same entity. So
the entities that are unsure at a takeover are looked at again later, as doubted ones (see `last_word`). They are
stored, because the next owner may die before that, and a later one could not tell which they were; with their parts,
because it may have removed them by then (see `stale_parts`). A PUT of each kind's sync-log is owed with them: a report
may have been under way as well.
"""

from collections import defaultdict

from attrs import frozen
from sqlalchemy import Connection, delete, func, select, true

from daemon.model import ConnectionId, ExternalId, Kind
from daemon.storage import last_word
from daemon.storage.last_word import LastWord
from daemon.storage.outbox import while_active
from daemon.storage.stale_parts import packed, unpacked
from daemon.storage.tables import ledger, of_kind, second_looks, sync_log
from daemon.storage.upsert import Upsert, excluded

MOST_LOOKED_AT = 10_000
"""Unsure entities of a kind that are looked at twice. More are unsure only after a remap, which a run works off."""


_REPORT = ""
"""Stands for the report of a kind among the ids of its entities."""


@frozen
class Owe:
    """A wish for second looks at the entities of a connection that are unsure now."""

    connection_id: ConnectionId
    due_at: float


@frozen
class LookAgain:
    """A wish for the second looks of a connection that are due."""

    connection_id: ConnectionId
    now: float


@while_active
def owe(conn: Connection, call: Owe) -> None:
    """Store which entities are unsure, and which kinds are reported. Those of an earlier takeover stay."""
    c, log, look = ledger.c, sync_log.c, second_looks.c
    reported = select(log.kind).where(log.connection_id == call.connection_id, log.ever_put)
    found: dict[tuple[str, str], bytes | None] = {(kind, _REPORT): None for kind in conn.execute(reported).scalars()}
    for kind in sorted(Kind):
        # The price list is set up for products before anything is marked, and is written again with the store.
        unsure = true() if kind is Kind.STORE else c.fingerprint.is_(None)
        sent = select(c.external_id, c.parts).where(*of_kind(ledger, call.connection_id, kind), unsure)
        for row in conn.execute(sent.limit(MOST_LOOKED_AT)):
            found[kind.value, row.external_id] = packed(more=[row.parts])
    # What an earlier owner was sending may still be under way.
    owed = select(look.kind, look.external_id, look.stale_parts).where(look.connection_id == call.connection_id)
    for earlier in conn.execute(owed.order_by(*second_looks.primary_key).with_for_update()):
        if (key := (earlier.kind, earlier.external_id)) in found:
            found[key] = packed(earlier.stale_parts, found[key])
    fixed = {"connection_id": call.connection_id, "due_at": call.due_at}
    rows = [
        {**fixed, "kind": kind, "external_id": external_id, "stale_parts": parts}
        for (kind, external_id), parts in sorted(found.items())
    ]
    if rows:
        _OWE(conn, rows)


@while_active
def look_again(conn: Connection, call: LookAgain) -> float | None:
    """Have what is due written and reported once more; return when the next look is due, None for never."""
    c = second_looks.c
    due = (c.connection_id == call.connection_id, c.due_at <= call.now)
    doubted, reported = defaultdict[Kind, dict[ExternalId, list[bytes]]](dict), []
    # Locked: a node that has lost the lease meanwhile may look too.
    query = select(c.kind, c.external_id, c.stale_parts).where(*due).order_by(*second_looks.primary_key)
    for row in conn.execute(query.with_for_update()):
        if row.external_id == _REPORT:
            reported.append(Kind(row.kind))
        else:
            doubted[Kind(row.kind)][row.external_id] = unpacked(row.stale_parts)
    if doubted or reported:
        word = LastWord(connection_id=call.connection_id, now=call.now, doubted=doubted, reported=reported)
        last_word.say(conn, [word])
        conn.execute(delete(second_looks).where(*due))
    next_due: float | None = conn.execute(select(func.min(c.due_at)).where(due[0])).scalar()
    return next_due


_OWE = Upsert(second_looks, second_looks.columns.keys(), excluded(second_looks, "due_at", "stale_parts"))
