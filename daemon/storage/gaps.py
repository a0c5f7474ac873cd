"""Gaps: kinds of a connection whose webhooks may have been lost, until one read of everything closes them.

A sweep asks for entities dated later than the last sweep. A change that moves no date (a stock level, a deletion, an
added address) is found only by a read of everything, which happens once a day. A gap makes that happen sooner. Its row
exists from the moment the gap is known until a run that began when it was due, or later, has read the last page: what
the run found is in the outbox then, in the same transaction.
"""

from collections.abc import Iterable

from attrs import frozen
from sqlalchemy import Connection, and_, case, delete, func, not_, or_, select

from daemon.model import ConnectionId, Kind
from daemon.storage.group_commit import ConnectionCall, one_by_one
from daemon.storage.outbox import while_active
from daemon.storage.states import RunMode, RunState
from daemon.storage.tables import full_syncs, gaps, of_kind
from daemon.storage.upsert import insert

HOUR = 3600.0
"""Seconds from one read that closes a gap to the next. No gap is due later than that, unless a clock was ahead."""


@frozen
class Gap:
    """A gap of a kind; a read that begins at `due_at` or later closes it. `at_once`: it does not wait for HOUR."""

    due_at: float
    at_once: bool


@frozen(kw_only=True)
class GapNote(ConnectionCall):
    """Kinds that have a gap. A present gap is due at the later of both times; a `maybe` leaves it as it is."""

    kinds: Iterable[Kind]
    due_at: float
    at_once: bool = False
    maybe: bool = False


@while_active
def note(conn: Connection, call: GapNote) -> None:
    """Note gaps."""
    new = insert(gaps)
    before, after = gaps.c, new.excluded
    # A present gap that is due more than an hour later was noted by a clock that was ahead.
    stays = before.due_at.between(after.due_at, after.due_at + HOUR)
    later = case((stays, before.due_at), else_=after.due_at)
    keys = ["connection_id", "kind"]
    either = {"due_at": later, "at_once": or_(before.at_once, after.at_once)}
    upsert = (
        new.on_conflict_do_nothing(index_elements=keys)
        if call.maybe
        else new.on_conflict_do_update(index_elements=keys, set_=either)
    )
    fixed = {"connection_id": call.connection_id, "due_at": call.due_at, "at_once": call.at_once}
    # In the order of kinds, so that two transactions never wait for each other.
    rows = [{**fixed, "kind": kind} for kind in sorted({kind.value for kind in call.kinds})]
    if rows:
        conn.execute(upsert, rows)


@one_by_one
def withdraw(conn: Connection, call: GapNote) -> None:
    """Forget gaps that were noted as `maybe`, and are none; an earlier one, and one that was noted again, stay."""
    # One statement: of a note in between it sees all kinds, or none.
    kinds = gaps.c.kind.in_([kind.value for kind in call.kinds])
    conn.execute(delete(gaps).where(gaps.c.connection_id == call.connection_id, kinds, gaps.c.due_at == call.due_at))


def open_gap(conn: Connection, connection_id: ConnectionId, kind: Kind) -> Gap | None:
    """Return the gap of a kind."""
    query = select(gaps.c.due_at, gaps.c.at_once).where(*of_kind(gaps, connection_id, kind))
    row = conn.execute(query).one_or_none()
    return None if row is None else Gap(*row)


def last_reading(conn: Connection, connection_id: ConnectionId, kind: Kind, now: float) -> float | None:
    """Return when the last daily read, or one for a gap, began, without any that a fast clock dated ahead.

    One that gave way to a full sync before its last page does not count.
    """
    c = full_syncs.c
    # Only a run that was replaced ends without a time; a cancelled run has one.
    gave_way = and_(c.state == RunState.ENDED, c.enumerated_at.is_(None), c.finished_at.is_(None))
    mine = (*of_kind(full_syncs, connection_id, kind), c.mode == RunMode.DAILY, c.started_at <= now, not_(gave_way))
    return conn.execute(select(func.max(c.started_at)).where(*mine)).scalar()


def close(conn: Connection, connection_id: ConnectionId, kind: Kind, began: float) -> None:
    """Forget the gap of a kind that was read whole since `began`, if it was due by then."""
    conn.execute(delete(gaps).where(*of_kind(gaps, connection_id, kind), gaps.c.due_at <= began))
