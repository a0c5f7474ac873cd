"""The removal brake: it lets removals go, or holds them for a person.

A removal is that of an entity, or of one of its variants. It is noted here where it is decided, whatever its cause:

    state    meaning
    waiting  found in a full sync: it goes or is held with all others once the run has read everything;
             found live: a second look decides
    held     too many: it waits until a person allows it, or until the entity is back
    allowed  a person has allowed it: it goes when the entity is next worked on
    going    it may go; kept for an hour, so that live removals are counted, and a retry is not counted twice

`removal_allowed` decides, on counts alone. Live removals are counted over the last hour, a run's over the run; each
together with the removals that went otherwise in the last hour without a person's permission. Held removals of earlier
hours and runs are counted no more. Names are encrypted (`encrypted`).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import asdict, define, field, frozen
from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, exists, func, not_, or_, select, update

from daemon.model import Change, ConnectionId, ExternalId, Kind, Lane, RunId, VariantId
from daemon.model.outcome import Row as LedgerRow
from daemon.storage import ledger as ledgers
from daemon.storage.group_commit import KindCall, one_by_one
from daemon.storage.leftovers import forget_owned
from daemon.storage.outbox import Record, active, record, tag
from daemon.storage.prepared import PreparedAmong, among, given, of_given_kind
from daemon.storage.states import RemovalCause, RemovalState, RunState
from daemon.storage.tables import Conditions, full_syncs, ledger, of_kind, outbox, owners, removals
from daemon.storage.upsert import replacing

REMOVALS_ALWAYS_ALLOWED, REMOVALS_ALLOWED_SHARE = 50, 0.1
SMALL_KIND = 10
"""From this number of entities on, not more than half of them may be removed, even if they are few."""

HOUR = 3600.0
"""Seconds over which live removals are counted."""

SECOND_LOOK = 2.0
"""Seconds between two answers of which the second decides: removals that arrive together are counted together."""

WHOLE = VariantId("")
"""Stands in place of a variant where the whole entity is removed."""

COUNTED = (RemovalState.WAITING, RemovalState.GOING, RemovalState.HELD)

Key = tuple[ExternalId, VariantId]


@frozen(kw_only=True)
class Removal:
    """A decided removal of a variant, or of an entity (`WHOLE`). `run` is the full sync it belongs to."""

    external_id: ExternalId
    variant: VariantId = WHOLE
    cause: RemovalCause
    run: RunId | None = None
    encrypted: bytes | None = field(default=None, repr=False)
    """The encrypted name; None where the store gave none."""

    @property
    def key(self) -> Key:
        """Identify the removal among those of its kind."""
        return self.external_id, self.variant


@frozen(kw_only=True)
class Decided(KindCall):
    """The removals decided in a batch.

    `looked_at` maps each entity that was read to what it still has: itself (`WHOLE`) and its variants. Noted removals
    of those are forgotten, since they are back, and so are the entity's removals that were not decided again. An
    entity that was read with an odd value is not in `looked_at`: its noted removals stay.
    """

    now: float
    removals: Sequence[Removal]
    looked_at: Mapping[ExternalId, Collection[VariantId]] = field(factory=dict)


@frozen(kw_only=True)
class Held:
    """The removals that must not go now; entities in `again` are looked at again after `SECOND_LOOK`.

    `announce` is the number of entities that wait for a person if they are the first of their kind, else 0.
    """

    keys: frozenset[Key] = frozenset()
    again: frozenset[ExternalId] = frozenset()
    announce: int = 0


@frozen(kw_only=True)
class Shown(Removal):
    """A held removal, as listed for a person."""

    since: float


@frozen(kw_only=True)
class Allow(KindCall):
    """A person's permission to remove what is held: of some entities, or of all of a kind (None)."""

    ids: Sequence[ExternalId] | None
    now: float


def removal_allowed(removed: int, known: int, seen: int = 1) -> bool:
    """Return whether `removed` of `known` may go; an enumeration that has `seen` nothing removes nothing."""
    few = removed <= REMOVALS_ALWAYS_ALLOWED or removed <= known * REMOVALS_ALLOWED_SHARE
    most = known >= SMALL_KIND and removed > known / 2
    return removed == 0 or (seen > 0 and few and not most)


