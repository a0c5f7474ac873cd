"""Settling: outbox rows, confirmed parts, issues and a full sync's counts change together, or not at all.

What happens to a row depends on what was recorded since it was claimed: the revision and the run's tag taken at the
claim, before anything was read, are compared here with the present ones. So the newest state always wins.
"""

from collections.abc import Collection, Mapping, Sequence

from attrs import field, frozen
from sqlalchemy import Connection, bindparam, case, delete, or_, select, update

from daemon.model import Change, ConnectionId, ExternalId, Key, Kind, Lane, RunId
from daemon.outcome import IssueRow, Outcome, Row
from daemon.storage import ledger as ledgers
from daemon.storage.families import CIRCLE, FOLLOWS, PARENT, circle_breakers
from daemon.storage.issues import replace
from daemon.storage.outbox import Claim, Record, active, record
from daemon.storage.removals import settle_allowed
from daemon.storage.tables import full_syncs, in_parts, ledger, outbox, owners, waiters
from daemon.storage.touches import Touches
from daemon.storage.upsert import insert


@frozen(kw_only=True)
class RetryLater:
    """The entity must be tried again at `due_at`, or is parked when that is None. `error` is encrypted.

    `row` has the parts that were confirmed nevertheless. In `awaits` is the parent that it waits for.
    """

    claim: Claim
    due_at: float | None
    error: bytes = field(repr=False)
    row: Row | None = None
    awaits: Sequence[ExternalId] = ()


@frozen(kw_only=True)
class Settlement:
    """What became of a batch, or of a part of it.

    `wanted` are entities that must be looked at besides, and so are those in `missing`, which are unsure from now on.
    Of those in `removed` SparkLayer no longer has what was allowed to go.
    """

    connection_id: ConnectionId
    kind: Kind
    now: float
    touches: Touches
    done: Mapping[Claim, Outcome] = field(factory=dict)
    """Entities that were worked on to their end."""
    issues: Mapping[ExternalId, IssueRow] = field(factory=dict)
    """Their issues, as they are stored."""
    reported: Collection[ExternalId] = ()
    """Live changes among them that the sync-log reports. A held one is not among them: it counts when it is decided."""
    again: Sequence[RetryLater] = ()
    wanted: Sequence[ExternalId] = ()
    missing: Sequence[ExternalId] = ()
    removed: Sequence[ExternalId] = ()


def settle(conn: Connection, calls: Sequence[Settlement]) -> list[None]:
    """Settle batches. Those of a connection that is no longer active are dropped."""
    alive = active(conn, (call.connection_id for call in calls))
    for call in calls:
        if call.connection_id in alive:
            _settle(conn, call)
    return [None] * len(calls)


def _settle(conn: Connection, call: Settlement) -> None:
    call.touches.touch([claim.external_id for claim in call.done])
    _rows(conn, call)
    _retries(conn, call)
    rows = [
        row
        for row in (*(outcome.row for outcome in call.done.values()), *(a.row for a in call.again))
        if row is not None
    ]
    ledgers.store(conn, call.connection_id, call.kind, rows)
    _forget(conn, call)
    settle_allowed(conn, call.connection_id, call.kind, call.removed)
    _doubt(conn, call, call.missing)
    replace(
        conn,
        call.connection_id,
        call.kind,
        call.now,
        [
            (claim.external_id, call.issues.get(claim.external_id), claim.external_id in call.reported)
            for claim in call.done
        ],
    )
    following = {outcome.next for outcome in call.done.values() if outcome.next is not None}
    concerned = circle_breakers(conn, call.connection_id, call.kind, _named(call))  # before any edge changes
    concerned |= {*_ownership(conn, call), *_families(conn, call), *following, *call.wanted, *call.missing}
    changes = [Change(call.kind, external_id) for external_id in sorted(concerned)]
    record(conn, [Record(connection_id=call.connection_id, changes=changes, now=call.now, lane=Lane.LIVE)])


