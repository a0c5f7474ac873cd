"""The removal brake: which removals may go, and those that wait for a person.

A removal is that of an entity, or of one of its variants. It is noted here where it is decided, whatever its cause:

    state    what it means
    waiting  found in a full sync: it waits until the run has read everything, and goes or is held with all others;
             found live: a second look decides
    held     too many: it waits until a person allows it, or until the entity is back
    allowed  a person has allowed it: it goes when the entity is next worked on
    going    it may go; kept for an hour, so that live removals are counted, and a retry is not counted twice

`removal_allowed` decides, on counts alone. Live removals are counted over the last hour, a run's over the run, and each
together with all that went in another way in the last hour without a person's permission. Held removals of earlier
hours and runs are counted no more. Names are encrypted (`encrypted`).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from attrs import asdict, define, field, frozen
from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, exists, func, not_, or_, select, update

from daemon.model import Change, ConnectionId, ExternalId, Kind, Lane, RunId, VariantId
from daemon.outcome import Row as LedgerRow
from daemon.storage import ledger as ledgers
from daemon.storage.leftovers import forget_owned
from daemon.storage.outbox import Record, active, record, tag
from daemon.storage.tables import full_syncs, in_parts, ledger, outbox, owners, removals
from daemon.storage.upsert import insert

REMOVALS_ALWAYS_ALLOWED = 50
REMOVALS_ALLOWED_SHARE = 0.1
SMALL_KIND = 10
"""From this number of entities on, not more than half of them may be removed, however few they are."""

HOUR = 3600.0
"""Seconds over which live removals are counted."""

SECOND_LOOK = 2.0
"""Seconds between two answers of which the second decides: removals that arrive together are counted together."""

WHOLE = VariantId("")
"""Stands in place of a variant where the whole entity is removed."""

Cause = Literal["absent", "deleted", "excluded", "variant"]
"""Not seen by an enumeration that saw nothing; gone, as the platform says; maps to nothing; a vanished variant."""

Key = tuple[ExternalId, VariantId]
Conditions = tuple[ColumnElement[bool], ...]


@frozen(kw_only=True)
class Removal:
    """One removal that was decided: of a variant, or of an entity (`WHOLE`). `run` is the full sync it belongs to."""

    external_id: ExternalId
    variant: VariantId = WHOLE
    cause: Cause
    run: RunId | None = None
    encrypted: bytes | None = field(default=None, repr=False)
    """The encrypted name; None where the store told none."""

    @property
    def key(self) -> Key:
        """Identifies it among those of a kind."""
        return self.external_id, self.variant


@frozen(kw_only=True)
class Decided:
    """The removals decided in a batch.

    `looked_at` maps each entity that was read to what it still has: itself (`WHOLE`) and its variants. Removals noted
    of those are forgotten, since they are back, and so are removals of the entity that were not decided once more. An
    entity that was read with an odd value is not among them: what is noted of it stays.
    """

    connection_id: ConnectionId
    kind: Kind
    now: float
    removals: Sequence[Removal]
    looked_at: Mapping[ExternalId, Collection[VariantId]] = field(factory=dict)


@frozen(kw_only=True)
class Held:
    """What is not to be removed now; entities in `again` are to be looked at again after `SECOND_LOOK`.

    `announce` is how many wait for a person, if the first of a kind do since now.
    """

    keys: frozenset[Key] = frozenset()
    again: frozenset[ExternalId] = frozenset()
    announce: int = 0


@frozen(kw_only=True)
class Shown:
    """A held removal, as listed for a person."""

    external_id: ExternalId
    variant: VariantId
    cause: Cause
    since: float
    encrypted: bytes | None = field(repr=False)


@frozen(kw_only=True)
class Allow:
    """A person's permission to remove what is held: of some entities, or of all of a kind (None)."""

    connection_id: ConnectionId
    kind: Kind
    ids: Sequence[ExternalId] | None
    now: float


def removal_allowed(removed: int, known: int, seen: int = 1) -> bool:
    """Return whether `removed` of `known` may go; an enumeration that `seen` nothing of them removes nothing."""
    few = removed <= REMOVALS_ALWAYS_ALLOWED or removed <= known * REMOVALS_ALLOWED_SHARE
    most = known >= SMALL_KIND and removed > known / 2
    return removed == 0 or (seen > 0 and few and not most)


def decide(conn: Connection, calls: Sequence[Decided]) -> list[Held]:
    """Note removals, and return which of them must not go now."""
    alive = active(conn, (call.connection_id for call in calls))
    return [_decide(conn, call) if call.connection_id in alive else Held() for call in calls]


