"""One batch of a kind from reading to settling.

    read -> map -> brake -> write (diff, mark unsure, push) -> settle

Every entity of the batch has an outcome of its own: equal, written, removed, held by the brake, refused with an issue,
to be tried again, or broken by a bug of ours. One that is blocked settles nothing, it only begins a pause. What is
known to be confirmed is settled even for an entity that failed.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import structlog
import trio

from daemon.engine.batch import Batch, Variants, Writer
from daemon.engine.context import ConnectionContext, KindState
from daemon.engine.explanation import HELD, Explanation, Step
from daemon.engine.stragglers import work_off
from daemon.entities import Mapped, StoreFacts
from daemon.errors import MISSING_RIGHT, Blocked, Failure, Forbidden, Rejected, Retry, StorageTrouble
from daemon.issues import IssueType, bounded, shortened
from daemon.model import ExternalId, Lane, VariantId
from daemon.model.outcome import IssueRow, Outcome, Result
from daemon.platforms.base import Entity
from daemon.storage import full_syncs, ledger, removals
from daemon.storage.age import age_if_known
from daemon.storage.outbox import Claim
from daemon.storage.removals import SECOND_LOOK, WHOLE, Cause, Decided, Removal
from daemon.storage.settle import RetryLater, Settlement, settle

MOST_ATTEMPTS = 400
"""About 48 hours of retrying, as long as platforms retry their own webhooks."""

MOST_BROKEN_ATTEMPTS = 10

SLOW_READ = 3.0
MOST_ALONE = 16
CONCURRENCY = 8

log = structlog.get_logger()


class Pipeline:
    """Work on batches of one kind of one connection; one batch of each lane at a time."""

    def __init__(self, context: ConnectionContext, writer: Writer) -> None:
        self._context = context
        self._writer = writer
        self.kind = writer.kind
        self._bugs: Counter[ExternalId] = Counter()
        """How often an entity broke us in a row. A restart, perhaps with the bug mended, counts anew."""
        self.settled: Callable[[Collection[ExternalId]], None] = _tell_nobody
        """Called when entities were settled, or are not worked on any more: they may be claimed again."""
        self.lags: Callable[[Collection[ExternalId]], None] = _tell_nobody
        """Called when all of a batch is settled but for these, which take long."""

    @property
    def _kind_state(self) -> KindState:
        return self._context.kind_states[self.kind]

    async def work(self, claims: Sequence[Claim], lane: Lane) -> None:
        """Work on a batch to its end. Raises StorageTrouble when it could not be settled; bugs come out as such."""
        refreshing = await self._refreshing(claims)
        errors: list[Exception] = []
        async with trio.open_nursery() as nursery:
            batch = Batch({claim.external_id: claim for claim in claims}, lane, nursery, refreshing)
            try:
                await self._carry(batch)
            except Exception as error:  # noqa: BLE001  raised again below, as itself and not in a group
                errors.append(error)
                nursery.cancel_scope.cancel()
        if errors:
            raise errors[0]

    async def _carry(self, batch: Batch) -> None:
        """Take a batch through its stations. Its late entities are settled one after the other, as they come in."""
        handed = {
            key: entity for key, claim in batch.claims.items() if (entity := self._kind_state.page_cache.take(claim))
        }
        try:
            facts = await self._context.facts()
            await self._writer.prepare()
        except Failure as error:
            for external_id in batch.claims:
                batch.fail(external_id, error)
        else:
            await self._read(batch, handed, facts)
            await self._brake(batch)
            await self._writer.write(batch)
        await self._settle(batch)
        while batch.late:
            self.lags(batch.late)
            await batch.came_in.wait()
            await self._settle(batch)

    async def fail(self, claim: Claim, lane: Lane, error: Exception) -> None:
        """Settle one entity that broke its batch by a bug of ours."""
        batch = Batch({claim.external_id: claim}, lane)
        batch.fail(claim.external_id, error)
        await self._settle(batch)

    async def explain(self, external_id: ExternalId) -> Explanation:
        """Tell what would be sent for an entity now, and why. Sends nothing. Raises the failures of either side."""
        context = self._context
        claim = Claim(external_id, 0, None, 0, context.now())
        batch = Batch({external_id: claim}, Lane.LIVE)
        facts = await context.facts()
        await self._read(batch, {}, facts)
        if self._writer.partial and external_id in batch.mapped and batch.mapped[external_id].value is None:
            # It may have been told as none of SparkLayer's without being looked for.
            entity = await context.platform.read_one(self.kind, external_id, Lane.LIVE)
            await self._map(batch, external_id, entity, facts)
        batch.rows = await context.storage.read(ledger.look_up, context.connection.id, self.kind, [external_id])
        steps = () if external_id in batch.outcomes else await self._explain_steps(batch, external_id)
        return batch.explanation(external_id, steps)

    async def _explain_steps(self, batch: Batch, external_id: ExternalId) -> Sequence[Step]:
        """Tell what would be sent of an entity, and what would not because its removal waits for a person."""
        row, value = batch.rows.get(external_id), batch.mapped[external_id].value
        found = await self._context.storage.read(removals.listed, self._context.connection.id, self.kind)
        held = {one.variant for one in found if one.external_id == external_id}
        if value is None and WHOLE in held:
            return [Step("remove nothing", HELD)]
        if value is not None and row is not None:
            batch.kept[external_id] = held & self._writer.variants(value, row).vanished.keys()
        return await self._writer.explain(batch)

    async def _refreshing(self, claims: Sequence[Claim]) -> frozenset[ExternalId]:
        runs = {claim.run for claim in claims if claim.run is not None}
        if not runs:
            return frozenset()
        refreshes = await self._context.storage.read(full_syncs.refreshing, runs)
        return frozenset(claim.external_id for claim in claims if claim.run in refreshes)

    async def _read(self, batch: Batch, handed: Mapping[ExternalId, Entity], facts: StoreFacts) -> None:
        """Read and map every entity of the batch; one the platform says is gone maps to nothing."""
        contents: dict[ExternalId, Entity | None] = dict(handed)
        await self._writer.take_leftovers(batch)
        wanted = [one for one in batch.claims if one not in contents and one not in batch.leftovers]
        if wanted:
            await self._read_again(batch, wanted, contents, facts)
        for external_id, entity in contents.items():
            await self._map(batch, external_id, entity, facts)

    async def _map(self, batch: Batch, external_id: ExternalId, entity: Entity | None, facts: StoreFacts) -> None:
        if entity is not None and entity.external_id != external_id:
            batch.outcomes[external_id] = Outcome(result="unchanged", next=entity.external_id)
            return
        try:
            mapped = self._context.platform.map(self.kind, entity, facts) if entity else Mapped[Any](value=None)
        except Exception as error:  # noqa: BLE001  the entity's edge: settled as broken, with its traceback
            await self._fail_reading(batch, external_id, error)
            return
        batch.mapped[external_id] = mapped
        if entity is None:
            batch.gone.add(external_id)
        if mapped.value is None and mapped.issues:
            # What cannot be told as it is now is no reason to take away what was told before.
            batch.outcomes[external_id] = Outcome(result="rejected")

    async def _read_again(
        self,
        batch: Batch,
        wanted: Sequence[ExternalId],
        contents: dict[ExternalId, Entity | None],
        facts: StoreFacts,
    ) -> None:
        """Read entities by their ids; ask for each that the answer leaves out itself, since that proves nothing."""
        platform, listed = self._context.platform, False
        try:
            with trio.move_on_after(self._longest_read(batch, wanted)):
                contents.update(await platform.read(self.kind, wanted, batch.lane))
                listed = True
        except Failure as error:
            if len(wanted) == 1 or not _may_be_of_one(error):
                for external_id in wanted:
                    await self._fail_reading(batch, external_id, error)
                return

        async def read_one(external_id: ExternalId) -> None:
            try:
                found = {} if listed else await platform.read(self.kind, [external_id], batch.lane)
                entity = found.get(external_id) or await platform.read_one(self.kind, external_id, batch.lane)
                if external_id in batch.late:
                    await self._follow(batch, external_id, entity, facts)
                else:
                    contents[external_id] = entity
            except Exception as error:  # noqa: BLE001  the entity's edge: a bug is settled as one
                await self._fail_reading(batch, external_id, error)
            batch.come_in(external_id)

        left_out = [one for one in wanted if one not in contents]
        if batch.background is not None:
            batch.late.update(await work_off(batch.background, left_out, read_one, concurrency=CONCURRENCY))
            return
        for external_id in left_out:  # what is explained is waited for
            await read_one(external_id)

    async def _fail_reading(self, batch: Batch, external_id: ExternalId, error: Exception) -> None:
        """Note that an entity could not be read. One that alone may not be is told, if it is one of SparkLayer's."""
        if not (isinstance(error, Rejected) and _may_be_of_one(error)):
            batch.fail(external_id, error)
            return
        context = self._context
        try:
            known = await context.storage.read(ledger.look_up, context.connection.id, self.kind, [external_id])
        except StorageTrouble as trouble:
            batch.fail(external_id, trouble)
            return
        batch.outcomes[external_id] = Outcome(result="rejected")
        if self._writer.partial and not known:
            return
        issue = IssueType.NOT_SHOWN.issue(platform=context.platform_type.label, words=str(error).rstrip(" ."))
        batch.mapped[external_id] = Mapped(value=None, issues=(issue,), name=external_id)

    def _longest_read(self, batch: Batch, wanted: Sequence[ExternalId]) -> float:
        """Return how many seconds a few live changes are waited for together, before each of them is read alone.

        One that hangs would keep the others. Many are not read alone, and none that only waits for the throttle.
        """
        waiting = sum(self._context.platform.limiter.statistics().waiting.values())
        few = batch.lane is Lane.LIVE and 1 < len(wanted) <= MOST_ALONE and not waiting
        return SLOW_READ if few else math.inf

    async def _follow(self, batch: Batch, external_id: ExternalId, entity: Entity | None, facts: StoreFacts) -> None:
        """Go on with an entity of which the reading was late: the batch has gone on without it."""
        claims, refreshing = {external_id: batch.claims[external_id]}, batch.refreshing & {external_id}
        alone = Batch(claims, batch.lane, batch.nursery, refreshing)
        await self._map(alone, external_id, entity, facts)
        await self._brake(alone)
        await self._writer.write(alone)
        while alone.late:
            await alone.came_in.wait()
        batch.take_over(alone)

    async def _brake(self, batch: Batch) -> None:
        """Learn what SparkLayer has of the batch, and keep what must not be removed of it now."""
        context, mapped = self._context, batch.mapped
        batch.rows, noted = await context.storage.read(removals.look_up, context.connection.id, self.kind, list(mapped))
        variants = {key: self._writer.variants(mapped[key].value, row) for key, row in batch.rows.items()}
        todo = [key for key in batch.rows if key not in batch.outcomes]
        decided = [removal for key in todo for removal in self._removals(batch, key, variants[key])]
        if not decided and not noted:
            return
        none: frozenset[VariantId] = frozenset()
        call = Decided(
            connection_id=context.connection.id,
            kind=self.kind,
            now=context.now(),
            removals=decided,
            looked_at={
                key: none if one.value is None else {WHOLE, *(variants[key].there if key in variants else none)}
                for key, one in mapped.items()
                if key not in batch.outcomes  # what is told of it oddly says neither that it is back nor that it went
            },
        )
        held = await context.storage.write(removals.decide, call)
        context.removals_held(self.kind, held.announce)
        for external_id, variant in held.keys:
            if variant == WHOLE:
                batch.outcomes[external_id] = Outcome(result="held")
            else:
                batch.kept.setdefault(external_id, set()).add(variant)
        for external_id in held.again:
            batch.fail(external_id, Retry("a second look decides on its removal", reason="removal", after=SECOND_LOOK))
        batch.removing = {removal.external_id for removal in decided if removal.key not in held.keys}

    def _removals(self, batch: Batch, external_id: ExternalId, variants: Variants) -> list[Removal]:
        """Return what SparkLayer has of an entity and the store has no longer."""
        mapped, claim = batch.mapped[external_id], batch.claims[external_id]
        cause: Cause = "deleted" if external_id in batch.gone else "excluded"
        lost: Mapping[VariantId, str] = {WHOLE: mapped.name}
        if mapped.value is not None:
            cause, lost = "variant", {key: f"{mapped.name}, {sku}" for key, sku in variants.vanished.items()}
        # A live change does not wait for the run that has tagged its row besides.
        run = claim.run if batch.lane is Lane.BACKFILL else None
        return [
            Removal(
                external_id=external_id,
                variant=variant,
                cause=cause,
                run=run,
                encrypted=self._context.vault.encrypt(name) if name else None,
            )
            for variant, name in lost.items()
        ]

    async def _settle(self, batch: Batch) -> None:
        """Settle all outcomes in one transaction, and tell whoever waits for that."""
        context, now = self._context, self._context.now()
        done: dict[Claim, Outcome] = {}
        again, issues = [], {}
        ready = batch.ready()
        for external_id, outcome in ready.items():
            claim, result = batch.claims[external_id], outcome.result
            if isinstance(outcome.failure, Blocked) and not isinstance(outcome.failure, Forbidden):
                context.block(self.kind, outcome.failure)
                continue
            if outcome.failure is not None:
                again.append(self._retry_later(claim, outcome, now))
                result = _word_for(again[-1], outcome.failure)
            else:
                self._bugs.pop(external_id, None)
                done[claim] = outcome
                if issue := self._issue(batch.mapped.get(external_id), outcome):
                    issues[external_id] = issue
                waited = age_if_known(claim.first_queued_at, now)
                context.metrics.pushed(context.connection.site, self.kind, waited)
            context.metrics.entity(context.connection.site, self.kind, result)
            if batch.came_by_sweep(external_id) and result in {"written", "removed"}:
                context.metrics.webhook_missed(context.connection.site, self.kind)
                context.deliveries.missed()
        settlement = Settlement(
            connection_id=context.connection.id,
            kind=self.kind,
            now=now,
            done=done,
            issues=issues,
            reported={
                claim.external_id
                for claim, outcome in done.items()
                if batch.lane is Lane.LIVE and outcome.result != "held" and batch.concerns_merchant(claim.external_id)
            },
            again=again,
            wanted=sorted(batch.wanted),
            missing=sorted(batch.missing),
            removed=[external_id for external_id in batch.removing & ready.keys() if _went(ready[external_id])],
        )
        self._kind_state.page_cache.settling([claim.external_id for claim in done])
        await context.storage.write(settle, settlement)
        batch.settled.update(ready)
        batch.wanted.clear()
        batch.missing.clear()
        self.settled(ready.keys())
        self._kind_state.wake()
        self._kind_state.progress.set()
        self._kind_state.report.set()

    def _retry_later(self, claim: Claim, outcome: Outcome, now: float) -> RetryLater:
        context, failure, external_id = self._context, outcome.failure, claim.external_id
        told = {"site": str(context.connection.site), "kind": self.kind.value, "attempt": claim.attempts + 1}
        reason = failure.reason if isinstance(failure, Failure) else "broken"
        self._kind_state.failed(external_id, reason)
        if isinstance(failure, Failure):
            self._bugs.pop(external_id, None)
            log.info("entity is tried again", reason=reason, **told)
        else:
            self._bugs[external_id] += 1
            log.error("entity broke the daemon; it is tried again", exc_info=failure, **told)
        spent = claim.attempts + 1 >= MOST_ATTEMPTS or self._bugs[external_id] >= MOST_BROKEN_ATTEMPTS
        if spent:
            context.tally.log(
                "changes are parked", site=str(context.connection.site), kind=self.kind.value, reason=reason
            )
        after = failure.after if isinstance(failure, Retry) else None
        return RetryLater(
            claim=claim,
            due_at=None if spent else now + context.backoff(claim.attempts, after),
            error=context.vault.encrypt(str(failure)),
            row=outcome.row,
            awaits=sorted(outcome.awaits),
        )

    def _issue(self, mapped: Mapped[Any] | None, outcome: Outcome) -> IssueRow | None:
        """Return the issue of an entity as it is stored: all that is wrong with it."""
        if mapped is None or not (issues := (*mapped.issues, *outcome.issues)):
            return None
        listed = [[issue.code, issue.message] for issue in bounded(issues)]
        issue = {"name": shortened(mapped.name), "url": mapped.url, "problems": listed}
        return IssueRow(self._context.fingerprint(issue), self._context.vault.encrypt(issue))


def _tell_nobody(_ids: Collection[ExternalId]) -> None:
    pass


def _may_be_of_one(error: Failure) -> bool:
    """Return whether a read was refused with a 403, which may concern one entity only."""
    return isinstance(error, Forbidden | Rejected) and error.reason in MISSING_RIGHT


def _went(outcome: Outcome) -> bool:
    """Return whether the removal was carried out; SparkLayer may have refused it."""
    return outcome.failure is None and outcome.result != "rejected"


def _word_for(again: RetryLater, failure: Exception) -> Result:
    if again.due_at is None:
        return "parked"
    return "retried" if isinstance(failure, Failure) else "broken"
