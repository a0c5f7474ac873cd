"""Full syncs: runs over every entity of a kind, resumable from their cursor.

The life of a run (CHECKs repeat the states, a test walks the table):

    event        from         to           why
    start        -            enumerating  at connect, on demand, when none ever ran, or once a day
    page         enumerating  enumerating  a page's ids are in the outbox, in the same transaction as the cursor
    enumerated   enumerating  draining     the platform has no more pages; what is absent was queued, or held back
    drained      draining     ending       no row carries the run's tag; the end is stored before it is sent
    told         ending       ended        SparkLayer has the end
    superseded   ending       ended        SparkLayer has not; the start of the next run tells it
    drained      draining     ended        ... for a daily run, and for a kind without sync-log: nothing is told
    replaced     enumerating  ended        somebody asked for a full sync while a daily run was on its way
    replaced     draining     ended
    cancelled    enumerating  ending       a person ended it: what was left of it counts as failed
    cancelled    draining     ending       ... or ended, for a daily run and for a kind without sync-log
"""

from collections.abc import Collection, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, Row, case, or_, select, true, update

from daemon.model import LOGGED_KINDS, ConnectionId, ExternalId, Kind, RunId
from daemon.storage import gaps, leftovers, removals
from daemon.storage.absent import absent
from daemon.storage.outbox import active, tag
from daemon.storage.tables import full_syncs, ledger, outbox, sync_log
from daemon.storage.touches import Touches
from daemon.storage.upsert import insert

TRANSITIONS = {
    ("start", None): {"enumerating"},
    ("page", "enumerating"): {"enumerating"},
    ("enumerated", "enumerating"): {"draining"},
    ("drained", "draining"): {"ending", "ended"},
    ("told", "ending"): {"ended"},
    ("superseded", "ending"): {"ended"},
    ("replaced", "enumerating"): {"ended"},
    ("replaced", "draining"): {"ended"},
    ("cancelled", "enumerating"): {"ending", "ended"},
    ("cancelled", "draining"): {"ending", "ended"},
}


@frozen(kw_only=True)
class Run:
    """A full sync. `succeeded` is None until its end is stored; `held_removals` waited for a person then."""

    id: RunId
    connection_id: ConnectionId
    kind: Kind
    mode: str
    state: str
    cursor: str | None
    started_at: float
    enumerated_at: float | None
    finished_at: float | None
    succeeded: bool | None
    seen: int
    done: int
    failed: int
    held_removals: int
    allow_removals: bool
    again: bool
    waited_seconds: float
    """For how long it has waited for its last items, blocked time aside."""

    @property
    def refresh(self) -> bool:
        """Whether the ledger is ignored and everything written."""
        return self.mode == "refresh"


@frozen(kw_only=True)
class Start:
    """A wish for a run. An `internal` one that finds a run on its way has it run again; another is refused.

    The run that starts next, whoever starts it, is the one that was wished for so.
    """

    connection_id: ConnectionId
    kind: Kind
    mode: str
    now: float
    internal: bool = False
    allow_removals: bool = False


@frozen(kw_only=True)
class PageRead:
    """A page of an enumeration: its ids, and the cursor of the next (None: there is none)."""

    run: RunId
    ids: Sequence[ExternalId]
    cursor: str | None
    now: float
    touches: Touches


def start(conn: Connection, calls: Sequence[Start]) -> list[RunId | None]:
    """Start runs; None for one that was refused because another of its kind is on its way."""
    alive = active(conn, (call.connection_id for call in calls))
    return [_start(conn, call) if call.connection_id in alive else None for call in calls]


def _start(conn: Connection, call: Start) -> RunId | None:
    present = current(conn, call.connection_id, call.kind)
    if present is not None and (present.mode != "daily" or call.mode == "daily"):
        if call.internal and call.mode != "daily":
            mode = "refresh" if call.mode == "refresh" else present.mode
            conn.execute(update(full_syncs).where(full_syncs.c.id == present.id).values(again=True, mode=mode))
        return None
    if present is not None:
        _replace(conn, present)
    mode = _owed_mode(conn, call)
    _correct_log(conn, call)
    if mode != "daily":
        _supersede(conn, call)
    inserted = conn.execute(
        full_syncs.insert().values(
            connection_id=call.connection_id,
            kind=call.kind.value,
            mode=mode,
            state="enumerating",
            started_at=call.now,
            allow_removals=call.allow_removals,
        )
    ).inserted_primary_key
    assert inserted is not None  # one row was inserted
    run = RunId(inserted[0])
    leftovers.owe(conn, call.connection_id, call.kind)
    if call.allow_removals:
        allow = removals.Allow(connection_id=call.connection_id, kind=call.kind, ids=None, now=call.now)
        tag(conn, call.connection_id, call.kind, removals.allowed(conn, allow), run, call.now)
    if _is_told(mode, call.kind):
        new = insert(sync_log).values(
            connection_id=call.connection_id,
            kind=call.kind.value,
            put_for=run,
            started_at=call.now,
            ever_put=False,
        )
        conn.execute(
            new.on_conflict_do_update(
                index_elements=["connection_id", "kind"],
                set_={"put_for": new.excluded.put_for, "started_at": new.excluded.started_at},
            )
        )
    return run