def _rows(conn: Connection, call: Settlement) -> None:
    """Delete the rows that nobody bumped; the others stay, without the tag that was claimed."""
    claims = list(call.done)
    settled, bumped = _apart(conn, call, claims)
    if settled:
        c = outbox.c
        mine = (c.connection_id == call.connection_id, c.kind == call.kind.value)
        conn.execute(delete(outbox).where(*mine, c.external_id.in_([claim.external_id for claim in settled])))
    _begin_anew(conn, call, bumped)
    _count(
        conn,
        [claim.run for claim, outcome in call.done.items() if claim.run is not None and outcome.result != "held"],
        "done",
    )


def _apart(conn: Connection, call: Settlement, claims: Sequence[Claim]) -> tuple[list[Claim], list[Claim]]:
    """Tell claims on rows that are as they were claimed from those on rows that were bumped meanwhile."""
    c = outbox.c
    mine = (c.connection_id == call.connection_id, c.kind == call.kind.value)
    ids = [claim.external_id for claim in claims]
    rows = conn.execute(select(c.external_id, c.revision, c.full_sync_id).where(*mine, c.external_id.in_(ids))).all()
    present = {external_id: (revision, run) for external_id, revision, run in rows}
    held = [claim for claim in claims if claim.external_id in present]
    same = [claim for claim in held if present[claim.external_id] == (claim.revision, claim.run)]
    return same, [claim for claim in held if present[claim.external_id] != (claim.revision, claim.run)]


def _begin_anew(conn: Connection, call: Settlement, claims: Sequence[Claim]) -> None:
    """Leave rows to what was recorded since they were claimed."""
    if not claims:
        return
    c = outbox.c
    conn.execute(
        update(outbox)
        .where(
            c.connection_id == call.connection_id,
            c.kind == call.kind.value,
            c.external_id == bindparam("b_id"),
        )
        .values(
            full_sync_id=case((c.full_sync_id == bindparam("b_run"), None), else_=c.full_sync_id),
            attempts=0,
            first_queued_at=call.now,
            encrypted=None,
        ),
        [{"b_id": claim.external_id, "b_run": claim.run} for claim in claims],
    )


def _retries(conn: Connection, call: Settlement) -> None:
    if not call.again:
        return
    c = outbox.c
    mine = (
        c.connection_id == call.connection_id,
        c.kind == call.kind.value,
        c.external_id == bindparam("b_id"),
    )
    later = [item for item in call.again if item.due_at is not None]
    if later:
        conn.execute(
            update(outbox)
            .where(*mine)
            .values(attempts=c.attempts + 1, due_at=bindparam("b_due"), encrypted=bindparam("b_error")),
            [{"b_id": item.claim.external_id, "b_due": item.due_at, "b_error": item.error} for item in later],
        )
    errors = {item.claim: item.error for item in call.again if item.due_at is None}
    parked, bumped = _apart(conn, call, list(errors))
    if parked:
        conn.execute(
            update(outbox)
            .where(*mine)
            .values(
                state="parked",
                attempts=c.attempts + 1,
                full_sync_id=None,
                parked_run=ledgers.latest_run(conn, call.connection_id, call.kind),
                encrypted=bindparam("b_error"),
            ),
            [{"b_id": claim.external_id, "b_error": errors[claim]} for claim in parked],
        )
    _begin_anew(conn, call, bumped)
    _count(conn, [claim.run for claim in errors if claim.run is not None], "failed")


def _count(conn: Connection, runs: Sequence[RunId], column: str) -> None:
    for run in set(runs):
        number = sum(other == run for other in runs)
        counted = full_syncs.c[column]
        conn.execute(update(full_syncs).where(full_syncs.c.id == run).values({counted: counted + number}))


def _forget(conn: Connection, call: Settlement) -> None:
    gone = [claim.external_id for claim, outcome in call.done.items() if outcome.result == "removed"]
    if gone:
        c = ledger.c
        mine = (c.connection_id == call.connection_id, c.kind == call.kind.value, c.external_id.in_(gone))
        conn.execute(delete(ledger).where(*mine))


def _doubt(conn: Connection, call: Settlement, ids: Collection[ExternalId]) -> None:
    """Have entities be unsure: SparkLayer no longer holds what it was told of them."""
    c = ledger.c
    mine = (c.connection_id == call.connection_id, c.kind == call.kind.value)
    for part in in_parts(ids):
        conn.execute(update(ledger).where(*mine, c.external_id.in_(part)).values(fingerprint=None))