def _decide(conn: Connection, call: Decided) -> Held:
    c, mine = removals.c, _of(call.connection_id, call.kind)
    # What lies ahead was noted by a clock that was wrong; it counts for one more hour.
    conn.execute(update(removals).where(*mine, c.decided_at > call.now).values(decided_at=call.now))
    recent = c.decided_at >= call.now - HOUR
    conn.execute(delete(removals).where(*mine, c.state == "going", not_(recent)))
    present = _present(conn, mine, call)
    waited_before = held(conn, call.connection_id, call.kind)
    limit = _Limit.of(conn, call.connection_id, call.kind)
    limit.count(conn, (*mine, c.run.is_(None), recent, c.state.in_(("waiting", "going", "held"))))
    limit.count(conn, (*mine, c.run.is_not(None), *_went(call.now)))
    joining = [one for one in call.removals if one.key in present and _moves(one, present[one.key])]
    limit.add(one for one in joining if one.run is None)
    free = _runs_that_allow(conn, call.removals)
    states = {
        one.key: _state(one, present.get(one.key), call.now, limit, allow=one.run in free) for one in call.removals
    }
    same = {key for key, row in present.items() if states.get(key) == row.state} - {one.key for one in joining}
    _note(conn, call, [(one, states[one.key]) for one in call.removals if one.key not in same])
    kept = frozenset(key for key, state in states.items() if state in {"waiting", "held"})
    again = frozenset(one.external_id for one in call.removals if one.run is None and states[one.key] == "waiting")
    announce = 0 if waited_before else held(conn, call.connection_id, call.kind)
    return Held(keys=kept, again=again, announce=announce)


def _moves(removal: Removal, before: Row[Any]) -> bool:
    """Return whether a waiting removal moved between a run and the live count; it is counted where it is now."""
    return bool(before.state == "waiting" and before.run != removal.run)


def _state(removal: Removal, before: Row[Any] | None, now: float, limit: "_Limit", *, allow: bool) -> str:
    """Return the state of a removal that was found now, perhaps once more."""
    if before is not None and before.state in {"allowed", "going"}:
        return str(before.state)
    if allow:
        return "going"
    if before is None or removal.run is not None or before.state == "held":
        return "waiting" if before is None else str(before.state)
    if now - before.decided_at < SECOND_LOOK:
        return "waiting"
    return "going" if limit.kept else "held"


def _present(conn: Connection, mine: Conditions, call: Decided) -> dict[Key, Row[Any]]:
    """Return what was noted before.

    The removal of what is back is forgotten. One that went stays noted while its entity is gone: it was counted.
    """
    c, decided = removals.c, {removal.key for removal in call.removals}
    present: dict[Key, Row[Any]] = {}
    for part in in_parts(call.looked_at):
        rows = conn.execute(select(removals).where(*mine, c.external_id.in_(part)))
        present |= {(row.external_id, row.variant): row for row in rows}
    over = [
        (external_id, variant)
        for (external_id, variant), row in present.items()
        if (external_id, variant) not in decided and (row.state != "going" or variant in call.looked_at[external_id])
    ]
    if over:
        one = (c.external_id == bindparam("b_id"), c.variant == bindparam("b_variant"))
        conn.execute(delete(removals).where(*mine, *one), [{"b_id": key, "b_variant": of} for key, of in over])
    return present


def _runs_that_allow(conn: Connection, decided: Sequence[Removal]) -> set[RunId | None]:
    runs = {removal.run for removal in decided if removal.run is not None}
    c = full_syncs.c
    return {RunId(row.id) for row in conn.execute(select(c.id).where(c.id.in_(runs), c.allow_removals))}


