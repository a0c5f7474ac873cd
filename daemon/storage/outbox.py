"""The outbox: the durable set of pending changes, at most one row for an entity.

The life of a row; a CHECK refuses other states:

    event    from             to       reason
    record   -, both states   pending  a webhook, a sweep or a dependency says that the entity may have changed;
                                       revision + 1, the more urgent lane, never a shorter backoff
    tag      -, both states   pending  a full sync saw the entity; revision + 1, the same lane and turn
    settle   pending          -        nothing was recorded since the claim
    restart  pending          pending  something was recorded since the claim; the row stays, without the claimed tag
    retry    pending          pending  due later
    park     pending          parked   the retries are used up; the row leaves its run
    revive   parked           pending  a person retries it
    drop     parked           -        a person drops it

Claims live in memory only, so after a crash every unsettled row is pending. One process works on a connection; others
may record, revive and drop meanwhile, so what is compared here is locked first, in the order of ids.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import wraps
from operator import attrgetter
from typing import Any, TypeVar

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, func, select

from daemon.model import Change, ConnectionId, ExternalId, Kind, Lane, RunId
from daemon.storage.group_commit import ConnectionCall, Operation, R, one_by_one
from daemon.storage.prepared import UNREAD, Prepared, PreparedAmong, among, given, of_given_kind
from daemon.storage.states import RowState, Transition
from daemon.storage.tables import Conditions, connections, full_syncs, of_kind, outbox
from daemon.storage.upsert import Upsert, insert

MAX_BACKOFF = 900.0
"""Seconds. A row due further ahead than this is due now: the clock has jumped."""


Step = Transition[RowState | None]


class RowLife:
    """The steps in the life of an outbox row."""

    RECORD = Step((None, *RowState), RowState.PENDING)
    TAG = Step((None, *RowState), RowState.PENDING)
    SETTLE = Step((RowState.PENDING,), None)
    RESTART = Step((RowState.PENDING,), RowState.PENDING)
    RETRY = Step((RowState.PENDING,), RowState.PENDING)
    PARK = Step((RowState.PENDING,), RowState.PARKED)
    REVIVE = Step((RowState.PARKED,), RowState.PENDING)
    DROP = Step((RowState.PARKED,), None)


@frozen(kw_only=True)
class Record(ConnectionCall):
    """Changes of one connection to be recorded together.

    `debounce` is the number of seconds that a live change waits for further ones of its entity, `debounce_max` the most
    it waits after the first of them. Both are 0 for changes that must not wait.
    """

    changes: Sequence[Change]
    now: float
    lane: Lane = Lane.LIVE
    debounce: float = 0.0
    debounce_max: float = 0.0


@frozen
class Claim:
    """A row as it was when an actor took it, before anything was read.

    A `doubted` entity is written even if the ledger says that SparkLayer has it, and first gets its `stale_parts` back;
    see `daemon.storage.last_word`.
    """

    external_id: ExternalId
    revision: int
    run: RunId | None
    attempts: int
    first_queued_at: float
    doubted: bool = False
    stale_parts: bytes | None = None


def active(conn: Connection, ids: Iterable[ConnectionId], *, alone: bool = False) -> set[ConnectionId]:
    """Return those of `ids` that are active connections, and keep them so until the transaction ends.

    With `alone`, no other transaction gets past this call for the same connection with `alone` before this one ends.
    """
    asked = set(ids)
    return set((_ACTIVE_ALONE if alone else _ACTIVE)(conn, asked).scalars()) if asked else set()


Call = TypeVar("Call", bound=ConnectionCall)


def while_active(function: Callable[[Connection, Call], R]) -> Operation[Call, R | None]:
    """Make an operation of a function that works on one call; without an active connection it gives None instead.

    The connection is locked first, as everywhere: a wipe has locked it too when it deletes its rows.
    """

    @one_by_one
    @wraps(function)
    def on_active(conn: Connection, call: Call) -> R | None:
        return function(conn, call) if active(conn, [call.connection_id]) else None

    return on_active


def record(conn: Connection, calls: Sequence[Record]) -> list[None]:
    """Record changes. Changes of connections that are no longer active are dropped: nothing revives those."""
    alive = {call.connection_id for call in calls}
    if conn.dialect.name == "postgresql":
        # The INSERT leaves the others out. To ask which they are would take a round trip.
        _ACTIVE(conn, alive, UNREAD)
    else:
        alive = active(conn, alive)
    rows = {
        (call.connection_id, change.kind, change.external_id): {
            "connection_id": call.connection_id,
            "kind": change.kind.value,
            "external_id": change.external_id,
            "lane": int(call.lane),
            "due_at": call.now + call.debounce,
            "first_queued_at": call.now,
            "debounce_max": call.debounce_max,
        }
        # Of an entity's changes in one commit the last is kept: the most urgent.
        for call in sorted(calls, key=attrgetter("lane"), reverse=True)
        if call.connection_id in alive
        for change in call.changes
    }
    if rows:
        _RECORD(conn, [rows[key] for key in sorted(rows)])
    return [None] * len(calls)


def tag(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Iterable[ExternalId], run: RunId, now: float
) -> set[ExternalId]:
    """Put `ids` into the outbox for `run`, without disturbing waiting rows; return those that had no row."""
    fixed = {"connection_id": connection_id, "kind": kind.value, "full_sync_id": run, "now": now}
    tagged = sorted(set(ids))
    _TAG(conn, ({**fixed, "external_id": external_id} for external_id in tagged))
    # A new row has revision 1, and any other one has a higher revision now. There are few of those.
    return set(tagged) - set(_TAGGED_BEFORE(conn, tagged, **given(connection_id, kind)).scalars())


def claim(
    conn: Connection,
    connection_id: ConnectionId,
    kind: Kind,
    lane: Lane,
    now: float,
    limit: int,
    in_flight: AbstractSet[ExternalId],
) -> list[Claim]:
    """Return at most `limit` due rows of a lane that are not in flight, the longest due first.

    Nothing is locked: a claim is a memory of one process, and `settle` compares it with the row.
    """
    most = limit + len(in_flight)
    asked = {"connection": connection_id, "kind": kind.value, "lane": int(lane), "now": now, "most": most}
    # Two ranges of the index: asked for both at once, SQLite reads everything between them too.
    for due in (_DUE, _DUE_BY_A_JUMP):
        free = [Claim(*tuple(row)) for row in due(conn, [asked]).all() if row.external_id not in in_flight]
        if free:
            return free[:limit]
    return []


def waiting(conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]) -> set[ExternalId]:
    """Return the entities of `ids` that have a row."""
    if not ids:
        return set()
    mine = (*of_kind(outbox, connection_id, kind), among(conn, outbox.c.external_id, ids))
    # Without the rows that `hold` may have made in this transaction.
    return set(conn.execute(select(outbox.c.external_id).where(*mine, outbox.c.revision > 0)).scalars())


def next_due(conn: Connection, connection_id: ConnectionId, kind: Kind, after: float) -> float | None:
    """Return when the next row that is not due at `after` will be; None when there is none."""
    asked = {"connection": connection_id, "kind": kind.value, "after": after}
    # One look at the index for each lane: without its lane, SQLite reads every pending row.
    times = [_NEXT(conn, [{**asked, "lane": int(lane), "most": 1}]).scalar() for lane in Lane]
    return min((time for time in times if time is not None), default=None)


def lock(conn: Connection, *conditions: ColumnElement[bool]) -> None:
    """Lock the rows that meet `conditions`, in the order of their keys, as `record` does."""
    # An UPDATE of many rows locks them in the order in which it finds them.
    if conn.dialect.name == "postgresql":
        keys = outbox.primary_key.columns
        locked = select(*keys).where(*conditions).order_by(*keys).with_for_update().subquery()
        conn.execute(select(func.count()).select_from(locked))


def hold(conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Iterable[ExternalId], now: float) -> None:
    """Lock the rows of `ids` in the order of their keys. Missing ones are made first, with revision 0; see `release`.

    So a transaction may settle some of them and record others, while another one records them all.
    """
    if conn.dialect.name == "postgresql":
        fixed = {"connection_id": connection_id, "kind": kind.value, "now": now}
        _HOLD(conn, [{**fixed, "external_id": external_id} for external_id in sorted(set(ids))])


def release(conn: Connection, connection_id: ConnectionId, kind: Kind) -> None:
    """Delete the rows that `hold` made and nothing was recorded in."""
    if conn.dialect.name == "postgresql":
        conn.execute(delete(outbox).where(*of_kind(outbox, connection_id, kind), outbox.c.revision == 0))


def settle(
    conn: Connection,
    connection_id: ConnectionId,
    kind: Kind,
    now: float,
    done: Collection[Claim],
    retries: Sequence[tuple[Claim, float | None, bytes]],
) -> None:
    """Delete the rows of `done` claims, and have those of `retries` tried again: (claim, due_at, encrypted error).

    A retry without `due_at` is parked. Rows in which something was recorded since the claim are neither deleted nor
    parked: they begin again. Raises IllegalTransition.
    """
    c = outbox.c
    claims = [*done, *(claim for claim, _, _ in retries)]
    present = _PRESENT(conn, (claim.external_id for claim in claims), **given(connection_id, kind))
    rows = {row.external_id: row for row in present.all()}

    def may(step: Step, claim: Claim) -> bool:
        row = rows.get(claim.external_id)
        if row is None or not _unchanged(claim, row.revision, row.full_sync_id):
            return False
        step.of(row.state)
        return True

    by_id = (*of_kind(outbox, connection_id, kind), c.external_id == bindparam("b_id"))
    ended = {claim.external_id for claim in done if may(RowLife.SETTLE, claim)}
    if ended:
        _SETTLE(conn, ended, **given(connection_id, kind))
    if retries:
        failed: dict[str, Any] = {"attempts": c.attempts + 1, "encrypted": bindparam("b_error")}
        later: list[dict[str, Any]] = [
            {"b_id": claim.external_id, "b_due": due_at, "b_error": error}
            for claim, due_at, error in retries
            if due_at is not None
        ]
        RowLife.RETRY.apply(conn, outbox, by_id, failed | {"due_at": bindparam("b_due")}, later)
        latest = select(func.coalesce(func.max(full_syncs.c.id), 0)).where(*of_kind(full_syncs, connection_id, kind))
        run_left = {"full_sync_id": None, "parked_run": latest.scalar_subquery()}
        parked: list[dict[str, Any]] = [
            {"b_id": claim.external_id, "b_error": error}
            for claim, due_at, error in retries
            if due_at is None and may(RowLife.PARK, claim)
        ]
        RowLife.PARK.apply(conn, outbox, by_id, failed | run_left, parked)
        ended.update(row["b_id"] for row in (*later, *parked))
    changed = [{"b_id": claim.external_id, "b_run": claim.run} for claim in claims if claim.external_id not in ended]
    if changed:
        # A run that has tagged the row since the claim still waits for it.
        tag_left = case((c.full_sync_id == bindparam("b_run"), None), else_=c.full_sync_id)
        values = {"full_sync_id": tag_left, "attempts": 0, "first_queued_at": now, "encrypted": None}
        RowLife.RESTART.apply(conn, outbox, by_id, values, changed)


def _unchanged(claim: Claim, revision: int, run: RunId | None) -> bool:
    """Return whether nothing was recorded in a row since its claim; it has this revision and run now."""
    return (claim.revision, claim.run) == (revision, run)


def revive(conn: Connection, conditions: Conditions, now: float) -> int:
    """Make those parked rows that meet `conditions` pending, as their entities' next change would; return how many."""
    lock(conn, *conditions, outbox.c.state == RowState.PARKED)
    # The revision grows, so that a claim from before the row was parked settles nothing.
    values = {"revision": outbox.c.revision + 1, "attempts": 0, "due_at": now, "first_queued_at": now}
    return RowLife.REVIVE.apply(conn, outbox, conditions, values)