@one_by_one
def decide(conn: Connection, call: Decided) -> Held:
    """Note removals, and return those that must not go now."""
    if not active(conn, [call.connection_id]):
        return Held()
    c, mine = removals.c, of_kind(removals, call.connection_id, call.kind)
    # A time that lies ahead was noted by a wrong clock; it counts for one more hour.
    conn.execute(update(removals).where(*mine, c.decided_at > call.now).values(decided_at=call.now))
    recent = c.decided_at >= call.now - HOUR
    conn.execute(delete(removals).where(*mine, c.state == RemovalState.GOING, not_(recent)))
    present = _present(conn, mine, call)
    # A person is told once, not again for each removal that joins the first.
    waited_before = held(conn, call.connection_id, call.kind)
    limit = _Limit.of(conn, call.connection_id, call.kind)
    limit.count(conn, (*mine, c.run.is_(None), recent, c.state.in_(COUNTED)))
    # Counted besides, or a mass removal could go partly live and partly in a run.
    limit.count(conn, (*mine, c.run.is_not(None), *_went(call.now)))
    found = {removal.key: removal for removal in call.removals}
    # A waiting removal that moves between a run and the live count is counted where it is now.
    moved = {
        key: removal
        for key, removal in found.items()
        if (row := present.get(key)) and row.state is RemovalState.WAITING and row.run != removal.run
    }
    limit.removed.update(removal.variant == WHOLE for removal in moved.values() if removal.run is None)
    runs = {removal.run for removal in call.removals if removal.run is not None}
    permitted = select(full_syncs.c.id).where(full_syncs.c.id.in_(runs), full_syncs.c.allow_removals)
    free = set(conn.execute(permitted).scalars())
    states = {
        key: _state(removal, present.get(key), call.now, limit, allow=removal.run in free)
        for key, removal in found.items()
    }
    same = {key for key, row in present.items() if states.get(key) is row.state} - moved.keys()
    _note(conn, call, [(removal, states[key]) for key, removal in found.items() if key not in same])
    # Runs must not end before the changes that took over their removals have carried these out. The outbox comes last.
    for key in sorted(key for key, removal in moved.items() if removal.run is None):
        tag(conn, call.connection_id, call.kind, [key[0]], present[key].run, call.now)
    waiting = {key for key, state in states.items() if state is RemovalState.WAITING}
    return Held(
        keys=frozenset(waiting.union(key for key, state in states.items() if state is RemovalState.HELD)),
        again=frozenset(key[0] for key, removal in found.items() if removal.run is None and key in waiting),
        announce=0 if waited_before else held(conn, call.connection_id, call.kind),
    )


def _state(removal: Removal, before: Row[Any] | None, now: float, limit: "_Limit", *, allow: bool) -> RemovalState:
    """Return the state of a removal that was found now, perhaps again."""
    present = RemovalState.WAITING if before is None else RemovalState(before.state)
    # A permission stands, and a removal that was counted as going is not counted again.
    if present in {RemovalState.ALLOWED, RemovalState.GOING}:
        return present
    if allow:
        return RemovalState.GOING
    # A run decides at its end, a live removal at the second look.
    decided_later = before is None or removal.run is not None or now - before.decided_at < SECOND_LOOK
    if decided_later or present is RemovalState.HELD:
        return present
    return RemovalState.GOING if limit.kept else RemovalState.HELD


def _present(conn: Connection, mine: Conditions, call: Decided) -> dict[Key, Row[Any]]:
    """Return the removals noted before, and forget those whose entity or variant is back.

    A removal that went stays noted while its entity is gone: it was counted.
    """
    c, decided = removals.c, {removal.key for removal in call.removals}
    query = select(removals).where(*mine, among(conn, c.external_id, call.looked_at))
    # A person may allow a held removal meanwhile, on another machine.
    rows = conn.execute(query.order_by(c.external_id, c.variant).with_for_update())
    present = {(row.external_id, row.variant): row for row in rows}
    over = [
        {"b_id": external_id, "b_variant": variant}
        for (external_id, variant), row in present.items()
        if (external_id, variant) not in decided
        and (row.state is not RemovalState.GOING or variant in call.looked_at[external_id])
    ]
    if over:
        by_key = (c.external_id == bindparam("b_id"), c.variant == bindparam("b_variant"))
        conn.execute(delete(removals).where(*mine, *by_key), over)
    return present


