"""One batch of a kind from reading to settling.

    read -> map -> brake -> write (diff, mark unsure, push) -> settle

Every entity of the batch has an outcome of its own: unchanged, written, removed, held by the brake, rejected with an
issue, retried, or broken by a bug of ours. A blocked entity settles nothing: its row stays, and a pause begins. Parts
that SparkLayer confirmed are settled even for an entity that failed.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import structlog
import trio

from daemon.engine.batch import Batch
from daemon.engine.context import ConnectionContext
from daemon.engine.explanation import HELD, Explanation
from daemon.engine.reading import BatchReader
from daemon.engine.writers.customers.writer import CustomerWriter
from daemon.engine.writers.job import Step
from daemon.engine.writers.orders import OrderWriter
from daemon.engine.writers.products.terms import SiteTerms
from daemon.engine.writers.products.writer import ProductWriter
from daemon.engine.writers.store import StoreWriter
from daemon.engine.writers.writer import Writer
from daemon.entities import Mapped, StoreFacts
from daemon.errors import Blocked, Failure, Forbidden, Retry
from daemon.issues import bounded, shortened
from daemon.model import ExternalId, Kind, Lane, VariantId
from daemon.model.outcome import IssueRow, Outcome, Result
from daemon.observability.tracing import Tracing
from daemon.platforms.base import Entity
from daemon.storage import full_syncs, ledger, removals
from daemon.storage.age import age_if_known
from daemon.storage.history import IN_HISTORY, HistoryEntry
from daemon.storage.last_word import Restore, restore, unpacked
from daemon.storage.outbox import Claim
from daemon.storage.removals import SECOND_LOOK, WHOLE, Decided, Removal
from daemon.storage.settle import RetryLater, Settlement, settle
from daemon.storage.states import RemovalCause

MOST_ATTEMPTS = 400
"""About 48 hours of retries, as long as platforms retry their own webhooks."""

MOST_BROKEN_ATTEMPTS = 10

BLOCKED = "blocked"
"""An attempt that a blocked side ended, in the traces: it settles nothing, so it is no `Result`."""

log = structlog.get_logger()


class Pipeline:
    """Works on batches of one kind of one connection: one of each lane, and others that only wait for late entities."""

    def __init__(self, context: ConnectionContext, writer: Writer[Any, Any]) -> None:
        self._context = context
        self.writer = writer
        self.kind = writer.kind
        self._kind_state = context.kind_states[writer.kind]
        self._reader = BatchReader(context, writer, self._follow)
        # In memory only: a row's attempts count all failures, and would park a bug that follows an outage at once.
        self._bugs: Counter[ExternalId] = Counter()
        """Bugs in a row by entity. A restart, perhaps with the bug fixed, starts counting again."""
        self.settled: Callable[[Collection[ExternalId]], None] = lambda _ids: None
        """Called with entities that were settled: they may be claimed again."""
        self.lags: Callable[[Collection[ExternalId]], None] = lambda _ids: None
        """Called with the late entities of a batch, once all others are settled."""
        self.settling: Callable[[Batch, Mapping[ExternalId, Outcome]], None] = lambda _batch, _outcomes: None
        """Called with a batch and its final outcomes, just before these are settled."""

    async def work(self, claims: Sequence[Claim], lane: Lane) -> None:
        """Work on a batch to its end. Raises StorageTrouble if it could not be settled, and bugs as they are."""
        runs = {claim.run for claim in claims if claim.run is not None}
        refreshes = await self._context.storage.read(full_syncs.refreshing, runs) if runs else ()
        refreshing = frozenset(claim.external_id for claim in claims if claim.doubted or claim.run in refreshes)
        # A list, because an exception that leaves a nursery comes out in a group.
        errors: list[Exception] = []
        async with trio.open_nursery() as nursery:
            by_id = {claim.external_id: claim for claim in claims}
            batch = Batch(by_id, lane, self._context.now(), nursery, refreshing)
            cached = self._kind_state.page_cache
            try:
                await self._carry(batch, {key: entity for key in by_id if (entity := cached.take(by_id[key]))})
            except Exception as error:  # noqa: BLE001  raised again below, as itself and not in a group
                errors.append(error)
                nursery.cancel_scope.cancel()
        if errors:
            raise errors[0]

    async def _carry(self, batch: Batch, contents: dict[ExternalId, Entity | None]) -> None:
        """Take a batch through its stations; `contents` need not be read. Late entities are settled as they come in."""
        try:
            # Nothing can be mapped or written without these, so nothing is read before.
            facts = await self._context.facts()
            await self.writer.prepare()
        except Failure as error:
            for external_id in batch.claims:
                batch.fail(external_id, error)
        else:
            await self._reader.read(batch, contents, facts)
            await self._write(batch)
        await self._settle(batch)
        # The last ones may come in while others are being settled.
        while batch.late or batch.ready():
            # The lane claims its next batch meanwhile.
            self.lags(batch.late)
            while batch.late and not batch.ready():
                await batch.came_in.wait()
            await self._settle(batch)

    async def _follow(self, batch: Batch, external_id: ExternalId, entity: Entity | None, facts: StoreFacts) -> None:
        """Go on with an entity whose read was late: its batch has gone on without it, and settles it."""
        claims = {external_id: batch.claims[external_id]}
        alone = Batch(claims, batch.lane, batch.claimed_at, batch.nursery, batch.refreshing & claims.keys())
        await self._reader.map(alone, external_id, entity, facts)
        await self._write(alone)
        while alone.late:
            await alone.came_in.wait()
        batch.take_over(alone)

    async def _write(self, batch: Batch) -> None:
        """Write what was mapped, but for removals that must not happen now."""
        if doubted := [key for key in batch.mapped if batch.claims[key].stale_parts is not None]:
            await self._restore(batch, doubted)
        batch.push_at = dict.fromkeys(batch.claims, self._context.now())
        await self._brake(batch)
        await self.writer.write(batch)

    async def fail(self, claim: Claim, lane: Lane, error: Exception) -> None:
        """Settle an entity that broke its batch by a bug of ours."""
        batch = Batch({claim.external_id: claim}, lane, self._context.now())
        batch.fail(claim.external_id, error)
        await self._settle(batch)

    async def explain(self, external_id: ExternalId) -> Explanation:
        """Return what would be sent for an entity now, and why. Sends nothing. Raises the failures of either side."""
        context = self._context
        claim = Claim(external_id, 0, None, 0, context.now())
        batch = Batch({external_id: claim}, Lane.LIVE, context.now())
        facts = await context.facts()
        await self._reader.read(batch, {}, facts)
        if self.writer.partial and external_id in batch.mapped and batch.mapped[external_id].value is None:
            # A list may have left it out as none of SparkLayer's, without having looked for it.
            entity = await context.platform.read_one(self.kind, external_id, Lane.LIVE)
            await self._reader.map(batch, external_id, entity, facts)
        batch.rows = await context.storage.read(ledger.look_up, context.connection.id, self.kind, [external_id])
        steps: Sequence[Step] = ()
        if external_id not in batch.outcomes:
            row, value = batch.rows.get(external_id), batch.mapped[external_id].value
            listed = await context.storage.read(removals.listed, context.connection.id, self.kind)
            held = {removal.variant for removal in listed if removal.external_id == external_id}
            if value is not None and row is not None:
                _, vanished = self.writer.variants(value, row)
                batch.kept[external_id] = held & vanished.keys()  # removals that wait for a person
            whole_held = value is None and WHOLE in held
            steps = [Step("remove nothing", HELD)] if whole_held else await self.writer.explain(batch)
        outcome = batch.outcomes.get(external_id)
        return Explanation(
            mapped=batch.mapped.get(external_id),
            row=batch.rows.get(external_id),
            steps=steps,
            trouble=str(outcome.failure) if outcome and outcome.failure else None,
            belongs_to=outcome.next if outcome else None,
            gone=external_id in batch.gone,
        )

    async def _restore(self, batch: Batch, doubted: Sequence[ExternalId]) -> None:
        """List in the ledger again what an earlier owner's late writes may have brought back."""
        context = self._context
        rows = await context.storage.read(ledger.look_up, context.connection.id, self.kind, doubted)
        restored = {
            batch.claims[key]: self.writer.with_stale(key, rows.get(key), unpacked(batch.claims[key].stale_parts))
            for key in doubted
        }
        call = Restore(
            connection_id=context.connection.id,
            kind=self.kind,
            now=context.now(),
            rows={claim: row for claim, (row, _) in restored.items()},
            keys={claim.external_id: keys for claim, (_, keys) in restored.items()},
        )
        await context.storage.write(restore, call)

    async def _brake(self, batch: Batch) -> None:
        """Look up the ledger's rows of a batch, and hold removals that must not happen now."""
        context, mapped = self._context, batch.mapped
        batch.rows, noted = await context.storage.read(removals.look_up, context.connection.id, self.kind, list(mapped))
        decided: list[Removal] = []
        there: dict[ExternalId, Collection[VariantId]] = {}
        # Without a row in the ledger there is nothing in SparkLayer to lose.
        for external_id in [key for key in batch.rows if key not in batch.outcomes]:
            claim, entity = batch.claims[external_id], mapped[external_id]
            there[external_id], vanished = self.writer.variants(entity.value, batch.rows[external_id])
            cause = RemovalCause.DELETED if external_id in batch.gone else RemovalCause.EXCLUDED
            lost: Mapping[VariantId, str] = {WHOLE: entity.name}
            if entity.value is not None:
                cause, lost = RemovalCause.VARIANT, {key: f"{entity.name}, {sku}" for key, sku in vanished.items()}
            decided += [
                Removal(
                    external_id=external_id,
                    variant=variant,
                    cause=cause,
                    # A live change does not wait for the run that has tagged its row besides.
                    run=claim.run if batch.lane is Lane.BACKFILL else None,
                    encrypted=context.vault.encrypt(name) if name else None,
                )
                for variant, name in lost.items()
            ]
        if not decided and not noted:
            return
        call = Decided(
            connection_id=context.connection.id,
            kind=self.kind,
            now=context.now(),
            removals=decided,
            looked_at={
                key: frozenset[VariantId]() if entity.value is None else {WHOLE, *there.get(key, ())}
                for key, entity in mapped.items()
                if key not in batch.outcomes  # an odd value proves neither that it is back nor that it is gone
            },
        )
        held = await context.storage.write(removals.decide, call)
        context.removals_held(self.kind, held.announce)
        for external_id, variant in held.keys:
            if variant == WHOLE:
                batch.outcomes[external_id] = Outcome(result=Result.HELD)
            else:
                batch.kept.setdefault(external_id, set()).add(variant)
        # No removal follows from one answer: the entity is read again in two seconds.
        for external_id in held.again:
            batch.fail(external_id, Retry("a second look decides on its removal", reason="removal", after=SECOND_LOOK))
        batch.removing = {removal.external_id for removal in decided if removal.key not in held.keys}

    async def _settle(self, batch: Batch) -> None:
        """Settle all final outcomes in one transaction, then wake the tasks that wait for that."""
        context, now, site = self._context, self._context.now(), self._context.connection.site
        done, results = dict[Claim, Outcome](), dict[ExternalId, str]()
        again, issues, ready, entries = [], {}, batch.ready(), list[HistoryEntry]()
        self.settling(batch, ready)
        for external_id, outcome in ready.items():
            claim, result = batch.claims[external_id], outcome.result
            if isinstance(outcome.failure, Blocked) and not isinstance(outcome.failure, Forbidden):
                # The attempt does not count: the row stays, and is claimed again when the pause ends.
                context.block(self.kind, outcome.failure)
                results[external_id] = BLOCKED
                continue
            if outcome.failure is not None:
                again.append(self._retry_later(claim, outcome, now))
                if again[-1].due_at is None:
                    result = Result.PARKED
                elif not isinstance(outcome.failure, Failure):
                    result = Result.BROKEN
            else:
                self._bugs.pop(external_id, None)
                done[claim] = outcome
                if issue := self._issue(batch.mapped.get(external_id), outcome):
                    issues[external_id] = issue
                waited, lane = age_if_known(claim.first_queued_at, now), batch.lane.name.lower()
                context.metrics.observe("push_seconds", waited, str(site), self.kind, lane)
            results[external_id] = result
            unasked = batch.lane is Lane.BACKFILL and claim.run is None
            context.note_result(self.kind, external_id, result, unasked=unasked)
            if result in IN_HISTORY:
                entries.append(HistoryEntry(external_id, result, _reason(batch, external_id), claim.run))
        settlement = Settlement(
            connection_id=context.connection.id,
            kind=self.kind,
            now=now,
            done=done,
            issues=issues,
            reported={
                claim.external_id
                for claim, outcome in (done.items() if batch.lane is Lane.LIVE else ())
                if outcome.result is not Result.HELD and batch.concerns_merchant(claim.external_id)
            },
            again=again,
            wanted=sorted(batch.wanted),
            missing=sorted(batch.missing),
            # SparkLayer may have refused a removal.
            removed=[key for key in batch.removing & ready.keys() if not batch.failed(key)],
            held={(key, WHOLE) for key, outcome in ready.items() if outcome.result is Result.HELD}.union(
                (key, variant) for key in ready for variant in batch.kept.get(key, ())
            ),
            later={key: seconds for key, one in ready.items() if (seconds := one.again_after) is not None},
            history=entries,
        )
        self._kind_state.page_cache.settling([claim.external_id for claim in done])
        await context.storage.write(settle, settlement)
        if context.tracing is not None:
            self._trace(context.tracing, batch, results, now)
        batch.settled.update(ready)
        batch.wanted.clear()
        batch.missing.clear()
        self.settled(ready.keys())
        self._kind_state.wake()
        self._kind_state.progress.set()
        self._kind_state.report.set()

    def _trace(self, tracing: Tracing, batch: Batch, results: Mapping[ExternalId, str], settle_at: float) -> None:
        """Hand attempts that are settled to the traces."""
        settled_at = self._context.now()
        for external_id, result in results.items():
            claim = batch.claims[external_id]
            tracing.attempted(
                site=self._context.connection.site,
                kind=self.kind,
                lane=batch.lane,
                external_id=external_id,
                queued_at=claim.first_queued_at,
                number=claim.attempts + 1,
                outcome=result,
                failed=batch.outcomes[external_id].failure is not None,
                reason=_reason(batch, external_id),
                claimed_at=batch.claimed_at,
                push_at=batch.push_at.get(external_id),
                settle_at=settle_at,
                settled_at=settled_at,
            )

    def _retry_later(self, claim: Claim, outcome: Outcome, now: float) -> RetryLater:
        # The text may quote personal data, so it is stored encrypted; the log has the reason only.
        context, failure, external_id = self._context, outcome.failure, claim.external_id
        attempt = claim.attempts + 1
        where = {"site": str(context.connection.site), "kind": self.kind.value}
        reason = failure.reason if isinstance(failure, Failure) else "broken"
        self._kind_state.failed(external_id, reason)
        if isinstance(failure, Failure):
            self._bugs.pop(external_id, None)
            log.info("entity failed, to be retried", reason=reason, attempt=attempt, **where)
        else:
            self._bugs[external_id] += 1
            log.error("entity broke the daemon, to be retried", exc_info=failure, attempt=attempt, **where)
        # Retries may succeed for two days; a bug that breaks ten times in a row will break again.
        spent = attempt >= MOST_ATTEMPTS or self._bugs[external_id] >= MOST_BROKEN_ATTEMPTS
        if spent:
            context.tally.log("changes are parked", reason=reason, **where)
        after = failure.after if isinstance(failure, Retry) else None
        return RetryLater(
            claim=claim,
            due_at=None if spent else now + context.backoff(claim.attempts, after),
            error=context.vault.encrypt(str(failure)),
            row=outcome.row,
            awaits=sorted(outcome.awaits),
        )

    def _issue(self, mapped: Mapped[Any] | None, outcome: Outcome) -> IssueRow | None:
        """Return all issues of an entity as one row, None if it has none."""
        if mapped is None or not (issues := (*mapped.issues, *outcome.issues)):
            return None
        listed = [[issue.code, issue.message] for issue in bounded(issues)]
        issue = {"name": shortened(mapped.name), "url": mapped.url, "problems": listed}
        return IssueRow(self._context.fingerprint(issue), self._context.vault.encrypt(issue))


