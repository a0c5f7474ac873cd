"""The last word of a node that has lost the lease of a connection.

SparkLayer knows no leases. A node that was suspended between its look at the lease and a request may send an old state
after the next owner's newer one. So it says what it may have sent, which needs no lease:

* entities that it has marked and not settled: their rows become `doubted`. A claim of a doubted row writes the entity
  even if the ledger says that SparkLayer has it. The row's revision grows, so no settlement in flight deletes it.
* reports that it has taken and not confirmed: a PUT is owed for each, which has the whole state.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, update

from daemon.model import Change, ConnectionId, ExternalId, Kind
from daemon.storage import sync_log, tables
from daemon.storage.ledger import Mark, mark
from daemon.storage.operation import one_by_one
from daemon.storage.outbox import Record, active, record
from daemon.storage.resync import Remap, remap
from daemon.storage.settle import Settlement, settle
from daemon.storage.sync_log import Report
from daemon.storage.tables import in_parts, of_kind
from daemon.storage.writer import Operation


@frozen(kw_only=True)
class LastWord:
    """Things that may have been sent without the lease: entities, and reports to the sync-log."""

    connection_id: ConnectionId
    now: float
    doubted: Mapping[Kind, Collection[ExternalId]]
    reported: Collection[Kind] = ()


@one_by_one
def say(conn: Connection, call: LastWord) -> None:
    """Store a last word. That about a connection which is no longer active is dropped."""
    if not active(conn, [call.connection_id]):
        return
    for kind, ids in sorted(call.doubted.items()):  # in the order of kinds, as all lock rows
        changes = [Change(kind, external_id) for external_id in sorted(ids)]
        record(conn, [Record(connection_id=call.connection_id, changes=changes, now=call.now)])
        for part in in_parts(sorted(ids)):
            rows = (*of_kind(tables.outbox, call.connection_id, kind), tables.outbox.c.external_id.in_(part))
            conn.execute(update(tables.outbox).where(*rows).values(doubted=True))
    for kind in sorted(call.reported):
        sync_log.owe_one_more(conn, call.connection_id, kind)


@frozen
class Unsettled:
    """Things that the owner of a connection is sending: marked and not settled, or taken and not confirmed."""

    entities: dict[Kind, set[ExternalId]] = field(init=False, factory=lambda: defaultdict(set))
    reports: set[Kind] = field(init=False, factory=set)

    def note(self, operation: Operation[Any, Any], call: Any, result: Any) -> None:
        """Follow an operation that was committed."""
        if (follow := _FOLLOWED.get(operation)) is not None:
            follow(self, call, result)

    def marked(self, call: Mark[Any], _result: object) -> None:
        """Note a batch that is about to be sent."""
        self.entities[call.kind].update(row.external_id for row in call.rows)

    def remapped(self, call: Remap, result: object) -> None:
        """Note a batch that is about to be sent, as `marked` does."""
        self.marked(call.mark, result)

    def settled(self, call: Settlement, _result: object) -> None:
        """Note that nothing more is sent for the entities of a batch."""
        claims = (*call.done, *(retry.claim for retry in call.again))
        self.entities[call.kind].difference_update(claim.external_id for claim in claims)

    def taken(self, call: tuple[ConnectionId, Kind], report: Report | None) -> None:
        """Note a report that is about to be sent."""
        if report is not None:
            self.reports.add(call[1])

    def confirmed(self, call: Report, _result: object) -> None:
        """Note that SparkLayer has accepted a report."""
        self.reports.discard(call.kind)

    def last_word(self, connection_id: ConnectionId, now: float) -> LastWord | None:
        """Return what may have been sent in vain; None when there is nothing."""
        doubted = {kind: sorted(ids) for kind, ids in self.entities.items() if ids}
        if not doubted and not self.reports:
            return None
        return LastWord(connection_id=connection_id, now=now, doubted=doubted, reported=sorted(self.reports))


_FOLLOWED: Mapping[Operation[Any, Any], Any] = {
    mark: Unsettled.marked,
    remap: Unsettled.remapped,
    settle: Unsettled.settled,
    sync_log.take: Unsettled.taken,
    sync_log.confirm: Unsettled.confirmed,
}