@define
class _Limit:
    """Removals, of entities and of variants apart, against the numbers that SparkLayer had."""

    known: Mapping[bool, int]
    seen: int
    removed: Counter[bool] = field(factory=Counter)
    """Counted removals; the key is True for whole entities, as in `known`."""

    @classmethod
    def of(cls, conn: Connection, connection_id: ConnectionId, kind: Kind, seen: int = 1) -> "_Limit":
        """Count what SparkLayer has, and had before removals that went within the hour."""
        c, row = removals.c, ledger.c
        going = (*of_kind(removals, connection_id, kind), c.state == RemovalState.GOING)
        same = (row.connection_id == c.connection_id, row.kind == c.kind, row.external_id == c.external_id)

        def count(*conditions: ColumnElement[bool]) -> int:
            return conn.execute(select(func.count()).where(*conditions)).scalar_one()

        # A removed entity is out of the ledger, but was known when the counted removals began.
        entities = ledgers.size(conn, connection_id, kind) + count(*going, c.variant == WHOLE, ~exists().where(*same))
        variants = count(*of_kind(owners, connection_id, kind)) + count(*going, c.variant != WHOLE)
        return cls({True: entities, False: variants}, seen)

    def count(self, conn: Connection, condition: Conditions) -> None:
        """Count noted removals."""
        whole = removals.c.variant == WHOLE
        for is_whole, number in conn.execute(select(whole, func.count()).where(*condition).group_by(whole)):
            self.removed[bool(is_whole)] += number

    @property
    def kept(self) -> bool:
        """True if all counted removals may go."""
        return all(removal_allowed(self.removed[whole], self.known[whole], self.seen) for whole in (True, False))


def _note(conn: Connection, call: Decided, states: Sequence[tuple[Removal, RemovalState]]) -> None:
    fixed = {"connection_id": call.connection_id, "kind": call.kind.value, "decided_at": call.now}
    rows = {removal.key: {**fixed, **asdict(removal), "state": state} for removal, state in states}
    if rows:
        note = replacing(removals, "cause", "state", "run", "decided_at", "encrypted")
        conn.execute(note, [rows[key] for key in sorted(rows)])


def hold_unseen(
    conn: Connection, connection_id: ConnectionId, kind: Kind, run: RunId, ids: Sequence[ExternalId], now: float
) -> None:
    """Hold the removals of all that an enumeration did not show, because it showed nothing at all."""
    c = removals.c
    permitted = (*of_kind(removals, connection_id, kind), c.state == RemovalState.ALLOWED)
    allowed_ids = set(conn.execute(select(c.external_id).where(*permitted)).scalars())
    absent = [key for key in ids if key not in allowed_ids]
    unseen = [Removal(external_id=key, cause=RemovalCause.ABSENT, run=run) for key in absent]
    call = Decided(connection_id=connection_id, kind=kind, now=now, removals=unseen)
    _note(conn, call, [(removal, RemovalState.HELD) for removal in unseen])


@one_by_one
def judge(conn: Connection, call: tuple[RunId, float]) -> int:
    """Let the removals of a run go, or hold all of them, once everything was tried; see `Held.announce`."""
    run_id, now = call
    run = conn.execute(_DRAINING, {"run": run_id}).first()
    # Retrying entities may retry for an hour: all others do not wait for them.
    if run is None or conn.execute(_UNTRIED, {"run": run_id}).first():
        return 0
    waited_before = held(conn, run.connection_id, Kind(run.kind))
    # Due later, since a second answer decides, at least SECOND_LOOK after the first.
    tag(conn, run.connection_id, Kind(run.kind), _judged(conn, run, now), run_id, now + SECOND_LOOK)
    return 0 if waited_before else held(conn, run.connection_id, Kind(run.kind))


def judge_cancelled(conn: Connection, run_id: RunId, now: float) -> None:
    """Judge the removals of a cancelled run; those that may go become ordinary changes."""
    run = conn.execute(select(full_syncs).where(full_syncs.c.id == run_id)).one()
    changes = [Change(Kind(run.kind), external_id) for external_id in _judged(conn, run, now)]
    call = Record(connection_id=run.connection_id, changes=changes, now=now + SECOND_LOOK, lane=Lane.BACKFILL)
    record(conn, [call])


def _judged(conn: Connection, run: Row[Any], now: float) -> list[ExternalId]:
    """Let the waiting removals of a run go, or hold all of them; return the entities that go."""
    c, kind = removals.c, Kind(run.kind)
    # A leftover SKU that a product owns by now is no removal.
    forget_owned(conn, [(run.connection_id, kind)])
    mine = (*of_kind(removals, run.connection_id, kind), c.run == run.id)
    waiting = (*mine, c.state == RemovalState.WAITING)
    ids = list(conn.execute(select(c.external_id).where(*waiting).distinct()).scalars())
    if not ids:
        return []
    limit = _Limit.of(conn, run.connection_id, kind, run.seen)
    limit.count(conn, (*mine, c.state.in_(COUNTED)))
    # Removals that went just before, live or in another run, belong to the same event, and SparkLayer had those too.
    others = or_(c.run.is_(None), c.run != run.id)
    limit.count(conn, (*of_kind(removals, run.connection_id, kind), others, *_went(now)))
    # The removals of a run go together or are held together.
    some_held = conn.execute(select(c.external_id).where(*mine, c.state == RemovalState.HELD).limit(1)).first()
    go = run.allow_removals or (limit.kept and not some_held)
    conn.execute(update(removals).where(*waiting).values(state=RemovalState.GOING if go else RemovalState.HELD))
    return ids if go else []


