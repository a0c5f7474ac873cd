"""The calls of the operations, and the names that they have in common."""

from typing import Any

from daemon.model import Change, ConnectionId, ExternalId, Kind, RunId, Site, Sku
from daemon.model.outcome import IssueRow, Outcome, Result, Row
from daemon.storage import (
    audit,
    connections,
    full_syncs,
    installs,
    leases,
    ledger,
    notifications,
    outbox,
    removals,
    settle,
)
from daemon.storage.outbox import Claim
from daemon.storage.states import NotificationState, RemovalCause, RunMode

PRODUCTS, CUSTOMERS = Kind.PRODUCTS, Kind.CUSTOMERS
SILENT = "silent"
"""A node that has both leases, and may be expelled."""

SHOP, OTHER, GONE, NEW = (Site("test", name) for name in ("shop", "other", "gone", "new"))


def ids(*texts: str) -> list[ExternalId]:
    return [ExternalId(text) for text in texts]


def node(name: str) -> leases.Node:
    return leases.Node(id=name, name=name, release="1", config="")


def adopt(site: Site, encrypted: bytes, before: bytes | None = None) -> connections.Adopt:
    return connections.Adopt(
        site=site, platform="fake", encrypted=encrypted, before=before, now=1.0, read_again=[PRODUCTS]
    )


def begin(site: Site, encrypted: bytes, *instead_of: ConnectionId) -> connections.Begin:
    return connections.Begin(
        site=site, platform="fake", encrypted=encrypted, now=1.0, instead_of=instead_of, kinds=[PRODUCTS, CUSTOMERS]
    )


def record(connection_id: ConnectionId, *texts: str, kind: Kind = PRODUCTS) -> outbox.Record:
    changes = [Change(kind, external_id) for external_id in ids(*texts)]
    return outbox.Record(connection_id=connection_id, changes=changes, now=6.0)


def mark(connection_id: ConnectionId, *texts: str) -> ledger.Mark[Sku]:
    rows = [Row(external_id, None, b"parts") for external_id in ids(*texts)]
    claims = {Sku(f"sku-{text}"): ExternalId(text) for text in texts}
    return ledger.Mark(connection_id=connection_id, kind=PRODUCTS, rows=rows, claims=claims)


def settlement(connection_id: ConnectionId, claims: list[Claim], *, issue: str = "", **more: Any) -> settle.Settlement:
    done = {
        claim: Outcome(result=Result.WRITTEN, row=None if claim.external_id == issue else sure(claim.external_id))
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


def sure(external_id: ExternalId) -> Row:
    return Row(external_id, b"equal", b"parts")


def failed(connection_id: ConnectionId, claim: Claim, due_at: float | None) -> settle.Settlement:
    again = [settle.RetryLater(claim=claim, due_at=due_at, error=b"why")]
    return settle.Settlement(connection_id=connection_id, kind=PRODUCTS, now=8.0, again=again)


def pending(site: Site, state: str, platform: str = "fake") -> installs.PendingConnection:
    return installs.PendingConnection(
        site=site, platform=platform, store_id="s", encrypted=b"pending", now=6.0, state=state
    )


def start(connection_id: ConnectionId, mode: RunMode, kind: Kind = PRODUCTS, **more: Any) -> full_syncs.Start:
    return full_syncs.Start(connection_id=connection_id, kind=kind, mode=mode, now=9.0, **more)


def decided(connection_id: ConnectionId, run: RunId) -> removals.Decided:
    return removals.Decided(
        connection_id=connection_id,
        kind=PRODUCTS,
        now=9.0,
        removals=[removals.Removal(external_id=ExternalId(text), cause=RemovalCause.DELETED, run=run) for text in "21"],
        looked_at={ExternalId(text): [removals.WHOLE] for text in "58"},
    )


def action(at: float, operator: str) -> audit.OperatorAction:
    return audit.OperatorAction(
        at=at, operator=operator, action="pause", site=None, kind=None, request_id=None, encrypted=operator.encode()
    )


def notification(connection_id: ConnectionId, standing: NotificationState) -> notifications.Notification:
    return notifications.Notification(
        connection_id=connection_id, receiver="receiver", event="blocked", standing=standing, message_id="message"
    )
