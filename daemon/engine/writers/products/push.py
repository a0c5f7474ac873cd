"""Sends single products, and stock and prices in bulk.

An entity that fails stops itself only. A bulk call that is refused because of one row is split until the bad row
stands alone, and the rest goes through.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import trio
from attrs import evolve, field, frozen

from daemon.engine.writers.products.diff import Plan, freed_sku
from daemon.engine.writers.products.entry import Entry, Terms
from daemon.engine.writers.products.outcome import BulkResult
from daemon.entities import Product, Stock
from daemon.errors import Duplicate, Missing, Rejected, Retry
from daemon.model import Lane, Sku
from daemon.sparklayer import SparkLayer
from daemon.sparklayer.client import in_bulks
from daemon.sparklayer.pricing import SkuPrice
from daemon.sparklayer.products import EXTRAS, ProductWrite, Vanished
from daemon.sparklayer.stock import StockRow
from daemon.transport.second_answer import confirmed, finds
from daemon.transport.throttle.aside import in_turn

LOOK_AGAIN = 10.0
"""Seconds until SparkLayer is asked again for stock that it had, and twice in a row did not show."""


class Unmanaged(Duplicate):
    """SparkLayer has a product that the ledger does not know; `held` is what it has of it."""

    def __init__(self, taken: Duplicate, held: Entry) -> None:
        super().__init__(str(taken), reason=taken.reason)
        self.held = held


@frozen(kw_only=True)
class Pusher:
    """Sends products of one site. Stock and price calls of a site never overlap with another of their kind."""

    sparklayer: SparkLayer
    _stock_turn: trio.Lock = field(factory=trio.Lock, init=False)
    _price_turn: trio.Lock = field(factory=trio.Lock, init=False)

    async def write(self, plan: Plan, product: Product, lane: Lane) -> None:
        """POST what SparkLayer has not heard of, PATCH the rest, and believe SparkLayer where it knows better.

        Raises Unmanaged if SparkLayer has the product already, and the failures of SparkLayer.
        """
        before, gone = plan.job.before, plan.product is None
        write = ProductWrite(
            external_id=product.external_id,
            title=None if gone else product.title,
            slug=None if gone else product.slug,
            variants=product.variants,
            cleared=frozenset(before.extras if before else ()),
            vanished=tuple(Vanished(external_id=variant, sku=freed_sku(variant)) for variant in plan.vanished),
            # Where PATCH replaces variants, a write without them would remove them.
            kept=plan.job.kept,
        )
        if before is None or not before.ours:
            await self._introduce(write, lane)
            return
        products = self.sparklayer.products
        try:
            await self._update(write, lane)
        except Duplicate:
            if not plan.job.adopted:
                raise
            # One just adopted may wait for a SKU of a product that in turn waits for one of this one's.
            await products.update(_giving_way(write, before), lane)
            raise Retry("a SKU of it is not free yet", reason="sku_first") from None

    async def push_rows(self, plans: Sequence[Plan], terms: Terms, lane: Lane) -> BulkResult:
        """Set and remove stock and prices. Failures are kept by SKU; only cancellation comes out of here."""
        bulk = BulkResult()
        if any(plan.removed_prices for plan in plans):
            # Once the ledger is lost, a SKU is found by its price only: so that goes last.
            await self._push_stock(plans, terms, lane, bulk)
            await self._push_prices(plans, terms, lane, bulk)
            return bulk
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._push_stock, plans, terms, lane, bulk)
            nursery.start_soon(self._push_prices, plans, terms, lane, bulk)
        return bulk

    async def _update(self, write: ProductWrite, lane: Lane) -> None:
        """Write over what SparkLayer has; create it again if SparkLayer says twice that it has it no longer."""
        products = self.sparklayer.products
        update = partial(finds, partial(products.update, write, lane))
        # To create destroys nothing, but a product that is wrongly believed to be gone would stay on sale for ever.
        if await confirmed(update, lambda there: there or bool(write.variants)) or not write.variants:
            return
        try:
            await products.create(write, lane)
        except Duplicate:
            if not await update():
                raise

    async def _introduce(self, write: ProductWrite, lane: Lane) -> None:
        """Create what SparkLayer has not heard of. Raises Unmanaged with what it holds of it already."""
        taken = Duplicate("SparkLayer has it already", reason="duplicate")
        if write.variants:
            try:
                return await self.sparklayer.products.create(write, lane)
            except Duplicate as error:
                taken = error
        held = await confirmed(partial(self._held, write, lane), partial(_stays_on_sale, write))
        if held is not None:
            raise Unmanaged(taken, held)
        if write.variants:
            raise taken
        return None  # it is not there, and shall not be

    async def _held(self, write: ProductWrite, lane: Lane) -> Entry | None:
        """Read an unmanaged product from SparkLayer; None if there is none."""
        try:
            held = await self.sparklayer.products.variants_of(write.external_id, lane)
        except Missing:
            return None
        # SparkLayer was not asked for stock and prices: each SKU may have both.
        skus = dict.fromkeys(variant.sku for variant in held)
        variants = {variant.external_id: (variant.sku,) for variant in held}
        return Entry(variants=variants, stock=skus, prices=skus, extras=tuple(sorted(EXTRAS)))

    async def _push_stock(self, plans: Sequence[Plan], terms: Terms, lane: Lane, bulk: BulkResult) -> None:
        place, stock, doubted = terms.stock_location, self.sparklayer.stock, set[Sku]()
        removed = [StockRow(sku, Stock(0)) for plan in plans for sku in sorted(plan.removed_stock)]
        rows = [StockRow(sku, plan.product.stock[sku]) for plan in plans if plan.product for sku in sorted(plan.stock)]
        # The ledger is sure of these rows; one doubt makes it unsure.
        sure = {
            sku
            for plan in plans
            for sku in plan.removed_stock
            if plan.job.before is not None and plan.job.before.stock.get(sku) is not None
        }

        async def remove(part: Sequence[StockRow]) -> None:
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

        async with in_turn(self._stock_turn):
            # Removals first: a SKU that one product loses and another one gets must end with a row.
            await _in_bulk(removed, remove, bulk.stock, bulk)
            bulk.stock -= doubted
            words = "SparkLayer answers that it has no stock of a SKU that it was told of"
            bulk.undone.update((sku, Retry(words, reason="stock_not_shown", after=LOOK_AGAIN)) for sku in doubted)
            await _in_bulk(rows, put, bulk.stock, bulk)

    async def _push_prices(self, plans: Sequence[Plan], terms: Terms, lane: Lane, bulk: BulkResult) -> None:
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
            await self.sparklayer.pricing.set(terms.price_list, part, lane)

        async with in_turn(self._price_turn):
            await _in_bulk([*removed, *rows], put, bulk.prices, bulk)


class _Row(Protocol):
    @property
    def sku(self) -> Sku: ...


R = TypeVar("R", bound=_Row)


async def _in_bulk(
    rows: Sequence[R], send: Callable[[Sequence[R]], Awaitable[None]], confirmed: set[Sku], bulk: BulkResult
) -> None:
    """Send `rows` in as few calls as possible, and let no bad row stop the others."""
    parts = in_bulks(rows)
    while parts:
        part = parts.pop(0)
        try:
            await send(part)
        except Missing as error:
            # The price list or location is gone: no row is to blame.
            bulk.undone.update(dict.fromkeys((row.sku for row in part), error))
        except Rejected as error:
            bad, others = _split(part, error)
            bulk.refused.update(bad)
            parts[:0] = others
        except Exception as error:  # noqa: BLE001  the pipeline sorts failures, and logs and counts the others
            bulk.undone.update(dict.fromkeys((row.sku for row in part), error))
        else:
            confirmed.update(row.sku for row in part)


def _split(rows: Sequence[R], error: Rejected) -> tuple[dict[Sku, str], list[Sequence[R]]]:
    """Split a refused call: a row that stands alone is bad, the others are worth another call.

    SparkLayer may name lines, but not whether it counts from 0 or 1: both rows that a line may mean stand alone.
    """
    if len(rows) == 1:
        return {rows[0].sku: str(error)}, []
    suspects = sorted({place for line in error.lines for place in (line, line - 1) if 0 <= place < len(rows)})
    if not suspects or len(suspects) == len(rows):
        half = len(rows) // 2
        return {}, [rows[:half], rows[half:]]
    rest = [row for place, row in enumerate(rows) if place not in suspects]
    return {}, [*([rows[place]] for place in suspects), rest]


def _stays_on_sale(write: ProductWrite, held: Entry | None) -> bool:
    """Return True if the write neither discontinues a variant in SparkLayer nor forgets the product."""
    if not write.variants:
        return False
    return held is None or held.variants.keys() <= {variant.external_id for variant in write.variants}


def _giving_way(write: ProductWrite, before: Entry) -> ProductWrite:
    """Return a write that claims only SKUs that SparkLayer has at these variants already, and frees the others.

    After a lost ledger a SKU may belong to a product of ours that is to give it up, and wants this one's.
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


def allowed(plan: Plan, error: Exception | None) -> Plan | None:
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
