"""Writes orders as purchases: reads the purchase by its cart, replaces what the platform owns, carries over the rest.

A cart has one order, which owns it in the ledger; a second one that names it is an issue, and waits with what it had
until then. An order that names another cart than before leaves the former purchase behind as cancelled, before it
writes the new one. An order that is gone from the platform stays in the customer's history, as cancelled: its purchase
has things that only SparkLayer knows, and nobody could bring them back if the order were restored.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

from attrs import evolve, frozen

from daemon.engine.batch import Batch, WithoutVariants
from daemon.engine.context import ConnectionContext
from daemon.engine.explanation import Step
from daemon.engine.unique_keys import winners
from daemon.engine.writers.jobs import Job, carry_out, find_jobs
from daemon.entities import Order
from daemon.errors import Retry
from daemon.issues import IssueType
from daemon.model import CartId, ExternalId, Kind, Lane
from daemon.model.outcome import Outcome
from daemon.sparklayer.packages import Body
from daemon.sparklayer.purchases import cancelled, detached, is_of, merged
from daemon.storage import ledger
from daemon.transport.second_answer import confirmed


@frozen
class Parts:
    """What the ledger keeps of an order beside its print: its cart, and those that it may not have left yet."""

    cart: CartId
    former: tuple[CartId, ...] = ()

    @property
    def carts(self) -> frozenset[CartId]:
        """All of them."""
        return frozenset({self.cart, *self.former})


OrderJob = Job[Order, Parts]


class OrderWriter(WithoutVariants):
    """Fulfils `daemon.engine.batch.Writer` for orders."""

    kind = Kind.ORDERS
    partial = True

    def __init__(self, context: ConnectionContext) -> None:
        self._context = context
        self._leaving: set[CartId] = set()
        """Purchases that an order is taken out of just now, perhaps by a call that hangs."""

    async def prepare(self) -> None:
        """Prepare nothing: orders need nothing on the site."""

    async def write(self, batch: Batch) -> None:
        """Send the orders that differ."""
        jobs = find_jobs(batch, Parts, self._fingerprint)
        if not jobs:
            return
        self._context.sparklayer.purchases.expect(job.before.cart for job in jobs if job.before and job.confirmed)
        lost = await self._mark(jobs)
        todo = [job for job in jobs if job.external_id not in lost]

        async def leave(job: OrderJob) -> Outcome:
            return await self._leave(job, batch.lane)

        async def send(job: OrderJob) -> Outcome:
            return await self._send(job, batch.lane)

        await carry_out(batch, [job for job in todo if job.value is None and _left(job)], leave)
        await carry_out(batch, [job for job in todo if job.value is not None and _left(job)], leave, last=False)
        await carry_out(
            batch, [job for job in todo if job.value is not None and not batch.failed(job.external_id)], send
        )
        for external_id, cart in lost.items():
            issue = IssueType.CART_USED_TWICE.issue()
            batch.outcomes[external_id] = Outcome(result="rejected", issues=(issue,), waits_for=frozenset({cart}))

    async def explain(self, batch: Batch) -> Sequence[Step]:
        """Tell whether the purchase would be written."""
        jobs = find_jobs(batch, Parts, self._fingerprint)
        return [
            Step(
                "cancel every package of the purchase" if job.value is None else "read the purchase, and PUT it",
                job.why,
            )
            for job in jobs
        ]

    def _fingerprint(self, order: Order) -> bytes:
        """Return the print of all that matters: that somebody has looked at an order does not."""
        return self._context.fingerprint(evolve(order, updated=order.placed))

    async def _mark(self, jobs: Sequence[OrderJob]) -> Mapping[ExternalId, CartId]:
        """Mark what is about to be sent unsure, and take the carts; return who named a cart that is another's."""
        wanted = {job.external_id: job.value.cart_id for job in jobs if job.value is not None}
        batch = {job.external_id for job in jobs}
        while True:
            owners = await self._context.storage.read(
                ledger.owners, self._context.connection.id, self.kind, set(wanted.values())
            )
            won, lost = _contest(wanted, owners, batch)
            mark = ledger.Mark(
                connection_id=self._context.connection.id,
                kind=self.kind,
                rows=[job.row(_marked(job), sure=False) for job in jobs if job.external_id not in lost],
                claims={cart: one for cart, one in won.items() if wanted.get(one) == cart},
                given_up={cart: owner for cart, owner in owners.items() if owner in batch},
            )
            if not await self._context.storage.write(ledger.mark, mark):
                return lost

    async def _leave(self, job: OrderJob, lane: Lane) -> Outcome:
        """Cancel the purchases that the order is no longer, unless another order is by now, as two answers say."""
        gone = job.value is None
        for cart in sorted(_left(job)):
            self._leaving.add(cart)
            try:
                held = await confirmed(
                    partial(self._context.sparklayer.purchases.read, cart, lane), partial(_is_held_by, job.external_id)
                )
                if held is not None and _is_held_by(job.external_id, held):
                    await self._context.sparklayer.purchases.put(
                        cart, cancelled(held) if gone else detached(held), lane
                    )
            finally:
                self._leaving.discard(cart)
        return Outcome(result="removed", released=frozenset(_left(job))) if gone else Outcome(result="written")

    async def _send(self, job: OrderJob, lane: Lane) -> Outcome:
        order, purchases = job.value, self._context.sparklayer.purchases
        assert order is not None  # who is gone only leaves
        if order.cart_id in self._leaving:
            raise Retry("its cart is not free yet", reason="cart_first")
        # What the ledger knows SparkLayer to have would lose its reference and its customer to a PUT after a wrong 404.
        known = job.before is not None and order.cart_id in job.before.carts
        held = await confirmed(partial(purchases.read, order.cart_id, lane), lambda held: held is not None or not known)
        await purchases.put(order.cart_id, merged(order, held), lane)
        return Outcome(result="written", row=job.row(Parts(order.cart_id)), released=frozenset(_left(job)))


def _contest(
    wanted: Mapping[ExternalId, CartId], owners: Mapping[CartId, ExternalId], batch: AbstractSet[ExternalId]
) -> tuple[Mapping[CartId, ExternalId], Mapping[ExternalId, CartId]]:
    """Return who has each cart, and who loses the one that it names: that keeps the one it had.

    Should it come back to that one, nothing would tell it from an order that never went.
    """
    lost: Mapping[ExternalId, CartId] = {}
    while True:
        won = winners(wanted, owners, batch - lost.keys())
        now = {one: cart for one, cart in wanted.items() if won[cart] != one}
        if now.keys() == lost.keys():
            return won, lost
        lost = now


def _is_held_by(order: ExternalId, held: Body | None) -> bool:
    """Return whether a purchase exists and belongs to the order."""
    return held is not None and is_of(held, order)


def _left(job: OrderJob) -> frozenset[CartId]:
    """Return the carts that the order had, or may have had, and has no longer."""
    before = job.before.carts if job.before else frozenset[CartId]()
    return before - ({job.value.cart_id} if job.value is not None else set())


def _marked(job: OrderJob) -> Parts:
    """Return the parts for the time of sending: whatever carts may say that they are the order's."""
    left = tuple(sorted(_left(job)))
    if job.value is not None:
        return Parts(job.value.cart_id, left)
    assert job.before is not None  # what SparkLayer never had is no job
    return job.before
