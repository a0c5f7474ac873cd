"""Full syncs: runs over every entity of a kind, resumable from their cursor.

The life of a run; CHECKs refuse other states:

    event       from                   to           reason
    start       -                      enumerating  at connect, on demand, when none ever ran, or once a day
    page        enumerating            enumerating  a page's ids are in the outbox, together with the cursor
    enumerated  enumerating            draining     no more pages; absent entities are queued, or their removals held
    drained     draining               ending       no row carries the run's tag; the end is stored before it is sent
    cancelled   enumerating, draining  ending       a person ended it: unfinished entities count as failed
    told        ending                 ended        SparkLayer has the end. It is not told of daily runs, nor of kinds
                                                    without sync-log: those end at once
    superseded  ending                 ended        SparkLayer does not have the end; the next run's start tells it
    replaced    enumerating, draining  ended        a full sync begins during a daily run of its kind, or while another
                                                    kind is read to close a gap: that gap stays

At most one run of a kind is enumerating or draining.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, or_, select, true, update

from daemon.model import LOGGED_KINDS, ConnectionId, ExternalId, Kind, RunId
from daemon.storage import gaps, leftovers, removals
from daemon.storage.group_commit import KindCall, one_by_one
from daemon.storage.ledger import absent
from daemon.storage.outbox import active, lock, tag
from daemon.storage.prepared import UNREAD, PreparedAmong, given, of_given_kind
from daemon.storage.states import RunMode, RunState, Transition
from daemon.storage.tables import full_syncs, ledger, of_kind, outbox, sync_log
from daemon.storage.upsert import replacing

CURRENT = (RunState.ENUMERATING, RunState.DRAINING)


class RunLife:
    """The steps in the life of a run."""

    START = Transition((None,), RunState.ENUMERATING)
    PAGE = Transition((RunState.ENUMERATING,), RunState.ENUMERATING)
    ENUMERATED = Transition((RunState.ENUMERATING,), RunState.DRAINING)
    DRAINED = Transition((RunState.DRAINING,), RunState.ENDING)
    CANCELLED = Transition(CURRENT, RunState.ENDING)
    TOLD = Transition((RunState.ENDING,), RunState.ENDED)
    SUPERSEDED = Transition((RunState.ENDING,), RunState.ENDED)
    REPLACED = Transition(CURRENT, RunState.ENDED)


@frozen(kw_only=True)
class Run:
    """A full sync. `succeeded` is None until its end is stored; `held_removals` waited for a person then."""

    id: RunId
    connection_id: ConnectionId
    kind: Kind
    mode: RunMode
    state: RunState
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
    """Seconds that it has waited for its last items, without blocked time."""

    @property
    def refresh(self) -> bool:
        """True for a run that ignores the ledger and writes everything."""
        return self.mode is RunMode.REFRESH

    @property
    def current(self) -> bool:
        """True while it reads pages or works on its entities."""
        return self.state in CURRENT


@frozen(kw_only=True)
class Start(KindCall):
    """A request for a run. During another run, an `internal` one has that run again; any other is refused.

    A run that is owed in this way takes the place of the next one, in any mode. It is also refused while a full sync of
    one of the kinds in `after` reads pages.
    """

    mode: RunMode
    now: float
    internal: bool = False
    allow_removals: bool = False
    after: Collection[Kind] = ()


@frozen(kw_only=True)
class PageRead:
    """A page of an enumeration: its ids, and the cursor of the next page (None: there is none)."""

    run: RunId
    ids: Sequence[ExternalId]
    cursor: str | None
    now: float


@one_by_one
def start(conn: Connection, call: Start) -> RunId | None:
    """Start a run; None when it is refused because of another of its kind."""
    # Two machines that get a trigger at once must not both see that there is no run.
    if not active(conn, [call.connection_id], alone=True):
        return None
    present = current(conn, call.connection_id, call.kind, lock=True)
    if present is not None and (present.mode is not RunMode.DAILY or call.mode is RunMode.DAILY):
        # An internal start has a reason that the pages read so far do not know.
        if call.internal and call.mode is not RunMode.DAILY:
            mode = call.mode if call.mode is RunMode.REFRESH else present.mode
            conn.execute(update(full_syncs).where(full_syncs.c.id == present.id).values(again=True, mode=mode))
        return None
    if any(_reads(conn, call.connection_id, kind) for kind in call.after):
        return None
    if present is not None:
        _replace(conn, present)
    before = latest(conn, call.connection_id, call.kind)
    # The run that starts now takes the place of an owed one: it must do no less.
    modes = {call.mode} if before is None or not before.again else {call.mode, before.mode}
    mode = next(mode for mode in RunMode if mode in modes)
    if before is not None:
        _correct_log(conn, call, before.id)
    # A daily run tells SparkLayer nothing, not even the end of another run.
    if mode is not RunMode.DAILY:
        _supersede(conn, call)
        _interrupt_readings(conn, call)
    inserted = conn.execute(
        full_syncs.insert().values(
            connection_id=call.connection_id,
            kind=call.kind.value,
            mode=mode,
            state=RunLife.START.target,
            started_at=call.now,
            allow_removals=call.allow_removals,
        )
    ).inserted_primary_key
    assert inserted is not None  # one row was inserted
    run = RunId(inserted[0])
    # With an empty ledger the database may have been lost, and SparkLayer may have SKUs unknown here.
    leftovers.owe(conn, call.connection_id, call.kind)
    if call.allow_removals:
        allow = removals.Allow(connection_id=call.connection_id, kind=call.kind, ids=None, now=call.now)
        [allowed] = removals.allow(conn, [allow])
        tag(conn, call.connection_id, call.kind, allowed, run, call.now)
    if _is_told(mode, call.kind):
        row = {"connection_id": call.connection_id, "kind": call.kind.value, "put_for": run, "started_at": call.now}
        conn.execute(replacing(sync_log, "put_for", "started_at"), [{**row, "ever_put": False}])
    return run


def _reads(conn: Connection, connection_id: ConnectionId, kind: Kind) -> bool:
    """Return whether a full sync of a kind, but not a daily run, reads pages."""
    run = current(conn, connection_id, kind)
    return run is not None and run.state is RunState.ENUMERATING and run.mode is not RunMode.DAILY


def _interrupt_readings(conn: Connection, call: Start) -> None:
    """End the runs of other kinds that read pages to close a gap: none goes on beside a full sync of the connection.

    Their gaps stay, and are closed after the full sync.
    """
    for kind in Kind:
        run = None if kind is call.kind else current(conn, call.connection_id, kind, lock=True)
        if run is not None and run.state is RunState.ENUMERATING and run.mode is RunMode.DAILY:
            gap = gaps.open_gap(conn, call.connection_id, kind)
            if gap is not None and gap.due_at <= run.started_at:
                _replace(conn, run)


def _replace(conn: Connection, run: Run) -> None:
    """End a daily run for another one. Its rows stay as ordinary changes."""
    RunLife.REPLACED.apply(conn, full_syncs, (full_syncs.c.id == run.id,))
    lock(conn, outbox.c.full_sync_id == run.id)
    conn.execute(update(outbox).where(outbox.c.full_sync_id == run.id).values(full_sync_id=None))
    removals.forget_waiting(conn, run.id)


def _correct_log(conn: Connection, call: Start, before: RunId) -> None:
    """Have SparkLayer told the present time instead of an end in the future, which a wrong clock wrote."""
    c = sync_log.c
    started = case((c.started_at > call.now, call.now), else_=c.started_at)
    corrected = {"last_full_sync": call.now, "started_at": started, "put_for": before}
    ahead = (*of_kind(sync_log, call.connection_id, call.kind), c.last_full_sync > call.now)
    conn.execute(update(sync_log).where(*ahead).values(corrected))


def _is_told(mode: RunMode, kind: Kind) -> bool:
    """Return whether SparkLayer is told of the start and the end of such a run."""
    return mode is not RunMode.DAILY and kind in LOGGED_KINDS


def _supersede(conn: Connection, call: Start) -> None:
    """Let the start of this run report the end of an earlier one that SparkLayer has not taken yet."""
    run = ending(conn, call.connection_id, call.kind)
    if run is not None:
        RunLife.SUPERSEDED.apply(conn, full_syncs, (full_syncs.c.id == run.id,))
        told = {"last_full_sync": run.finished_at, "last_succeeded": run.succeeded}
        conn.execute(update(sync_log).where(*of_kind(sync_log, call.connection_id, call.kind)).values(told))


def note_told(conn: Connection, run_id: RunId) -> None:
    """Note that SparkLayer has the end of a run; a superseded one stays as it is."""
    RunLife.TOLD.apply(conn, full_syncs, (full_syncs.c.id == run_id,))


def current(conn: Connection, connection_id: ConnectionId, kind: Kind, *, lock: bool = False) -> Run | None:
    """Return the run that is enumerating or draining; with `lock`, nothing changes it before the transaction ends."""
    return _one(conn, _CURRENT.with_for_update() if lock else _CURRENT, given(connection_id, kind))


def ending(conn: Connection, connection_id: ConnectionId, kind: Kind) -> Run | None:
    """Return the run whose end SparkLayer has not taken yet."""
    return _one(conn, _ENDING, given(connection_id, kind))


def latest(conn: Connection, connection_id: ConnectionId, kind: Kind) -> Run | None:
    """Return the newest run that was not a daily one."""
    return _one(conn, _ASKED_FOR, given(connection_id, kind))


def newest(conn: Connection, connection_id: ConnectionId, kind: Kind) -> Run | None:
    """Return the newest run of any mode."""
    return _one(conn, _NEWEST, given(connection_id, kind))


def history(conn: Connection, connection_id: ConnectionId, limit: int) -> list[Run]:
    """Return a connection's runs of every kind, the newest first, at most `limit`."""
    query = select(full_syncs).where(full_syncs.c.connection_id == connection_id)
    return _all(conn, query.order_by(full_syncs.c.id.desc()).limit(limit), {})