def _owed_mode(conn: Connection, call: Start) -> str:
    """Return the mode of a run that is about to start: of the one owed, if that does more than the one asked for.

    One is owed while the latest run has `again`; the run that starts now takes its place as the latest.
    """
    before = latest(conn, call.connection_id, call.kind)
    modes = [call.mode] if before is None or not before.again else [call.mode, before.mode]
    return next(mode for mode in ("refresh", "normal", "daily") if mode in modes)


def _correct_log(conn: Connection, call: Start) -> None:
    """Have SparkLayer told the present instead of an end that lies ahead: its clock was right, and ours was not."""
    c = sync_log.c
    before = latest(conn, call.connection_id, call.kind)
    if before is not None:
        ahead = (c.connection_id == call.connection_id, c.kind == call.kind.value, c.last_full_sync > call.now)
        started = case((c.started_at > call.now, call.now), else_=c.started_at)
        corrected = {"last_full_sync": call.now, "started_at": started, "put_for": before.id}
        conn.execute(update(sync_log).where(*ahead).values(corrected))


def _is_told(mode: str, kind: Kind) -> bool:
    """Whether SparkLayer is told of the start and the end of such a run."""
    return mode != "daily" and kind in LOGGED_KINDS


def _replace(conn: Connection, run: Run) -> None:
    removals.forget_waiting(conn, run.id)
    conn.execute(update(outbox).where(outbox.c.full_sync_id == run.id).values(full_sync_id=None))
    conn.execute(update(full_syncs).where(full_syncs.c.id == run.id).values(state="ended"))


def _supersede(conn: Connection, call: Start) -> None:
    """Let the start of this run tell the end of one that SparkLayer has not taken yet, lest it be waited for."""
    c, log = full_syncs.c, sync_log.c
    mine = (c.connection_id == call.connection_id, c.kind == call.kind.value, c.state == "ending")
    ending = conn.execute(select(c.finished_at, c.succeeded).where(*mine)).one_or_none()
    if ending is not None:
        conn.execute(update(full_syncs).where(*mine).values(state="ended"))
        conn.execute(
            update(sync_log)
            .where(log.connection_id == call.connection_id, log.kind == call.kind.value)
            .values(last_full_sync=ending.finished_at, last_succeeded=ending.succeeded)
        )


def current(conn: Connection, connection_id: ConnectionId, kind: Kind) -> Run | None:
    """Return the run that is on its way."""
    return _one(conn, connection_id, kind, full_syncs.c.state.in_(("enumerating", "draining")))


def latest(conn: Connection, connection_id: ConnectionId, kind: Kind) -> Run | None:
    """Return the newest run that was not a daily one."""
    return _one(conn, connection_id, kind, full_syncs.c.mode != "daily")


def newest(conn: Connection, connection_id: ConnectionId, kind: Kind) -> Run | None:
    """Return the newest run of any mode."""
    return _one(conn, connection_id, kind, full_syncs.c.id > 0)


def ever_read(conn: Connection, connection_id: ConnectionId, kind: Kind) -> bool:
    """Whether a run has ever read a page that had something in it, or all there is."""
    c = full_syncs.c
    mine = (c.connection_id == connection_id, c.kind == kind.value)
    query = select(c.id).where(*mine, or_(c.seen > 0, c.enumerated_at.is_not(None))).limit(1)
    return conn.execute(query).first() is not None


def _one(conn: Connection, connection_id: ConnectionId, kind: Kind, condition: ColumnElement[bool]) -> Run | None:
    c = full_syncs.c
    mine = (c.connection_id == connection_id, c.kind == kind.value)
    query = select(full_syncs).where(*mine, condition).order_by(c.id.desc()).limit(1)
    found = conn.execute(query).mappings().one_or_none()
    return None if found is None else Run(**{**found, "kind": Kind(found["kind"])})


def take_page(conn: Connection, calls: Sequence[PageRead]) -> list[set[ExternalId] | None]:
    """Put each page into the outbox together with the cursor; return the ids whose contents may be used.

    None: the run takes no pages any more, since it was replaced or its connection leaves.
    """
    return [_take_page(conn, call) for call in calls]


def _take_page(conn: Connection, call: PageRead) -> set[ExternalId] | None:
    run = _enumerating(conn, call.run)
    if run is None:
        return None
    c, kind = full_syncs.c, Kind(run.kind)
    fresh = tag(conn, run.connection_id, kind, call.ids, call.run, call.now)
    row = ledger.c
    conn.execute(
        update(ledger)
        .where(row.connection_id == run.connection_id, row.kind == kind.value, row.external_id.in_(call.ids))
        .values(seen_run=call.run)
    )
    conn.execute(
        update(full_syncs).where(c.id == call.run).values(cursor=call.cursor, seen=c.seen + len(set(call.ids)))
    )
    return fresh - call.touches.changed_since


