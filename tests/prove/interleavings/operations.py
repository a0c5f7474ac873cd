"""The database in the middle of a day, and every operation on it that two nodes may make at the same time.

*Intake* is what any node may do for any connection: webhooks, orders of people and of Ignite, connects. *Owner* is what
only the node that works on a connection does for it: so two owners' operations never meet. *Node* is what nodes do
about themselves and the leases; it meets owners' operations as they really are, behind the fence.
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, frozen
from sqlalchemy import Connection

from daemon.model import Change, ConnectionId, ExternalId, Kind, Lane, RunId, Site, Sku
from daemon.model.outcome import IssueRow, Outcome, Result, Row
from daemon.storage import (
    adapter_state,
    censuses,
    connections,
    full_syncs,
    gaps,
    installs,
    last_word,
    leases,
    ledger,
    leftovers,
    outbox,
    parked,
    registrations,
    removals,
    resync,
    rotation,
    second_looks,
    settle,
    stale_parts,
    stock_locations,
    sweeps,
    sync_log,
    vault,
)
from daemon.storage.leases import Lease
from daemon.storage.operation import one_by_one
from daemon.storage.outbox import Claim
from daemon.storage.states import RemovalCause, RunMode
from daemon.storage.sync_log import Report
from daemon.storage.tables import connections as connections_table

PRODUCTS, CUSTOMERS = Kind.PRODUCTS, Kind.CUSTOMERS
SILENT = "silent"
"""A node that has both leases, and may be expelled."""

SHOP, OTHER, GONE, NEW = (Site("test", name) for name in ("shop", "other", "gone", "new"))


def ids(*texts: str) -> list[ExternalId]:
    return [ExternalId(text) for text in texts]


@frozen(kw_only=True)
class Day:
    """The database, and what the owner of the shop's connection has in memory."""

    shop: ConnectionId
    leaving: ConnectionId
    run: RunId
    live: list[Claim]
    backfill: list[Claim]
    report: Report
    last_report: Report
    """The end of the customers' run."""
    leases: Mapping[ConnectionId, Lease]
    """Those of the silent node."""


def made(conn: Connection) -> Day:
    """Make a day: a connection that syncs, with every sort of row; one that leaves; one that is gone."""

    def write(operation: Any, call: Any) -> Any:
        return operation(conn, [call])[0]

    write(vault._stored_or, b"key")
    shop = write(connections.adopt, _adopt(SHOP, b"shop")).id
    leaving = write(connections.begin, _begin(OTHER, b"other")).id
    write(outbox.record, _record(leaving, "1"))
    write(connections.leave, connections.Leave(site=OTHER, now=2.0))
    gone = write(connections.adopt, _adopt(GONE, b"gone")).id
    write(connections.leave, connections.Leave(site=GONE, now=2.0))
    write(connections.wipe, connections.Wipe(id=gone, blank=b""))
    start = full_syncs.Start(connection_id=shop, kind=PRODUCTS, mode=RunMode.NORMAL, now=3.0)
    run = write(full_syncs.start, start)
    write(full_syncs.take_page, full_syncs.PageRead(run=run, ids=ids("1", "2", "5", "6"), cursor=None, now=3.0))
    claims = outbox.claim(conn, shop, PRODUCTS, Lane.BACKFILL, 4.0, 9, set())
    write(ledger.mark, _mark(shop, "1", "2", "5"))
    write(settle.settle, _settlement(shop, claims, issue="6"))
    write(full_syncs.finish_enumeration, (run, 5.0))
    assert write(full_syncs.close_if_drained, (run, 5.0))
    while (report := write(sync_log.take, (shop, PRODUCTS))) is not None:
        write(sync_log.confirm, report)
    write(outbox.record, _record(shop, "3"))
    [parking] = outbox.claim(conn, shop, PRODUCTS, Lane.LIVE, 6.0, 9, set())
    write(settle.settle, _failed(shop, parking, None))
    run = write(full_syncs.start, start)
    write(full_syncs.take_page, full_syncs.PageRead(run=run, ids=ids("1", "2"), cursor="next", now=6.0))
    write(outbox.record, _record(shop, "4", "8", "5"))
    removals.hold_unseen(conn, shop, PRODUCTS, run, ids("5"), 6.0)
    write(gaps.note, gaps.GapNote(connection_id=shop, kinds=[PRODUCTS], due_at=5.0))
    write(installs.install, installs.Install(platform="fake", store_id="s", encrypted=b"install", now=6.0))
    write(installs.pending, _pending(NEW, "state"))
    customers = write(full_syncs.start, evolve(start, kind=CUSTOMERS))
    write(full_syncs.finish_enumeration, (customers, 6.0))
    write(full_syncs.close_if_drained, (customers, 6.0))
    write(sync_log.confirm, write(sync_log.take, (shop, CUSTOMERS)))
    ledger.doubt(conn, shop, PRODUCTS, ids("1", "2"))
    write(second_looks.owe, second_looks.Owe(shop, 8.0))
    report, last_report = (write(sync_log.take, (shop, kind)) for kind in (PRODUCTS, CUSTOMERS))
    assert report.full
    assert last_report.run == customers
    _enter(conn, SILENT, -5.0)
    taken = leases.take(conn, leases.Take(node_id=SILENT, held=[], now=1.0))
    for name in ("alive", "node0", "node1"):
        _enter(conn, name, 8.0)
    return Day(
        shop=shop,
        leaving=leaving,
        run=run,
        live=outbox.claim(conn, shop, PRODUCTS, Lane.LIVE, 7.0, 9, set()),
        backfill=outbox.claim(conn, shop, PRODUCTS, Lane.BACKFILL, 7.0, 9, set()),
        report=report,
        last_report=last_report,
        leases={one.lease.connection_id: one.lease for one in taken},
    )


