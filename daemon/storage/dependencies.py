"""Dependencies: an entity depends on a unique key that another entity owns, or on its parent.

    reason   key            meaning
    key      a unique key   another entity owns it; the entity is looked at again when the key is free
    parent   a customer id  SparkLayer does not have this parent yet; looked at again when it is confirmed
    circle   a customer id  the parent is one of the customer's own sub-accounts, so it was synced without one;
                            the customer has the lowest id of the circle. Not a wait
    follows  a customer id  synced under this parent. Not a wait; when the parent goes, the child is synced again

A settlement replaces what its entities wait for. A child that SparkLayer has under one parent, and that now names
another which is not confirmed, has two rows: `follows` and `parent`.

An *edge* leads from a customer to the parent that it names. It is made of the customer's rows.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

from attrs import asdict, frozen
from sqlalchemy import Column, ColumnElement, Connection, bindparam, delete, or_, select

from daemon.model import ConnectionId, ExternalId, Key, Kind, RunId
from daemon.model.outcome import Outcome, Result, Row
from daemon.storage import ledger
from daemon.storage.prepared import PreparedAmong, among, given, of_given_kind
from daemon.storage.states import DependencyReason, RowState, RunState
from daemon.storage.tables import dependencies, full_syncs, of_kind, outbox, owners
from daemon.storage.upsert import insert

C = dependencies.c
Condition = ColumnElement[bool]


@frozen
class Dependency:
    """The dependency of an entity."""

    reason: DependencyReason
    key: Key
    external_id: ExternalId


@frozen(kw_only=True)
class Edge:
    """The parent that a customer names, and the one that SparkLayer has; `breaks` a circle by being synced without."""

    named: ExternalId
    told: ExternalId | None = None
    breaks: bool = False


@frozen(kw_only=True)
class Relations:
    """The stored facts about the parents that a batch names.

    `rows` are their ledger rows, `coming` the parents with a pending change. `edges` are those of the parents and of
    all above them. The runs in `unread` have pages to read: a parent may be on one.
    """

    rows: Mapping[ExternalId, Row]
    coming: frozenset[ExternalId]
    edges: Mapping[ExternalId, Edge]
    unread: frozenset[RunId]


def are_awaited(
    conn: Connection, connection_id: ConnectionId, kind: Kind, keys: Collection[Key], by_other_than: ExternalId
) -> bool:
    """Return True if another entity waits for one of the keys."""
    waits = (
        *of_kind(dependencies, connection_id, kind),
        C.reason == DependencyReason.KEY,
        C.external_id != by_other_than,
    )
    return conn.execute(select(C.key).where(*waits, among(conn, C.key, keys)).limit(1)).first() is not None


def relations(
    conn: Connection,
    connection_id: ConnectionId,
    kind: Kind,
    parents: Collection[ExternalId],
    runs: Collection[RunId],
) -> Relations:
    """Return the facts about `parents`, and those of `runs` that have pages to read."""
    c, run = outbox.c, full_syncs.c
    # An inequality: for an equality SQLite walks all pending rows by their index instead of the parents.
    pending = (*of_kind(outbox, connection_id, kind), c.state != RowState.PARKED, among(conn, c.external_id, parents))
    unread = (run.id.in_(runs), run.state == RunState.ENUMERATING, run.cursor.is_not(None))
    return Relations(
        rows=ledger.look_up(conn, connection_id, kind, parents),
        coming=frozenset(map(ExternalId, conn.execute(select(c.external_id).where(*pending)).scalars())),
        edges=_edges_above(conn, connection_id, kind, parents),
        unread=frozenset(map(RunId, conn.execute(select(run.id).where(*unread)).scalars())),
    )


@frozen
class Dependencies:
    """The dependencies of one kind of a connection."""

    conn: Connection
    connection_id: ConnectionId
    kind: Kind

    def settle(
        self,
        outcomes: Mapping[ExternalId, Outcome],
        retried: Mapping[ExternalId, Iterable[ExternalId]],
        missing: Collection[ExternalId],
    ) -> set[ExternalId]:
        """Store what the entities of a batch depend on; return the entities to look at because of it.

        `retried` has the parents that each retried entity waits for. `missing` entities are unsure and count as gone.
        """
        named = {
            external_id: outcome.follows or outcome.circles or next(iter(outcome.awaits), None)
            for external_id, outcome in outcomes.items()
            if outcome.parent or outcome.result is Result.REMOVED or outcome.awaits or outcome.circles
        }
        # A circle is found by its present edges, so before any of them changes.
        breakers = circle_breakers(self.conn, self.connection_id, self.kind, named)
        return breakers | self._replace_waits(outcomes, retried) | self._keep_families(outcomes, missing)

    def _replace_waits(
        self, outcomes: Mapping[ExternalId, Outcome], retried: Mapping[ExternalId, Iterable[ExternalId]]
    ) -> set[ExternalId]:
        """Release keys and note waits; return the owners of wanted keys, and entities whose wait is over."""
        wanted = {
            Dependency(DependencyReason.KEY, key, entity)
            for entity, outcome in outcomes.items()
            for key in outcome.waits_for
        }
        awaited = {parent for outcome in outcomes.values() for parent in outcome.awaits}
        children = {
            Dependency(DependencyReason.PARENT, key, entity) for entity in outcomes for key in outcomes[entity].awaits
        }
        children |= {
            Dependency(DependencyReason.CIRCLE, o.circles, entity)
            for entity, o in outcomes.items()
            if o.circles is not None
        }
        trying = {
            Dependency(DependencyReason.PARENT, parent, entity)
            for entity, parents in retried.items()
            for parent in parents
        }
        before = self._find(C.external_id, outcomes, PRESENT)
        self._delete(C.external_id, {wait.external_id for wait in before}, PRESENT)
        self._delete(C.external_id, {wait.external_id for wait in trying}, EDGES)
        self._add(wanted | children | trying)
        released = self._release(outcomes)
        owned = ledger.owners(self.conn, self.connection_id, self.kind, {wait.key for wait in wanted})
        # An owner is looked at once for a wait: two entities that dispute two keys would call each other for ever.
        new = wanted - before
        concerned = {owned[wait.key] for wait in new if wait.key in owned}.difference(outcomes)
        concerned |= self._circling({wait.external_id for wait in new})
        # A key may have been released between the read of the entity and this transaction.
        freed = self._find(C.key, released | {wait.key for wait in wanted if wait.key not in owned}, WAITS_FOR_KEY)
        self._delete(C.key, {wait.key for wait in freed}, WAITS_FOR_KEY)
        # The edges to confirmed parents stay until their customers are settled, since circles are found by them.
        arrived = self._find(C.key, self._confirmed(outcomes, awaited), WAITS_FOR_PARENT)
        return concerned | {wait.external_id for wait in freed | arrived}

    def _release(self, outcomes: Mapping[ExternalId, Outcome]) -> set[Key]:
        released = [(key, entity) for entity, outcome in outcomes.items() for key in outcome.released]
        if released:
            # A key that its owner gave up in this batch belongs to the claimant since the mark.
            mine = (owners.c.key == bindparam("b_key"), owners.c.external_id == bindparam("b_id"))
            self.conn.execute(
                delete(owners).where(*of_kind(owners, self.connection_id, self.kind), *mine),
                [{"b_key": key, "b_id": external_id} for key, external_id in sorted(released)],
            )
        return {key for key, _ in released}

    def _circling(self, ids: Collection[ExternalId]) -> set[ExternalId]:
        """Return those of `ids`, and of the owners that they wait for, which wait for each other in a circle."""
        waits: dict[ExternalId, set[ExternalId]] = {}
        ahead = set(ids)
        while ahead:
            waits.update((external_id, set()) for external_id in ahead)
            level = self._find(C.external_id, ahead, WAITS_FOR_KEY)
            owned = ledger.owners(self.conn, self.connection_id, self.kind, {wait.key for wait in level})
            for wait in level:
                waits[wait.external_id].update({owned[wait.key]} if wait.key in owned else ())
            ahead = {owner for external_id in ahead for owner in waits[external_id]} - waits.keys()
        # An entity that waits for no other of them is in no circle; without it, others may be in none either.
        while free := [external_id for external_id, asked in waits.items() if not asked & waits.keys()]:
            for external_id in free:
                del waits[external_id]
        return set(waits)

    def _confirmed(self, outcomes: Mapping[ExternalId, Outcome], awaited: Collection[ExternalId]) -> set[ExternalId]:
        """Return the parents whose children need not wait: confirmed by this batch, or before it."""
        rows = ledger.look_up(self.conn, self.connection_id, self.kind, awaited) if awaited else {}
        now = {
            entity for entity, o in outcomes.items() if o.parent and o.row is not None and o.row.fingerprint is not None
        }
        return now | {external_id for external_id, row in rows.items() if row.fingerprint is not None}

    def _keep_families(
        self, outcomes: Mapping[ExternalId, Outcome], missing: Collection[ExternalId]
    ) -> set[ExternalId]:
        """Note the parents that SparkLayer was told of; return the children of parents that are gone.

        Those children are unsure from now on, and wait for the parent to come back.
        """
        going = {entity for entity, outcome in outcomes.items() if outcome.result is Result.REMOVED}
        parents = {entity: outcome.follows for entity, outcome in outcomes.items() if outcome.follows is not None}
        rows = ledger.look_up(self.conn, self.connection_id, self.kind, [*parents.values()]) if parents else {}
        follows = [Dependency(DependencyReason.FOLLOWS, parent, entity) for entity, parent in parents.items()]
        left = {edge for edge in follows if edge.key not in rows}  # the parent went while the child was written
        left |= {edge for edge in self._find(C.key, going.union(missing), TOLD) if edge.external_id not in going}
        following = {edge for edge in follows if edge not in left}
        told = {entity for entity, outcome in outcomes.items() if outcome.parent} | going
        told |= {edge.external_id for edge in left | following}
        self._delete(C.external_id, told, TOLD)
        orphans = {edge.external_id for edge in left}
        ledger.doubt(self.conn, self.connection_id, self.kind, orphans)
        self._add(following | {Dependency(DependencyReason.PARENT, edge.key, edge.external_id) for edge in left})
        return orphans

    def _find(self, column: Column[Any], values: Iterable[str], condition: Condition) -> set[Dependency]:
        if not (listed := list(values)):
            return set()
        rows = _found(column, condition)(self.conn, listed, **given(self.connection_id, self.kind))
        return {Dependency(DependencyReason(row.reason), row.key, ExternalId(row.external_id)) for row in rows}

    def _delete(self, column: Column[Any], values: Iterable[str], condition: Condition) -> None:
        if listed := list(values):
            _deleted(column, condition)(self.conn, listed, **given(self.connection_id, self.kind))

    def _add(self, added: Collection[Dependency]) -> None:
        mine = {"connection_id": self.connection_id, "kind": self.kind.value}
        rows = [{**mine, **asdict(dependency)} for dependency in added]
        if rows:
            in_order = sorted(rows, key=lambda row: (row["key"], row["reason"], row["external_id"]))
            self.conn.execute(insert(dependencies).on_conflict_do_nothing(), in_order)


def circle_breakers(
    conn: Connection, connection_id: ConnectionId, kind: Kind, named: Mapping[ExternalId, ExternalId | None]
) -> set[ExternalId]:
    """Return the customers that broke a circle which may be open now.

    `named` has the parents that customers name from now on; the stored edges are still the earlier ones.
    """
    before = _edges(conn, connection_id, kind, named)
    changed = {edge.named for customer, edge in before.items() if edge.named != named[customer]}
    above = _edges_above(conn, connection_id, kind, changed)
    return {customer for customer, edge in above.items() if edge.breaks} - named.keys()


def _edges(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]
) -> dict[ExternalId, Edge]:
    """Return the edges of those of `ids` that name a parent."""
    parents: dict[ExternalId, dict[DependencyReason, ExternalId]] = {}
    for row in _found(C.external_id, OF_FAMILIES)(conn, ids, **given(connection_id, kind)):
        parents.setdefault(row.external_id, {})[DependencyReason(row.reason)] = row.key
    # A parent that the customer waits for or circles with is the one it names now; the one it follows may be older.
    newest = (DependencyReason.CIRCLE, DependencyReason.PARENT, DependencyReason.FOLLOWS)
    return {
        customer: Edge(
            named=next(by_reason[reason] for reason in newest if reason in by_reason),
            told=by_reason.get(DependencyReason.FOLLOWS),
            breaks=DependencyReason.CIRCLE in by_reason,
        )
        for customer, by_reason in parents.items()
    }


def _edges_above(
    conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Collection[ExternalId]
) -> dict[ExternalId, Edge]:
    """Return the edges of `ids` and of all above them; a circle ends where it began."""
    above: dict[ExternalId, Edge] = {}
    asked, ahead = set[ExternalId](), set(ids)
    while ahead:
        asked |= ahead
        level = _edges(conn, connection_id, kind, ahead)
        above |= level
        ahead = {edge.named for edge in level.values()} - asked
    return above


@cache
def _found(column: Column[Any], condition: Condition) -> PreparedAmong:
    found = select(C.reason, C.key, C.external_id).where(*of_given_kind(dependencies), condition)
    return PreparedAmong(found, column)


@cache
def _deleted(column: Column[Any], condition: Condition) -> PreparedAmong:
    return PreparedAmong(delete(dependencies).where(*of_given_kind(dependencies), condition), column)


# Built once: the prepared statements are kept by these very objects.
WAITS_FOR_KEY = C.reason == DependencyReason.KEY.value
WAITS_FOR_PARENT = C.reason == DependencyReason.PARENT.value
EDGES = or_(WAITS_FOR_PARENT, C.reason == DependencyReason.CIRCLE.value)
PRESENT = C.reason != DependencyReason.FOLLOWS.value
TOLD = C.reason == DependencyReason.FOLLOWS.value
OF_FAMILIES = C.reason != DependencyReason.KEY.value
