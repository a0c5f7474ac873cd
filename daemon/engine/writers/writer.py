"""The loop that writes a batch to SparkLayer, and the hooks in which the kinds differ.

    changed entities -> plan -> mark unsure -> send, stage by stage -> finish

Entities that SparkLayer has as they are end here as unchanged. The rest is planned as one batch, because only one
entity may own a key. The ledger's rows become unsure and the keys are taken in one transaction, before anything is
sent; a key that another batch took in between makes the plan out of date, so it is made again.

One slow entity delays no other: late writes go on in the background and are finished as they end.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial, reduce
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from daemon.engine.batch import Batch
from daemon.engine.context import ConnectionContext
from daemon.engine.stragglers import work_off
from daemon.engine.writers.job import BatchPlan, Job, Step, T, encoded
from daemon.errors import Rejected, Retry
from daemon.issues import IssueType, refused
from daemon.model import ExternalId, Key, Kind, Sku, VariantId
from daemon.model.outcome import Outcome, Result, Row
from daemon.platforms.base import Page
from daemon.storage import ledger

J = TypeVar("J", bound=Job[Any, Any])


class Writer(ABC, Generic[J, T]):
    """Writes the entities of one kind to SparkLayer. One per connection and kind."""

    kind: ClassVar[Kind]
    job: ClassVar[type[Any]] = Job
    parts: ClassVar[type[Any]]
    partial: ClassVar[bool] = False
    """True if many of the platform's entities may not be SparkLayer's; reading them shows which."""
    lists_keys: ClassVar[bool] = False
    """True if SparkLayer can be asked for all keys that it holds of the kind."""
    used_twice: ClassVar[IssueType]
    """The issue of an entity that wants another one's key, where it is not written because of that."""
    key_name: ClassVar[str] = ""
    """The name that people have for the kind's unique key; empty: the kind has none."""

    def __init__(self, context: ConnectionContext) -> None:
        self._context = context
        self._decoder = msgspec.msgpack.Decoder(self.parts)

    async def write(self, batch: Batch, jobs: Sequence[J] | None = None) -> AbstractSet[ExternalId]:
        """Send `jobs`, or what differs from the ledger; note an outcome for each of `batch.mapped` without one.

        Return the ids of late entities, which go on in the background and are left in `batch.late`. Raises
        StorageTrouble, and what `find_jobs` and `plan` raise; failures of sending are outcomes.
        """
        if jobs is None:
            jobs = await self.find_jobs(batch)
        if not jobs:
            return frozenset()  # most batches of a daily read end here
        plan = await self._mark(jobs)
        # Their row stays as it is: an unsure one would be written again though nothing was sent.
        for external_id, keys in plan.lost.items():
            issues = (self.used_twice.issue(),)
            batch.outcomes[external_id] = Outcome(result=Result.REJECTED, issues=issues, waits_for=frozenset(keys))
        for number, stage in enumerate(plan.stages):
            later = {task.external_id for rest in plan.stages[number + 1 :] for task in rest}
            todo = [task for task in stage if task.external_id not in plan.late | plan.errors.keys()]
            late_tasks = await work_off(batch.nursery, todo, partial(self._send_one, batch, plan, later))
            plan.late.update(task.external_id for task in late_tasks)
        late = {external_id: plan.tasks[external_id] for external_id in plan.late}
        if late:
            # Before the next await, so that no outcome of theirs is settled yet.
            batch.late.update(late)
            batch.nursery.start_soon(self._follow, batch, plan, late)
        # An idle task is in no stage, but it has an outcome too.
        in_time = [task for task in plan.tasks.values() if task.external_id not in late]
        # The keys are copied: the follower empties the mapping.
        late_ids = set(late)
        late_ids |= await self.write(batch, jobs=await self.finish(batch, plan, in_time))
        return late_ids | plan.apart

    async def prepare(self) -> None:
        """Find or make what the kind needs on the site. Raises the failures of either side."""

    async def begin_run(self, *, refresh: bool, since: float) -> None:
        """Get ready for the first page of a full sync that was taken up at `since` (trio's clock)."""

    def page_read(self, page: Page) -> None:
        """Note what a page of a full sync tells of the whole store."""

    async def take_leftovers(self, batch: Batch) -> None:
        """Map what is no entity of the platform, and note it in `batch.leftovers`. Raises StorageTrouble."""

    async def held_keys(self) -> Sequence[Sku]:
        """Return the keys that SparkLayer holds, of a kind that `lists_keys`. Raises its failures."""
        return ()

    def variants(self, _value: Any, _row: Row, /) -> tuple[Collection[VariantId], Mapping[VariantId, str]]:
        """Return the variants of a value; and the SKUs of those that SparkLayer has besides, by the ledger's row."""
        return (), {}

    def own(self, value: Any, lost: AbstractSet[Key], *, known: bool) -> Any:
        """Return the part of a value that is its entity's own, for SparkLayer to pull; None: nothing.

        `lost` has its keys that another entity owns. One that SparkLayer has (`known`) must not seem to be gone.
        """
        return value if known or not lost else None

    def key_of(self, text: str) -> Key | None:
        """Return the unique key that a person may mean by a text."""
        return text if self.key_name else None

    def with_stale(
        self, external_id: ExternalId, row: Row | None, stale: Sequence[bytes]
    ) -> tuple[Row, Collection[Key]]:
        """Return a ledger row, unsure, that also lists parts which SparkLayer may hold again; and the keys of these.

        `stale` must have one member at least.
        """
        late = reduce(lambda parts, other: parts.joined(other), map(self._decoder.decode, stale))
        parts = late if row is None else self._decoder.decode(row.parts).joined(late)
        return Row(external_id, None, encoded(parts)), late.keys

    @abstractmethod
    async def explain(self, batch: Batch) -> Sequence[Step]:
        """Return what `write` would send for the one entity of `batch`, and why. Sends nothing, marks nothing."""

    @abstractmethod
    async def find_jobs(self, batch: Batch) -> list[J]:
        """Return the entities of `batch` that must be written. The others have an outcome afterwards."""

    def keys(self, _jobs: Sequence[J]) -> Collection[Key]:
        """Return all unique keys that jobs mention."""
        return ()

    @abstractmethod
    async def plan(self, jobs: Sequence[J], owners: Mapping[Any, ExternalId]) -> BatchPlan[T]:
        """Return what is done about `jobs`; `owners` has the present owners of their keys. Raises StorageTrouble."""

    @abstractmethod
    async def send(self, batch: Batch, plan: BatchPlan[T], task: T, *, last: bool) -> Outcome:
        """Write one entity; with its value, if this is the `last` of its stages. Raises the failures of SparkLayer."""

    async def store_mark(self, mark: ledger.Mark[Any], _tasks: Collection[T]) -> Collection[Key]:
        """Store that a batch is about to be sent; return the keys that another entity owns by now."""
        return await self._context.storage.write(ledger.mark, mark) if mark.rows else ()

    async def finish(self, _batch: Batch, _plan: BatchPlan[T], _tasks: Collection[T], /) -> Sequence[J]:
        """Send what goes in bulk after single writes, and note the outcomes. Return jobs that are sent once more."""
        return ()

    def changed(
        self,
        batch: Batch,
        fingerprint: Callable[[Any], bytes],
        instead: Mapping[ExternalId, Any] | None = None,
        **common: Any,
    ) -> list[J]:
        """Return jobs for what differs from the ledger, and note the rest as unchanged.

        `instead` has the values of entities that are written otherwise than they are mapped. All jobs have `common`.
        """
        jobs: list[J] = []
        for external_id, mapped in batch.mapped.items():
            if external_id in batch.outcomes:
                continue
            row, value = batch.rows.get(external_id), (instead or {}).get(external_id, mapped.value)
            now = None if value is None else fingerprint(value)
            # An unsure row has no fingerprint, so it equals nothing and is written again.
            equal = row is None if now is None else row is not None and row.fingerprint == now
            if equal and (now is None or external_id not in batch.refreshing):
                batch.outcomes[external_id] = Outcome(result=Result.UNCHANGED)
                continue
            # Attempts are the row's: they outlive a restart.
            job: J = self.job(
                external_id=external_id,
                value=value,
                fingerprint=now,
                before=self._decoder.decode(row.parts) if row else None,
                attempts=batch.claims[external_id].attempts,
                unsure=row is not None and row.fingerprint is None,
                **common,
            )
            jobs.append(job)
        return jobs

    async def _mark(self, jobs: Sequence[J]) -> BatchPlan[T]:
        """Plan a batch, mark it unsure and take its keys; plan again when another batch took one in between."""
        context, keys = self._context, self.keys(jobs)
        while True:
            owners: Mapping[Key, ExternalId] = {}
            if keys:
                owners = await context.storage.read(ledger.owners, context.connection.id, self.kind, keys)
            # Another batch may take a key between the read above and the mark below, which then stores nothing.
            plan = await self.plan(jobs, owners)
            mark = ledger.Mark(
                connection_id=context.connection.id,
                kind=self.kind,
                rows=plan.rows,
                claims=plan.claims,
                given_up=owners,
            )
            if not await self.store_mark(mark, plan.tasks.values()):
                return plan

    async def _send_one(self, batch: Batch, plan: BatchPlan[T], later: AbstractSet[ExternalId], task: T) -> None:
        """Send one entity of a stage, and note its outcome. `later` has the entities that a later stage sends again."""
        external_id, error = task.external_id, None
        try:
            batch.outcomes[external_id] = await self.send(batch, plan, task, last=external_id not in later)
        except Exception as failed:  # noqa: BLE001  the entity's edge: the pipeline logs and counts it
            error = failed
        if external_id in plan.late:
            plan.late.discard(external_id)
            batch.came_in.set()
            if external_id in later and error is None:
                error = Retry("a first step took too long", reason="late")  # its later stage was passed over meanwhile
        if error is None:
            return
        plan.errors[external_id] = error
        if isinstance(error, Rejected):
            # The words of a refusal are an issue.
            batch.outcomes[external_id] = Outcome(result=Result.REJECTED, issues=(refused(str(error)),))
        else:
            batch.fail(external_id, error)

    async def _follow(self, batch: Batch, plan: BatchPlan[T], late: dict[ExternalId, T]) -> None:
        """Finish late entities as their writes end: together those that ended together, since bulk calls are dear."""
        while late:
            await batch.came_in.wait()
            ended = {external_id: late.pop(external_id) for external_id in late.keys() - plan.late}
            if not ended:
                continue  # the signal was about something else, such as the end of the loop before
            late_again: AbstractSet[ExternalId] = frozenset()
            try:
                late_again = await self.write(batch, jobs=await self.finish(batch, plan, ended.values()))
            except Exception as error:  # noqa: BLE001  the entities' edge: the pipeline logs and counts it
                # StorageTrouble too: the rest of the batch may be settled already, so these are retried alone.
                for external_id in ended:
                    batch.fail(external_id, error)
            batch.come_in(*(ended.keys() - late_again - plan.apart))
