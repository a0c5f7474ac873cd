"""The database in the middle of a day: the one on which each pair of operations is tried."""

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen
from sqlalchemy import Connection

from daemon.model import ConnectionId, Lane, RunId
from daemon.storage import (
    audit,
    connections,
    full_syncs,
    gaps,
    installs,
    last_word,
    leases,
    ledger,
    notifications,
    outbox,
    registrations,
    removals,
    settle,
    sync_log,
    vault,
)
from daemon.storage.leases import Lease
from daemon.storage.outbox import Claim
from daemon.storage.states import NotificationState, RunMode
from daemon.storage.sync_log import Report
from tests.prove.interleavings import calls
from tests.prove.interleavings.calls import CUSTOMERS, GONE, NEW, OTHER, PRODUCTS, SHOP, SILENT, ids


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
    action: int
    """An operator's action that has begun."""


def made(conn: Connection) -> Day:
    """Make a day: a connection that syncs, with every sort of row; one that leaves; one that is gone."""

    def write(operation: Any, call: Any) -> Any:
        return operation(conn, [call])[0]

    write(vault._stored_or, b"key")
    shop = write(connections.adopt, calls.adopt(SHOP, b"shop")).id
    leaving = write(connections.begin, calls.begin(OTHER, b"other")).id
    write(outbox.record, calls.record(leaving, "1"))
    write(connections.leave, connections.Leave(site=OTHER, now=2.0))
    gone = write(connections.adopt, calls.adopt(GONE, b"gone")).id
    write(connections.leave, connections.Leave(site=GONE, now=2.0))
    write(connections.wipe, connections.Wipe(id=gone, blank=b""))
    start = full_syncs.Start(connection_id=shop, kind=PRODUCTS, mode=RunMode.NORMAL, now=3.0)
    run = write(full_syncs.start, start)
    write(full_syncs.take_page, full_syncs.PageRead(run=run, ids=ids("1", "2", "5", "6"), cursor=None, now=3.0))
    claims = outbox.claim(conn, shop, PRODUCTS, Lane.BACKFILL, 4.0, 9, set())
    write(ledger.mark, calls.mark(shop, "1", "2", "5"))
    write(settle.settle, calls.settlement(shop, claims, issue="6"))
    write(full_syncs.finish_enumeration, (run, 5.0))
    assert write(full_syncs.close_if_drained, (run, 5.0))
    while (report := write(sync_log.take, (shop, PRODUCTS))) is not None:
        write(sync_log.confirm, report)
    write(outbox.record, calls.record(shop, "3"))
    [parking] = outbox.claim(conn, shop, PRODUCTS, Lane.LIVE, 6.0, 9, set())
    write(settle.settle, calls.failed(shop, parking, None))
    run = write(full_syncs.start, start)
    write(full_syncs.take_page, full_syncs.PageRead(run=run, ids=ids("1", "2"), cursor="next", now=6.0))
    write(outbox.record, calls.record(shop, "4", "8", "5"))
    removals.hold_unseen(conn, shop, PRODUCTS, run, ids("5"), 6.0)
    write(gaps.note, gaps.GapNote(connection_id=shop, kinds=[PRODUCTS], due_at=5.0))
    write(installs.install, installs.Install(platform="fake", store_id="s", encrypted=b"install", now=6.0))
    write(installs.pending, calls.pending(NEW, "state"))
    customers = write(full_syncs.start, evolve(start, kind=CUSTOMERS))
    write(full_syncs.finish_enumeration, (customers, 6.0))
    write(full_syncs.close_if_drained, (customers, 6.0))
    write(sync_log.confirm, write(sync_log.take, (shop, CUSTOMERS)))
    write(registrations.note_arrival, registrations.Arrived(connection_id=shop, at=6.0))
    write(notifications.store, calls.notification(shop, NotificationState.OPENING))
    ledger.doubt(conn, shop, PRODUCTS, ids("1", "2"))
    write(last_word.owe, last_word.SecondLooks(connection_id=shop, at=8.0))
    report, last_report = (write(sync_log.take, (shop, kind)) for kind in (PRODUCTS, CUSTOMERS))
    assert report.full
    assert last_report.run == customers
    leases.enter(conn, calls.node(SILENT), -5.0)
    taken = leases.take(conn, SILENT, [], 1.0)
    for name in ("alive", "node0", "node1"):
        leases.enter(conn, calls.node(name), 8.0)
    return Day(
        shop=shop,
        leaving=leaving,
        run=run,
        live=outbox.claim(conn, shop, PRODUCTS, Lane.LIVE, 7.0, 9, set()),
        backfill=outbox.claim(conn, shop, PRODUCTS, Lane.BACKFILL, 7.0, 9, set()),
        report=report,
        last_report=last_report,
        leases={one.lease.connection_id: one.lease for one in taken},
        action=write(audit.begin, calls.action(1.0, "operator")),
    )