def ever_read(conn: Connection, connection_id: ConnectionId, kind: Kind) -> bool:
    """Return whether a run has ever read a page with entities, or every page."""
    return _one(conn, _THAT_READ, given(connection_id, kind)) is not None


def _locked(conn: Connection, run_id: RunId) -> Run | None:
    """Return a run that another machine can neither replace nor cancel before the transaction ends."""
    return _one(conn, _LOCKED, {"run": run_id})


def _one(conn: Connection, query: Select[Any], parameters: Mapping[str, Any]) -> Run | None:
    return next(iter(_all(conn, query, parameters)), None)


def _all(conn: Connection, query: Select[Any], parameters: Mapping[str, Any]) -> list[Run]:
    return [Run(**{**row, "kind": Kind(row["kind"])}) for row in conn.execute(query, parameters).mappings()]


@one_by_one
def take_page(conn: Connection, call: PageRead) -> set[ExternalId] | None:
    """Put a page into the outbox together with the cursor; return the ids whose rows are new.

    None: the run takes no more pages, since it was replaced or its connection leaves.
    """
    run = _enumerating(conn, call.run)
    if run is None:
        return None
    fresh = tag(conn, run.connection_id, run.kind, call.ids, run.id, call.now)
    # An entity that no page has marked by the end may have been deleted.
    _SEE(conn, call.ids, UNREAD, run=run.id, **given(run.connection_id, run.kind))
    # A page may name an entity twice.
    c, counted = full_syncs.c, full_syncs.c.seen + len(set(call.ids))
    RunLife.PAGE.apply(conn, full_syncs, (c.id == run.id,), {"cursor": call.cursor, "seen": counted})
    return fresh