def _enter(conn: Connection, name: str, seen_at: float) -> None:
    leases.enter(conn, leases.Node(id=name, name=name, release="1", config=""), seen_at)


def _adopt(site: Site, encrypted: bytes, before: bytes | None = None) -> connections.Adopt:
    return connections.Adopt(
        site=site, platform="fake", encrypted=encrypted, before=before, now=1.0, read_again=[PRODUCTS]
    )


def _begin(site: Site, encrypted: bytes, *instead_of: ConnectionId) -> connections.Begin:
    return connections.Begin(
        site=site, platform="fake", encrypted=encrypted, now=1.0, instead_of=instead_of, kinds=[PRODUCTS, CUSTOMERS]
    )


def _record(connection_id: ConnectionId, *texts: str, kind: Kind = PRODUCTS) -> outbox.Record:
    changes = [Change(kind, external_id) for external_id in ids(*texts)]
    return outbox.Record(connection_id=connection_id, changes=changes, now=6.0)


def _mark(connection_id: ConnectionId, *texts: str) -> ledger.Mark[Sku]:
    rows = [Row(external_id, None, b"parts") for external_id in ids(*texts)]
    claims = {Sku(f"sku-{text}"): ExternalId(text) for text in texts}
    return ledger.Mark(connection_id=connection_id, kind=PRODUCTS, rows=rows, claims=claims)


def _settlement(connection_id: ConnectionId, claims: list[Claim], *, issue: str = "", **more: Any) -> settle.Settlement:
    done = {
        claim: Outcome(result=Result.WRITTEN, row=None if claim.external_id == issue else _sure(claim.external_id))
        for claim in claims
    }
    issues = {ExternalId(issue): IssueRow(b"issue", b"issue")} if issue else {}
    return settle.Settlement(
        connection_id=connection_id,
        kind=PRODUCTS,
        now=8.0,
        done=done,
        issues=issues,
        reported=[claim.external_id for claim in claims],
        **more,
    )


def _sure(external_id: ExternalId) -> Row:
    return Row(external_id, b"equal", b"parts")


def _failed(connection_id: ConnectionId, claim: Claim, due_at: float | None) -> settle.Settlement:
    again = [settle.RetryLater(claim=claim, due_at=due_at, error=b"why")]
    return settle.Settlement(connection_id=connection_id, kind=PRODUCTS, now=8.0, again=again)


def _pending(site: Site, state: str, platform: str = "fake") -> installs.PendingConnection:
    return installs.PendingConnection(
        site=site, platform=platform, store_id="s", encrypted=b"pending", now=6.0, state=state
    )


def _start(day: Day, mode: RunMode, kind: Kind = PRODUCTS, **more: Any) -> full_syncs.Start:
    return full_syncs.Start(connection_id=day.shop, kind=kind, mode=mode, now=9.0, **more)


def _decided(day: Day) -> removals.Decided:
    return removals.Decided(
        connection_id=day.shop,
        kind=PRODUCTS,
        now=9.0,
        removals=[
            removals.Removal(external_id=ExternalId(text), cause=RemovalCause.DELETED, run=day.run) for text in "21"
        ],
        looked_at={ExternalId(text): [removals.WHOLE] for text in "58"},
    )


