"""Counts of everything a connection has, and all that it has of one entity: for people, and for metrics."""

from collections.abc import Sequence
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, Row, Table, func, select

from daemon.model import ConnectionId, ExternalId, Kind, Lane, RunId
from daemon.storage import full_syncs, gaps, issues, ledger, removals, sweeps, tables
from daemon.storage.full_syncs import Run
from daemon.storage.gaps import Gap
from daemon.storage.parked import WaitingChange, waiting_changes
from daemon.storage.removals import Shown
from daemon.storage.states import RowState, RunState
from daemon.storage.sweeps import PastCensus
from daemon.storage.tables import of_kind, outbox

MOST_NAMED = 10
"""The number of entities that are named when they hold up a full sync; the others are counted."""


@frozen(kw_only=True)
class Depth:
    """The number of outbox rows of one kind, lane and state, and since when the oldest has waited."""

    kind: Kind
    lane: Lane
    state: RowState
    rows: int
    oldest: float


@frozen(kw_only=True)
class KindOverview:
    """The counts of one kind, and its latest run.

    `held` removals wait for a person.
    `gap` is open while webhooks may have been missing; a kind that was never synced shows none, as its first full sync
    reads everything. `census` is the last one, where the platform needs any.
    `retrying` has some of the `held_up` entities that the run waits for.
    """

    kind: Kind
    depths: tuple[Depth, ...]
    ledger: int
    issues: int
    held: int
    gap: Gap | None
    census: PastCensus | None
    run: Run | None
    retrying: Sequence[WaitingChange]
    held_up: int


def overview(conn: Connection, connection_id: ConnectionId, kind: Kind) -> KindOverview:
    """Return the counts of a connection and kind."""
    run = full_syncs.latest(conn, connection_id, kind)
    failing, held_up = retrying(conn, run.id) if run else ([], 0)
    ever_synced = full_syncs.newest(conn, connection_id, kind) is not None
    return KindOverview(
        kind=kind,
        depths=tuple(depths(conn, connection_id, kind)),
        ledger=ledger.size(conn, connection_id, kind),
        issues=issues.count(conn, connection_id, kind),
        held=removals.held(conn, connection_id, kind),
        gap=gaps.open_gap(conn, connection_id, kind) if ever_synced else None,
        census=sweeps.last_census(conn, connection_id, kind),
        run=run,
        retrying=failing,
        held_up=held_up,
    )


def depths(conn: Connection, connection_id: ConnectionId, kind: Kind) -> list[Depth]:
    """Return the depths of a kind's outbox, by lane and state."""
    c = outbox.c
    counts = (func.count().label("rows"), func.min(c.first_queued_at).label("oldest"))
    query = select(c.lane, c.state, *counts).where(*of_kind(outbox, connection_id, kind)).group_by(c.lane, c.state)
    return [Depth(kind=kind, **{**row, "lane": Lane(row["lane"])}) for row in conn.execute(query).mappings()]


def retrying(conn: Connection, run: RunId) -> tuple[list[WaitingChange], int]:
    """Return some of the entities that a run retries, those tried most often first, and the number of all."""
    c = outbox.c
    mine = (c.full_sync_id == run, c.attempts > 0)
    query = select(outbox).where(*mine).order_by(c.attempts.desc(), c.external_id)
    found = waiting_changes(conn, query.limit(MOST_NAMED))
    count = conn.execute(select(func.count()).where(*mine)).scalar_one() if len(found) == MOST_NAMED else len(found)
    return found, count


@frozen(kw_only=True)
class Noted:
    """An entity's change, its open issue (encrypted), its held removals; `told` if SparkLayer has it.

    `reading` is the full sync that reads the store now.
    """

    change: WaitingChange | None = None
    issue: bytes | None = field(default=None, repr=False)
    held: Sequence[Shown] = ()
    told: bool = False
    reading: int | None = None

    @property
    def known(self) -> bool:
        """True if the database has anything of the entity."""
        return self.told or self.change is not None or self.issue is not None or bool(self.held)


def noted(conn: Connection, connection_id: ConnectionId, kind: Kind, external_id: ExternalId) -> Noted:
    """Look an entity up in every table."""

    def row_of(table: Table) -> Row[Any] | None:
        mine = (*of_kind(table, connection_id, kind), table.c.external_id == external_id)
        return conn.execute(select(table).where(*mine)).one_or_none()

    run = full_syncs.current(conn, connection_id, kind)
    issue = row_of(tables.issues)
    mine = (*of_kind(outbox, connection_id, kind), outbox.c.external_id == external_id)
    return Noted(
        change=next(iter(waiting_changes(conn, select(outbox).where(*mine))), None),
        issue=None if issue is None else issue.encrypted,
        held=[removal for removal in removals.listed(conn, connection_id, kind) if removal.external_id == external_id],
        told=row_of(tables.ledger) is not None,
        reading=run.id if run is not None and run.state is RunState.ENUMERATING else None,
    )