def _enumerating(conn: Connection, run_id: RunId) -> Run | None:
    """Return a run while it may take pages in; None once it is replaced or its connection leaves."""
    # The connection before its run, as in every other transaction that locks both.
    connection_id = conn.execute(select(full_syncs.c.connection_id).where(full_syncs.c.id == run_id)).scalar()
    if connection_id is None or not active(conn, [connection_id]):
        return None
    run = _locked(conn, run_id)
    return run if run is not None and run.state in RunLife.PAGE.sources else None


@one_by_one
def finish_enumeration(conn: Connection, call: tuple[RunId, float]) -> int:
    """Queue what the run did not see, to be confirmed by a read by id; hold the removals when the run saw nothing.

    A gap that was due when the run began is closed. Returns the number of held removals if they are the kind's first.
    """
    run_id, now = call
    run = _enumerating(conn, run_id)
    if run is None:
        return 0
    known, unsynced = absent(conn, run.connection_id, run.kind, run_id)
    # A removal that waits for a person is not decided again.
    waiting = removals.held_ids(conn, run.connection_id, run.kind)
    synced = [external_id for external_id in known if external_id not in waiting]
    # An enumeration that saw nothing tells of a failing store rather than of an empty one.
    held = synced if run.seen == 0 and not run.allow_removals else []
    removals.hold_unseen(conn, run.connection_id, run.kind, run_id, held, now)
    tag(conn, run.connection_id, run.kind, [*([] if held else synced), *unsynced], run_id, now)
    gaps.close(conn, run.connection_id, run.kind, run.started_at)
    values = {"enumerated_at": now, "held_removals": len(held)}
    RunLife.ENUMERATED.apply(conn, full_syncs, (full_syncs.c.id == run_id,), values)
    return 0 if waiting else len(held)