def _named(call: Settlement) -> dict[ExternalId, ExternalId | None]:
    """Return the parents that entities name from now on, of those that say so."""
    named: dict[ExternalId, ExternalId | None] = {}
    for claim, outcome in call.done.items():
        if outcome.parent or outcome.result == "removed" or outcome.awaits or outcome.circles:
            named[claim.external_id] = outcome.follows or outcome.circles or next(iter(outcome.awaits), None)
    return named


def _ownership(conn: Connection, call: Settlement) -> set[ExternalId]:
    """Give keys back and note who waits; return who must be looked at because of that."""
    ids = [claim.external_id for claim in call.done]
    waiting = {(key, claim.external_id) for claim, outcome in call.done.items() for key in outcome.waits_for}
    hoping = {(PARENT + one, claim.external_id) for claim, outcome in call.done.items() for one in outcome.awaits}
    hoping |= {
        (CIRCLE + outcome.circles, claim.external_id)
        for claim, outcome in call.done.items()
        if outcome.circles is not None
    }
    released = [(key, claim.external_id) for claim, outcome in call.done.items() for key in outcome.released]
    known = _waiting(conn, call, ids)
    _give_back(conn, call, released)
    trying = {(PARENT + one, again.claim.external_id) for again in call.again for one in again.awaits}
    _forget_edges(conn, call, {one for _, one in trying})
    _note_waiters(conn, call, waiting | hoping | trying)
    owned = ledgers.owners(conn, call.connection_id, call.kind, {key for key, _ in waiting})
    # An owner is looked at once: two that dispute two keys would otherwise call each other for ever.
    bothered = {owned[key] for key, _ in waiting - known if key in owned}.difference(ids)
    bothered |= _circling(conn, call, {one for _, one in waiting - known})
    free = {key for key, _ in released} | {key for key, _ in waiting if key not in owned}
    return bothered | _woken(
        conn, call, free | _arrived(conn, call, {one for outcome in call.done.values() for one in outcome.awaits})
    )


def _waiting(conn: Connection, call: Settlement, ids: Sequence[ExternalId]) -> set[tuple[Key, ExternalId]]:
    """Return what `ids` waited for until now; from here on they wait for what they say now."""
    known = {(key, one) for key, one in _waits_of(conn, call, ids) if not key.startswith(FOLLOWS)}
    if known:
        c = waiters.c
        mine = (c.connection_id == call.connection_id, c.kind == call.kind.value, c.external_id.in_(ids))
        conn.execute(delete(waiters).where(*mine, ~c.key.startswith(FOLLOWS)))
    return known


def _forget_edges(conn: Connection, call: Settlement, ids: Collection[ExternalId]) -> None:
    """Forget which parents `ids` waited for, not which SparkLayer was told of."""
    c = waiters.c
    mine = (c.connection_id == call.connection_id, c.kind == call.kind.value)
    for part in in_parts(ids):
        conn.execute(
            delete(waiters).where(*mine, c.external_id.in_(part), or_(*map(c.key.startswith, (PARENT, CIRCLE))))
        )


def _give_back(conn: Connection, call: Settlement, released: Sequence[tuple[Key, ExternalId]]) -> None:
    c = owners.c
    if released:
        conn.execute(
            delete(owners).where(
                c.connection_id == call.connection_id,
                c.kind == call.kind.value,
                c.key == bindparam("b_key"),
                c.external_id == bindparam("b_id"),
            ),
            [{"b_key": key, "b_id": external_id} for key, external_id in released],
        )


def _circling(conn: Connection, call: Settlement, ids: Collection[ExternalId]) -> set[ExternalId]:
    """Return who, beginning with `ids`, waits for a key whose owner waits for the next one's, and so on in a circle."""
    waits: dict[ExternalId, set[ExternalId]] = {}
    ahead = set(ids)
    while ahead:
        waits.update((one, set()) for one in ahead)
        pairs = _waits_of(conn, call, ahead)
        owned = ledgers.owners(conn, call.connection_id, call.kind, {key for key, _ in pairs})
        for key, one in pairs:
            waits[one].update({owned[key]} if key in owned else ())
        ahead = {owner for one in ahead for owner in waits[one]} - waits.keys()
    while free := [one for one, asked in waits.items() if not asked & waits.keys()]:
        for one in free:
            del waits[one]
    return set(waits)