def drop(conn: Connection, conditions: Conditions) -> int:
    """Delete those parked rows that meet `conditions`; return their number."""
    lock(conn, *conditions, outbox.c.state == RowState.PARKED)
    return RowLife.DROP.apply(conn, outbox, conditions)


def backlog(conn: Connection, connection_id: ConnectionId, kind: Kind) -> int:
    """Return the number of rows in the backfill lane that were never tried: retries must not stop a run's reading."""
    c = outbox.c
    fresh = (c.state == RowState.PENDING, c.lane == int(Lane.BACKFILL), c.attempts == 0)
    return conn.execute(select(func.count()).where(*of_kind(outbox, connection_id, kind), *fresh)).scalar_one()


_ACTIVE_ROWS = select(connections.c.id).where(connections.c.state == "active")
# A lock that those of other changes pass, but no transaction that has the connection leave.
_ACTIVE = PreparedAmong(_ACTIVE_ROWS.with_for_update(read=True, key_share=True), connections.c.id)
_ACTIVE_ALONE = PreparedAmong(_ACTIVE_ROWS.with_for_update(key_share=True), connections.c.id)
# Locked: a webhook on another machine must not raise a revision between a look and the DELETE, it would be lost.
_PRESENT = PreparedAmong(
    select(outbox.c.external_id, outbox.c.revision, outbox.c.full_sync_id, outbox.c.state)
    .where(*of_given_kind(outbox), outbox.c.revision > 0)
    .with_for_update(),
    outbox.c.external_id,
)
_SETTLE = PreparedAmong(RowLife.SETTLE.statement(outbox, of_given_kind(outbox)), outbox.c.external_id)
_OF_A_LANE = (
    outbox.c.connection_id == bindparam("connection"),
    outbox.c.kind == bindparam("kind"),
    outbox.c.state == RowState.PENDING,
    outbox.c.lane == bindparam("lane"),
)
_CLAIMED = ("external_id", "revision", "full_sync_id", "attempts", "first_queued_at", "doubted", "stale_parts")
_OLDEST = (
    select(*(outbox.c[name] for name in _CLAIMED))
    .where(*_OF_A_LANE)
    .order_by(outbox.c.due_at, outbox.c.external_id)
    .limit(bindparam("most"))
)
_DUE = Prepared(_OLDEST.where(outbox.c.due_at <= bindparam("now")))
_DUE_BY_A_JUMP = Prepared(_OLDEST.where(outbox.c.due_at > bindparam("now") + MAX_BACKOFF))
# Not min(): without statistics, as of a young table, PostgreSQL reads every waiting row for that.
_NEXT = Prepared(
    select(outbox.c.due_at)
    .where(*_OF_A_LANE, outbox.c.due_at > bindparam("after"))
    .order_by(outbox.c.due_at)
    .limit(bindparam("most"))
)