Make = Callable[[Day, int], tuple[Any, Any]]
"""Returns an operation and its call; the number tells apart two nodes that make the same operation."""

INTAKE: Mapping[str, Make] = {
    "record": lambda day, _: (outbox.record, _record(day.shop, "8", "1", "3", "7")),
    "record of others": lambda day, _: (outbox.record, _record(day.shop, "9", "4", "2", "10")),
    "record of one that leaves": lambda day, _: (outbox.record, _record(day.leaving, "7")),
    "retry parked": lambda day, _: (parked.retry, parked.Choice(connection_id=day.shop, kind=None, ids=(), now=9.0)),
    "drop parked": lambda day, _: (parked.drop, parked.Choice(connection_id=day.shop, kind=None, ids=(), now=9.0)),
    "allow removals": lambda day, _: (
        removals.allow,
        removals.Allow(connection_id=day.shop, kind=PRODUCTS, ids=None, now=9.0),
    ),
    "start": lambda day, _: (full_syncs.start, _start(day, RunMode.NORMAL)),
    "start of another kind": lambda day, _: (full_syncs.start, _start(day, RunMode.NORMAL, CUSTOMERS)),
    "start a refresh": lambda day, _: (full_syncs.start, _start(day, RunMode.REFRESH, internal=True)),
    "start with removals": lambda day, _: (full_syncs.start, _start(day, RunMode.NORMAL, allow_removals=True)),
    "cancel": lambda day, _: (full_syncs.cancel, (day.shop, PRODUCTS, 9.0)),
    "note a gap": lambda day, _: (gaps.note, gaps.GapNote(connection_id=day.shop, kinds=[*Kind], due_at=9.0)),
    "withdraw a gap": lambda day, _: (gaps.withdraw, gaps.GapNote(connection_id=day.shop, kinds=[*Kind], due_at=9.0)),
    "begin again": lambda _, n: (connections.begin, _begin(SHOP, b"again%d" % n)),
    "begin a new site": lambda _, n: (connections.begin, _begin(NEW, b"new%d" % n)),
    "begin a site that leaves": lambda day, n: (connections.begin, _begin(OTHER, b"o%d" % n, day.leaving)),
    "begin a site that is gone": lambda _, n: (connections.begin, _begin(GONE, b"g%d" % n)),
    "adopt": lambda _, n: (connections.adopt, _adopt(SHOP, b"shop%d" % n, b"shop")),
    "adopt a new site": lambda _, n: (connections.adopt, _adopt(NEW, b"new%d" % n)),
    "adopt a site that is gone": lambda _, n: (connections.adopt, _adopt(GONE, b"gone%d" % n)),
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
    "wait for an install": lambda _, n: (installs.pending, _pending(NEW, f"state{n}")),
    "wait no longer": lambda _d, _n: (installs.forget_pending, NEW),
    "forget what has expired": lambda _d, _n: (installs.forget_expired, 9.0),
    "take a state": lambda _d, _n: (installs.take_state, ("state", 9.0)),
    "encrypt again": lambda _, n: (
        rotation._store,
        rotation.Renewed(connections_table, (1,), b"shop", b"renewed%d" % n),
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
    "owe second looks": lambda day, _: (second_looks.owe, second_looks.Owe(day.shop, 39.0)),
    "look again": lambda day, _: (second_looks.look_again, second_looks.LookAgain(day.shop, 9.0)),
    "heartbeat": lambda _d, _n: (vault.heartbeat, None),
    "make a fingerprint key": lambda _, n: (vault._stored_or, b"key%d" % n),
}

OWNER: Mapping[str, Make] = {
    "mark": lambda day, _: (ledger.mark, _mark(day.shop, "8", "4", "1")),
    "settle": lambda day, _: (settle.settle, _settlement(day.shop, day.live, wanted=ids("7"), missing=ids("2"))),
    "settle a run's": lambda day, _: (settle.settle, _settlement(day.shop, day.backfill, issue="1")),
    "settle with an issue": lambda day, _: (settle.settle, _settlement(day.shop, day.live, issue="8")),
    "settle a failure": lambda day, _: (settle.settle, _failed(day.shop, day.live[-1], 99.0)),
    "settle and park": lambda day, _: (settle.settle, _failed(day.shop, day.backfill[-1], None)),
    "settle a look later": lambda day, _: (
        settle.settle,
        _settlement(day.shop, day.backfill, later={ExternalId("9"): 60.0}, removed=ids("5")),
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
        stale_parts.restore,
        stale_parts.Restore(
            connection_id=day.shop,
            kind=PRODUCTS,
            now=9.0,
            rows={claim: Row(claim.external_id, None, b"parts") for claim in day.live},
            keys={claim.external_id: [Sku("sku-1"), Sku("sku-9")] for claim in day.live},
        ),
    ),
    "decide removals": lambda day, _: (removals.decide, _decided(day)),
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
        censuses.store,
        censuses.Taken(connection_id=day.shop, kind=PRODUCTS, began_at=9.0, seconds=1.0),
    ),
    "keep an entry": lambda day, _: (
        adapter_state._store,
        adapter_state.Change(connection_id=day.shop, section="s", forgotten=["x"]),
    ),
    "note registrations": lambda day, _: (
        registrations.store,
        registrations.Found(connection_id=day.shop, registered=1, missing=0, looked_at=9.0, encrypted=b""),
    ),
    "forget registrations": lambda day, _: (registrations.forget, day.shop),
    "note leftovers": lambda day, _: (
        leftovers.note,
        leftovers.LeftoverRows(connection_id=day.shop, kind=PRODUCTS, rows=[Row(ExternalId("sku:z"), b"x", b"")]),
    ),
    "forget owned leftovers": lambda day, _: (leftovers.forget_owned, (day.shop, PRODUCTS)),
    "settle a debt": lambda day, _: (leftovers.settle_debt, (day.shop, PRODUCTS)),
    "settle the stock location": lambda day, _: (
        stock_locations.settle_at,
        stock_locations.Settle(connection_id=day.shop, place=stock_locations.Place("l", None), now=9.0),
    ),
    "sync again for a setting": lambda day, _: (
        resync.remap,
        resync.Remap(
            mark=ledger.Mark(connection_id=day.shop, kind=Kind.STORE, rows=[_sure(ExternalId("store"))]),
            resync=_start(day, RunMode.NORMAL, internal=True),
        ),
    ),
    "wipe": lambda day, _: (connections.wipe, connections.Wipe(id=day.leaving, blank=b"")),
    "wipe the shop": lambda day, _: (connections.wipe, connections.Wipe(id=day.shop, blank=b"")),
}


