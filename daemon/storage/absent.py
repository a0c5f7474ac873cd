"""Entities that a full sync did not see, and that are looked at by their ids for that.

    what is known of an entity    looked at when
    a row of the ledger           not seen by the run, and settled before it began
    an open issue, no row         the same: its merchant may have deleted it
    a parked change, no row       the same, and parked before the run began

"Before" compares the ids of runs, which are stored where something is settled or parked; no clock is asked. What has no
row of the ledger is unknown to SparkLayer: a look takes nothing away there, so no brake concerns it.
"""

from attrs import frozen
from sqlalchemy import Connection, exists, func, select

from daemon.model import ConnectionId, ExternalId, Kind, RunId
from daemon.storage.tables import issues, ledger, outbox


@frozen(kw_only=True)
class Absent:
    """Entities that a run did not see: `synced` ones have a row of the ledger, `unsynced` ones an issue or a change."""

    synced: list[ExternalId]
    unsynced: list[ExternalId]


def absent(conn: Connection, connection_id: ConnectionId, kind: Kind, run: RunId) -> Absent:
    """Return what a run that has read everything did not see."""
    row, issue, change = ledger.c, issues.c, outbox.c
    synced = select(row.external_id).where(
        row.connection_id == connection_id, row.kind == kind.value, row.seen_run != run, row.settled_run < run
    )
    with_issue = select(issue.external_id).where(
        issue.connection_id == connection_id,
        issue.kind == kind.value,
        issue.settled_run < run,
        ~exists().where(
            row.connection_id == connection_id, row.kind == kind.value, row.external_id == issue.external_id
        ),
        # One that was seen and waits to be settled carries the run's tag.
        ~exists().where(
            change.connection_id == connection_id,
            change.kind == kind.value,
            change.external_id == issue.external_id,
            change.full_sync_id == run,
        ),
    )
    parked = select(change.external_id).where(
        change.connection_id == connection_id,
        change.kind == kind.value,
        change.state == "parked",
        func.coalesce(change.parked_run, 0) < run,  # one that was seen is no longer parked
        ~exists().where(
            row.connection_id == connection_id, row.kind == kind.value, row.external_id == change.external_id
        ),
    )
    unsynced = {found for query in (with_issue, parked) for found in conn.execute(query).scalars()}
    return Absent(
        synced=[ExternalId(found) for found in conn.execute(synced).scalars()],
        unsynced=sorted(ExternalId(found) for found in unsynced),
    )
