"""Every operation on the database that two nodes may make at the same time, with its call on the present `Day`.

*Intake* is what any node may do for any connection: webhooks, orders of people and of Ignite, connects. *Owner* is what
only the node that works on a connection does for it: so two owners' operations never meet. *Node* is what nodes do
about themselves and the leases; it meets owners' operations as they really are, behind the fence.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from daemon.model import ExternalId, Kind, Sku
from daemon.model.outcome import Row
from daemon.storage import (
    adapter_state,
    audit,
    connections,
    full_syncs,
    gaps,
    history,
    installs,
    last_word,
    leases,
    ledger,
    leftovers,
    notifications,
    outbox,
    parked,
    registrations,
    removals,
    resync,
    settle,
    sweeps,
    sync_log,
    vault,
)
from daemon.storage.group_commit import one_by_one
from daemon.storage.states import AuditOutcome, NotificationState, RunMode
from daemon.storage.tables import connections as connections_table
from tests.prove.interleavings import calls
from tests.prove.interleavings.calls import CUSTOMERS, GONE, NEW, OTHER, PRODUCTS, SHOP, SILENT, ids
from tests.prove.interleavings.day import Day

Make = Callable[[Day, int], tuple[Any, Any]]
"""Returns an operation and its call; the number tells apart two nodes that make the same operation."""

INTAKE: Mapping[str, Make] = {
    "record": lambda day, _: (outbox.record, calls.record(day.shop, "8", "1", "3", "7")),
    "record of others": lambda day, _: (outbox.record, calls.record(day.shop, "9", "4", "2", "10")),
    "record of one that leaves": lambda day, _: (outbox.record, calls.record(day.leaving, "7")),
    "retry parked": lambda day, _: (parked.retry, parked.Choice(connection_id=day.shop, kind=None, ids=(), now=9.0)),
    "drop parked": lambda day, _: (parked.drop, parked.Choice(connection_id=day.shop, kind=None, ids=(), now=9.0)),
    "allow removals": lambda day, _: (
        removals.allow,
        removals.Allow(connection_id=day.shop, kind=PRODUCTS, ids=None, now=9.0),
    ),
    "start": lambda day, _: (full_syncs.start, calls.start(day.shop, RunMode.NORMAL)),
    "start of another kind": lambda day, _: (full_syncs.start, calls.start(day.shop, RunMode.NORMAL, CUSTOMERS)),
    "start a refresh": lambda day, _: (full_syncs.start, calls.start(day.shop, RunMode.REFRESH, internal=True)),
    "start with removals": lambda day, _: (
        full_syncs.start,
        calls.start(day.shop, RunMode.NORMAL, allow_removals=True),
    ),
    "cancel": lambda day, _: (full_syncs.cancel, (day.shop, PRODUCTS, 9.0)),
    "note a gap": lambda day, _: (gaps.note, gaps.GapNote(connection_id=day.shop, kinds=[*Kind], due_at=9.0)),
    "withdraw a gap": lambda day, _: (gaps.withdraw, gaps.GapNote(connection_id=day.shop, kinds=[*Kind], due_at=9.0)),
    "begin again": lambda _, n: (connections.begin, calls.begin(SHOP, b"again%d" % n)),
    "begin a new site": lambda _, n: (connections.begin, calls.begin(NEW, b"new%d" % n)),
    "begin a site that leaves": lambda day, n: (connections.begin, calls.begin(OTHER, b"o%d" % n, day.leaving)),
    "begin a site that is gone": lambda _, n: (connections.begin, calls.begin(GONE, b"g%d" % n)),
    "adopt": lambda _, n: (connections.adopt, calls.adopt(SHOP, b"shop%d" % n, b"shop")),
    "adopt a new site": lambda _, n: (connections.adopt, calls.adopt(NEW, b"new%d" % n)),
    "adopt a site that is gone": lambda _, n: (connections.adopt, calls.adopt(GONE, b"gone%d" % n)),
    "renew": lambda day, n: (
        connections.renew,
        connections.Renew(id=day.shop, before=b"shop", encrypted=b"r%d" % n, by_ignite=True),
    ),
    "leave": lambda _d, _n: (connections.leave, connections.Leave(site=SHOP, now=9.0)),
    "uninstall": lambda _d, _n: (
        connections.uninstall,
        connections.Uninstall(platform="fake", store_id="s", leaves=[connections.Leave(site=SHOP, now=9.0)]),
    ),
    "install": lambda _, n: (
        installs.install,
        installs.Install(platform="fake", store_id="s", encrypted=b"i%d" % n, now=9.0),
    ),
    "wait for an install": lambda _, n: (installs.pending, calls.pending(NEW, f"state{n}")),
    "wait no longer": lambda _d, _n: (installs.forget_pending, NEW),
    "forget what has expired": lambda _d, _n: (installs.forget_expired, 9.0),
    "take a state": lambda _d, _n: (installs.take_state, ("state", 9.0)),
    "encrypt again": lambda _, n: (
        vault._renew,
        vault.Renewed(connections_table, (1,), b"shop", b"renewed%d" % n),
    ),
    "say a last word": lambda day, _: (
        last_word.say,
        last_word.LastWord(
            connection_id=day.shop,
            now=9.0,
            doubted={PRODUCTS: dict.fromkeys(ids("8", "4", "1", "9"), (b"parts",))},
            reported=[PRODUCTS],
        ),
    ),
    "owe second looks": lambda day, _: (last_word.owe, last_word.SecondLooks(connection_id=day.shop, at=39.0)),
    "look again": lambda day, _: (last_word.look_again, last_word.SecondLooks(connection_id=day.shop, at=9.0)),
    "pause": lambda day, _: (connections.set_pause, connections.SetPause(id=day.shop, at=9.0)),
    "resume": lambda day, _: (connections.set_pause, connections.SetPause(id=day.shop, at=None)),
    "note a webhook": lambda day, n: (
        registrations.note_arrival,
        registrations.Arrived(connection_id=day.shop, at=9.0 + n),
    ),
    "add a state": lambda _, n: (
        installs.add_state,
        installs.NewState(site=NEW, platform="fake", state=f"further{n}", now=9.0),
    ),
    "forget history": lambda day, _: (history.forget, (day.shop, 8.0)),
    "begin an action": lambda _, n: (audit.begin, calls.action(audit.KEPT + 9.0, f"operator{n}")),
    "end an action": lambda day, n: (
        audit.end,
        audit.ActionResult(id=day.action, outcome=AuditOutcome.DONE, encrypted=b"result%d" % n),
    ),
    "heartbeat": lambda _d, _n: (vault.heartbeat, None),
    "make a fingerprint key": lambda _, n: (vault._stored_or, b"key%d" % n),
}

OWNER: Mapping[str, Make] = {
    "mark": lambda day, _: (ledger.mark, calls.mark(day.shop, "8", "4", "1")),
    "settle": lambda day, _: (settle.settle, calls.settlement(day.shop, day.live, wanted=ids("7"), missing=ids("2"))),
    "settle a run's": lambda day, _: (settle.settle, calls.settlement(day.shop, day.backfill, issue="1")),
    "settle with an issue": lambda day, _: (settle.settle, calls.settlement(day.shop, day.live, issue="8")),
    "settle a failure": lambda day, _: (settle.settle, calls.failed(day.shop, day.live[-1], 99.0)),
    "settle and park": lambda day, _: (settle.settle, calls.failed(day.shop, day.backfill[-1], None)),
    "settle a look later": lambda day, _: (
        settle.settle,
        calls.settlement(day.shop, day.backfill, later={ExternalId("9"): 60.0}, removed=ids("5")),
    ),
    "take a page": lambda day, _: (
        full_syncs.take_page,
        full_syncs.PageRead(run=day.run, ids=ids("8", "3", "1", "9"), cursor="c", now=9.0),
    ),
    "finish enumeration": lambda day, _: (full_syncs.finish_enumeration, (day.run, 9.0)),
    "close if drained": lambda day, _: (full_syncs.close_if_drained, (day.run, 9.0)),
    "note a wait": lambda day, _: (full_syncs.note_wait, (day.run, 9.0)),
    "give up": lambda day, _: (full_syncs.give_up, day.run),
    "restore stale parts": lambda day, _: (
        last_word.restore,
        last_word.Restore(
            connection_id=day.shop,
            kind=PRODUCTS,
            now=9.0,
            rows={claim: Row(claim.external_id, None, b"parts") for claim in day.live},
            keys={claim.external_id: [Sku("sku-1"), Sku("sku-9")] for claim in day.live},
        ),
    ),
    "decide removals": lambda day, _: (removals.decide, calls.decided(day.shop, day.run)),
    "judge removals": lambda day, _: (removals.judge, (day.run, 9.0)),
    "take a report": lambda day, _: (sync_log.take, (day.shop, PRODUCTS)),
    "confirm a report": lambda day, _: (sync_log.confirm, day.report),
    "confirm an end": lambda day, _: (sync_log.confirm, day.last_report),
    "owe a PUT": lambda day, _: (sync_log.owe_put, (day.shop, PRODUCTS)),
    "take swept": lambda day, _: (
        sweeps.take_swept,
        sweeps.Swept(connection_id=day.shop, kind=PRODUCTS, ids=ids("9", "8", "3"), now=9.0),
    ),
    "note a sweep": lambda day, _: (
        sweeps.store_swept,
        sweeps.SweptUntil(connection_id=day.shop, kind=PRODUCTS, since=9.0),
    ),
    "touch sweeps": lambda day, _: (sweeps.touch, day.shop),
    "note a census": lambda day, _: (
        sweeps.store_census,
        sweeps.PastCensus(connection_id=day.shop, kind=PRODUCTS, began_at=9.0, seconds=1.0),
    ),
    "keep an entry": lambda day, _: (
        adapter_state._store,
        adapter_state.StateChange(connection_id=day.shop, section="s", forgotten=["x"]),
    ),
    "note registrations": lambda day, _: (
        registrations.store,
        registrations.StoredRegistration(connection_id=day.shop, registered=1, missing=0, looked_at=9.0, encrypted=b""),
    ),
    "forget registrations": lambda day, _: (registrations.forget, day.shop),
    "note leftovers": lambda day, _: (
        leftovers.note,
        leftovers.LeftoverRows(connection_id=day.shop, kind=PRODUCTS, rows=[Row(ExternalId("sku:z"), b"x", b"")]),
    ),
    "forget owned leftovers": lambda day, _: (leftovers.forget_owned, (day.shop, PRODUCTS)),
    "settle a debt": lambda day, _: (leftovers.settle_debt, (day.shop, PRODUCTS)),
    "settle the stock location": lambda day, _: (
        resync.settle_at,
        resync.Settle(connection_id=day.shop, place=resync.StockPlace("l", None), now=9.0),
    ),
    "sync again for a setting": lambda day, _: (
        resync.remap,
        resync.Remap(
            mark=ledger.Mark(connection_id=day.shop, kind=Kind.STORE, rows=[calls.sure(ExternalId("store"))]),
            resync=calls.start(day.shop, RunMode.NORMAL, internal=True),
        ),
    ),
    "tell": lambda day, _: (leases.tell, leases.OwnerReport(connection_id=day.shop, text="told")),
    "store a notification": lambda day, _: (notifications.store, calls.notification(day.shop, NotificationState.OPEN)),
    "wipe": lambda day, _: (connections.wipe, connections.Wipe(id=day.leaving, blank=b"")),
    "wipe the shop": lambda day, _: (connections.wipe, connections.Wipe(id=day.shop, blank=b"")),
}


def _by(function: Callable[..., Any], *values: Any) -> tuple[Any, Any]:
    """Return an operation of what takes several values."""
    return one_by_one(functools.wraps(function)(lambda conn, call: function(conn, *call))), values


def _look(
    node: str, *, may_accuse: bool = False, may_take: bool = False, timeline: int | None = None
) -> tuple[Any, Any]:
    look = leases.Look(node_id=node, held=[], now=9.0, may_accuse=may_accuse, may_take=may_take, timeline=timeline)
    return _by(leases.look, look)


NODE: Mapping[str, Make] = {
    "enter": lambda _, n: _by(leases.enter, calls.node(f"new{n}"), 9.0),
    "beat": lambda _d, _n: _by(leases.beat, SILENT, 9.0),
    "expel": lambda _, n: _look(f"node{n}", may_accuse=True),
    "take": lambda _, n: _look(f"node{n}", may_take=True),
    "expel and take": lambda _, n: _look(f"node{n}", may_accuse=True, may_take=True),
    "look": lambda _d, _n: _look(SILENT),
    # A server begins with the first timeline.
    "look after a failover": lambda _d, _n: _look(SILENT, timeline=-1),
    "drain": lambda _d, _n: _by(leases.drain, SILENT),
    "leave the cluster": lambda _d, _n: _by(leases.leave, SILENT),
    "give": lambda day, _: (leases.give, day.leases[day.shop]),
    "quarantine": lambda day, _: _by(leases.quarantine, day.leases[day.shop], 9.0),
}

SKIPS = frozenset({"expel", "take", "expel and take", "look", "look after a failover", "forget history"})
"""Operations that pass over rows which others have locked. They come again: with the next beat, or an hour later."""


def fenced(name: str) -> Make:
    """Return an owner's operation as it is really made: by the node that has the lease, behind the fence."""

    def make(day: Day, number: int) -> tuple[Any, Any]:
        operation, call = OWNER[name](day, number)
        return leases.fenced(operation), (day.leases[day.leaving if name == "wipe" else day.shop], call)

    return make


FENCED: Mapping[str, Make] = {f"{name}, fenced": fenced(name) for name in OWNER}
EVERY: Mapping[str, Make] = {**INTAKE, **OWNER, **NODE, **FENCED}