def _went(now: float) -> Conditions:
    """Match removals that went in the last hour, except in runs for which a person has allowed them."""
    c, permitted = removals.c, select(full_syncs.c.id).where(full_syncs.c.allow_removals)
    recent = c.decided_at.between(now - HOUR, now + HOUR)  # a clock may have been ahead
    return c.state == RemovalState.GOING, recent, or_(c.run.is_(None), c.run.not_in(permitted))


def forget_waiting(conn: Connection, run_id: RunId) -> None:
    """Forget what a run has decided: the run that replaces it decides again."""
    conn.execute(delete(removals).where(removals.c.run == run_id, removals.c.state == RemovalState.WAITING))


def waits(conn: Connection, run_id: RunId) -> bool:
    """Return whether a run has removals that are not judged yet."""
    c = removals.c
    unjudged = select(c.run).where(c.run == run_id, c.state == RemovalState.WAITING)
    return conn.execute(unjudged.limit(1)).first() is not None


def held(conn: Connection, connection_id: ConnectionId, kind: Kind) -> int:
    """Return the number of entities with removals that wait for a person."""
    return len(held_ids(conn, connection_id, kind))


def held_ids(conn: Connection, connection_id: ConnectionId, kind: Kind) -> set[ExternalId]:
    """Return the entities with removals that wait for a person."""
    return set(conn.execute(_HELD, given(connection_id, kind)).scalars())


def listed(conn: Connection, connection_id: ConnectionId, kind: Kind) -> list[Shown]:
    """Return the removals that wait for a person, in the order of ids."""
    mine = (*of_kind(removals, connection_id, kind), removals.c.state == RemovalState.HELD)
    shown = [
        Shown(
            external_id=ExternalId(row.external_id),
            variant=VariantId(row.variant),
            cause=row.cause,
            since=row.decided_at,
            encrypted=row.encrypted,
        )
        for row in conn.execute(select(removals).where(*mine))
    ]
    return sorted(shown, key=lambda one: (len(one.external_id), one.external_id, len(one.variant), one.variant))


@one_by_one
def allow(conn: Connection, call: Allow) -> list[ExternalId]:
    """Let held removals go; return the entities, which are in the outbox then."""
    # Alone, since a start that replaces a run locks its rows of the outbox before these.
    if not active(conn, [call.connection_id], alone=True):
        return []
    c = removals.c
    held_ones = (*of_kind(removals, call.connection_id, call.kind), c.state == RemovalState.HELD)
    # Their owner may decide the same removals now, on another machine.
    locked = select(c.external_id).where(*held_ones).order_by(c.external_id, c.variant).with_for_update()
    present = set(conn.execute(locked).scalars())
    ids = sorted(present if call.ids is None else present.intersection(call.ids))
    if ids:
        chosen = (*held_ones, among(conn, c.external_id, ids))
        conn.execute(update(removals).where(*chosen).values(state=RemovalState.ALLOWED, run=None))
    changes = [Change(call.kind, external_id) for external_id in ids]
    record(conn, [Record(connection_id=call.connection_id, changes=changes, now=call.now)])
    return ids


def look_up(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]
) -> tuple[dict[ExternalId, LedgerRow], set[ExternalId]]:
    """Return the ledger's rows of `ids`, and those of `ids` that have removals noted."""
    noted = set(_NOTED(conn, ids, **given(connection_id, kind)).scalars())
    return ledgers.look_up(conn, connection_id, kind, ids), noted


_DRAINING = select(full_syncs).where(full_syncs.c.id == bindparam("run"), full_syncs.c.state == RunState.DRAINING)
_UNTRIED = (
    select(outbox.c.external_id).where(outbox.c.full_sync_id == bindparam("run"), outbox.c.attempts == 0).limit(1)
)
_HELD = select(removals.c.external_id).where(*of_given_kind(removals), removals.c.state == RemovalState.HELD)
_NOTED = PreparedAmong(select(removals.c.external_id).where(*of_given_kind(removals)), removals.c.external_id)
