"""Sends single products, and stock and prices of many in bulk.

An entity that fails stops itself only: see `bulk_calls` for those that share a call.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import trio
from attrs import evolve, field, frozen

from daemon.engine.writers.products.bulk_calls import BulkCalls, R, RowList
from daemon.engine.writers.products.diff import ProductParts, ProductPlan, Terms, freed_sku
from daemon.engine.writers.products.outcome import BulkResult, Unmanaged
from daemon.entities import Product, StockLevel
from daemon.errors import Duplicate, Missing, Rejected, Retry
from daemon.model import ExternalId, Lane, Sku, VariantId
from daemon.sparklayer import SparkLayer
from daemon.sparklayer.pricing import SkuPrice
from daemon.sparklayer.products import EXTRAS, ProductWrite
from daemon.sparklayer.stock import FoundStock, StockRow
from daemon.transport.second_answer import answers_differ, confirmed, finds

LOOK_AGAIN = 10.0
"""Seconds until SparkLayer is asked again for stock that it had, and twice in a row did not show."""


@frozen(kw_only=True)
class Pusher:
    """Sends products of one site."""

    sparklayer: SparkLayer
    _stock_calls: BulkCalls = field(factory=partial(BulkCalls, in_turn=False), init=False)
    _price_calls: BulkCalls = field(factory=partial(BulkCalls, in_turn=True), init=False)

    async def write(self, plan: ProductPlan, product: Product, lane: Lane) -> None:
        """POST what SparkLayer has not heard of, PATCH the rest, and believe SparkLayer where it knows better.

        A product that is gone is created again; one without variants is left, once two answers say so. Raises Unmanaged
        if SparkLayer has the product already, and the failures of SparkLayer.
        """
        before, write, products = plan.job.before, _write_of(plan, product), self.sparklayer.products
        if before is None or not before.ours:
            await self._introduce(write, lane)
            return
        update = partial(finds, partial(products.update, write, lane))
        try:
            if not write.variants:
                # A product that is wrongly believed to be gone would stay on sale for ever.
                await confirmed(update, bool)
                return
            # To create destroys nothing, so one answer is enough.
            if await update():
                return
            try:
                await products.create(write, lane)
            except Duplicate:
                if not await update():
                    raise
        except Duplicate:
            if not plan.job.adopted:
                raise
            # One just adopted may wait for a SKU of a product that in turn waits for one of this one's.
            await self.give_way(plan, product, lane)
            raise Retry("a SKU of it is not free yet", reason="sku_first") from None

    async def give_way(self, plan: ProductPlan, product: Product, lane: Lane) -> dict[VariantId, tuple[Sku, ...]]:
        """Free the SKUs that a refused product is to give up. Raises the failures of SparkLayer.

        Returns its variants in SparkLayer, with their SKUs. One that vanished is listed without any.
        """
        before, write = plan.job.before or ProductParts(), _write_of(plan, product)
        # It claims only SKUs that SparkLayer surely has at these variants, and frees the others: a SKU may belong to a
        # product of ours that is to give it up, and wants this one's.
        variants = tuple(
            variant
            if before.variants.get(variant.external_id) == (variant.sku,)
            else evolve(variant, sku=freed_sku(variant.external_id))
            for variant in write.variants
        )
        write = evolve(write, variants=variants)
        # A product that is gone from SparkLayer holds no SKUs.
        with contextlib.suppress(Missing):
            await self.sparklayer.products.update(write, lane)
        return {variant.external_id: (variant.sku,) for variant in write.variants} | dict.fromkeys(plan.vanished, ())

    def is_slow(self, product: ExternalId) -> bool:
        """Return True if a product's rows would delay those of others."""
        return self._stock_calls.is_slow(product) or self._price_calls.is_slow(product)

    async def push_rows(self, plans: Sequence[ProductPlan], terms: Terms, lane: Lane, *, alone: bool) -> BulkResult:
        """Set and remove stock and prices. Failures are kept by SKU; only cancellation comes out of here.

        `alone`: no other product waits for these, so a call may take long.
        """
        bulk = BulkResult()
        push = _Push(
            plans=plans,
            terms=terms,
            lane=lane,
            alone=alone,
            products={sku: plan.external_id for plan in plans for sku in plan.rows},
            bulk=bulk,
        )
        if any(plan.removed_prices for plan in plans):
            # Once the ledger is lost, a SKU is found by its price only: so that goes last.
            await self._push_stock(push)
            await self._push_prices(push)
            return bulk
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._push_stock, push)
            nursery.start_soon(self._push_prices, push)
        return bulk

    async def _introduce(self, write: ProductWrite, lane: Lane) -> None:
        """Create a product that SparkLayer has not heard of. Raises Unmanaged, with its parts, if it is there."""
        taken = Duplicate("SparkLayer has it already", reason="duplicate")
        if write.variants:
            try:
                return await self.sparklayer.products.create(write, lane)
            except Duplicate as error:
                taken = error
        variants = {variant.external_id for variant in write.variants}

        def stays_on_sale(held: ProductParts | None) -> bool:
            # Else the write discontinues a variant in SparkLayer, or forgets the product.
            return bool(variants) and (held is None or held.variants.keys() <= variants)

        held = await confirmed(partial(self._held, write, lane), stays_on_sale)
        if held is not None:
            raise Unmanaged(taken, held)
        if write.variants:
            raise taken
        return None  # it is not there, and should not be

    async def _held(self, write: ProductWrite, lane: Lane) -> ProductParts | None:
        """Read an unmanaged product from SparkLayer; None if there is none."""
        try:
            held = await self.sparklayer.products.variants_of(write.external_id, lane)
        except Missing:
            return None
        # SparkLayer was not asked for stock and prices: each SKU may have both.
        skus = dict.fromkeys(held.values())
        variants = {variant: (sku,) for variant, sku in held.items()}
        return ProductParts(variants=variants, stock=skus, prices=skus, extras=tuple(sorted(EXTRAS)))

    async def _push_stock(self, push: "_Push") -> None:
        place, bulk = push.terms.stock_location, push.bulk

        async def put(part: Sequence[StockRow]) -> None:
            stock = self.sparklayer.stock
            try:
                await stock.set(place, part, push.lane)
            except Missing:
                raise
            except Rejected as error:
                # Which words name an unknown location is not documented, so look before blaming the rows.
                if place in {location.id for location in await stock.locations()}:
                    raise
                raise Missing(str(error), reason="stock_location") from error

        rows = [
            StockRow(sku, plan.product.stock[sku]) for plan in push.plans if plan.product for sku in sorted(plan.stock)
        ]
        # Removals first: a SKU that one product loses and another one gets must end with a row.
        await self._stock_calls.send(push.rows(await self._remove_stock(push), "set", put, bulk.stock))
        await self._stock_calls.send(push.rows(rows, "set", put, bulk.stock))

    async def _remove_stock(self, push: "_Push") -> list[StockRow]:
        """Remove stock; return the rows that are set to 0 instead, since their SKUs have stock elsewhere."""
        stock, place, bulk, looked = self.sparklayer.stock, push.terms.stock_location, push.bulk, set[Sku]()
        removed = [StockRow(sku, StockLevel(0)) for plan in push.plans for sku in sorted(plan.removed_stock)]
        answers: list[FoundStock] = []

        async def look(part: Sequence[StockRow]) -> None:
            answers.append(await stock.look_for(place, [row.sku for row in part], push.lane))

        async def delete(part: Sequence[StockRow]) -> None:
            await stock.delete([row.sku for row in part], push.lane)

        await self._stock_calls.send(push.rows(removed, None, look, looked))
        absent = {sku for found in answers for sku in found.absent}
        alone = {sku for found in answers for sku in found.alone}
        shared = {sku for found in answers for sku in found.shared}
        unclear = {sku for found in answers for sku in found.unclear}
        # The ledger is sure of these rows; one doubt makes it unsure.
        sure = {
            sku
            for plan in push.plans
            for sku in plan.removed_stock
            if plan.job.before is not None and plan.job.before.stock.get(sku) is not None
        }
        words = "SparkLayer answers that it has no stock of a SKU that it was told of"
        bulk.undone.update((sku, Retry(words, reason="stock_not_shown", after=LOOK_AGAIN)) for sku in absent & sure)
        bulk.undone.update((sku, answers_differ()) for sku in unclear)
        bulk.stock |= looked - alone - shared - unclear - (absent & sure)
        rows = [row for row in removed if row.sku in alone]
        deleted = set[Sku]()
        await self._stock_calls.send(push.rows(rows, "remove", delete, deleted))
        bulk.stock |= await self._gone(push, [row for row in rows if row.sku in deleted])
        return [row for row in removed if row.sku in shared]

    async def _gone(self, push: "_Push", deleted: Sequence[StockRow]) -> set[Sku]:
        """Return the deleted SKUs that SparkLayer no longer shows; note the others as not done.

        The answer to a deletion has no body, so it may be a proxy's.
        """
        stock, looked, shown = self.sparklayer.stock, set[Sku](), set[Sku]()

        async def look(part: Sequence[StockRow]) -> None:
            shown.update(await stock.having([row.sku for row in part], push.lane))

        await self._stock_calls.send(push.rows(deleted, None, look, looked))
        words = "SparkLayer still has the stock of a SKU after its deletion"
        push.bulk.undone.update((sku, Retry(words, reason="not_deleted", after=LOOK_AGAIN)) for sku in looked & shown)
        return looked - shown

    async def _push_prices(self, push: "_Push") -> None:
        bulk = push.bulk
        # The rest of a product whose stock was slow just now waits for its next attempt.
        plans = [plan for plan in push.plans if push.alone or not self._stock_calls.is_slow(plan.external_id)]
        removed = [
            SkuPrice(sku, None)
            for plan in plans
            for sku in sorted(plan.removed_prices)
            # A SKU with stock keeps its price: after a lost ledger it is found by that.
            if sku not in bulk.undone or sku not in plan.removed_stock
        ]
        rows = [
            SkuPrice(sku, plan.product.prices[sku]) for plan in plans if plan.product for sku in sorted(plan.prices)
        ]

        async def put(part: Sequence[SkuPrice]) -> None:
            await self.sparklayer.pricing.set(push.terms.price_list, part, push.lane)

        await self._price_calls.send(push.rows([*removed, *rows], "set", put, bulk.prices))