@define
class _Limit:
    """Removals, of entities and of variants apart, against what SparkLayer had of each."""

    known: Mapping[bool, int]
    seen: int
    removed: Counter[bool] = field(factory=Counter)
    """By whether they are of whole entities, as `known`."""

    @classmethod
    def of(cls, conn: Connection, connection_id: ConnectionId, kind: Kind, seen: int = 1) -> "_Limit":
        """Learn what SparkLayer has, and had before removals that went within the hour."""
        c, row, key = removals.c, ledger.c, owners.c
        going = (*_of(connection_id, kind), c.state == "going")
        same = (row.connection_id == c.connection_id, row.kind == c.kind, row.external_id == c.external_id)
        entities = select(func.count()).where(*going, c.variant == WHOLE, ~exists().where(*same))
        variants = select(func.count()).where(*going, c.variant != WHOLE)
        owned = select(func.count()).where(key.connection_id == connection_id, key.kind == kind.value)
        known = {
            True: ledgers.size(conn, connection_id, kind) + conn.execute(entities).scalar_one(),
            False: conn.execute(owned).scalar_one() + conn.execute(variants).scalar_one(),
        }
        return cls(known, seen)

    def count(self, conn: Connection, condition: Conditions) -> None:
        """Count what was noted before."""
        whole = removals.c.variant == WHOLE
        for is_whole, number in conn.execute(select(whole, func.count()).where(*condition).group_by(whole)):
            self.removed[bool(is_whole)] += number

    def add(self, decided: Iterable[Removal]) -> None:
        """Count what is about to be noted."""
        self.removed.update(removal.variant == WHOLE for removal in decided)

    @property
    def kept(self) -> bool:
        """Return whether all counted removals may go."""
        return all(removal_allowed(self.removed[whole], self.known[whole], self.seen) for whole in (True, False))


