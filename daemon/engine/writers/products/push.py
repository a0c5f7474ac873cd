"""Sends a planned batch to SparkLayer and says what of it was confirmed.

Product writes are tasks of their own, in two rounds (see `diff`); stock and prices of the whole batch follow in bulk
calls, removals before settings. What one entity fails at stops that entity only: a bulk call that is refused because
of one row is split until the bad row stands alone, the rest goes through. An entity whose product could not be
written for now keeps its stock and prices back too; one that SparkLayer refuses still gets those of SKUs it had.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import trio
from attrs import evolve, field, frozen

from daemon.engine.signal import Signal
from daemon.engine.stragglers import work_off
from daemon.engine.writers.products.diff import BatchPlan, Plan, freed_sku
from daemon.engine.writers.products.entry import Entry, Terms
from daemon.engine.writers.products.pushed import PushResult
from daemon.entities import Product, Stock
from daemon.errors import Duplicate, Missing, Rejected, Retry
from daemon.model import ExternalId, Lane, Sku
from daemon.sparklayer import SparkLayer
from daemon.sparklayer.client import in_bulks
from daemon.sparklayer.pricing import SkuPrice
from daemon.sparklayer.products import EXTRAS, ProductWrite, Vanished
from daemon.sparklayer.stock import StockRow
from daemon.transport.second_answer import confirmed, finds

LOOK_AGAIN = 10.0
"""Seconds until SparkLayer is asked again for stock that it had, and twice in a row did not show."""


@frozen(kw_only=True)
class Pusher:
    """Sends batches of one site. Stock and price calls of a site never overlap with another of their kind."""

    sparklayer: SparkLayer
    concurrency: int = 8
    _stock_turn: trio.Lock = field(factory=trio.Lock, init=False)
    _price_turn: trio.Lock = field(factory=trio.Lock, init=False)

    async def push(
        self, batch: BatchPlan, terms: Terms, lane: Lane, nursery: trio.Nursery, came_in: Signal
    ) -> PushResult:
        """Send all of `batch`. Failures are kept by entity; only cancellation comes out of here.

        Products that take long are left in `PushResult.behind`, and go on in `nursery`: `follow` sends the rest, once
        `came_in` is set.
        """
        pushed = PushResult()
        for number in (0, 1):
            writes = [(plan, product) for plan in batch.plans if (product := plan.rounds[number]) is not None]
            await self._write_products(
                [w for w in writes if not _waits(w[0], batch, pushed)], lane, pushed, nursery, came_in, last=number == 1
            )
        pushed.behind = frozenset(pushed.late)
        await self.follow([plan for plan in batch.plans if plan.external_id not in pushed.behind], terms, lane, pushed)
        return pushed

    async def follow(self, plans: Sequence[Plan], terms: Terms, lane: Lane, pushed: PushResult) -> None:
        """Send stock and prices of products that were written, or need not be."""
        written = {plan.external_id for plan in plans if plan.rounds != (None, None)}
        pushed.products |= written - pushed.failures.keys()
        ready = [plan for one in plans if (plan := _allowed(one, pushed.failures.get(one.external_id)))]
        if any(plan.removed_prices for plan in ready):
            # Once the ledger is lost, a SKU is found by its price only: so that goes last.
            await self._push_stock(ready, terms, lane, pushed)
            await self._push_prices(ready, terms, lane, pushed)
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._push_stock, ready, terms, lane, pushed)
            nursery.start_soon(self._push_prices, ready, terms, lane, pushed)

    async def _write_products(
        self,
        writes: Sequence[tuple[Plan, Product]],
        lane: Lane,
        pushed: PushResult,
        nursery: trio.Nursery,
        came_in: Signal,
        *,
        last: bool,
    ) -> None:
        async def write(one: tuple[Plan, Product]) -> None:
            plan, product = one
            external_id = plan.external_id
            try:
                await self._write(plan, product, lane, pushed)
            except Exception as error:  # noqa: BLE001  the entity's edge: the pipeline logs and counts it
                pushed.failures[external_id] = error
            if external_id in pushed.late:
                if plan.rounds[1] is not None and not last:
                    pushed.failures.setdefault(external_id, Retry("its first write took too long", reason="late"))
                pushed.late.discard(external_id)
                came_in.set()

        late = await work_off(nursery, writes, write, concurrency=self.concurrency)
        pushed.late.update(plan.external_id for plan, _ in late)

    async def _write(self, plan: Plan, product: Product, lane: Lane, pushed: PushResult) -> None:
        """POST what SparkLayer has not heard of, PATCH the rest, and believe SparkLayer where it knows better."""
        gone = plan.product is None
        write = ProductWrite(
            external_id=product.external_id,
            title=None if gone else product.title,
            slug=None if gone else product.slug,
            variants=product.variants,
            cleared=frozenset(plan.subject.before.extras if plan.subject.before else ()),
            vanished=tuple(Vanished(external_id=variant, sku=freed_sku(variant)) for variant in plan.vanished),
        )
        before = plan.subject.before
        if before is not None and before.ours:
            if plan.subject.kept:
                write = evolve(
                    write, kept=await self.sparklayer.products.kept(write.external_id, plan.subject.kept, lane)
                )
            await self._update(write, before, lane, adopted=plan.subject.adopted)
        else:
            await self._introduce(write, lane, pushed)

    async def _update(self, write: ProductWrite, before: Entry, lane: Lane, *, adopted: bool) -> None:
        """Write over what SparkLayer has. One just `met` there may wait for a SKU of one that waits for its own."""
        products = self.sparklayer.products
        update = partial(finds, partial(products.update, write, lane))
        try:
            # To create destroys nothing, to believe that a product is gone does: it would stay on sale for ever.
            if not await confirmed(update, lambda there: there or bool(write.variants)) and write.variants:
                await self._create_again(write, update, lane)
        except Duplicate:
            if not adopted:
                raise
            await products.update(_giving_way(write, before), lane)
            raise Retry("a SKU of it is not free yet", reason="sku_first") from None

    async def _create_again(self, write: ProductWrite, update: Callable[[], Awaitable[bool]], lane: Lane) -> None:
        """Create what SparkLayer says that it has no longer; if that is taken, it may have it after all."""
        try:
            await self.sparklayer.products.create(write, lane)
        except Duplicate:
            if not await update():
                raise

    async def _introduce(self, write: ProductWrite, lane: Lane, pushed: PushResult) -> None:
        """Create what SparkLayer has not heard of, or learn what it holds of it already; that raises Duplicate."""
        taken = Duplicate("SparkLayer has it already", reason="duplicate")
        if write.variants:
            try:
                return await self.sparklayer.products.create(write, lane)
            except Duplicate as error:
                taken = error
        adopted = await confirmed(partial(self._meet, write.external_id, lane), partial(_stays_on_sale, write))
        if adopted is None and not write.variants:
            return None  # it is not there, and shall not be
        if adopted is not None:
            pushed.adopted[write.external_id] = adopted
        raise taken

    async def _meet(self, external_id: ExternalId, lane: Lane) -> Entry | None:
        """Learn what SparkLayer holds of a product, if it has it, though it has not heard of it from us."""
        try:
            held = await self.sparklayer.products.variants_of(external_id, lane)
        except Missing:
            return None
        skus = dict.fromkeys(variant.sku for variant in held)
        variants = {variant.external_id: (variant.sku,) for variant in held}
        return Entry(variants=variants, stock=skus, prices=skus, extras=tuple(sorted(EXTRAS)))

    async def _push_stock(self, plans: Sequence[Plan], terms: Terms, lane: Lane, pushed: PushResult) -> None:
        place, stock, doubted = terms.stock_location, self.sparklayer.stock, set[Sku]()
        removed = [StockRow(sku, Stock(0)) for plan in plans for sku in sorted(plan.removed_stock)]
        rows = [StockRow(sku, plan.product.stock[sku]) for plan in plans if plan.product for sku in sorted(plan.stock)]

        sure = {sku for plan in plans for sku in plan.removed_stock if _had_stock(plan, sku)}

        async def take_away(part: Sequence[StockRow]) -> None:
            absent = await stock.remove(place, [row.sku for row in part], lane)
            doubted.update(absent & sure)

        async def put(part: Sequence[StockRow]) -> None:
            try:
                await stock.set(place, part, lane)
            except Missing:
                raise
            except Rejected as error:
                # Which words name an unknown location is not documented, so look before blaming the rows.
                if place in {location.id for location in await stock.locations()}:
                    raise
                raise Missing(str(error), reason="stock_location") from error

        async with self._stock_turn:
            await _in_bulk(removed, take_away, pushed.stock, pushed)
            pushed.stock -= doubted
            pushed.undone.update(dict.fromkeys(doubted, _lacks_stock()))
            await _in_bulk(rows, put, pushed.stock, pushed)

    async def _push_prices(self, plans: Sequence[Plan], terms: Terms, lane: Lane, pushed: PushResult) -> None:
        removed = [
            SkuPrice(sku, None)
            for plan in plans
            for sku in sorted(plan.removed_prices)
            if sku not in pushed.undone or sku not in plan.removed_stock
        ]
        rows = [
            SkuPrice(sku, plan.product.prices[sku]) for plan in plans if plan.product for sku in sorted(plan.prices)
        ]

        async def put(part: Sequence[SkuPrice]) -> None:
            await self.sparklayer.pricing.set(terms.price_list, part, lane)

        async with self._price_turn:
            await _in_bulk([*removed, *rows], put, pushed.prices, pushed)


def _had_stock(plan: Plan, sku: Sku) -> bool:
    """Return whether the ledger is sure that SparkLayer has a stock row of the SKU; one doubt makes it unsure."""
    before = plan.subject.before
    return before is not None and before.stock.get(sku) is not None


def _lacks_stock() -> Retry:
    words = "SparkLayer answers that it has no stock of a SKU that it was told of"
    return Retry(words, reason="stock_not_shown", after=LOOK_AGAIN)


class _Row(Protocol):
    @property
    def sku(self) -> Sku: ...


R = TypeVar("R", bound=_Row)


async def _in_bulk(
    rows: Sequence[R], send: Callable[[Sequence[R]], Awaitable[None]], confirmed: set[Sku], pushed: PushResult
) -> None:
    """Send `rows` in as few calls as possible, and let no bad row stop the others."""
    parts = in_bulks(rows)
    while parts:
        part = parts.pop(0)
        try:
            await send(part)
        except Missing as error:
            pushed.undone.update(dict.fromkeys((row.sku for row in part), error))
        except Rejected as error:
            bad, others = _apart(part, error)
            pushed.refused.update(bad)
            parts[:0] = others
        except Exception as error:  # noqa: BLE001  the pipeline sorts failures, and logs and counts the others
            pushed.undone.update(dict.fromkeys((row.sku for row in part), error))
        else:
            confirmed.update(row.sku for row in part)


def _apart(rows: Sequence[R], error: Rejected) -> tuple[dict[Sku, str], list[Sequence[R]]]:
    """Take a refused call apart: a row that stands alone is bad, the others are worth another call.

    Where SparkLayer names lines, what it counts them from is not known: so both rows that a line may mean stand alone.
    """
    if len(rows) == 1:
        return {rows[0].sku: str(error)}, []
    suspects = sorted({place for line in error.lines for place in (line, line - 1) if 0 <= place < len(rows)})
    if not suspects or len(suspects) == len(rows):
        half = len(rows) // 2
        return {}, [rows[:half], rows[half:]]
    rest = [row for place, row in enumerate(rows) if place not in suspects]
    return {}, [*([rows[place]] for place in suspects), rest]


def _waits(plan: Plan, batch: BatchPlan, pushed: PushResult) -> bool:
    """Whether a SKU that this entity claims was not given up; then it fails as its owner did."""
    if plan.external_id in pushed.failures or plan.external_id in pushed.late:
        return True
    for sku in plan.claims:
        owner = batch.given_up.get(sku, plan.external_id)
        failure = pushed.failures.get(owner)
        if owner in pushed.late:
            failure = Retry("a SKU of it is not free yet", reason="sku_first")
        if failure is not None and not isinstance(failure, Rejected):
            pushed.failures[plan.external_id] = failure
            return True
    return False


def _stays_on_sale(write: ProductWrite, adopted: Entry | None) -> bool:
    """Return whether the write neither discontinues a variant in SparkLayer nor forgets the product."""
    if not write.variants:
        return False
    return adopted is None or adopted.variants.keys() <= {variant.external_id for variant in write.variants}


def _giving_way(write: ProductWrite, before: Entry) -> ProductWrite:
    """Return a write that claims no SKU which SparkLayer does not have there already, and lets go of the others.

    After a lost ledger a SKU may be that of one of ours who is to give it up, and wants this one's.
    """
    return evolve(
        write,
        variants=tuple(
            variant
            if variant.sku in before.variants.get(variant.external_id, ())
            else evolve(variant, sku=freed_sku(variant.external_id))
            for variant in write.variants
        ),
    )


def _allowed(plan: Plan, failure: Exception | None) -> Plan | None:
    """Return what of a plan's stock and prices may be sent after its product was written, or was not."""
    if failure is None:
        return plan
    if plan.subject.before is None or not plan.subject.before.ours or not isinstance(failure, Rejected):
        return None
    had = plan.subject.before.skus
    return evolve(
        plan, stock=plan.stock & had, prices=plan.prices & had, removed_stock=frozenset(), removed_prices=frozenset()
    )
