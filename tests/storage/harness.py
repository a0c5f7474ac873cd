"""One connection in a database, with short calls for the real storage's operations.

    harness = await StorageHarness.build(new_database())
    await harness.record("1", now=5.0)
    [claim] = await harness.claim(now=6.0)
    await harness.settle(done=[settled(claim)])
    assert await harness.rows() == {}

Times are small numbers of seconds, ids are short texts.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, Table, select, text

from daemon.model import Change, ConnectionId, ExternalId, Key, Kind, Lane, RunId, Site, Sku
from daemon.model.outcome import IssueRow, Outcome, Result, Row
from daemon.storage import connections, full_syncs, ledger, outbox, sync_log
from daemon.storage import settle as settling
from daemon.storage.connections import Adopt
from daemon.storage.counts import counts
from daemon.storage.database import Storage
from daemon.storage.full_syncs import PageRead, Run, Start
from daemon.storage.ledger import Mark
from daemon.storage.outbox import Claim, Record
from daemon.storage.removals import Key as RemovalKey
from daemon.storage.settle import RetryLater, Settlement
from daemon.storage.states import RunMode, Transition
from daemon.storage.sync_log import Report
from daemon.storage.tables import outbox as outbox_table

PRODUCTS = Kind.PRODUCTS


def steps(life: type) -> dict[str, Transition[Any]]:
    """Return the table of a life: its steps by the names of their events."""
    return {name: step for name, step in vars(life).items() if isinstance(step, Transition)}


def id_(text: str) -> ExternalId:
    return ExternalId(text)


def issue(words: str) -> IssueRow:
    """Return an issue with the text `words`."""
    return IssueRow(words.encode(), words.encode())


def row(external_id: str, fingerprint: bytes | None = b"equal") -> Row:
    return Row(ExternalId(external_id), fingerprint, b"parts")


@frozen
class StorageHarness:
    """A connection and its storage operations."""

    storage: Storage
    connection_id: ConnectionId
    kind: Kind = Kind.PRODUCTS

    @classmethod
    async def build(cls, storage: Storage, site: str = "shop") -> "StorageHarness":
        """Adopt a connection."""
        pending = Adopt(site=Site("test", site), platform="fake", encrypted=b"", now=0.0)
        stored = await storage.write(connections.adopt, pending)
        return cls(storage, stored.id)

    async def record(self, *ids: str, now: float = 0.0, lane: Lane = Lane.LIVE, **waiting: float) -> None:
        changes = [Change(self.kind, ExternalId(one)) for one in ids]
        call = Record(connection_id=self.connection_id, changes=changes, now=now, lane=lane, **waiting)
        await self.storage.write(outbox.record, call)

    async def claim(
        self, now: float = 0.0, lane: Lane = Lane.LIVE, limit: int = 250, in_flight: frozenset[str] = frozenset()
    ) -> list[Claim]:
        busy = frozenset(ExternalId(one) for one in in_flight)
        return await self.storage.read(outbox.claim, self.connection_id, self.kind, lane, now, limit, busy)

    async def settle(
        self,
        *,
        done: Sequence["Settled"] = (),
        again: Sequence[RetryLater] = (),
        held: Collection[RemovalKey] = (),
        now: float = 0.0,
    ) -> None:
        call = Settlement(
            connection_id=self.connection_id,
            kind=self.kind,
            now=now,
            held=held,
            done={one.claim: one.outcome for one in done},
            issues={one.claim.external_id: one.issue for one in done if one.issue is not None},
            reported={one.claim.external_id for one in done if one.report},
            again=again,
        )
        await self.storage.write(settling.settle, call)

    async def work(self, now: float = 0.0, lane: Lane = Lane.LIVE, **result: Any) -> None:
        """Settle all due rows as done."""
        claims = await self.claim(now, lane)
        await self.settle(done=[settled(claim, **result) for claim in claims], now=now)

    async def fail(self, due_at: float | None = None, now: float = 0.0, lane: Lane = Lane.LIVE) -> None:
        """Fail an attempt at all due rows; without `due_at`, the change is parked."""
        again = [RetryLater(claim=claim, due_at=due_at, error=b"why") for claim in await self.claim(now, lane)]
        await self.settle(again=again, now=now)

    async def start(self, mode: str = "normal", now: float = 0.0, **pending: Any) -> RunId | None:
        call = Start(connection_id=self.connection_id, kind=self.kind, mode=RunMode(mode), now=now, **pending)
        return await self.storage.write(full_syncs.start, call)

    async def started(self, mode: str = "normal", now: float = 0.0, **pending: Any) -> RunId:
        run = await self.start(mode, now, **pending)
        assert run is not None
        return run

    async def page(self, run: RunId, *ids: str, cursor: str | None = None, now: float = 0.0) -> set[ExternalId] | None:
        call = PageRead(run=run, ids=[ExternalId(one) for one in ids], cursor=cursor, now=now)
        return await self.storage.write(full_syncs.take_page, call)

    async def enumerated(self, run: RunId, now: float = 0.0) -> int:
        return await self.storage.write(full_syncs.finish_enumeration, (run, now))

    async def close(self, run: RunId, now: float = 0.0) -> bool:
        return await self.storage.write(full_syncs.close_if_drained, (run, now))

    async def newest(self) -> Run:
        run = await self.storage.read(full_syncs.newest, self.connection_id, self.kind)
        assert run is not None
        return run

    async def newest_id(self) -> RunId:
        return (await self.newest()).id

    async def everything_of(self, table: str) -> list[dict[str, Any]]:
        return await self.everything(TABLES[table])

    async def take(self) -> Report | None:
        return await self.storage.write(sync_log.take, (self.connection_id, self.kind))

    async def taken(self) -> Report:
        report = await self.take()
        assert report is not None
        return report

    async def confirm(self, report: Report) -> None:
        await self.storage.write(sync_log.confirm, report)

    async def ended_run(self, *ids: str, now: float = 0.0, **result: Any) -> RunId:
        """Run a full sync over `ids` to its reported end, with every entity settled as done."""
        run = await self.started(now=now)
        await self.page(run, *ids, now=now)
        await self.enumerated(run, now)
        await self.work(now, Lane.BACKFILL, **result)
        assert await self.close(run, now)
        await self.tell()
        return run

    async def owed(self) -> tuple[int, int]:
        """Return the numbers of issues and of synced ids that SparkLayer has yet to be told."""
        counted, place = await self.storage.read(counts, [self.connection_id]), (self.connection_id, self.kind)
        return counted.untold.get(place, 0), counted.synced.get(place, 0)

    async def tell(self) -> None:
        """Mark every owed report as accepted by SparkLayer."""
        while (report := await self.take()) is not None:
            await self.confirm(report)

    async def mark(
        self, *rows: Row, claims: dict[str, str] | None = None, given_up: dict[str, str] | None = None
    ) -> frozenset[Key]:
        call = Mark(
            connection_id=self.connection_id,
            kind=self.kind,
            rows=rows,
            claims={Sku(sku): ExternalId(one) for sku, one in (claims or {}).items()},
            given_up={Sku(sku): ExternalId(one) for sku, one in (given_up or {}).items()},
        )
        return await self.storage.write(ledger.mark, call)

    async def ledger(self) -> dict[str, bytes | None]:
        """Return the digests of the ledger."""
        return {found["external_id"]: found["fingerprint"] for found in await self.everything(TABLES["ledger"])}

    async def owners(self) -> dict[str, str]:
        return {found["key"]: found["external_id"] for found in await self.everything(TABLES["owners"])}

    async def rows(self) -> dict[str, dict[str, Any]]:
        """Return the outbox."""
        return {found["external_id"]: found for found in await self.everything(outbox_table)}

    async def row(self, external_id: str) -> dict[str, Any]:
        return (await self.rows())[external_id]

    async def everything(self, table: Table) -> list[dict[str, Any]]:
        """Return the connection's rows of a table."""
        return await self.storage.read(_everything, table, self.connection_id)

    async def disconnect(self) -> None:
        await self.alter("connections", "state = 'leaving'")

    async def alter(self, table: str, change: str) -> None:
        """Change every row of a table directly, past storage."""
        await self.storage.write(_raw, f"UPDATE {table} SET {change}")  # noqa: S608  a test's own text


@frozen(kw_only=True)
class Settled:
    """An entity with finished work."""

    claim: Claim
    outcome: Outcome
    issue: IssueRow | None
    report: bool


def settled(
    claim: Claim, *, forget: bool = False, issue: IssueRow | None = None, report: bool = False, **fields: Any
) -> Settled:
    """Return an entity that was written, or removed with `forget`; `fields` are those of its outcome."""
    fields |= {name: frozenset(fields[name]) for name in ("released", "waits_for", "awaits") if name in fields}
    outcome = Outcome(result=Result.REMOVED if forget else Result.WRITTEN, **fields)
    return Settled(claim=claim, outcome=outcome, issue=issue, report=report)


def _everything(conn: Connection, table: Table, connection_id: ConnectionId) -> list[dict[str, Any]]:
    query = select(table).where(table.c.connection_id == connection_id)
    return [dict(found) for found in conn.execute(query).mappings()]


def _raw(conn: Connection, calls: Sequence[str]) -> list[None]:
    for statement in calls:
        conn.execute(text(statement))
    return [None] * len(calls)


TABLES = outbox_table.metadata.tables
Operation = Callable[[StorageHarness], Any]
