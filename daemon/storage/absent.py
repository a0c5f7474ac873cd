"""Entities that a full sync did not see; for that reason they are read by their ids.

    known of the entity           read by its id when
    a row of the ledger           not seen by the run, and settled before it began
    an open issue, no row         the same: its merchant may have deleted it
    a parked change, no row       the same, and parked before the run began

"Before" compares the ids of runs, which are stored when something is settled or parked; no clock is asked. An entity
without a ledger row is unknown to SparkLayer: nothing can be removed there, so no brake concerns it.
"""

from sqlalchemy import Connection, exists, func, select

from daemon.model import ConnectionId, ExternalId, Kind, RunId
from daemon.storage.states import RowState
from daemon.storage.tables import issues, ledger, of_kind, outbox


def absent(
    conn: Connection, connection_id: ConnectionId, kind: Kind, run: RunId
) -> tuple[list[ExternalId], list[ExternalId]]:
    """Return the entities that a run which has read everything did not see: those with a ledger row, and the others."""
    row, issue, change = ledger.c, issues.c, outbox.c
    synced = select(row.external_id).where(
        *of_kind(ledger, connection_id, kind), row.seen_run != run, row.settled_run < run
    )
    with_issue = select(issue.external_id).where(
        *of_kind(issues, connection_id, kind),
        issue.settled_run < run,
        ~exists().where(*of_kind(ledger, connection_id, kind), row.external_id == issue.external_id),
        # An entity that was seen and is not settled yet carries the run's tag.
        ~exists().where(
            *of_kind(outbox, connection_id, kind), change.external_id == issue.external_id, change.full_sync_id == run
        ),
    )
    parked = select(change.external_id).where(
        *of_kind(outbox, connection_id, kind),
        change.state == RowState.PARKED,
        # An entity that was seen is no longer parked.
        func.coalesce(change.parked_run, 0) < run,
        ~exists().where(*of_kind(ledger, connection_id, kind), row.external_id == change.external_id),
    )
    unsynced = {external_id for query in (with_issue, parked) for external_id in conn.execute(query).scalars()}
    return list(conn.execute(synced).scalars()), sorted(unsynced)
