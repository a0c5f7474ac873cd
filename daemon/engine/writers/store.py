"""Writes the store's settings: the base currency, and with it the default price list.

A store whose currency, unit of weight, way of entering prices or number of locations is another than before starts
the full sync of products that this needs: what every product maps to may have changed. The run starts as the change
is noted in the ledger, before anything is sent: a retry finds it noted.
"""

from collections.abc import Sequence

from attrs import frozen

from daemon.engine.batch import Batch, WithoutVariants
from daemon.engine.context import ConnectionContext
from daemon.engine.explanation import Step
from daemon.engine.writers.jobs import Job, carry_out, find_jobs, mark_unsure
from daemon.entities import StoreFacts
from daemon.errors import Rejected
from daemon.issues import IssueType, refused
from daemon.model import Kind, Lane
from daemon.model.outcome import Outcome
from daemon.sparklayer.settings import CONFLICT
from daemon.storage.full_syncs import Start
from daemon.storage.ledger import Mark
from daemon.storage.resync import Remap, remap


@frozen
class Parts:
    """What the ledger keeps of the store: the print of what products depend on, as of the last full sync started."""

    mapping: bytes


StoreJob = Job[StoreFacts, Parts]


class StoreWriter(WithoutVariants):
    """Fulfils `daemon.engine.batch.Writer` for the store."""

    kind = Kind.STORE
    partial = False

    def __init__(self, context: ConnectionContext) -> None:
        self._context = context

    async def prepare(self) -> None:
        """Prepare nothing: what the site needs depends on the facts that are about to be read."""

    async def write(self, batch: Batch) -> None:
        """Send the settings if they differ."""
        jobs = find_jobs(batch, Parts, self._context.fingerprint)

        async def send(job: StoreJob) -> Outcome:
            return await self._send(job, batch.lane)

        for job in jobs:
            await self._mark(job)
        await carry_out(batch, jobs, send)

    async def explain(self, batch: Batch) -> Sequence[Step]:
        """Tell whether the settings would be written."""
        jobs = find_jobs(batch, Parts, self._context.fingerprint)
        return [Step("set the base currency, and keep the price list with it", job.why) for job in jobs]

    async def _mark(self, job: StoreJob) -> None:
        """Mark the store unsure, and with it start the full sync of products if they depend on what has changed."""
        context, parts = self._context, self._parts(job)
        row = job.row(parts, sure=False)
        if job.before is None or job.before == parts:
            await mark_unsure(context, self.kind, [row])
            return
        assert job.value is not None  # the parts of one that is gone stay as they are
        context.take_facts(job.value)
        mark = Mark[str](connection_id=context.connection.id, kind=self.kind, rows=[row])
        resync = Start(
            connection_id=context.connection.id, kind=Kind.PRODUCTS, mode="normal", now=context.now(), internal=True
        )
        await context.storage.write(remap, Remap(mark=mark, resync=resync))
        context.kind_states[Kind.PRODUCTS].run_started()

    async def _send(self, job: StoreJob, lane: Lane) -> Outcome:
        facts = job.value
        if facts is None:
            return Outcome(result="removed")
        self._context.take_facts(facts)
        parts = self._parts(job)
        await self._context.terms()
        try:
            await self._context.sparklayer.settings.set_base_currency(facts.currency, lane)
        except Rejected as error:
            words = str(error)
            issue = (
                IssueType.CURRENCY_CONFLICT.issue(currency=facts.currency)
                if error.reason == CONFLICT
                else refused(words)
            )
            return Outcome(result="rejected", issues=(issue,), row=job.row(parts, sure=False))
        return Outcome(result="written", row=job.row(parts))

    def _parts(self, job: StoreJob) -> Parts:
        facts = job.value
        if facts is None:
            assert job.before is not None  # what SparkLayer never had is no job
            return job.before
        shared = (facts.currency, facts.weight_unit, facts.locations, facts.tax_inclusive)
        return Parts(self._context.fingerprint(shared))