@one_by_one
def close_if_drained(conn: Connection, call: tuple[RunId, float]) -> bool:
    """Store the end of a run that no row belongs to any more; return whether the run is over, also if replaced."""
    run_id, now = call
    run = _locked(conn, run_id)
    assert run is not None  # runs are deleted with their connection only, whose actors have ended by then
    if run.state not in RunLife.DRAINED.sources:
        return not run.current
    # Rows never tried keep their tag, so the end cannot come before the last entity.
    if conn.execute(_TAGGED, {"run": run_id}).first() or removals.waits(conn, run_id):
        return False
    held = removals.held(conn, run.connection_id, run.kind)
    _end(conn, run, RunLife.DRAINED, now, held_removals=held, succeeded=run.failed == 0 and held == 0)
    return True


def _end(conn: Connection, run: Run, step: Transition[RunState], now: float, **values: object) -> None:
    """Store the end of a run. A start that lies ahead of it was written by a wrong clock, and becomes the present."""
    told = _is_told(run.mode, run.kind)
    if run.started_at > now:
        values["started_at"] = now
        if told:  # only a PUT tells of a start
            mine = of_kind(sync_log, run.connection_id, run.kind)
            conn.execute(update(sync_log).where(*mine).values(started_at=now, put_for=run.id))
    step.of(run.state)
    step.apply(conn, full_syncs, (full_syncs.c.id == run.id,), {"finished_at": now, **values})
    if not told:
        note_told(conn, run.id)


@one_by_one
def note_wait(conn: Connection, call: tuple[RunId, float]) -> None:
    """Note for how many seconds a run has waited for its last items."""
    # Stored, so that a restart does not begin the hour again.
    run, seconds = call
    conn.execute(update(full_syncs).where(full_syncs.c.id == run).values(waited_seconds=seconds))


@one_by_one
def give_up(conn: Connection, run: RunId) -> int:
    """Take the retrying rows out of a run and count them as failed; return their number. Untried rows stay."""
    _locked(conn, run)  # before its rows, as in every other step of a run
    return _leave(conn, run, outbox.c.attempts > 0)


def _leave(conn: Connection, run: RunId, condition: ColumnElement[bool]) -> int:
    """Take the rows that meet a condition out of a run, and count them as failed."""
    mine = (outbox.c.full_sync_id == run, condition)
    lock(conn, *mine)
    left = conn.execute(update(outbox).where(*mine).values(full_sync_id=None)).rowcount
    c = full_syncs.c
    conn.execute(update(full_syncs).where(c.id == run).values(failed=c.failed + left))
    return left


@one_by_one
def cancel(conn: Connection, call: tuple[ConnectionId, Kind, float]) -> RunId | None:
    """End a kind's current run as failed; None if there is none. Its rows stay, without the tag."""
    connection_id, kind, now = call
    run = current(conn, connection_id, kind, lock=True) if active(conn, [connection_id]) else None
    if run is None:
        return None
    _leave(conn, run.id, true())
    removals.judge_cancelled(conn, run.id, now)
    _end(conn, run, RunLife.CANCELLED, now, succeeded=False)
    return run.id


def refreshing(conn: Connection, runs: Collection[RunId]) -> set[RunId]:
    """Return those of `runs` that ignore the ledger."""
    refresh = select(full_syncs.c.id).where(full_syncs.c.id.in_(runs), full_syncs.c.mode == RunMode.REFRESH)
    return {RunId(run) for run in conn.execute(refresh).scalars()}


_NEWEST = select(full_syncs).where(*of_given_kind(full_syncs)).order_by(full_syncs.c.id.desc()).limit(1)
_CURRENT = _NEWEST.where(full_syncs.c.state.in_(CURRENT))
_ENDING = _NEWEST.where(full_syncs.c.state == RunState.ENDING)
_ASKED_FOR = _NEWEST.where(full_syncs.c.mode != RunMode.DAILY)
_THAT_READ = _NEWEST.where(or_(full_syncs.c.seen > 0, full_syncs.c.enumerated_at.is_not(None)))
_TAGGED = select(outbox.c.external_id).where(outbox.c.full_sync_id == bindparam("run")).limit(1)
_LOCKED = select(full_syncs).where(full_syncs.c.id == bindparam("run")).with_for_update()
_SEE = PreparedAmong(
    update(ledger).where(*of_given_kind(ledger)).values(seen_run=bindparam("run")), ledger.c.external_id
)