def _note(conn: Connection, call: Decided, states: Sequence[tuple[Removal, str]]) -> None:
    new = insert(removals)
    keys = ["connection_id", "kind", "external_id", "variant"]
    changed = {name: new.excluded[name] for name in ("cause", "state", "run", "decided_at", "encrypted")}
    fixed = {"connection_id": call.connection_id, "kind": call.kind.value, "decided_at": call.now}
    if states:
        rows = [{**fixed, **asdict(removal), "state": state} for removal, state in states]
        conn.execute(new.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def hold_unseen(conn: Connection, run: Row[Any], ids: Sequence[ExternalId], now: float) -> None:
    """Hold the removal of all that an enumeration did not show, because it showed nothing at all."""
    c = removals.c
    permitted = (*_of(run.connection_id, Kind(run.kind)), c.state == "allowed")
    allowed_ids = {row.external_id for row in conn.execute(select(c.external_id).where(*permitted))}
    unseen = [Removal(external_id=one, cause="absent", run=RunId(run.id)) for one in ids if one not in allowed_ids]
    call = Decided(connection_id=run.connection_id, kind=Kind(run.kind), now=now, removals=unseen)
    _note(conn, call, [(removal, "held") for removal in unseen])


def judge(conn: Connection, calls: Sequence[tuple[RunId, float]]) -> list[int]:
    """Let the removals of runs go, or hold all of them, once everything was tried; see `Held.announce`."""
    return [_judge(conn, run_id, now) for run_id, now in calls]


def _judge(conn: Connection, run_id: RunId, now: float) -> int:
    run = conn.execute(select(full_syncs).where(full_syncs.c.id == run_id, full_syncs.c.state == "draining")).first()
    # What still retries may do so for an hour: all others do not wait for it.
    untried = select(outbox.c.external_id).where(outbox.c.full_sync_id == run_id, outbox.c.attempts == 0).limit(1)
    if run is None or conn.execute(untried).first():
        return 0
    waited_before = held(conn, run.connection_id, Kind(run.kind))
    tag(conn, run.connection_id, Kind(run.kind), _judged(conn, run, now), run_id, now + SECOND_LOOK)
    return 0 if waited_before else held(conn, run.connection_id, Kind(run.kind))


def judge_cancelled(conn: Connection, run_id: RunId, now: float) -> None:
    """Do the same for a run that is cancelled: what may go becomes an ordinary change."""
    run = conn.execute(select(full_syncs).where(full_syncs.c.id == run_id)).one()
    changes = [Change(Kind(run.kind), one) for one in _judged(conn, run, now)]
    call = Record(connection_id=run.connection_id, changes=changes, now=now + SECOND_LOOK, lane=Lane.BACKFILL)
    record(conn, [call])


def _judged(conn: Connection, run: Row[Any], now: float) -> list[ExternalId]:
    """Let what waits of a run go, or hold all of it; return the entities that go."""
    c, kind = removals.c, Kind(run.kind)
    forget_owned(conn, [(run.connection_id, kind)])
    mine = (*_of(run.connection_id, kind), c.run == run.id)
    waiting = (*mine, c.state == "waiting")
    ids = [ExternalId(row.external_id) for row in conn.execute(select(c.external_id).where(*waiting).distinct())]
    if not ids:
        return []
    limit = _Limit.of(conn, run.connection_id, kind, run.seen)
    limit.count(conn, (*mine, c.state.in_(("waiting", "going", "held"))))
    # Those that went just before, live or in another run, belong to what is going on, and are of what SparkLayer had.
    others = or_(c.run.is_(None), c.run != run.id)
    limit.count(conn, (*_of(run.connection_id, kind), others, *_went(now)))
    some_held = conn.execute(select(c.external_id).where(*mine, c.state == "held").limit(1)).first()
    go = run.allow_removals or (limit.kept and not some_held)
    conn.execute(update(removals).where(*waiting).values(state="going" if go else "held"))
    return ids if go else []


def _went(now: float) -> Conditions:
    """Match removals that went in the last hour, but for those of runs in which a person has allowed them."""
    c, permitted = removals.c, select(full_syncs.c.id).where(full_syncs.c.allow_removals)
    recent = c.decided_at.between(now - HOUR, now + HOUR)  # a clock may have been ahead
    return c.state == "going", recent, or_(c.run.is_(None), c.run.not_in(permitted))


def forget_waiting(conn: Connection, run_id: RunId) -> None:
    """Forget what a run has decided: the run that replaces it decides again."""
    conn.execute(delete(removals).where(removals.c.run == run_id, removals.c.state == "waiting"))


def waits(conn: Connection, run_id: RunId) -> bool:
    """Return whether a run has removals that are not judged yet."""
    c = removals.c
    return conn.execute(select(c.run).where(c.run == run_id, c.state == "waiting").limit(1)).first() is not None


def held(conn: Connection, connection_id: ConnectionId, kind: Kind) -> int:
    """Return of how many entities removals wait for a person."""
    return len(held_ids(conn, connection_id, kind))


def listed(conn: Connection, connection_id: ConnectionId, kind: Kind) -> list[Shown]:
    """Return what waits for a person, in the order of ids."""
    c = removals.c
    rows = conn.execute(select(removals).where(*_of(connection_id, kind), c.state == "held"))
    shown = [
        Shown(
            external_id=ExternalId(row.external_id),
            variant=VariantId(row.variant),
            cause=row.cause,
            since=row.decided_at,
            encrypted=row.encrypted,
        )
        for row in rows
    ]
    return sorted(shown, key=lambda one: (len(one.external_id), one.external_id, len(one.variant), one.variant))


def allow(conn: Connection, calls: Sequence[Allow]) -> list[int]:
    """Let held removals go; return of how many entities."""
    return [len(allowed(conn, call)) for call in calls]


def allowed(conn: Connection, call: Allow) -> list[ExternalId]:
    """Let held removals go; return the entities, which are in the outbox then."""
    c = removals.c
    mine = (*_of(call.connection_id, call.kind), c.state == "held")
    rows = conn.execute(select(c.external_id).where(*mine).distinct())
    wanted = None if call.ids is None else set(call.ids)
    ids = [ExternalId(row.external_id) for row in rows if wanted is None or row.external_id in wanted]
    if call.connection_id not in active(conn, [call.connection_id]):
        return []
    for part in in_parts(ids):
        conn.execute(update(removals).where(*mine, c.external_id.in_(part)).values(state="allowed", run=None))
    changes = [Change(call.kind, one) for one in ids]
    record(conn, [Record(connection_id=call.connection_id, changes=changes, now=call.now)])
    return ids


def settle_allowed(conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Sequence[ExternalId]) -> None:
    """Forget the permission to remove what is removed now."""
    c = removals.c
    for part in in_parts(ids):
        conn.execute(delete(removals).where(*_of(connection_id, kind), c.external_id.in_(part), c.state == "allowed"))


def look_up(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]
) -> tuple[dict[ExternalId, LedgerRow], set[ExternalId]]:
    """Return the ledger's rows of `ids`, and which of them have removals noted."""
    c = removals.c
    query = select(c.external_id).where(*_of(connection_id, kind))
    rows = [row for part in in_parts(ids) for row in conn.execute(query.where(c.external_id.in_(part)))]
    return ledgers.look_up(conn, connection_id, kind, ids), {ExternalId(row.external_id) for row in rows}


def held_ids(conn: Connection, connection_id: ConnectionId, kind: Kind) -> set[ExternalId]:
    """Return the entities with removals that wait for a person."""
    c = removals.c
    rows = conn.execute(select(c.external_id).where(*_of(connection_id, kind), c.state == "held"))
    return {ExternalId(row.external_id) for row in rows}


def _of(connection_id: ConnectionId, kind: Kind) -> Conditions:
    return removals.c.connection_id == connection_id, removals.c.kind == kind.value
