"""Writes the store's settings: the base currency, and with it the default price list.

Products depend on the store's currency, unit of weight, way of entering prices and number of locations. A change of
one of these starts a full sync of products, in the transaction that notes the change: a retry finds it noted, and does
not start another.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from attrs import frozen

from daemon.engine.batch import Batch
from daemon.engine.context import ConnectionContext
from daemon.engine.writers.job import BatchPlan, Job, Step, by_id
from daemon.engine.writers.products.terms import SiteTerms
from daemon.engine.writers.writer import Writer
from daemon.entities import StoreFacts
from daemon.errors import Rejected
from daemon.issues import IssueType, refused
from daemon.model import ExternalId, Key, Kind
from daemon.model.outcome import Outcome, Result
from daemon.platforms.base import Page
from daemon.sparklayer.settings import CONFLICT
from daemon.storage.full_syncs import Start
from daemon.storage.ledger import Mark
from daemon.storage.resync import Remap, remap
from daemon.storage.states import RunMode


@frozen
class StoreParts:
    """The ledger's parts of the store: a fingerprint of what products depend on, as of the last full sync started."""

    mapping: bytes
    keys: ClassVar[Collection[Key]] = ()

    def joined(self, other: "StoreParts") -> "StoreParts":
        """Return these: a site has one store, which is always written whole."""
        del other
        return self


StoreJob = Job[StoreFacts, StoreParts]


class StoreWriter(Writer[StoreJob, StoreJob]):
    """Writes the store's settings."""

    kind = Kind.STORE
    parts = StoreParts

    def __init__(self, context: ConnectionContext, terms: SiteTerms) -> None:
        super().__init__(context)
        self._terms = terms

    async def begin_run(self, *, refresh: bool, since: float) -> None:
        """Have a refresh run set the price list's currency again."""
        del since
        if refresh:
            self._terms.forget()

    def page_read(self, page: Page) -> None:
        """Go on with the facts that the page has."""
        self._context.take_facts(page.entities[0].content)

    async def find_jobs(self, batch: Batch) -> list[StoreJob]:
        """Return the store, if its settings differ."""
        if batch.refreshing:
            self._terms.forget()  # the price list's currency is written with the store's
        return self.changed(batch, self._context.fingerprint)

    async def plan(self, jobs: Sequence[StoreJob], owners: Mapping[Key, ExternalId]) -> BatchPlan[StoreJob]:
        """Send them; the row has the present dependencies of products."""
        del owners
        rows = [job.row(self._parts(job), sure=False) for job in jobs]
        return BatchPlan(tasks=by_id(jobs), stages=[jobs], rows=rows)

    async def store_mark(self, mark: Mark[Any], tasks: Collection[StoreJob]) -> Collection[Key]:
        """Mark the store unsure; start the full sync of products with that if what they depend on has changed."""
        context = self._context
        changed = [task for task in tasks if task.before is not None and task.before != self._parts(task)]
        if not changed:
            return await super().store_mark(mark, tasks)
        for task in changed:
            assert task.value is not None  # the parts of a store that is gone stay as they are
            context.take_facts(task.value)
        resync = Start(
            connection_id=context.connection.id,
            kind=Kind.PRODUCTS,
            mode=RunMode.NORMAL,
            now=context.now(),
            internal=True,
        )
        await context.storage.write(remap, Remap(mark=mark, resync=resync))
        context.kind_states[Kind.PRODUCTS].run_started()
        return ()

    async def explain(self, batch: Batch) -> Sequence[Step]:
        """Return the write of the currency, if there is one."""
        what = "set the base currency, and keep the price list with it"
        return [Step(what, job.why) for job in await self.find_jobs(batch)]

    async def send(self, batch: Batch, plan: BatchPlan[StoreJob], task: StoreJob, *, last: bool) -> Outcome:
        """Set the base currency, once the price list has it."""
        del plan, last
        facts, parts = task.value, self._parts(task)
        if facts is None:
            return Outcome(result=Result.REMOVED)
        self._context.take_facts(facts)
        # The price list follows the currency first: products must not meet a list in the former one.
        await self._terms.get()
        try:
            await self._context.sparklayer.settings.set_base_currency(facts.currency, batch.lane)
        except Rejected as error:
            issue = refused(str(error))
            if error.reason == CONFLICT:
                issue = IssueType.CURRENCY_CONFLICT.issue(currency=facts.currency)
            # The parts stay as they are marked, so that a retry does not start the full sync again.
            return Outcome(result=Result.REJECTED, issues=(issue,), row=task.row(parts, sure=False))
        return Outcome(result=Result.WRITTEN, row=task.row(parts))

    def _parts(self, job: StoreJob) -> StoreParts:
        facts = job.value
        if facts is None:
            assert job.before is not None  # a store that SparkLayer never had is no job
            return job.before
        shared = (facts.currency, facts.weight_unit, facts.locations, facts.tax_inclusive)
        return StoreParts(self._context.fingerprint(shared))
