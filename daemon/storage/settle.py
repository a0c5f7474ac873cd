"""Settling: a batch's outbox rows, ledger rows, issues and counts change together, or not at all.

A row was claimed with its revision and its run's tag, before anything was read. The outbox compares both with the
present ones here, so an entity that was changed in between is worked on again: the newest state always wins.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

from attrs import field, frozen
from sqlalchemy import Connection, delete, select, update

from daemon.model import Change, ConnectionId, ExternalId, Kind, Lane, RunId
from daemon.model.outcome import IssueRow, Outcome, Result, Row
from daemon.storage import history, ledger, outbox
from daemon.storage.dependencies import Dependencies
from daemon.storage.group_commit import KindCall
from daemon.storage.history import HistoryEntry
from daemon.storage.issues import replace
from daemon.storage.outbox import Claim, Record, while_active
from daemon.storage.prepared import among
from daemon.storage.removals import Key
from daemon.storage.states import RemovalState
from daemon.storage.tables import full_syncs, of_kind, removals


@frozen(kw_only=True)
class RetryLater:
    """The entity is tried again at `due_at`, or is parked when that is None. `error` is encrypted.

    `row` has the parts that were confirmed nevertheless. `awaits` has the parents that the entity waits for.
    """

    claim: Claim
    due_at: float | None
    error: bytes = field(repr=False)
    row: Row | None = None
    awaits: Sequence[ExternalId] = ()


@frozen(kw_only=True)
class Settlement(KindCall):
    """The outcomes of a batch, or of a part of it.

    `wanted` and `missing` entities are looked at next; `missing` ones are unsure from now on. The removals of `removed`
    entities that a person has allowed are made. Entities in `later` are looked at again after some seconds, or at their
    next change.
    """

    now: float
    done: Mapping[Claim, Outcome] = field(factory=dict)
    """Entities that were worked on to their end."""
    issues: Mapping[ExternalId, IssueRow] = field(factory=dict)
    """The issues of done entities."""
    reported: Collection[ExternalId] = ()
    """Done live changes for the sync-log. A held one is not among them: it counts when it is decided."""
    again: Sequence[RetryLater] = ()
    wanted: Sequence[ExternalId] = ()
    missing: Sequence[ExternalId] = ()
    removed: Sequence[ExternalId] = ()
    held: Collection[Key] = ()
    """Removals that were held."""
    later: Mapping[ExternalId, float] = field(factory=dict)
    history: Sequence[HistoryEntry] = ()
    """The settlements that the history keeps."""


@while_active
def settle(conn: Connection, call: Settlement) -> None:
    """Settle a batch. That of a connection which is no longer active is dropped."""
    mine = (conn, call.connection_id, call.kind)
    outcomes = {claim.external_id: outcome for claim, outcome in call.done.items()}
    # A held removal is not done: the run counts it when it ends.
    _count(conn, "done", (claim.run for claim, outcome in call.done.items() if outcome.result is not Result.HELD))
    _count(conn, "failed", (retry.claim.run for retry in call.again if retry.due_at is None))
    rows = (*(outcome.row for outcome in outcomes.values()), *(retry.row for retry in call.again))
    ledger.store(*mine, [row for row in rows if row is not None])
    ledger.forget(*mine, [key for key, outcome in outcomes.items() if outcome.result is Result.REMOVED])
    # SparkLayer lacks what the ledger says: unsure, it is written whole.
    ledger.doubt(*mine, call.missing)
    _forget_permissions(*mine, call.removed)
    replace(*mine, call.now, [(key, call.issues.get(key), key in call.reported) for key in outcomes])
    history.record(*mine, call.now, call.history)
    retried = {retry.claim.external_id: retry.awaits for retry in call.again}
    concerned = Dependencies(*mine).settle(outcomes, retried, call.missing)
    concerned.update(outcome.next for outcome in outcomes.values() if outcome.next is not None)
    # Other entities wait for these, so they go in the live lane.
    next_ids = concerned.union(call.wanted, call.missing)
    # The outbox comes last, as in every transaction that changes other tables too: so no two wait for each other.
    if next_ids or call.later:
        claims = (*call.done, *(retry.claim for retry in call.again))
        outbox.hold(*mine, [*next_ids, *call.later, *(claim.external_id for claim in claims)], call.now)
    outbox.settle(*mine, call.now, call.done, [(retry.claim, retry.due_at, retry.error) for retry in call.again])
    changes = [Change(call.kind, external_id) for external_id in next_ids]
    record = partial(Record, connection_id=call.connection_id, now=call.now, lane=Lane.LIVE)
    # A row that waits already must not wait longer.
    waiting = outbox.waiting(*mine, call.later.keys())
    later = [
        record(changes=[Change(call.kind, external_id)], debounce=seconds, debounce_max=seconds)
        for external_id, seconds in call.later.items()
        if external_id not in waiting
    ]
    outbox.record(conn, [*later, record(changes=changes)])
    if next_ids or call.later:
        outbox.release(*mine)
    _tag_released(conn, call)


def _tag_released(conn: Connection, call: Settlement) -> None:
    """Have a run wait for removals that it has let go after they were held here: `outbox.settle` took its tag away."""
    runs = {claim.external_id: claim.run for claim in call.done if claim.run is not None}
    ids = {external_id for external_id, _ in call.held} & runs.keys()
    if not ids:
        return
    c = removals.c
    going = (*of_kind(removals, call.connection_id, call.kind), c.state == RemovalState.GOING)
    for row in conn.execute(select(removals).where(*going, among(conn, c.external_id, ids))).all():
        if (row.external_id, row.variant) in call.held and row.run == runs[row.external_id]:
            outbox.tag(conn, call.connection_id, call.kind, [row.external_id], row.run, call.now)


def _forget_permissions(conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Sequence[ExternalId]) -> None:
    """Forget a person's permission to remove what is removed now."""
    c = removals.c
    mine = (*of_kind(removals, connection_id, kind), c.state == RemovalState.ALLOWED)
    if ids:
        conn.execute(delete(removals).where(*mine, among(conn, c.external_id, ids)))


def _count(conn: Connection, column: str, runs: Iterable[RunId | None]) -> None:
    counted = full_syncs.c[column]
    for run, number in sorted(Counter(run for run in runs if run is not None).items()):
        conn.execute(update(full_syncs).where(full_syncs.c.id == run).values({counted: counted + number}))
