"""Counts of everything a connection has, for people and for metrics."""

from collections.abc import Sequence

from attrs import field, frozen
from sqlalchemy import Connection, func, select

from daemon.model import ConnectionId, ExternalId, Kind, Lane, RunId
from daemon.storage import censuses, full_syncs, gaps, issues, ledger, removals
from daemon.storage.censuses import PastCensus
from daemon.storage.full_syncs import Run
from daemon.storage.gaps import Gap
from daemon.storage.states import RowState
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
class Retrying:
    """An entity of a full sync whose attempts failed so far; `encrypted` has its last error."""

    external_id: ExternalId
    attempts: int
    encrypted: bytes | None = field(repr=False)


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
    retrying: Sequence[Retrying]
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
        census=censuses.last(conn, connection_id, kind),
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


def retrying(conn: Connection, run: RunId) -> tuple[list[Retrying], int]:
    """Return some of the entities that a run retries, those tried most often first, and the number of all."""
    c = outbox.c
    mine = (c.full_sync_id == run, c.attempts > 0)
    query = select(c.external_id, c.attempts, c.encrypted).where(*mine).order_by(c.attempts.desc(), c.external_id)
    found = [Retrying(**row) for row in conn.execute(query.limit(MOST_NAMED)).mappings()]
    count = conn.execute(select(func.count()).where(*mine)).scalar_one() if len(found) == MOST_NAMED else len(found)
    return found, count
