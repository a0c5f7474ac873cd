"""The history of a connection, as JSON values: its full syncs, and what became of its entities lately.

It has ids and fixed words, no customer data. Old rows are forgotten in the background.
"""

import contextlib
from collections.abc import Callable

import trio

from daemon.admin.shapes import HistoryAnswer, PastRunShown, RunShown, SettlementShown
from daemon.errors import StorageTrouble
from daemon.model import ConnectionId, ExternalId, Kind
from daemon.storage import full_syncs, history
from daemon.storage.connections import Stored, everyone
from daemon.storage.database import Storage
from daemon.storage.full_syncs import Run
from daemon.storage.history import KEPT, MOST_AT_ONCE, HistoryRow

MOST_RUNS = 50
MOST_SETTLEMENTS = 200

FORGET_EVERY = 3600.0
"""Seconds between two times that old rows are forgotten. Lists leave them out at once."""


async def of_site(storage: Storage, stored: Stored, now: float) -> HistoryAnswer:
    """Return the latest full syncs and settlements of a connection, the latest first."""
    runs = await storage.read(full_syncs.history, stored.id, MOST_RUNS)
    rows = await storage.read(history.latest, stored.id, now - KEPT, MOST_SETTLEMENTS)
    past: list[PastRunShown] = [
        {
            **run_shown(run),
            "kind": run.kind,
            "seconds": round(max(0.0, (run.finished_at or now) - run.started_at), 1),
        }
        for run in runs
    ]
    return {"full_syncs": past, "settlements": [_settlement(row) for row in rows]}


async def of_entity(
    storage: Storage, connection_id: ConnectionId, kind: Kind, external_id: ExternalId, now: float
) -> list[SettlementShown]:
    """Return the latest settlements of an entity, the latest first."""
    rows = await storage.read(history.of_entity, connection_id, kind, external_id, now - KEPT)
    return [_settlement(row) for row in rows]


async def forget_old(storage: Storage, now: Callable[[], float]) -> None:
    """Forget old rows, some at a time. Runs until cancelled."""
    while True:
        with contextlib.suppress(StorageTrouble):  # the next time does
            for stored in await storage.read(everyone):
                while await storage.write(history.forget, (stored.id, now() - KEPT)) == MOST_AT_ONCE:
                    await trio.lowlevel.checkpoint()
        await trio.sleep(FORGET_EVERY)


def run_shown(run: Run) -> RunShown:
    """Return a full sync."""
    return {
        "id": run.id,
        "mode": run.mode,
        "state": run.state,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "succeeded": run.succeeded,
        "seen": run.seen,
        "done": run.done,
        "failed": run.failed,
        "held_removals": run.held_removals,
    }


def _settlement(row: HistoryRow) -> SettlementShown:
    return {
        "kind": row.kind,
        "id": row.external_id,
        "at": row.at,
        "result": row.result.value,
        "reason": row.reason,
        "run": row.run,
    }
