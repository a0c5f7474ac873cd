"""One batch of products from reading to settling.

    read -> map -> diff -> mark unsure -> push -> settle

Every entity of the batch has an outcome of its own: equal, written, removed, refused with an issue, to be tried
again, or broken by a bug of ours. One that is blocked settles nothing, it only closes the gate. What is known to be
confirmed is settled even for an entity that failed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
import trio
from attrs import define, evolve, field

from daemon.engine.diff import BatchPlan, Subject, plan_batch
from daemon.engine.entry import Entry, Prints, Terms, read_entry
from daemon.engine.line import Desk, Line
from daemon.engine.push import Pusher
from daemon.engine.verdict import Verdict, judge
from daemon.errors import Blocked, Failure, Missing, Retry
from daemon.model import EntityOutcome, ExternalId, Kind, Lane, Mapped, Problem, Sku, StoreFacts
from daemon.platforms.base import Entity
from daemon.storage import full_syncs, ledger
from daemon.storage.issues import IssueRow
from daemon.storage.ledger import Row
from daemon.storage.outbox import Claim
from daemon.storage.settle import Again, Done, Settlement, settle

MOST_ATTEMPTS = 400
"""About 48 hours of retrying, as long as platforms retry their own webhooks."""

MOST_BROKEN_ATTEMPTS = 10

log = structlog.get_logger()


@define
class _Batch:
    """A batch on its way: each station adds what it found out."""

    claims: Mapping[ExternalId, Claim]
    lane: Lane
    refreshing: frozenset[ExternalId]
    mapped: dict[ExternalId, Mapped[Any]] = field(factory=dict)
    verdicts: dict[ExternalId, Verdict] = field(factory=dict)
    rows: dict[ExternalId, Row] = field(factory=dict)

    def came_by_sweep(self, external_id: ExternalId) -> bool:
        """Whether no webhook and no full sync has asked for the entity."""
        return self.lane is Lane.BACKFILL and self.claims[external_id].run is None

    def fail(self, external_id: ExternalId, failure: Exception) -> None:
        self.verdicts[external_id] = Verdict(outcome="retried", failure=failure)


class ProductPipeline:
    """Works on batches of products of one connection; one batch of each lane at a time."""

    kind = Kind.PRODUCTS

    def __init__(self, line: Line) -> None:
        self._line = line
        self._pusher = Pusher(sparklayer=line.sparklayer)
        self._bugs: Counter[ExternalId] = Counter()
        """How often an entity broke us in a row. A restart, perhaps with the bug mended, counts anew."""

    @property
    def _desk(self) -> Desk:
        return self._line.desks[self.kind]

    async def work(self, claims: Sequence[Claim], lane: Lane) -> None:
        """Work on a batch to its end. Raises StorageTrouble when it could not be settled; bugs come out as such."""
        batch = _Batch({claim.external_id: claim for claim in claims}, lane, await self._refreshing(claims))
        contents = {claim.external_id: entity for claim in claims if (entity := self._desk.handoff.take(claim))}
        try:
            facts, terms = await self._line.prepared()
        except Failure as error:
            for external_id in batch.claims:
                batch.fail(external_id, error)
        else:
            await self._read(batch, contents, facts)
            await self._write(batch, terms)
        await self._settle(batch)

    async def fail(self, claim: Claim, lane: Lane, error: Exception) -> None:
        """Settle one entity that broke its batch by a bug of ours."""
        batch = _Batch({claim.external_id: claim}, lane, frozenset())
        batch.fail(claim.external_id, error)
        await self._settle(batch)

    async def _refreshing(self, claims: Sequence[Claim]) -> frozenset[ExternalId]:
        runs = {claim.run for claim in claims if claim.run is not None}
        if not runs:
            return frozenset()
        refreshes = await self._line.storage.read(full_syncs.refreshing, runs)
        return frozenset(claim.external_id for claim in claims if claim.run in refreshes)

    async def _read(self, batch: _Batch, handed: Mapping[ExternalId, Entity], facts: StoreFacts) -> None:
        """Read and map every entity of the batch; one the platform says is gone maps to nothing."""
        contents: dict[ExternalId, Entity | None] = dict(handed)
        wanted = [external_id for external_id in batch.claims if external_id not in contents]
        if wanted:
            await self._read_again(batch, wanted, contents)
        for external_id, entity in contents.items():
            try:
                mapped = self._line.platform.map(self.kind, entity, facts) if entity else Mapped(value=None)
            except Exception as error:  # noqa: BLE001  the entity's edge: settled as broken, with its traceback
                batch.fail(external_id, error)
            else:
                batch.mapped[external_id] = mapped

    async def _read_again(
        self, batch: _Batch, wanted: Sequence[ExternalId], contents: dict[ExternalId, Entity | None]
    ) -> None:
        """Read entities by their ids; ask for each that the answer leaves out itself, since that proves nothing."""
        try:
            contents.update(await self._line.platform.read(self.kind, wanted, batch.lane))
        except Failure as error:
            for external_id in wanted:
                batch.fail(external_id, error)
            return

        async def read_one(external_id: ExternalId) -> None:
            try:
                contents[external_id] = await self._line.platform.read_one(self.kind, external_id, batch.lane)
            except Failure as error:
                batch.fail(external_id, error)

        async with trio.open_nursery() as nursery:
            for external_id in [one for one in wanted if one not in contents]:
                nursery.start_soon(read_one, external_id)

    async def _write(self, batch: _Batch, terms: Terms) -> None:
        """Send what differs from the ledger, and note the verdict on each entity."""
        line, prints = self._line, Prints(self._line.fingerprint, terms)
        rows = await line.storage.read(ledger.look_up, line.connection.id, self.kind, list(batch.mapped))
        digests = {key: prints.digest(mapped.value) for key, mapped in batch.mapped.items() if mapped.value}
        subjects = []
        for external_id, mapped in batch.mapped.items():
            row, refresh = rows.get(external_id), external_id in batch.refreshing
            if row and not refresh and row.digest is not None and row.digest == digests.get(external_id):
                batch.verdicts[external_id] = Verdict(outcome="unchanged")
                continue
            before = read_entry(row.parts) if row else None
            before = before.forgotten() if before is not None and refresh else before
            subjects.append(Subject(external_id=external_id, product=mapped.value, before=before))
        met = await self._push(batch, subjects, prints, terms)
        if met:
            strangers = [evolve(one, before=met[one.external_id]) for one in subjects if one.external_id in met]
            await self._push(batch, strangers, prints, terms)

    async def _push(
        self, batch: _Batch, subjects: Sequence[Subject], prints: Prints, terms: Terms
    ) -> Mapping[ExternalId, Entry]:
        """Plan, mark and send; note the verdicts. Return what SparkLayer held unknown to us: plan that once more."""
        if not subjects:
            return {}
        plan = await self._mark(subjects, prints)
        pushed = await self._pusher.push(plan, terms, batch.lane)
        if any(isinstance(error, Missing) for error in pushed.undone.values()):
            self._line.forget_terms()  # so that the next attempt makes what is missing
        for one in plan.plans:
            verdict = batch.verdicts[one.external_id] = judge(one, pushed)
            product = one.subject.product
            if verdict.entry is not None:
                digest = prints.digest(product) if product and verdict.whole else None
                batch.rows[one.external_id] = Row(one.external_id, digest, verdict.entry.encoded())
        return {
            one.external_id: evolve(
                held, stock={**one.marked.stock, **held.stock}, prices={**one.marked.prices, **held.prices}
            )
            for one in plan.plans
            if (held := pushed.met.get(one.external_id)) is not None
        }

    async def _mark(self, subjects: Sequence[Subject], prints: Prints) -> BatchPlan:
        """Plan the batch and mark it unsure; plan again when somebody took a SKU in between."""
        line = self._line
        skus: set[Sku] = set()
        for subject in subjects:
            skus.update(variant.sku for variant in (subject.product.variants if subject.product else ()))
            skus.update(subject.before.skus if subject.before else ())
        while True:
            owners = await line.storage.read(ledger.owners, line.connection.id, self.kind, skus) if skus else {}
            plan = plan_batch(subjects, owners, prints)
            busy = [one for one in plan.plans if not one.idle]
            mark = ledger.Mark(
                connection_id=line.connection.id,
                kind=self.kind,
                rows=[Row(one.external_id, None, one.marked.encoded()) for one in busy],
                claims={sku: one.external_id for one in busy for sku in one.claims},
                given_up=plan.given_up,
            )
            if not busy or not await line.storage.write(ledger.mark, mark):
                return plan

    async def _settle(self, batch: _Batch) -> None:
        """Settle all outcomes in one transaction, and tell whoever waits for that."""
        line, now = self._line, self._line.now()
        done, again = [], []
        for external_id, verdict in batch.verdicts.items():
            outcome: EntityOutcome = verdict.outcome
            if isinstance(verdict.failure, Blocked):
                line.gate.close(verdict.failure)
                continue
            if verdict.failure is not None:
                again.append(self._again(batch, external_id, verdict.failure, now))
                outcome = _word_for(again[-1], verdict.failure)
            else:
                done.append(self._done(batch, external_id, verdict))
                line.metrics.pushed(line.connection.site, self.kind, now - batch.claims[external_id].first_queued_at)
            line.metrics.entity(line.connection.site, self.kind, outcome)
            if batch.came_by_sweep(external_id) and outcome in {"written", "removed"}:
                line.metrics.webhook_missed(line.connection.site, self.kind)
        settlement = Settlement(
            connection_id=line.connection.id,
            kind=self.kind,
            now=now,
            freshness=self._desk.freshness,
            done=done,
            again=again,
        )
        await line.storage.write(settle, settlement)
        self._desk.wake()
        self._desk.settled.set()
        self._desk.report.set()

    def _done(self, batch: _Batch, external_id: ExternalId, verdict: Verdict) -> Done:
        mapped = batch.mapped[external_id]
        self._bugs.pop(external_id, None)
        return Done(
            claim=batch.claims[external_id],
            row=batch.rows.get(external_id),
            forget=verdict.outcome == "removed",
            issue=self._issue(mapped, (*mapped.problems, *verdict.problems)),
            released=sorted(verdict.released),
            waits_for=sorted(verdict.waits_for),
            report=batch.lane is Lane.LIVE,
        )

    def _again(self, batch: _Batch, external_id: ExternalId, failure: Exception, now: float) -> Again:
        claim, line = batch.claims[external_id], self._line
        told = {"site": str(line.connection.site), "kind": self.kind.value, "attempt": claim.attempts + 1}
        if isinstance(failure, Failure):
            self._bugs.pop(external_id, None)
            log.info("entity is tried again", reason=failure.reason, **told)
        else:
            self._bugs[external_id] += 1
            log.error("entity broke the daemon; it is tried again", exc_info=failure, **told)
        spent = claim.attempts + 1 >= MOST_ATTEMPTS or self._bugs[external_id] >= MOST_BROKEN_ATTEMPTS
        after = failure.after if isinstance(failure, Retry) else None
        return Again(
            claim=claim,
            due_at=None if spent else now + line.backoff(claim.attempts, after),
            error=line.vault.seal(str(failure)),
            row=batch.rows.get(external_id),
        )

    def _issue(self, mapped: Mapped[Any], problems: Sequence[Problem]) -> IssueRow | None:
        if not problems:
            return None
        issue = {
            "name": mapped.name,
            "url": mapped.url,
            "problems": [[problem.code, problem.message] for problem in problems],
        }
        return IssueRow(self._line.fingerprint(issue), self._line.vault.seal(issue))


def _word_for(again: Again, failure: Exception) -> EntityOutcome:
    if again.due_at is None:
        return "parked"
    return "retried" if isinstance(failure, Failure) else "broken"
