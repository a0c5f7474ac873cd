"""The outbox: the durable set of pending changes, at most one row for an entity.

The life of a row (a CHECK repeats the states, a test walks the table):

    event    from      to        why
    record   -         pending   a webhook, a sweep or a waiter says that the entity may have changed
    record   pending   pending   revision + 1, the more urgent lane, never a shorter backoff
    record   parked    pending   the entity's next change revives it
    tag      -         pending   a full sync saw the entity
    tag      pending   pending   revision + 1, keeps its lane and its turn
    tag      parked    pending   a full sync revives it
    settle   pending   -         nothing was recorded since the claim
    settle   pending   pending   something was: the row stays for it, without the tag that was claimed
    retry    pending   pending   due later
    park     pending   parked    its retries are used up; it leaves its run
    park     pending   pending   something was recorded meanwhile, which revives it at once
    again    parked    pending   a person has it tried again (`daemon.storage.parked`)
    drop     parked    -         a person gives it up

Claims live in memory only, so after a crash whatever was not settled is simply pending.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from attrs import field, frozen
from sqlalchemy import Connection, bindparam, case, func, select, update

from daemon.model import Change, ConnectionId, ExternalId, Kind, Lane, RunId
from daemon.storage.prepared import Prepared
from daemon.storage.tables import connections, in_parts, outbox
from daemon.storage.upsert import insert

MAX_BACKOFF = 900.0
"""Seconds. A row due further ahead than this is due now: the clock has jumped."""

TRANSITIONS = {
    ("record", None): "pending",
    ("record", "pending"): "pending",
    ("record", "parked"): "pending",
    ("tag", None): "pending",
    ("tag", "pending"): "pending",
    ("tag", "parked"): "pending",
    ("settle", "pending"): None,
    ("retry", "pending"): "pending",
    ("park", "pending"): "parked",
    ("again", "parked"): "pending",
    ("drop", "parked"): None,
}


@frozen(kw_only=True)
class Record:
    """Changes of one connection to be recorded together.

    `debounce` is how many seconds a live change waits for more of its kind, `debounce_max` how many at most since the
    first of them; both are 0 for what must not wait.
    """

    connection_id: ConnectionId
    changes: Sequence[Change]
    now: float
    lane: Lane = Lane.LIVE
    debounce: float = 0.0
    debounce_max: float = 0.0


@frozen
class Claim:
    """A row as it was when an actor took it, before anything was read."""

    external_id: ExternalId
    revision: int
    run: RunId | None
    attempts: int
    first_queued_at: float


@frozen(kw_only=True)
class Depth:
    """How many rows of one kind and lane wait, and since when the oldest does (None: none waits)."""

    kind: Kind
    lane: Lane
    state: str
    rows: int
    oldest: float | None


@frozen(kw_only=True)
class Retrying:
    """An entity of a full sync that was tried in vain; `encrypted` has its last error."""

    external_id: ExternalId
    attempts: int
    encrypted: bytes | None = field(repr=False)


def active(conn: Connection, ids: Iterable[ConnectionId]) -> set[ConnectionId]:
    """Return which of `ids` are connections that may still be written for."""
    wanted = set(ids)
    return {one for one in wanted if _ACTIVE(conn, [{"id": one}]).first()}


def record(conn: Connection, calls: Sequence[Record]) -> list[None]:
    """Record changes. Changes of connections that are no longer active are dropped: nothing revives those."""
    alive = active(conn, (call.connection_id for call in calls))
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
        for call in sorted(calls, key=_urgency)  # of one entity's changes in a commit only the last is kept
        if call.connection_id in alive
        for change in call.changes
    }
    if rows:
        _RECORD(conn, rows.values())
    return [None] * len(calls)


def _urgency(call: Record) -> int:
    return -call.lane


def tag(
    conn: Connection,
    connection_id: ConnectionId,
    kind: Kind,
    ids: Sequence[ExternalId],
    run: RunId,
    now: float,
) -> set[ExternalId]:
    """Put `ids` into the outbox for `run`, without disturbing rows that wait; return those that had no row."""
    parts = in_parts(dict.fromkeys(ids))
    return {new for part in parts for new in _tag(conn, connection_id, kind, part, run, now)}


def _tag(
    conn: Connection,
    connection_id: ConnectionId,
    kind: Kind,
    ids: Sequence[ExternalId],
    run: RunId,
    now: float,
) -> list[ExternalId]:
    mine = (
        outbox.c.connection_id == connection_id,
        outbox.c.kind == kind.value,
        outbox.c.external_id.in_(ids),
    )
    waiting = {ExternalId(row.external_id) for row in conn.execute(select(outbox.c.external_id).where(*mine))}
    if waiting:
        revived = outbox.c.state == "parked"
        conn.execute(
            update(outbox)
            .where(*mine)
            .values(
                revision=outbox.c.revision + 1,
                full_sync_id=run,
                state="pending",
                due_at=case((revived, now), else_=outbox.c.due_at),
                attempts=case((revived, 0), else_=outbox.c.attempts),
                first_queued_at=case((revived, now), else_=outbox.c.first_queued_at),
            )
        )
    new = [external_id for external_id in ids if external_id not in waiting]
    if new:
        fixed = {
            "connection_id": connection_id,
            "kind": kind.value,
            "revision": 1,
            "lane": int(Lane.BACKFILL),
            "full_sync_id": run,
            "due_at": now,
            "attempts": 0,
            "first_queued_at": now,
            "state": "pending",
        }
        _TAG(conn, [{**fixed, "external_id": external_id} for external_id in new])
    return new


def claim(
    conn: Connection,
    connection_id: ConnectionId,
    kind: Kind,
    lane: Lane,
    now: float,
    limit: int,
    in_flight: AbstractSet[ExternalId],
) -> list[Claim]:
    """Return at most `limit` due rows of a lane that are not in flight, the longest due first."""
    most = limit + len(in_flight)
    asked = {"connection": connection_id, "kind": kind.value, "lane": int(lane), "now": now, "most": most}
    # Two ranges of the index: asked for both at once, SQLite reads everything between them too.
    for due in (_DUE, _DUE_BY_A_JUMP):
        free = [Claim(*tuple(row)) for row in due(conn, [asked]) if row.external_id not in in_flight]
        if free:
            return free[:limit]
    return []


def next_due(conn: Connection, connection_id: ConnectionId, kind: Kind, after: float) -> float | None:
    """Return when the next row that is not due at `after` will be; None when there is none."""
    asked = {"connection": connection_id, "kind": kind.value, "after": after}
    # One look at the index for each lane: without its lane, SQLite reads all that waits.
    times = [_NEXT(conn, [{**asked, "lane": int(lane)}]).scalar() for lane in Lane]
    return min((time for time in times if time is not None), default=None)


def backlog(conn: Connection, connection_id: ConnectionId, kind: Kind) -> int:
    """Return how many rows of the backfill lane wait for their first attempt: what retries must not stop reading."""
    c = outbox.c
    mine = (c.connection_id == connection_id, c.kind == kind.value, c.state == "pending")
    fresh = (c.lane == int(Lane.BACKFILL), c.attempts == 0)
    return conn.execute(select(func.count()).where(*mine, *fresh)).scalar_one()


def retrying(conn: Connection, run: RunId, most: int) -> tuple[list[Retrying], int]:
    """Return what a full sync waits for because it is tried again, the most often tried first, and how many there are.

    At most `most` are returned.
    """
    c = outbox.c
    mine = (c.full_sync_id == run, c.attempts > 0)
    rows = conn.execute(
        select(c.external_id, c.attempts, c.encrypted)
        .where(*mine)
        .order_by(c.attempts.desc(), c.external_id)
        .limit(most)
    )
    found = [Retrying(external_id=one, attempts=attempts, encrypted=encrypted) for one, attempts, encrypted in rows]
    count = conn.execute(select(func.count()).where(*mine)).scalar_one() if len(found) == most else len(found)
    return found, count


def depths(conn: Connection, connection_id: ConnectionId) -> list[Depth]:
    """Return what waits, by kind, lane and state."""
    c = outbox.c
    rows = conn.execute(
        select(c.kind, c.lane, c.state, func.count().label("rows"), func.min(c.first_queued_at).label("oldest"))
        .where(c.connection_id == connection_id)
        .group_by(c.kind, c.lane, c.state)
    )
    return [
        Depth(kind=Kind(row.kind), lane=Lane(row.lane), state=row.state, rows=row.rows, oldest=row.oldest)
        for row in rows
    ]


_ACTIVE = Prepared(select(connections.c.id).where(connections.c.id == bindparam("id"), connections.c.state == "active"))
_OF_A_LANE = (
    outbox.c.connection_id == bindparam("connection"),
    outbox.c.kind == bindparam("kind"),
    outbox.c.state == "pending",
    outbox.c.lane == bindparam("lane"),
)
_OLDEST = (
    select(*(outbox.c[name] for name in ("external_id", "revision", "full_sync_id", "attempts", "first_queued_at")))
    .where(*_OF_A_LANE)
    .order_by(outbox.c.due_at, outbox.c.external_id)
    .limit(bindparam("most"))
)
_DUE = Prepared(_OLDEST.where(outbox.c.due_at <= bindparam("now")))
_DUE_BY_A_JUMP = Prepared(_OLDEST.where(outbox.c.due_at > bindparam("now") + MAX_BACKOFF))
_NEXT = Prepared(select(func.min(outbox.c.due_at)).where(*_OF_A_LANE, outbox.c.due_at > bindparam("after")))
_LATER = {"encrypted", "parked_run"}
_TAG = Prepared(outbox.insert(), *(column.name for column in outbox.columns if column.name not in _LATER))
_NEW = insert(outbox).values(revision=1, attempts=0, state="pending")
# A clock that was ahead must not have a row wait for more changes until its time comes.
_FIRST = case(
    (_NEW.excluded.first_queued_at < outbox.c.first_queued_at, _NEW.excluded.first_queued_at),
    else_=outbox.c.first_queued_at,
)
_LATEST = _FIRST + bindparam("debounce_max")
_PARKED = outbox.c.state == "parked"
_RECORD = Prepared(
    _NEW.on_conflict_do_update(
        index_elements=["connection_id", "kind", "external_id"],
        set_={
            "revision": outbox.c.revision + 1,
            "lane": case((_NEW.excluded.lane < outbox.c.lane, _NEW.excluded.lane), else_=outbox.c.lane),
            "due_at": case(
                (_PARKED, _NEW.excluded.due_at),
                (outbox.c.attempts > 0, outbox.c.due_at),
                (_NEW.excluded.due_at < _LATEST, _NEW.excluded.due_at),
                else_=_LATEST,
            ),
            "attempts": case((_PARKED, 0), else_=outbox.c.attempts),
            "first_queued_at": case((_PARKED, _NEW.excluded.first_queued_at), else_=_FIRST),
            "state": "pending",
        },
    ),
    "connection_id",
    "kind",
    "external_id",
    "lane",
    "due_at",
    "first_queued_at",
)