def _by(function: Callable[..., Any], *values: Any) -> tuple[Any, Any]:
    """Return an operation of what takes several values."""
    return one_by_one(lambda conn, call: function(conn, *call)), values


def _look(node: str, *, may_accuse: bool = False, may_take: bool = False) -> tuple[Any, Any]:
    return _by(leases.look, leases.Look(node_id=node, held=[], now=9.0, may_accuse=may_accuse, may_take=may_take))


NODE: Mapping[str, Make] = {
    "enter": lambda _, n: _by(_enter, f"new{n}", 9.0),
    "beat": lambda _d, _n: _by(leases.beat, SILENT, 9.0),
    "expel": lambda _, n: _look(f"node{n}", may_accuse=True),
    "take": lambda _, n: _look(f"node{n}", may_take=True),
    "expel and take": lambda _, n: _look(f"node{n}", may_accuse=True, may_take=True),
    "look": lambda _d, _n: _look(SILENT),
    "drain": lambda _d, _n: _by(leases.drain, SILENT),
    "leave the cluster": lambda _d, _n: _by(leases.leave, SILENT),
    "give": lambda day, _: (leases.give, day.leases[day.shop]),
    "quarantine": lambda day, _: _by(leases.quarantine, day.leases[day.shop], 9.0),
}

SKIPS = frozenset({"expel", "take", "expel and take", "look"})
"""Operations that pass over rows which others have locked. They come again with the next beat."""


def fenced(name: str) -> Make:
    """Return an owner's operation as it is really made: by the node that has the lease, behind the fence."""

    def make(day: Day, number: int) -> tuple[Any, Any]:
        operation, call = OWNER[name](day, number)
        return leases.fenced(operation), (day.leases[day.leaving if name == "wipe" else day.shop], call)

    return make


FENCED: Mapping[str, Make] = {f"{name}, fenced": fenced(name) for name in OWNER}
EVERY: Mapping[str, Make] = {**INTAKE, **OWNER, **NODE, **FENCED}
