"""Counts of everything a connection has, for people and for metrics."""

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection, func, select

from daemon.model import ConnectionId, Kind
from daemon.storage import full_syncs, gaps, issues, ledger, outbox, removals, sync_log
from daemon.storage.full_syncs import Run
from daemon.storage.gaps import Gap
from daemon.storage.outbox import Depth, Retrying
from daemon.storage.tables import of_kind, synced

MOST_NAMED = 10
"""The number of entities that are named when they hold up a full sync; the others are counted."""


@frozen(kw_only=True)
class KindOverview:
    """The counts of one kind, and its latest run.

    `untold` issues and `synced` ids have not been reported to the sync-log yet. `held` removals wait for a person.
    `gap` is open while webhooks may have been missing. `retrying` has some of the `held_up` entities that the run
    waits for.
    """

    kind: Kind
    depths: tuple[Depth, ...]
    ledger: int
    issues: int
    untold: int
    synced: int
    held: int
    gap: Gap | None
    run: Run | None
    retrying: Sequence[Retrying]
    held_up: int


def overview(conn: Connection, connection_id: ConnectionId, kind: Kind) -> KindOverview:
    """Return the counts of a connection and kind."""
    run = full_syncs.latest(conn, connection_id, kind)
    retrying, held_up = outbox.retrying(conn, run.id, MOST_NAMED) if run else ([], 0)
    return KindOverview(
        kind=kind,
        depths=tuple(depth for depth in outbox.depths(conn, connection_id) if depth.kind is kind),
        ledger=ledger.size(conn, connection_id, kind),
        issues=issues.count(conn, connection_id, kind),
        untold=sync_log.untold(conn, connection_id, kind),
        synced=conn.execute(select(func.count()).where(of_kind(synced, connection_id, kind))).scalar_one(),
        held=removals.held(conn, connection_id, kind),
        gap=gaps.open_gap(conn, connection_id, kind),
        run=run,
        retrying=retrying,
        held_up=held_up,
    )
