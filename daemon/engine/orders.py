"""Writes orders as purchases: reads the purchase by its cart, replaces what the platform owns, carries over the rest.

An order that is gone from the platform stays in the customer's history, as cancelled: its purchase has things that
only SparkLayer knows, and nobody could bring them back if the order were restored.
"""

from collections.abc import Sequence

from attrs import evolve, frozen

from daemon.engine.batch import Batch
from daemon.engine.explanation import Step
from daemon.engine.jobs import Job, carry_out, find_jobs, mark_unsure
from daemon.engine.line import Line
from daemon.engine.verdict import Verdict
from daemon.model import CartId, Kind, Lane, Order
from daemon.sparklayer.purchases import cancelled, merged


@frozen
class Parts:
    """What the ledger keeps of an order beside its print."""

    cart: CartId


OrderJob = Job[Order, Parts]


class OrderWriter:
    """Fulfils `daemon.engine.batch.Writer` for orders."""

    kind = Kind.ORDERS

    def __init__(self, line: Line) -> None:
        self._line = line

    async def prepare(self) -> None:
        """Prepare nothing: orders need nothing on the site."""

    async def write(self, batch: Batch) -> None:
        """Send the orders that differ."""
        jobs = await find_jobs(self._line, self.kind, batch, Parts, self._digest)

        async def send(job: OrderJob) -> Verdict:
            return await self._send(job, batch.lane)

        rows = [job.row(_parts(job), sure=False) for job in jobs]
        await mark_unsure(self._line, self.kind, rows)
        await carry_out(batch, jobs, send)

    async def explain(self, batch: Batch) -> Sequence[Step]:
        """Tell whether the purchase would be written."""
        jobs = await find_jobs(self._line, self.kind, batch, Parts, self._digest)
        return [
            Step(
                "cancel every package of the purchase" if job.value is None else "read the purchase, and PUT it",
                job.why,
            )
            for job in jobs
        ]

    def _digest(self, order: Order) -> bytes:
        """Return the print of all that matters: that somebody has looked at an order does not."""
        return self._line.fingerprint(evolve(order, updated=order.placed))

    async def _send(self, job: OrderJob, lane: Lane) -> Verdict:
        purchases = self._line.sparklayer.purchases
        parts = _parts(job)
        held = await purchases.read(parts.cart, lane)
        if job.value is None:
            if held is not None:
                await purchases.put(parts.cart, cancelled(held), lane)
            return Verdict(outcome="removed")
        await purchases.put(parts.cart, merged(job.value, held), lane)
        return Verdict(outcome="written", row=job.row(parts))


def _parts(job: OrderJob) -> Parts:
    if job.value is not None:
        return Parts(job.value.cart_id)
    assert job.before is not None  # what SparkLayer never had is no job
    return job.before
