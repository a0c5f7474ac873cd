"""Gaps: kinds of a connection of which webhooks may have been missing, until one reading of everything closes them.

A sweep asks for what is dated later than the last one. What moves no date (stock levels, deletions, added addresses) is
found only by reading everything, which happens once a day. A gap makes that happen sooner. Its row is there from the
moment the gap is known until a run that began when it was due, or later, has read the last page: what the run found is
in the outbox then, in the same transaction.
"""

from collections.abc import Iterable, Sequence

from attrs import frozen
from sqlalchemy import Connection, case, delete, func, or_, select

from daemon.model import ConnectionId, Kind
from daemon.storage.outbox import active
from daemon.storage.tables import full_syncs, gaps
from daemon.storage.upsert import insert

HOUR = 3600.0
"""Seconds from one reading that closes a gap to the next. No gap is due later than that: one that is was noted by a
clock that was ahead."""


@frozen
class Gap:
    """A gap of a kind; a reading that begins at `due_at` or later closes it. `at_once`: it does not wait for HOUR."""

    due_at: float
    at_once: bool


@frozen(kw_only=True)
class GapNote:
    """Kinds that have a gap. A gap that is there is due at the later of both times; a `maybe` leaves it as it is."""

    connection_id: ConnectionId
    kinds: Iterable[Kind]
    due_at: float
    at_once: bool = False
    maybe: bool = False


def note(conn: Connection, calls: Sequence[GapNote]) -> list[None]:
    """Note gaps."""
    alive = active(conn, (call.connection_id for call in calls))
    for call in calls:
        if call.connection_id in alive:
            _note(conn, call)
    return [None] * len(calls)


def _note(conn: Connection, call: GapNote) -> None:
    new = insert(gaps)
    before, after = gaps.c, new.excluded
    jumped = before.due_at > after.due_at + HOUR
    later = case((or_(jumped, before.due_at < after.due_at), after.due_at), else_=before.due_at)
    either = {"due_at": later, "at_once": or_(before.at_once, after.at_once)}
    keys = ["connection_id", "kind"]
    upsert = (
        new.on_conflict_do_nothing(index_elements=keys)
        if call.maybe
        else new.on_conflict_do_update(index_elements=keys, set_=either)
    )
    for kind in call.kinds:
        row = {"connection_id": call.connection_id, "kind": kind.value, "due_at": call.due_at, "at_once": call.at_once}
        conn.execute(upsert, [row])


def withdraw(conn: Connection, calls: Sequence[GapNote]) -> list[None]:
    """Forget gaps that were noted as `maybe`, and are none; one that was there before, or was noted again, stays."""
    for call in calls:
        c = gaps.c
        kinds = [kind.value for kind in call.kinds]
        mine = (c.connection_id == call.connection_id, c.kind.in_(kinds), c.due_at == call.due_at)
        conn.execute(delete(gaps).where(*mine))
    return [None] * len(calls)


def open_gap(conn: Connection, connection_id: ConnectionId, kind: Kind) -> Gap | None:
    """Return the gap of a kind."""
    c = gaps.c
    query = select(c.due_at, c.at_once).where(c.connection_id == connection_id, c.kind == kind.value)
    row = conn.execute(query).one_or_none()
    return None if row is None else Gap(*row)


def last_reading(conn: Connection, connection_id: ConnectionId, kind: Kind, now: float) -> float | None:
    """Return when the last daily reading, or one for a gap, began; not one that a fast clock put into the future."""
    c = full_syncs.c
    mine = (c.connection_id == connection_id, c.kind == kind.value, c.mode == "daily", c.started_at <= now)
    return conn.execute(select(func.max(c.started_at)).where(*mine)).scalar()


def close(conn: Connection, connection_id: ConnectionId, kind: Kind, began: float) -> None:
    """Forget the gap of a kind that was read whole since `began`, if it was due by then."""
    c = gaps.c
    conn.execute(delete(gaps).where(c.connection_id == connection_id, c.kind == kind.value, c.due_at <= began))
