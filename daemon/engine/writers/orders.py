"""Writes orders as purchases: reads the purchase by its cart, replaces what the platform owns, carries over the rest.

A cart has one order, which owns it in the ledger. A second order that names the cart is an issue, and keeps the cart
that it had before. An order that names another cart than before leaves its former purchase behind as cancelled, before
it writes the new one. An order that is gone from the platform stays in the customer's history, as cancelled: its
purchase has things that only SparkLayer knows, and they could not be brought back if the order were restored.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from attrs import evolve, frozen

from daemon.engine.batch import Batch
from daemon.engine.context import ConnectionContext
from daemon.engine.unique_keys import decide_owners
from daemon.engine.writers.job import BatchPlan, Job, Step, by_id
from daemon.engine.writers.writer import Writer
from daemon.entities import Order
from daemon.errors import Retry
from daemon.issues import IssueType
from daemon.model import CartId, ExternalId, Key, Kind, Lane
from daemon.model.outcome import Outcome, Result, Row
from daemon.sparklayer.client import replaced
from daemon.sparklayer.operation import PURCHASE
from daemon.sparklayer.packages import Body
from daemon.sparklayer.purchases import cancelled, detached, is_of, merged
from daemon.transport.second_answer import confirmed


@frozen
class OrderParts:
    """The ledger's parts of an order: its cart, and former carts that it may not have left yet."""

    cart: CartId
    # A crash between leaving a purchase and writing the next one must not forget the first.
    former: tuple[CartId, ...] = ()

    @property
    def carts(self) -> frozenset[CartId]:
        """All of them."""
        return frozenset({self.cart, *self.former})

    @property
    def keys(self) -> Collection[CartId]:
        """The unique keys among the parts."""
        return self.carts

    def joined(self, other: "OrderParts") -> "OrderParts":
        """Return parts that list the carts of either."""
        return OrderParts(self.cart, tuple(sorted((self.carts | other.carts) - {self.cart})))


OrderJob = Job[Order, OrderParts]


class OrderWriter(Writer[OrderJob, OrderJob]):
    """Writes orders."""

    kind = Kind.ORDERS
    parts = OrderParts
    partial = True
    used_twice = IssueType.CART_USED_TWICE
    key_name = "cart id"

    def __init__(self, context: ConnectionContext) -> None:
        super().__init__(context)
        self._leaving: set[CartId] = set()
        """Purchases that an order is being taken out of, perhaps by a call that hangs."""

    async def find_jobs(self, batch: Batch) -> list[OrderJob]:
        """Return the orders that differ, in more than the time of their last change."""
        jobs = self.changed(batch, lambda order: self._context.fingerprint(evolve(order, updated=order.placed)))
        self._context.sparklayer.expect(PURCHASE, (job.before.cart for job in jobs if job.before and job.confirmed))
        return jobs

    def keys(self, jobs: Sequence[OrderJob]) -> Collection[Key]:
        """Return the carts that orders name."""
        return {job.value.cart_id for job in jobs if job.value is not None}

    async def plan(self, jobs: Sequence[OrderJob], owners: Mapping[CartId, ExternalId]) -> BatchPlan[OrderJob]:
        """Plan removals, and orders that leave a cart for another order of the batch, before all writes.

        Only these leave their former carts in a stage of their own: an order whose leaving takes long, as a second
        answer does, would never reach its second stage.

        An order that loses its cart keeps its former one. If it then names that one again, it must look as before.
        """
        wanted = {job.external_id: {job.value.cart_id} for job in jobs if job.value is not None}
        claims, lost = decide_owners(wanted, owners, {job.external_id for job in jobs}, all_or_nothing=True)
        tasks = by_id(job for job in jobs if job.external_id not in lost)
        freeing = {owners[cart] for cart, order in claims.items() if owners.get(cart, order) != order}
        return BatchPlan(
            tasks=tasks,
            stages=[
                [job for job in tasks.values() if job.value is None or job.external_id in freeing],
                [job for job in tasks.values() if job.value is not None],
            ],
            rows=[_marked(job) for job in tasks.values()],
            claims=claims,
            owners=owners,
            lost=lost,
        )

    async def explain(self, batch: Batch) -> Sequence[Step]:
        """Return the write of the purchase, if there is one."""
        write, cancel = "read the purchase, and PUT it", "cancel every package of the purchase"
        return [Step(cancel if job.value is None else write, job.why) for job in await self.find_jobs(batch)]

    def own(self, value: Order, lost: Collection[Key], *, known: bool) -> Order | None:
        """Return nothing of an order whose cart is another's: that order is told under the cart."""
        del known
        return None if lost else value

    async def send(self, batch: Batch, plan: BatchPlan[OrderJob], task: OrderJob, *, last: bool) -> Outcome:
        """Leave the former purchases, then read and write the present one."""
        lane = batch.lane
        if task.value is None or not last:
            await self._leave(task, lane)
            return Outcome(result=Result.REMOVED, released=frozenset(_left(task)))
        if not any(job is task for job in plan.stages[0]):  # else it has left them in the first stage
            await self._leave(task, lane)
        cart, purchases = task.value.cart_id, self._context.sparklayer.purchases
        # The cancellation of a former order may arrive after this order's PUT, and undo it.
        if cart in self._leaving:
            raise Retry("its cart is not free yet", reason="cart_first")
        # After a wrong 404, a PUT would take the reference and the customer from a purchase. An order has its cart from
        # SparkLayer, so a 404 is rare, and a second answer costs hardly anything.
        order = task.value
        await replaced(
            partial(confirmed, partial(purchases.read, cart, lane), lambda held: held is not None),
            lambda held, before: purchases.put(cart, merged(order, held), lane, before),
        )
        return Outcome(result=Result.WRITTEN, row=task.row(OrderParts(cart)), released=frozenset(_left(task)))

    async def _leave(self, job: OrderJob, lane: Lane) -> None:
        """Cancel the purchases that the order has left, unless two answers say that each is another order's by now."""
        purchases = self._context.sparklayer.purchases
        body_of = cancelled if job.value is None else detached

        def is_ours(held: Body | None) -> bool:
            return held is not None and is_of(held, job.external_id)

        async def put(cart: CartId, held: Body | None, before: float) -> None:
            if held is not None and is_ours(held):
                await purchases.put(cart, body_of(held), lane, before)

        for cart in sorted(_left(job)):
            self._leaving.add(cart)
            try:
                await replaced(partial(confirmed, partial(purchases.read, cart, lane), is_ours), partial(put, cart))
            finally:
                self._leaving.discard(cart)


def _marked(job: OrderJob) -> Row:
    """Return the row for the time of sending, with every cart that may name the order."""
    if job.value is not None:
        return job.row(OrderParts(job.value.cart_id, tuple(sorted(_left(job)))), sure=False)
    assert job.before is not None  # an order that SparkLayer never had is no job
    return job.row(job.before, sure=False)


def _left(job: OrderJob) -> frozenset[CartId]:
    """Return the carts that the order had, or may have had, and has no longer."""
    before = job.before.carts if job.before else frozenset[CartId]()
    return before - ({job.value.cart_id} if job.value is not None else set())
