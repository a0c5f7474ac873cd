"""The numbers of all connections at once, for /metrics: one grouped statement for each table.

They are counts of whole tables, except the ledger, which is the largest and has no metric. So a caller asks no more
often than `Counts.rows` allows.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, Row, Select, Table, case, func, select

from daemon.model import ConnectionId, Kind, Lane
from daemon.storage.overview import Depth
from daemon.storage.registrations import StoredRegistration
from daemon.storage.states import RemovalState, RowState, RunMode
from daemon.storage.tables import (
    censuses,
    connections,
    full_syncs,
    gaps,
    issues,
    outbox,
    registrations,
    removals,
    synced,
)

Place = tuple[ConnectionId, Kind]


@frozen(kw_only=True)
class RunProgress:
    """The latest full sync of a kind that was not a daily one."""

    seen: int
    done: int
    failed: int


@frozen(kw_only=True)
class Counts:
    """Numbers by connection and kind; those that are 0 are left out.

    `untold` issues and `synced` ids have not been reported to the sync-log yet. `succeeded_at` is the end of the last
    full sync that succeeded, of any mode; a kind without a run has no gap. `census_seconds` is the time of the last
    one. `leaving` and `paused` connections are counted whoever works on them.
    """

    depths: dict[Place, list[Depth]] = field(factory=dict)
    issues: dict[Place, int] = field(factory=dict)
    untold: dict[Place, int] = field(factory=dict)
    synced: dict[Place, int] = field(factory=dict)
    held: dict[Place, int] = field(factory=dict)
    gaps: set[Place] = field(factory=set)
    census_seconds: dict[Place, float] = field(factory=dict)
    runs: dict[Place, RunProgress] = field(factory=dict)
    succeeded_at: dict[Place, float] = field(factory=dict)
    registrations: dict[ConnectionId, StoredRegistration] = field(factory=dict)
    leaving: int = 0
    paused: int = 0

    @property
    def rows(self) -> int:
        """The number of rows of the tables that may be large."""
        waiting = sum(depth.rows for depths in self.depths.values() for depth in depths)
        return waiting + sum(self.issues.values()) + sum(self.synced.values())


def counts(conn: Connection, ids: Collection[ConnectionId]) -> Counts:
    """Return the numbers of these connections."""
    number = select(func.count()).select_from(connections)
    found = Counts(
        leaving=conn.execute(number.where(connections.c.state == "leaving")).scalar_one(),
        paused=conn.execute(number.where(connections.c.paused_at.is_not(None))).scalar_one(),
    )
    o, i, f = outbox.c, issues.c, full_syncs.c
    rows = func.count().label("rows")
    waiting = _grouped(conn, outbox, ids, o.lane, o.state, rows, func.min(o.first_queued_at).label("oldest"), by=2)
    for place, row in waiting:
        depth = Depth(kind=place[1], lane=Lane(row.lane), state=RowState(row.state), rows=row.rows, oldest=row.oldest)
        found.depths.setdefault(place, []).append(depth)
    # A case, since PostgreSQL adds up no booleans.
    for place, row in _grouped(conn, issues, ids, rows, func.sum(case((i.untold, 1), else_=0)).label("untold")):
        found.issues[place], found.untold[place] = row.rows, row.untold
    for place, row in _grouped(conn, synced, ids, rows):
        found.synced[place] = row.rows
    held = func.count(removals.c.external_id.distinct()).label("rows")
    for place, row in _grouped(conn, removals, ids, held, where=removals.c.state == RemovalState.HELD):
        found.held[place] = row.rows
    for place, row in _grouped(conn, censuses, ids, func.max(censuses.c.seconds).label("seconds")):
        found.census_seconds[place] = row.seconds
    ended = func.max(case((f.succeeded, f.finished_at))).label("succeeded_at")
    latest = func.max(case((f.mode != RunMode.DAILY, f.id))).label("latest")
    last = dict(_grouped(conn, full_syncs, ids, ended, latest))
    found.succeeded_at.update({place: row.succeeded_at for place, row in last.items() if row.succeeded_at is not None})
    found.gaps.update(place for place, _ in _grouped(conn, gaps, ids) if place in last)
    query = select(f.connection_id, f.kind, f.seen, f.done, f.failed)
    latest_runs = [row.latest for row in last.values() if row.latest is not None]
    for run in conn.execute(query.where(f.id.in_(latest_runs))):
        found.runs[_place(run)] = RunProgress(seen=run.seen, done=run.done, failed=run.failed)
    for registered in conn.execute(select(registrations).where(registrations.c.connection_id.in_(ids))).mappings():
        found.registrations[registered["connection_id"]] = StoredRegistration(**registered)
    return found


def _grouped(
    conn: Connection, table: Table, ids: Collection[ConnectionId], *columns: Any, by: int = 0, where: Any = True
) -> Iterator[tuple[Place, Row[Any]]]:
    """Yield (place, row) of a table for each connection and kind, and for each value of the first `by` columns."""
    c = table.c
    groups: Sequence[Any] = (c.connection_id, c.kind, *columns[:by])
    query: Select[Any] = select(c.connection_id, c.kind, *columns).where(c.connection_id.in_(ids), where)
    return ((_place(row), row) for row in conn.execute(query.group_by(*groups)))


def _place(row: Any) -> Place:
    return row.connection_id, Kind(row.kind)
