"""Bugs of several nodes, planted to see whether the simulator finds them: each undoes one promise.

Other promises show too seldom at this height, and are tried by small tests that fail without them:

    a fence that looks at the node too      tests/storage/test_leases.py: only calls with the valid lease
    a look right before each request        tests/connections/test_cluster.py: a suspended node sends nothing
    batches in flight before a hand-over    the same: a node that stops hands over once its batches are settled
    a self-fence before the expulsion       the same: a node without the database stops by itself
    a PUT owed for a report of the lost     the same: a write of a node that was replaced is refused
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

from sqlalchemy import Connection, delete, update

import daemon.connections.cluster
import daemon.connections.owned
from daemon.connections.cluster import Cluster
from daemon.connections.owned import OwnedConnection
from daemon.model import ConnectionId
from daemon.storage import last_word, leases, second_looks
from daemon.storage.tables import leases as lease_rows
from daemon.storage.tables import outbox
from daemon.storage.tables import second_looks as looks

Patch = Any


def _no_fence() -> Patch:
    """Let owners' transactions through without a look at their lease."""
    return mock.patch.object(leases, "fence", lambda _conn, asked: set(asked))


def _no_self_fence() -> Patch:
    """Trust a lease until the database says that it is gone."""
    return mock.patch.object(daemon.connections.cluster, "SURE_SECONDS", 1e9)


def _no_last_word() -> Patch:
    """Say nothing of what was sent without the lease."""
    return mock.patch.object(OwnedConnection, "last_word", return_value=None)


def _last_word_without_doubt() -> Patch:
    """Have the entities of a last word read again, and trust the ledger, which the new owner has settled."""
    say = last_word.say

    def trusting(conn: Connection, calls: Any) -> Any:
        result = say(conn, calls)
        conn.execute(update(outbox).values(doubted=False))
        return result

    return mock.patch.object(last_word, "say", trusting)


def _no_second_look() -> Patch:
    """Look only once at what the last owner may have been sending."""
    return mock.patch.object(second_looks, "owe", lambda _conn, calls: [None] * len(calls))


def _second_look_by_one_owner() -> Patch:
    """Look again only as the node that has taken over: a later owner forgets what that was to look at."""
    owe = second_looks.owe

    def forgetful(conn: Connection, calls: Sequence[second_looks.Owe]) -> Any:
        for call in calls:
            conn.execute(delete(looks).where(looks.c.connection_id == call.connection_id))
        return owe(conn, calls)

    return mock.patch.object(second_looks, "owe", forgetful)


def _expels_while_blind() -> Patch:
    """Accuse others although this node could not beat itself."""
    return mock.patch.object(daemon.connections.cluster, "GAP_SECONDS", 1e9)


@contextlib.contextmanager
def _renewal_by_connection_alone() -> Iterator[None]:
    """Renew the leases of an expelled node by their connections."""
    take, beat = leases.take, leases.beat
    held: dict[str, set[ConnectionId]] = defaultdict(set)

    def noting(conn: Connection, call: leases.Take) -> list[leases.Taken]:
        taken = take(conn, call)
        held[call.node_id].update(one.lease.connection_id for one in taken)
        return taken

    def reviving(conn: Connection, node_id: str, now: float) -> bool:
        if not beat(conn, node_id, now):
            leases.enter(conn, leases.Node(id=node_id, name="revived", release="", config=""), now)
            mine = lease_rows.c.connection_id.in_(held[node_id])
            conn.execute(update(lease_rows).where(mine).values(node_id=node_id))
        return True

    with mock.patch.object(leases, "take", noting), mock.patch.object(leases, "beat", reviving):
        yield


def _exit_on_crashes() -> Patch:
    """Let a connection whose work crashes end its node."""

    def fatal(_self: Cluster, owned: OwnedConnection) -> None:
        raise RuntimeError(f"the work on connection {owned.id} crashed")

    return mock.patch.object(Cluster, "_crashed", fatal)


def _never_expelled() -> Patch:
    """Wait for a silent node without end."""
    return mock.patch.object(leases, "expel", return_value=[])


BUGS: Mapping[str, Callable[[], Patch]] = {
    planted.__name__.strip("_").replace("_", "-"): planted
    for planted in (
        _no_fence,
        _no_self_fence,
        _no_last_word,
        _last_word_without_doubt,
        _no_second_look,
        _second_look_by_one_owner,
        _expels_while_blind,
        _renewal_by_connection_alone,
        _exit_on_crashes,
        _never_expelled,
    )
}
"""By name: what returns the patch that plants each of them."""

FOUND: Mapping[str, tuple[int, str]] = {
    "no-fence": (10, ""),
    "no-self-fence": (11, "without the lease"),
    "no-last-word": (11, "not equal"),
    "last-word-without-doubt": (11, "not equal"),
    "no-second-look": (1, "not equal"),
    "second-look-by-one-owner": (14, "not equal"),
    "expels-while-blind": (15, "an outage that befell all"),
    "renewal-by-connection-alone": (13, "without the lease"),
    "exit-on-crashes": (8, "the daemon ended by itself"),
    "never-expelled": (0, "was left alone"),
}
"""By bug: a seed that finds it with three nodes, and words of the breach."""
