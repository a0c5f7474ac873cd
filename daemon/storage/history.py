"""The history of entities: one row for each settlement that wrote, refused, held, removed or parked.

Rows are written in the settling transaction, so what happened and what is said of it never differ. An entity keeps its
latest `MOST` rows, and a row lasts `KEPT` seconds. There is no customer data: ids, results, fixed words, times.
"""

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, bindparam, delete, select, tuple_

from daemon.model import ConnectionId, ExternalId, Kind, RunId
from daemon.model.outcome import Result
from daemon.storage.group_commit import one_by_one
from daemon.storage.prepared import UNREAD, PreparedAmong
from daemon.storage.tables import of_kind, settlements
from daemon.storage.upsert import Upsert, excluded

MOST = 20
"""Rows of one entity."""

KEPT = 7 * 86_400.0

MOST_AT_ONCE = 1000
"""Rows that one transaction forgets: webhooks wait for it."""

IN_HISTORY = frozenset({Result.WRITTEN, Result.REMOVED, Result.HELD, Result.REJECTED, Result.PARKED})
"""The results that have a row. A retry is in the outbox, as long as it goes on."""


@frozen
class HistoryEntry:
    """The settlement of one entity; `reason` is a fixed word: the code of an issue, a cause, a failure's reason."""

    external_id: ExternalId
    result: Result
    reason: str | None = None
    run: RunId | None = None


@frozen(kw_only=True)
class HistoryRow(HistoryEntry):
    """A row as it is stored. `at` is in seconds since the epoch."""

    kind: Kind
    at: float


def record(
    conn: Connection, connection_id: ConnectionId, kind: Kind, now: float, entries: Sequence[HistoryEntry]
) -> None:
    """Store the settlements of a batch, and forget each entity's rows beyond `MOST`."""
    if not entries:
        return
    of_batch = {"connection_id": connection_id, "kind": kind.value}
    rows = [
        {
            **of_batch,
            "external_id": row.external_id,
            "at": now,
            "result": row.result.value,
            "reason": row.reason,
            "run": row.run,
        }
        for row in sorted(entries, key=lambda row: row.external_id)
    ]
    _RECORD(conn, rows, UNREAD)
    _TRIM(conn, [entry.external_id for entry in entries], UNREAD, of=connection_id, of_kind=kind.value)


def of_entity(
    conn: Connection, connection_id: ConnectionId, kind: Kind, external_id: ExternalId, since: float
) -> list[HistoryRow]:
    """Return an entity's settlements after `since`, the latest first."""
    c = settlements.c
    mine = (*of_kind(settlements, connection_id, kind), c.external_id == external_id, c.at > since)
    return _rows(conn, select(settlements).where(*mine).order_by(c.at.desc()).limit(MOST))


def latest(conn: Connection, connection_id: ConnectionId, since: float, limit: int) -> list[HistoryRow]:
    """Return a connection's settlements after `since`, the latest first, at most `limit`."""
    c = settlements.c
    query = select(settlements).where(c.connection_id == connection_id, c.at > since)
    return _rows(conn, query.order_by(c.at.desc(), c.kind, c.external_id).limit(limit))


@one_by_one
def forget(conn: Connection, call: tuple[ConnectionId, float]) -> int:
    """Forget the rows of (connection, time) that are older, some at a time; return their number."""
    connection_id, before = call
    c = settlements.c
    keys = (c.connection_id, c.kind, c.external_id, c.at)
    old = select(*keys).where(c.connection_id == connection_id, c.at <= before).order_by(c.at).limit(MOST_AT_ONCE)
    # Every node forgets, and none waits for another.
    found = conn.execute(old.with_for_update(skip_locked=True)).all()
    if found:
        conn.execute(delete(settlements).where(tuple_(*keys).in_([tuple(row) for row in found])))
    return len(found)


def _rows(conn: Connection, query: Any) -> list[HistoryRow]:
    return [
        HistoryRow(
            kind=Kind(row.kind),
            external_id=ExternalId(row.external_id),
            at=row.at,
            result=Result(row.result),
            reason=row.reason,
            run=row.run,
        )
        for row in conn.execute(query)
    ]


# A clock that stood still: the later settlement counts.
_RECORD = Upsert(settlements, settlements.columns.keys(), excluded(settlements, "result", "reason", "run"))
_NEWER = settlements.alias("newer")
_BEYOND = (
    select(_NEWER.c.at)
    .where(*(_NEWER.c[name] == settlements.c[name] for name in ("connection_id", "kind", "external_id")))
    .order_by(_NEWER.c.at.desc())
    .offset(MOST)
    .limit(1)
    .correlate(settlements)
    .scalar_subquery()
)
_OF_KIND = (settlements.c.connection_id == bindparam("of"), settlements.c.kind == bindparam("of_kind"))
# With fewer rows there is none beyond them: the comparison with NULL then deletes nothing.
_TRIM = PreparedAmong(delete(settlements).where(*_OF_KIND, settlements.c.at <= _BEYOND), settlements.c.external_id)
