"""The last word of a node that has lost the lease of a connection.

SparkLayer knows no leases. A node that was suspended between its look at the lease and a request may send an old state
after the next owner's newer one. So it says what it may have sent, which needs no lease:

* entities that it has marked and not settled: their rows become `doubted`. A claim of a doubted row writes the entity
  even if the ledger says that SparkLayer has it. The row's revision grows, so no settlement in flight deletes it. The
  marked parts go with the doubt (`stale_parts`), because the next owner may have removed them meanwhile.
* reports that it has taken and not confirmed: a PUT is owed for each, which has the whole state.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection

from daemon.model import ConnectionId, ExternalId, Kind
from daemon.storage import sync_log
from daemon.storage.group_commit import Operation
from daemon.storage.ledger import Mark, mark
from daemon.storage.outbox import while_active
from daemon.storage.resync import Remap, remap
from daemon.storage.settle import Settlement, settle
from daemon.storage.stale_parts import Doubted, doubt
from daemon.storage.sync_log import Report


@frozen(kw_only=True)
class LastWord:
    """Things that may have been sent without the lease: entities, and reports to the sync-log."""

    connection_id: ConnectionId
    now: float
    doubted: Mapping[Kind, Doubted]
    reported: Collection[Kind] = ()


@while_active
def say(conn: Connection, call: LastWord) -> None:
    """Store a last word. That about a connection which is no longer active is dropped."""
    for kind, doubted in sorted(call.doubted.items()):  # in the order of kinds, as all lock rows
        doubt(conn, call.connection_id, kind, doubted, call.now)
    for kind in sorted(call.reported):
        sync_log.owe_one_more(conn, call.connection_id, kind)


@frozen
class Unsettled:
    """Things that the owner of a connection is sending: marked and not settled, or taken and not confirmed."""

    entities: dict[Kind, dict[ExternalId, bytes]] = field(init=False, factory=lambda: defaultdict(dict))
    """The marked parts of each; a later mark lists those of an earlier one."""
    reports: set[Kind] = field(init=False, factory=set)

    def note(self, operation: Operation[Any, Any], call: Any, result: Any) -> None:
        """Follow an operation that was committed."""
        if (follow := _FOLLOWED.get(operation)) is not None:
            follow(self, call, result)

    def marked(self, call: Mark[Any], _result: object) -> None:
        """Note a batch that is about to be sent."""
        self.entities[call.kind].update((row.external_id, row.parts) for row in call.rows)

    def remapped(self, call: Remap, result: object) -> None:
        """Note a batch that is about to be sent, as `marked` does."""
        self.marked(call.mark, result)

    def settled(self, call: Settlement, _result: object) -> None:
        """Note that nothing more is sent for the entities of a batch."""
        claims = (*call.done, *(retry.claim for retry in call.again))
        for claim in claims:
            # One that needed no write was never marked.
            self.entities[call.kind].pop(claim.external_id, None)

    def taken(self, call: tuple[ConnectionId, Kind], report: Report | None) -> None:
        """Note a report that is about to be sent."""
        if report is not None:
            self.reports.add(call[1])

    def confirmed(self, call: Report, _result: object) -> None:
        """Note that SparkLayer has accepted a report."""
        self.reports.discard(call.kind)

    def last_word(self, connection_id: ConnectionId, now: float) -> LastWord | None:
        """Return what may have been sent in vain; None when there is nothing."""
        doubted = {
            kind: {key: (parts,) for key, parts in marked.items()} for kind, marked in self.entities.items() if marked
        }
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
