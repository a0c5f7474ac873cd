"""The rows that a dry run takes along from the daemon's database to a scratch database, and reads there.

The copy is read in parts, each in a transaction of its own: neither memory nor a long transaction grows with a ledger.
It knows no runs: what a full sync has seen or settled begins again, and removals that wait for the end of one do not
come along.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, and_, func, select, true, tuple_

from daemon.model import ConnectionId, Kind
from daemon.storage.database import Storage
from daemon.storage.group_commit import one_by_one
from daemon.storage.parked import WaitingChange, waiting_changes
from daemon.storage.states import RemovalState
from daemon.storage.tables import (
    connections,
    dependencies,
    issues,
    ledger,
    meta,
    metadata,
    of_kind,
    outbox,
    owners,
    places,
    removals,
)
from daemon.storage.upsert import insert

ROWS = 1000

COPIED: Mapping[str, Mapping[str, Any]] = {
    # The encrypted key of fingerprints: with another one, everything would differ.
    meta.name: {},
    connections.name: {},
    ledger.name: {"settled_run": 0, "seen_run": 0},
    owners.name: {},
    dependencies.name: {},
    issues.name: {"settled_run": 0, "untold": False, "maybe_told": False},
    removals.name: {},
    places.name: {},
}
"""The tables that come along, with the values that differ in the copy."""

NO_RUN = 0
"""Stands for every run of the copied database; no run has this id."""


@frozen(kw_only=True)
class TableRows:
    """Rows of one table."""

    table: str
    rows: Sequence[Mapping[str, Any]] = field(repr=False)


@frozen(kw_only=True)
class Unfinished:
    """The entities that wait: the number of those never tried, and those that failed."""

    fresh: int
    failing: Sequence[WaitingChange]


async def take_along(source: Storage, scratch: Storage, connection_id: ConnectionId) -> None:
    """Copy what a database knows of a connection, and the encrypted key of its fingerprints. Raises StorageTrouble."""
    for name in COPIED:
        rows: Sequence[Mapping[str, Any]] = ()
        while rows := await source.read(part, name, connection_id, rows[-1] if rows else None):
            await scratch.write(put, TableRows(table=name, rows=rows))


def part(
    conn: Connection, name: str, connection_id: ConnectionId, after: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Return the next `ROWS` rows of a table, by their keys: a connection's if it has them; `after` is the last one."""
    table = metadata.tables[name]
    of = connections.c.id if table is connections else table.c.get("connection_id")
    keys = list(table.primary_key.columns)
    mine = true() if of is None else of == connection_id
    # Not by an offset: rows come and go between the transactions of two parts.
    rest = mine if after is None else and_(mine, tuple_(*keys) > tuple_(*(after[key.name] for key in keys)))
    found = conn.execute(select(table).where(rest).order_by(*keys).limit(ROWS)).mappings()
    return [dict(row) for row in found]


@one_by_one
def put(conn: Connection, call: TableRows) -> None:
    """Store rows of another database."""
    table, fixed = metadata.tables[call.table], COPIED[call.table]
    rows = [{**row, **fixed} for row in call.rows]
    if table is removals:
        rows = [_without_run(row) for row in rows if row["state"] != RemovalState.WAITING]
    if rows:
        # A second connection brings the key of the fingerprints again.
        conn.execute(insert(table).on_conflict_do_nothing() if table is meta else table.insert(), rows)


def _without_run(row: Mapping[str, Any]) -> dict[str, Any]:
    # None stays None: it is a live removal. An old id could be that of a run of the copy, whose ids begin again.
    return {**row, "run": row["run"] and NO_RUN}


def unfinished(conn: Connection, connection_id: ConnectionId, kind: Kind) -> Unfinished:
    """Return what waits in the outbox of a kind."""
    c, mine = outbox.c, of_kind(outbox, connection_id, kind)
    fresh = conn.execute(select(func.count()).where(*mine, c.attempts == 0)).scalar_one()
    query = select(outbox).where(*mine, c.attempts > 0).order_by(c.external_id)
    return Unfinished(fresh=fresh, failing=waiting_changes(conn, query))