def build_pipelines(context: ConnectionContext) -> dict[Kind, Pipeline]:
    """Return the pipelines of the kinds that are synced, and give each writer to its kind's state, for the hooks."""
    # The price list is the products', and keeps the currency that the store's settings name.
    terms = SiteTerms(context)
    writers: tuple[Writer[Any, Any], ...] = (
        StoreWriter(context, terms),
        ProductWriter(context, terms),
        CustomerWriter(context),
        OrderWriter(context),
    )
    pipelines = {writer.kind: Pipeline(context, writer) for writer in writers if writer.kind in context.kind_states}
    for kind, pipeline in pipelines.items():
        context.kind_states[kind].writer = pipeline.writer
    return pipelines


def _reason(batch: Batch, external_id: ExternalId) -> str | None:
    """Return the fixed word that says why an entity was settled as it was; None when it was only written."""
    outcome, mapped = batch.outcomes[external_id], batch.mapped.get(external_id)
    if outcome.failure is not None:
        return outcome.failure.reason if isinstance(outcome.failure, Failure) else Result.BROKEN.value
    if outcome.result in {Result.HELD, Result.REMOVED}:
        return (RemovalCause.DELETED if external_id in batch.gone else RemovalCause.EXCLUDED).value
    issues = (*(mapped.issues if mapped else ()), *outcome.issues)
    return issues[0].code if issues else None
