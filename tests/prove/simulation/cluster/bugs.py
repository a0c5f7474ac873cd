"""Bugs of several nodes, planted to see whether the simulator finds them: each undoes one promise.

Other promises show too seldom at this height, and are tried by small tests that fail without them:

    a fence that looks at the node too      tests/storage/test_leases.py: only calls with the valid lease
    a look right before each request        tests/connections/test_cluster.py: a suspended node sends nothing
    batches in flight before a hand-over    the same: a node that stops hands over once its batches are settled
    a self-fence, before the expulsion      the same: a node without the database stops by itself
    a last word, and the PUT owed by it     the same: a write of a node that was replaced is refused
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from unittest import mock

from sqlalchemy import Connection, delete, select, update

import daemon.connections.cluster
from daemon.connections.cluster import Cluster
from daemon.connections.tenure import OwnedConnection
from daemon.engine.pipeline import Pipeline
from daemon.storage import last_word, leases
from daemon.storage.tables import nodes, outbox
from daemon.storage.tables import second_looks as looks

Patch = Any


def _no_fence() -> Patch:
    """Let owners' transactions through without a look at their lease."""
    return mock.patch.object(leases, "fence", lambda _conn, asked: set(asked))


def _renewal_without_owner() -> Patch:
    """Renew the leases of all nodes with each beat: a dead node keeps its connections."""

    def beat(conn: Connection, node_id: str, now: float) -> bool:
        conn.execute(update(nodes).values(seen_at=now))
        return conn.execute(select(nodes.c.id).where(nodes.c.id == node_id)).first() is not None

    return mock.patch.object(leases, "beat", beat)


def _last_word_without_doubt() -> Patch:
    """Have the entities of a last word read again, and trust the ledger, which the new owner has settled."""
    say = last_word.say

    def trusting(conn: Connection, calls: Any) -> Any:
        result = say(conn, calls)
        conn.execute(update(outbox).values(doubted=False, stale_parts=None))
        return result

    return mock.patch.object(last_word, "say", trusting)


def _no_second_look() -> Patch:
    """Look only once at what the last owner may have been sending."""
    return mock.patch.object(last_word, "owe", lambda _conn, calls: [None] * len(calls))


def _stale_parts_forgotten() -> Patch:
    """Write doubted entities again, and forget what a late write may have brought back of them."""

    async def nothing(_pipeline: Pipeline, _batch: object, _doubted: object) -> None:
        pass

    return mock.patch.object(Pipeline, "_restore", nothing)


def _second_look_by_one_owner() -> Patch:
    """Look again only as the node that has taken over: a later owner forgets what that was to look at."""
    owe = last_word.owe

    def forgetful(conn: Connection, calls: Sequence[last_word.SecondLooks]) -> Any:
        for call in calls:
            conn.execute(delete(looks).where(looks.c.connection_id == call.connection_id))
        return owe(conn, calls)

    return mock.patch.object(last_word, "owe", forgetful)


def _expels_while_blind() -> Patch:
    """Accuse others although this node could not beat itself."""
    return mock.patch.object(daemon.connections.cluster, "GAP_SECONDS", 1e9)


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
        _renewal_without_owner,
        _last_word_without_doubt,
        _no_second_look,
        _stale_parts_forgotten,
        _second_look_by_one_owner,
        _expels_while_blind,
        _exit_on_crashes,
        _never_expelled,
    )
}
"""By name: what returns the patch that plants each of them."""

FOUND: Mapping[str, tuple[int, str]] = {
    "no-fence": (3, "was committed without its lease"),
    "renewal-without-owner": (0, "was left alone"),
    "last-word-without-doubt": (4, "not equal"),
    "no-second-look": (18, "not equal"),
    "stale-parts-forgotten": (6, "not equal"),
    "second-look-by-one-owner": (18, "not equal"),
    "expels-while-blind": (15, "an outage that befell all"),
    "exit-on-crashes": (8, "the daemon ended by itself"),
    "never-expelled": (0, "was left alone"),
}
"""By bug: a seed that finds it with three nodes, and words of the breach."""
