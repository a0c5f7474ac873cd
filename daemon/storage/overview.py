"""Counts of everything a connection has, for people and for metrics."""

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection, func, select

from daemon.model import ConnectionId, Kind
from daemon.storage import full_syncs, gaps, issues, ledger, outbox, removals, sync_log
from daemon.storage.full_syncs import Run
from daemon.storage.gaps import Gap
from daemon.storage.outbox import Depth, Retrying
from daemon.storage.tables import synced

MOST_NAMED = 10
"""Entities that hold up a full sync are named up to this number, and counted beyond."""


@frozen(kw_only=True)
class KindOverview:
    """One kind: what waits, what SparkLayer has, what is wrong, and the latest run.

    `untold` issues and `synced` ids are what the sync-log has not been told yet. `held` entities have removals that
    wait for a person. `gap`: webhooks may have been missing, and not all was read since. `retrying` has some of the
    `held_up` entities that the run waits for.
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
    """Count."""
    run = full_syncs.latest(conn, connection_id, kind)
    retrying, held_up = outbox.retrying(conn, run.id, MOST_NAMED) if run else ([], 0)
    return KindOverview(
        kind=kind,
        depths=tuple(depth for depth in outbox.depths(conn, connection_id) if depth.kind is kind),
        ledger=ledger.size(conn, connection_id, kind),
        issues=issues.count(conn, connection_id, kind),
        untold=sync_log.untold(conn, connection_id, kind),
        synced=_synced(conn, connection_id, kind),
        held=removals.held(conn, connection_id, kind),
        gap=gaps.open_gap(conn, connection_id, kind),
        run=run,
        retrying=retrying,
        held_up=held_up,
    )


def _synced(conn: Connection, connection_id: ConnectionId, kind: Kind) -> int:
    mine = (synced.c.connection_id == connection_id, synced.c.kind == kind.value)
    return conn.execute(select(func.count()).where(*mine)).scalar_one()