@frozen(kw_only=True)
class _Push:
    """The plans whose stock and prices are sent, and the results."""

    plans: Sequence[ProductPlan]
    terms: Terms
    lane: Lane
    alone: bool
    products: Mapping[Sku, ExternalId]
    bulk: BulkResult

    def rows(
        self, rows: Sequence[R], effect: str | None, call: Callable[[Sequence[R]], Awaitable[None]], confirmed: set[Sku]
    ) -> RowList[R]:
        """Return a list of rows of these plans."""
        return RowList(
            rows=rows,
            effect=effect,
            call=call,
            products=self.products,
            alone=self.alone,
            confirmed=confirmed,
            bulk=self.bulk,
        )


def _write_of(plan: ProductPlan, product: Product) -> ProductWrite:
    before, gone = plan.job.before, plan.product is None
    return ProductWrite(
        external_id=product.external_id,
        title=None if gone else product.title,
        slug=None if gone else product.slug,
        variants=product.variants,
        cleared=frozenset(before.extras if before else ()),
        vanished={variant: freed_sku(variant) for variant in plan.vanished},
        # Where PATCH replaces variants, a write without them would remove them.
        kept=plan.job.kept,
    )


def allowed(plan: ProductPlan, error: Exception | None) -> ProductPlan | None:
    """Return the part of a plan's stock and prices that may be sent after its product was written, or was not.

    A refused product still gets the stock and prices of SKUs that it had.
    """
    if error is None:
        return plan
    before = plan.job.before
    if before is None or not before.ours or not isinstance(error, Rejected):
        return None
    return evolve(
        plan,
        stock=plan.stock & before.skus,
        prices=plan.prices & before.skus,
        removed_stock=frozenset(),
        removed_prices=frozenset(),
    )
