"""Traces of other nodes' commits, in one statement over all connections, for a node that no message reaches."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, Exists, RowMapping, exists, func, select

from daemon.model import ConnectionId, Kind, Lane, RunId
from daemon.storage.full_syncs import CURRENT
from daemon.storage.states import RowState
from daemon.storage.tables import connections, full_syncs, gaps, outbox, sync_log

TOKEN_START = 48
"""Bytes of an encrypted value that differ in each encryption: they hold its time and a random number."""


@frozen(kw_only=True)
class Standing:
    """A connection that is not gone: the kinds with due rows and with a gap, and the newest current run of each kind.

    `owing` are the kinds that owe SparkLayer a PUT after a last word. `credentials` changes whenever they are encrypted
    again. `fresh` kinds have due rows that only a webhook, or an entity that waited, can have brought: live ones that
    were never tried.
    """

    state: str
    credentials: bytes
    due: frozenset[Kind]
    fresh: frozenset[Kind]
    gapped: frozenset[Kind]
    owing: frozenset[Kind]
    runs: Mapping[Kind, RunId]
    paused: bool = False


def standings(conn: Connection, now: float) -> dict[ConnectionId, Standing]:
    """Return the standing of every connection that is not gone."""
    c = connections.c
    columns: list[Any] = [c.id, c.state, c.paused_at, func.substr(c.encrypted, 1, TOKEN_START).label("credentials")]
    for kind in Kind:
        # Each is one look at an index, however long the queue.
        live, backfill = (_due(kind, lane, now) for lane in Lane)
        columns += [
            (live | backfill).label(f"due_{kind.value}"),
            _due(kind, Lane.LIVE, now, outbox.c.attempts == 0).label(f"fresh_{kind.value}"),
            exists(gaps.c.kind)
            .where(gaps.c.connection_id == c.id, gaps.c.kind == kind.value)
            .label(f"gap_{kind.value}"),
            exists(sync_log.c.kind)
            .where(sync_log.c.connection_id == c.id, sync_log.c.kind == kind.value, sync_log.c.puts_owed > 0)
            .label(f"put_{kind.value}"),
            _run(kind).label(f"run_{kind.value}"),
        ]
    rows = conn.execute(select(*columns).where(c.state != "gone")).mappings()
    return {ConnectionId(row["id"]): _standing(row) for row in rows}


def _standing(row: RowMapping) -> Standing:
    def kinds(what: str) -> frozenset[Kind]:
        return frozenset(kind for kind in Kind if row[f"{what}_{kind.value}"])

    return Standing(
        state=row["state"],
        credentials=row["credentials"],
        due=kinds("due"),
        fresh=kinds("fresh"),
        gapped=kinds("gap"),
        owing=kinds("put"),
        runs={kind: RunId(row[f"run_{kind.value}"]) for kind in kinds("run")},
        paused=row["paused_at"] is not None,
    )


def _due(kind: Kind, lane: Lane, now: float, *more: ColumnElement[bool]) -> Exists:
    c = outbox.c
    due = (c.kind == kind.value, c.state == RowState.PENDING, c.lane == int(lane), c.due_at <= now, *more)
    return exists(c.external_id).where(c.connection_id == connections.c.id, *due)


def _run(kind: Kind) -> Any:
    c = full_syncs.c
    current = (c.connection_id == connections.c.id, c.kind == kind.value, c.state.in_(CURRENT))
    return select(func.max(c.id)).where(*current).scalar_subquery()