_KEYS = ["connection_id", "kind", "external_id"]
# Plain texts: the driver takes longer over a member of an enum, in each row.
_PARKED = outbox.c.state == RowState.PARKED.value
_NEW = insert(outbox).excluded
_TAG = Upsert(
    outbox,
    _KEYS,
    {
        "revision": outbox.c.revision + 1,
        "full_sync_id": _NEW.full_sync_id,
        "due_at": case((_PARKED, _NEW.due_at), else_=outbox.c.due_at),
        "attempts": case((_PARKED, 0), else_=outbox.c.attempts),
        "first_queued_at": case((_PARKED, _NEW.due_at), else_=outbox.c.first_queued_at),
        "state": str(RowLife.TAG.target),
    },
    revision=1,
    lane=int(Lane.BACKFILL),
    full_sync_id=bindparam("full_sync_id"),
    due_at=bindparam("now"),
    attempts=0,
    first_queued_at=bindparam("now"),
    state=str(RowLife.TAG.target),
)
_TAGGED_BEFORE = PreparedAmong(
    select(outbox.c.external_id).where(*of_given_kind(outbox), outbox.c.revision > 1), outbox.c.external_id
)
_HOLD = Upsert(
    outbox,
    _KEYS,
    {"revision": outbox.c.revision},
    revision=0,
    lane=int(Lane.BACKFILL),
    due_at=bindparam("now"),
    attempts=0,
    first_queued_at=bindparam("now"),
    state=str(RowLife.RECORD.target),
)
# A clock that was ahead must not make a row wait for more changes until that time.
_FIRST = case((_NEW.first_queued_at < outbox.c.first_queued_at, _NEW.first_queued_at), else_=outbox.c.first_queued_at)
_LATEST = _FIRST + bindparam("debounce_max")
_RECORD = Upsert(
    outbox,
    [*_KEYS, "lane", "due_at", "first_queued_at"],
    {
        "revision": outbox.c.revision + 1,
        "lane": case((_NEW.lane < outbox.c.lane, _NEW.lane), else_=outbox.c.lane),
        "due_at": case(
            (_PARKED, _NEW.due_at),
            # A failed entity keeps its backoff: a flood of webhooks must not have it tried at each of them.
            (outbox.c.attempts > 0, outbox.c.due_at),
            (_NEW.due_at < _LATEST, _NEW.due_at),
            else_=_LATEST,
        ),
        "attempts": case((_PARKED, 0), else_=outbox.c.attempts),
        "first_queued_at": case((_PARKED, _NEW.first_queued_at), else_=_FIRST),
        "state": str(RowLife.RECORD.target),
    },
    among=("connection_id", _ACTIVE_ROWS),
    revision=1,
    attempts=0,
    state=str(RowLife.RECORD.target),
)
