"""Second looks after a takeover, owed until the last request of an earlier owner is over.

A request of an owner that has died may be under way while the next owner settles a newer state of the same entity. So
the entities that are unsure at a takeover are looked at again later, as doubted ones (see `last_word`). They are
stored, because the next owner may die before that, and a later one could not tell which they were. A PUT of each
kind's sync-log is owed with them: a report may have been under way as well.
"""

from collections import defaultdict

from attrs import frozen
from sqlalchemy import Connection, delete, func, literal, select

from daemon.model import ConnectionId, ExternalId, Kind
from daemon.storage import last_word
from daemon.storage.last_word import LastWord
from daemon.storage.operation import one_by_one
from daemon.storage.outbox import active
from daemon.storage.tables import ledger, of_kind, second_looks, sync_log
from daemon.storage.upsert import insert

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


@one_by_one
def owe(conn: Connection, call: Owe) -> None:
    """Store which entities are unsure, and which kinds are reported. Those of an earlier takeover stay."""
    if not active(conn, [call.connection_id]):
        return
    c, log, due_at = ledger.c, sync_log.c, literal(call.due_at)
    reported = select(log.connection_id, log.kind, literal(_REPORT), due_at)
    found = [reported.where(log.connection_id == call.connection_id, log.ever_put)]
    for kind in sorted(Kind):
        unsure = (*of_kind(ledger, call.connection_id, kind), c.fingerprint.is_(None))
        entities = select(c.connection_id, c.kind, c.external_id, due_at)
        found.append(entities.where(*unsure).limit(MOST_LOOKED_AT))
    for rows in found:
        new = insert(second_looks).from_select(second_looks.columns.keys(), rows)
        keys = ["connection_id", "kind", "external_id"]
        conn.execute(new.on_conflict_do_update(index_elements=keys, set_={"due_at": new.excluded.due_at}))


@one_by_one
def look_again(conn: Connection, call: LookAgain) -> float | None:
    """Have what is due written and reported once more; return when the next look is due, None for never."""
    # First, as everywhere: a wipe has locked the connection when it deletes its rows.
    if not active(conn, [call.connection_id]):
        return None
    c = second_looks.c
    due = (c.connection_id == call.connection_id, c.due_at <= call.now)
    doubted, reported = defaultdict[Kind, list[ExternalId]](list), []
    # Locked: a node that has lost the lease meanwhile may look too.
    query = select(c.kind, c.external_id).where(*due).order_by(*second_looks.primary_key)
    for row in conn.execute(query.with_for_update()):
        if row.external_id == _REPORT:
            reported.append(Kind(row.kind))
        else:
            doubted[Kind(row.kind)].append(row.external_id)
    if doubted or reported:
        word = LastWord(connection_id=call.connection_id, now=call.now, doubted=doubted, reported=reported)
        last_word.say(conn, [word])
        conn.execute(delete(second_looks).where(*due))
    next_due: float | None = conn.execute(select(func.min(c.due_at)).where(due[0])).scalar()
    return next_due