def _waits_of(conn: Connection, call: Settlement, ids: Collection[ExternalId]) -> set[tuple[Key, ExternalId]]:
    """Return what `ids` wait for."""
    c = waiters.c
    query = select(c.key, c.external_id).where(c.connection_id == call.connection_id, c.kind == call.kind.value)
    rows = (row for part in in_parts(ids) for row in conn.execute(query.where(c.external_id.in_(part))))
    return {(row.key, ExternalId(row.external_id)) for row in rows}


def _families(conn: Connection, call: Settlement) -> set[ExternalId]:
    """Note who follows whom; return who follows one that is gone or missing, and must be looked at because of that.

    Those are unsure from now on, and wait for it to come back.
    """
    going = {claim.external_id for claim, outcome in call.done.items() if outcome.result == "removed"}
    gone = {FOLLOWS + one for one in going.union(call.missing)}
    parents = {
        claim.external_id: outcome.follows for claim, outcome in call.done.items() if outcome.follows is not None
    }
    there = ledgers.look_up(conn, call.connection_id, call.kind, list(parents.values())) if parents else {}
    left = {(FOLLOWS + parent, one) for one, parent in parents.items() if parent not in there}
    following = {(FOLLOWS + parent, one) for one, parent in parents.items() if parent in there}
    c = waiters.c
    mine = (c.connection_id == call.connection_id, c.kind == call.kind.value)
    for keys in in_parts(gone):
        rows = conn.execute(select(c.key, c.external_id).where(*mine, c.key.in_(keys)))
        left.update((row.key, ExternalId(row.external_id)) for row in rows if row.external_id not in going)
    told = {claim.external_id for claim, outcome in call.done.items() if outcome.parent or outcome.result == "removed"}
    for part in in_parts(told | {one for _, one in left | following}):
        conn.execute(delete(waiters).where(*mine, c.external_id.in_(part), c.key.startswith(FOLLOWS)))
    _doubt(conn, call, {one for _, one in left})
    _note_waiters(conn, call, following | {(PARENT + key.removeprefix(FOLLOWS), one) for key, one in left})
    return {one for _, one in left}


def _note_waiters(conn: Connection, call: Settlement, waiting: Collection[tuple[Key, ExternalId]]) -> None:
    if waiting:
        mine = {"connection_id": call.connection_id, "kind": call.kind.value}
        new = insert(waiters).on_conflict_do_nothing()  # who waits already goes on waiting
        conn.execute(new, [{**mine, "key": key, "external_id": one} for key, one in waiting])


def _arrived(conn: Connection, call: Settlement, awaited: Collection[ExternalId]) -> set[Key]:
    """Return the keys of parents whose children need not wait: those just confirmed, and those that were already."""
    confirmed = {
        claim.external_id
        for claim, outcome in call.done.items()
        if outcome.parent and outcome.row and outcome.row.fingerprint
    }
    there = ledgers.look_up(conn, call.connection_id, call.kind, list(awaited)) if awaited else {}
    confirmed.update(external_id for external_id, row in there.items() if row.fingerprint is not None)
    return {PARENT + external_id for external_id in confirmed}


def _woken(conn: Connection, call: Settlement, free: Collection[Key]) -> set[ExternalId]:
    """Return who waits for keys that are free now, perhaps were before the waiting began; they wait no more.

    Only edges stay until their customers are settled: circles are found by them.
    """
    c = waiters.c
    woken: set[ExternalId] = set()
    for part in in_parts(free):
        mine = (c.connection_id == call.connection_id, c.kind == call.kind.value, c.key.in_(part))
        woken.update(ExternalId(row.external_id) for row in conn.execute(select(c.external_id).where(*mine)))
        conn.execute(delete(waiters).where(*mine, ~c.key.startswith(PARENT)))
    return woken
