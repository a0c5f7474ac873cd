"""Watches a run of several lives, and notes what must never happen in one.

* Only the node with a connection's lease writes to SparkLayer for it, and commits as its owner.
* A node is expelled only for what has befallen it alone, never after an outage for all.
* A connection is not left alone for longer than `LONGEST_ALONE` while a node could work on it.

A request that left a node which stood still after its look at the lease is stale. So is one that has its effect after
its sender gave it up. Stale requests may do harm; both sides must be equal at the end all the same.
"""

from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field

from daemon.errors import LeaseLost
from daemon.sandbox.message import Request, Response
from daemon.storage import leases
from tests.prove.simulation.audit import Audit
from tests.prove.simulation.cluster.link import lease_of
from tests.prove.simulation.faults import SITE
from tests.prove.simulation.network import Call, Observer

LONGEST_ALONE = 30.0

_HOLDS = (
    "SELECT 1 FROM leases JOIN nodes ON nodes.id = leases.node_id JOIN connections ON connections.id = connection_id "
    "WHERE leases.node_id = ? AND connections.site_id = 'sandbox'"
)


@define(eq=False)
class ClusterAudit(Audit):
    """See the module."""

    node_of: Callable[[int], str | None] = lambda _life: None
    """Returns the id of a life's node."""
    late: Callable[[Call], bool] = lambda _call: False
    """Tells if a request's sender has given it up."""
    may_be_expelled: Callable[[Sequence[str]], bool] = lambda _names: True
    after_sent: Callable[[Call], None] = lambda _call: None
    stale: int = 0
    """Number of writes that had their effect after their sender had lost the lease."""
    expelled: list[str] = field(factory=list)
    refused_writes: int = 0
    """Number of owners' transactions that the fence refused."""

    def holds(self, life: int) -> bool:
        """Return true if a life's node has the lease of the connection that is synced."""
        node_id = self.node_of(life)
        return node_id is not None and bool(self.disk.rows(_HOLDS, node_id))

    def sent(self, call: Call) -> None:
        """See to it that only the lease's holder writes."""
        super().sent(call)
        if writes(call.side, call.request):
            if not self.holds(call.life):
                self.breach("a node wrote to SparkLayer without the lease: life", call.life)
            self.after_sent(call)

    def done(self, call: Call, response: Response) -> None:
        """Note what was written; of a stale write only that it was."""
        if self.is_stale(call):
            self.stale += writes(call.side, call.request)
            self.moment += 1
            self._versions.clear()  # what is written now is newer or is repaired later
            return
        super().done(call, response)

    def is_stale(self, call: Call) -> bool:
        """Return true if a request's sender may not send any more, or waits for it no more."""
        return call.side == SITE and (self.late(call) or not self.holds(call.life))

    def committed(self, fn: Callable[..., Any], call: Any, result: Any) -> None:
        """Look at a transaction, and at the lease of an owner's."""
        lease = lease_of(call) if hasattr(fn, "__wrapped__") else None
        if fn is leases.look and result.expelled:
            self.expelled += result.expelled
            if not self.may_be_expelled(result.expelled):
                self.breach("a node was expelled for an outage that befell all:", *result.expelled)
        if lease is None:
            super().committed(fn, call, result)
            return
        if isinstance(result, LeaseLost):
            self.refused_writes += 1
            self.trace.add("fenced", fn.__name__)
            return
        query = "SELECT 1 FROM leases WHERE connection_id = ? AND node_id = ? AND token = ?"
        # A wipe ends the connection, and its lease with it.
        if not self.disk.rows(query, lease.connection_id, lease.node_id, lease.token) and fn.__name__ != "wipe":
            self.breach("a transaction of an owner was committed without its lease:", fn.__name__)
        super().committed(vars(fn)["__wrapped__"], call[1], result)


def writes(side: str, request: Request) -> bool:
    """Return true if a request changes SparkLayer, its sync-log included."""
    return side == SITE and request.method != "GET" and "/auth/" not in request.path and "fetch" not in request.path


@define(eq=False)
class Lawful:
    """Shows another observer the effects of all but stale requests."""

    observer: Observer
    audit: ClusterAudit

    def sent(self, call: Call) -> None:
        """Pass it on."""
        self.observer.sent(call)

    def done(self, call: Call, response: Response) -> None:
        """Pass it on unless it is stale."""
        if not self.audit.is_stale(call):
            self.observer.done(call, response)

    def answered(self, call: Call, response: Response) -> None:
        """Pass it on."""
        self.observer.answered(call, response)

    def over(self, call: Call) -> None:
        """Pass it on."""
        self.observer.over(call)