def _enumerating(conn: Connection, run_id: RunId) -> Row[Any] | None:
    """Return a run's row while it may take pages in; None once it is replaced or its connection leaves."""
    c = full_syncs.c
    run = conn.execute(select(full_syncs).where(c.id == run_id, c.state == "enumerating")).one_or_none()
    return run if run is not None and active(conn, [run.connection_id]) else None


def finish_enumeration(conn: Connection, calls: Sequence[tuple[RunId, float]]) -> list[int]:
    """Queue what the run did not see, to be confirmed by a read by id; hold the removals when the run saw nothing.

    A gap that was due when the run began is closed. Returns how many are held, if the first of a kind are since now.
    """
    return [_finish(conn, run, now) for run, now in calls]


def _finish(conn: Connection, run_id: RunId, now: float) -> int:
    run = _enumerating(conn, run_id)
    if run is None:
        return 0
    c, kind = full_syncs.c, Kind(run.kind)
    unseen = absent(conn, run.connection_id, kind, run_id)
    waiting = removals.held_ids(conn, run.connection_id, kind)
    synced = [external_id for external_id in unseen.synced if external_id not in waiting]
    held = synced if run.seen == 0 and not run.allow_removals else []
    removals.hold_unseen(conn, run, held, now)
    tag(conn, run.connection_id, kind, [*([] if held else synced), *unseen.unsynced], run_id, now)
    gaps.close(conn, run.connection_id, kind, run.started_at)
    values = {"state": "draining", "enumerated_at": now, "held_removals": len(held)}
    conn.execute(update(full_syncs).where(c.id == run_id).values(**values))
    return 0 if waiting else len(held)


def close_if_drained(conn: Connection, calls: Sequence[tuple[RunId, float]]) -> list[bool]:
    """Store the end of each run that no row belongs to any more; return whether the run is over, also if replaced."""
    return [_close(conn, run, now) for run, now in calls]


def _close(conn: Connection, run_id: RunId, now: float) -> bool:
    c = full_syncs.c
    run = conn.execute(select(full_syncs).where(c.id == run_id)).one()
    if run.state != "draining":
        return run.state in {"ending", "ended"}
    tagged = conn.execute(select(outbox.c.external_id).where(outbox.c.full_sync_id == run_id).limit(1)).first()
    if tagged or removals.waits(conn, run_id):
        return False
    held = removals.held(conn, run.connection_id, Kind(run.kind))
    _end(conn, run, now, held_removals=held, succeeded=run.failed == 0 and held == 0)
    return True


def _end(conn: Connection, run: Row[Any] | Run, now: float, **values: object) -> None:
    """Store the end of a run. One that began ahead of its end, by a clock that was wrong, began just now instead."""
    kind, log = Kind(run.kind), sync_log.c
    told = _is_told(run.mode, kind)
    if run.started_at > now:
        values["started_at"] = now
        if told:  # only a PUT tells of a start
            mine = (log.connection_id == run.connection_id, log.kind == kind.value)
            conn.execute(update(sync_log).where(*mine).values(started_at=now, put_for=run.id))
    end = {"state": "ending" if told else "ended", "finished_at": now, **values}
    conn.execute(update(full_syncs).where(full_syncs.c.id == run.id).values(**end))


def note_wait(conn: Connection, calls: Sequence[tuple[RunId, float]]) -> list[None]:
    """Note for how many seconds runs have waited for their last items."""
    for run, seconds in calls:
        conn.execute(update(full_syncs).where(full_syncs.c.id == run).values(waited_seconds=seconds))
    return [None] * len(calls)


def give_up(conn: Connection, calls: Sequence[RunId]) -> list[int]:
    """Let the rows that still retry leave their run and count as failed; return how many. A row never tried stays."""
    return [_leave(conn, run, outbox.c.attempts > 0) for run in calls]


def _leave(conn: Connection, run: RunId, condition: ColumnElement[bool]) -> int:
    """Let the rows of a run that meet a condition leave it."""
    mine = (outbox.c.full_sync_id == run, condition)
    left = conn.execute(update(outbox).where(*mine).values(full_sync_id=None)).rowcount
    c = full_syncs.c
    conn.execute(update(full_syncs).where(c.id == run).values(failed=c.failed + left))
    return left


def cancel(conn: Connection, calls: Sequence[tuple[ConnectionId, Kind, float]]) -> list[RunId | None]:
    """End the runs that are on their way as failed; None for a kind without one. Their rows stay, without the tag."""
    return [_cancel(conn, connection_id, kind, now) for connection_id, kind, now in calls]


def _cancel(conn: Connection, connection_id: ConnectionId, kind: Kind, now: float) -> RunId | None:
    run = current(conn, connection_id, kind)
    if run is None or not active(conn, [connection_id]):
        return None
    _leave(conn, run.id, true())
    removals.judge_cancelled(conn, run.id, now)
    _end(conn, run, now, succeeded=False)
    return run.id


def refreshing(conn: Connection, runs: Collection[RunId]) -> set[RunId]:
    """Return which of `runs` ignore the ledger."""
    c = full_syncs.c
    return {RunId(row.id) for row in conn.execute(select(c.id).where(c.id.in_(runs), c.mode == "refresh"))}
