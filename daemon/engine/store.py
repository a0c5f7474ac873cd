"""Writes the store's settings: the base currency, and with it the default price list.

A store whose currency, unit of weight, way of entering prices or number of locations is another than before starts
the full sync of products that this needs: what every product maps to may have changed.
"""

from collections.abc import Awaitable, Callable, Sequence

from attrs import frozen

from daemon.engine.batch import Batch
from daemon.engine.explanation import Step
from daemon.engine.jobs import Job, carry_out, find_jobs, mark_unsure
from daemon.engine.line import Line
from daemon.engine.verdict import Verdict
from daemon.errors import Rejected
from daemon.model import Kind, Lane, StoreFacts
from daemon.problems import Trouble, refused
from daemon.sparklayer.settings import CONFLICT


@frozen
class Parts:
    """What the ledger keeps of the store: the print of what products depend on, as of their last full sync."""

    mapping: bytes


StoreJob = Job[StoreFacts, Parts]


class StoreWriter:
    """Fulfils `daemon.engine.batch.Writer` for the store. `resync` starts a full sync of products."""

    kind = Kind.STORE

    def __init__(self, line: Line, resync: Callable[[], Awaitable[object]]) -> None:
        self._line = line
        self._resync = resync

    async def prepare(self) -> None:
        """Prepare nothing: what the site needs depends on the facts that are about to be read."""

    async def write(self, batch: Batch) -> None:
        """Send the settings if they differ."""
        jobs = await find_jobs(self._line, self.kind, batch, Parts, self._line.fingerprint)

        async def send(job: StoreJob) -> Verdict:
            return await self._send(job, batch.lane)

        rows = [job.row(job.before or Parts(b""), sure=False) for job in jobs]
        await mark_unsure(self._line, self.kind, rows)
        await carry_out(batch, jobs, send)

    async def explain(self, batch: Batch) -> Sequence[Step]:
        """Tell whether the settings would be written."""
        jobs = await find_jobs(self._line, self.kind, batch, Parts, self._line.fingerprint)
        return [Step("set the base currency, and keep the price list with it", job.why) for job in jobs]

    async def _send(self, job: StoreJob, lane: Lane) -> Verdict:
        facts = job.value
        if facts is None:
            return Verdict(outcome="removed")
        self._line.take_facts(facts)
        parts = Parts(self._mapping(facts))
        if job.before is not None and job.before.mapping not in {b"", parts.mapping}:
            await self._resync()
        await self._line.terms()
        try:
            await self._line.sparklayer.settings.set_base_currency(facts.currency, lane)
        except Rejected as error:
            words = str(error)
            problem = (
                Trouble.CURRENCY_CONFLICT.problem(currency=facts.currency)
                if error.reason == CONFLICT
                else refused(words)
            )
            return Verdict(outcome="rejected", problems=(problem,), row=job.row(parts, sure=False))
        return Verdict(outcome="written", row=job.row(parts))

    def _mapping(self, facts: StoreFacts) -> bytes:
        return self._line.fingerprint((facts.currency, facts.weight_unit, facts.locations, facts.tax_inclusive))
