"""Writes products with their variants: product by product, then stock and prices of many in bulk."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from attrs import evolve

from daemon.engine.batch import Batch
from daemon.engine.context import ConnectionContext
from daemon.engine.writers.job import DIFFERS, NEVER_TOLD, UNSURE, BatchPlan, Step, by_id
from daemon.engine.writers.products.diff import Fingerprints, ProductJob, ProductParts, ProductPlan, plan_batch, without
from daemon.engine.writers.products.outcome import BulkResult, GaveWay, Unmanaged, judge
from daemon.engine.writers.products.push import Pusher, allowed
from daemon.engine.writers.products.terms import SiteTerms
from daemon.engine.writers.writer import Writer
from daemon.entities import Mapped, Product
from daemon.errors import Duplicate, Missing, Rejected, Retry
from daemon.model import ExternalId, Key, Kind, Sku, VariantId
from daemon.model.outcome import Outcome, Result, Row
from daemon.sparklayer.operation import PRODUCT
from daemon.storage import dependencies, ledger
from daemon.storage.leftovers import sku_of


class ProductWriter(Writer[ProductJob, ProductPlan]):
    """Writes products."""

    kind = Kind.PRODUCTS
    job = ProductJob
    parts = ProductParts
    key_name = "SKU in SparkLayer"
    lists_keys = True

    def __init__(self, context: ConnectionContext, terms: SiteTerms) -> None:
        super().__init__(context)
        self._terms = terms
        self._pusher = Pusher(sparklayer=context.sparklayer)

    async def prepare(self) -> None:
        """Find or make the price list and the stock location."""
        await self._terms.get()

    async def begin_run(self, *, refresh: bool, since: float) -> None:
        """Read the store's facts again, since all products are mapped with them. Raises the platform's failures."""
        if refresh:
            self._terms.forget()
        await self._context.refresh_facts(since)

    def variants(self, product: Product | None, row: Row, /) -> tuple[Collection[VariantId], Mapping[VariantId, str]]:
        """Return the variants of a product, and those in SparkLayer whose SKU the product no longer has."""
        there = {variant.external_id for variant in product.variants} if product else set[VariantId]()
        skus = {variant.sku for variant in product.variants} if product else set()
        known = self._decoder.decode(row.parts).variants.items()
        return there, {key: held[0] for key, held in known if held and key not in there and skus.isdisjoint(held)}

    async def take_leftovers(self, batch: Batch) -> None:
        """Map the SKUs of a lost ledger to nothing: the store does not have them, unless a product has by now."""
        context = self._context
        skus = {key: sku for key in batch.claims if (sku := sku_of(key)) is not None}
        if not skus:
            return
        owned = await context.storage.read(ledger.owners, context.connection.id, self.kind, {*skus.values()})
        for key, sku in skus.items():
            batch.leftovers.add(key)
            # A removal that failed halfway has left the SKU to the leftover itself.
            if owned.get(sku, key) != key:
                # From the ledger only: SparkLayer keeps what a product has now.
                batch.outcomes[key] = Outcome(result=Result.REMOVED)
            else:
                batch.mapped[key] = Mapped(value=None, name=sku)
                batch.gone.add(key)

    async def held_keys(self) -> Sequence[Sku]:
        """Return the SKUs on our price list."""
        return await self._context.sparklayer.pricing.skus((await self._terms.get()).price_list)

    def own(self, value: Product, lost: AbstractSet[Key], *, known: bool) -> Product | None:
        """Return a product without the variants whose SKU is another's."""
        product = without(value, {Sku(key) for key in lost})
        return product if product.variants or known else None

    async def find_jobs(self, batch: Batch) -> list[ProductJob]:
        """Return the products that differ. A refresh run writes the others too, with all their parts unsure."""
        fingerprints = Fingerprints(self._context.fingerprint, await self._terms.get())
        jobs = self.changed(batch, fingerprints.fingerprint, fingerprints=fingerprints)
        if batch.refreshing or batch.kept or batch.leftovers:
            jobs = [
                evolve(
                    job,
                    # Joined with itself, all of it is unsure.
                    before=job.before.joined(job.before) if job.before and key in batch.refreshing else job.before,
                    kept=frozenset(batch.kept.get(key, ())),
                    leftover=key in batch.leftovers,
                )
                for key, job in by_id(jobs).items()
            ]
        self._context.sparklayer.expect(PRODUCT, (job.external_id for job in jobs if job.confirmed))
        return jobs

    def keys(self, jobs: Sequence[ProductJob]) -> Collection[Key]:
        """Return every SKU that products have, or had."""
        return {sku for job in jobs for sku in job.wanted_skus.union(job.before.skus if job.before else ())}

    async def plan(self, jobs: Sequence[ProductJob], owners: Mapping[Sku, ExternalId]) -> BatchPlan[ProductPlan]:
        """Return the plans."""
        return plan_batch(jobs, owners)

    async def explain(self, batch: Batch) -> Sequence[Step]:
        """Return which of the product, its stock and its prices would be written."""
        context = self._context
        jobs = await self.find_jobs(batch)
        owners = await context.storage.read(ledger.owners, context.connection.id, self.kind, self.keys(jobs))
        return [step for plan in plan_batch(jobs, owners).tasks.values() for step in _steps(plan)]

    async def send(self, batch: Batch, plan: BatchPlan[ProductPlan], task: ProductPlan, *, last: bool) -> Outcome:
        """Write the product of one round, unless a SKU that it claims was not given up."""
        for sku in task.claims:
            owner = plan.owners.get(sku, task.external_id)
            if owner in plan.late:
                raise Retry("a SKU of it is not free yet", reason="sku_first")
            # A refused owner may have freed the SKU earlier: then the claim succeeds.
            error = plan.errors.get(owner)
            if error is not None and not isinstance(error, Rejected):
                raise error
        first, second = task.rounds
        product = second if last and second is not None else first
        assert product is not None  # it is in a stage
        try:
            await self._pusher.write(task, product, batch.lane)
        except Duplicate as taken:
            # After an exchange that failed halfway, two products may each have the SKU that the other one claims, and
            # be tried in different batches ever since.
            context = self._context
            before = task.job.before or ProductParts()
            # The SKUs that its variants may still have in SparkLayer, and lose.
            given_up = task.released.intersection(sku for skus in before.variants.values() for sku in skus)
            asked = context.connection.id, self.kind, given_up, task.external_id
            if isinstance(taken, Unmanaged) or not await context.storage.read(dependencies.are_awaited, *asked):
                raise
            raise GaveWay(taken, await self._pusher.give_way(task, product, batch.lane)) from None
        return Outcome(result=Result.WRITTEN)

    async def finish(
        self, batch: Batch, plan: BatchPlan[ProductPlan], tasks: Collection[ProductPlan], /
    ) -> Sequence[ProductJob]:
        """Send stock and prices, and judge. Return products that SparkLayer had unknown to us: they are adopted."""
        if not tasks:
            return ()
        errors = plan.errors
        ready = [rows for task in tasks if task.rows and (rows := allowed(task, errors.get(task.external_id)))]
        for slow in [rows for rows in ready if self._pusher.is_slow(rows.external_id)]:
            ready.remove(slow)
            # Before the next await, so that no outcome of it is settled yet.
            plan.apart.add(slow.external_id)
            batch.late.add(slow.external_id)
            batch.nursery.start_soon(self._finish_apart, batch, plan, slow)
        bulk = await self._push_rows(batch, ready) if ready else BulkResult()
        adopted = []
        for task in tasks:
            if task.external_id in plan.apart:
                continue
            error = errors.get(task.external_id)
            batch.outcomes[task.external_id] = judge(task, error, bulk)
            # Once only: a product that is unmanaged again would go round for ever.
            if isinstance(error, Unmanaged) and not task.job.adopted:
                adopted.append(evolve(task.job, before=_joined(error.held, task.marked), adopted=True))
        return adopted

    async def _finish_apart(self, batch: Batch, plan: BatchPlan[ProductPlan], rows: ProductPlan) -> None:
        """Send stock and prices of one product that would delay others, and judge."""
        external_id = rows.external_id
        bulk = await self._push_rows(batch, [rows], alone=True)
        batch.outcomes[external_id] = judge(plan.tasks[external_id], plan.errors.get(external_id), bulk)
        batch.come_in(external_id)

    async def _push_rows(self, batch: Batch, plans: Sequence[ProductPlan], *, alone: bool = False) -> BulkResult:
        # Those of the fingerprints, though the present ones may differ by now; they are the same for all of a batch.
        terms = plans[0].job.fingerprints.terms
        bulk = await self._pusher.push_rows(plans, terms, batch.lane, alone=alone or len(batch.claims) == 1)
        if any(isinstance(error, Missing) for error in bulk.undone.values()):
            self._terms.forget()  # so that the next attempt makes what is missing
        return bulk


def _joined(held: ProductParts, marked: ProductParts) -> ProductParts:
    """Return what SparkLayer holds of a product, with the rows that it may have besides."""
    return evolve(held, stock={**marked.stock, **held.stock}, prices={**marked.prices, **held.prices})


def _steps(plan: ProductPlan) -> Iterator[Step]:
    """Yield what would be sent for one product, and why."""
    before = plan.job.before
    if plan.writes_product:
        what = "PATCH the product" if before and before.ours else "POST the product"
        twice = ", twice, since it gives a SKU up" if None not in plan.rounds else ""
        why = plan.job.why
        if plan.job.value is not None and before is not None:
            why = UNSURE if before.product is None else DIFFERS
        yield Step(what + twice, why)
    for variant in plan.vanished:
        yield Step(f"discontinue its variant {variant}", "the product no longer has it")
    for what, skus, held in (
        ("stock", plan.stock, before.stock if before else {}),
        ("price", plan.prices, before.prices if before else {}),
    ):
        for sku in sorted(skus):
            why = NEVER_TOLD if sku not in held else UNSURE if held[sku] is None else DIFFERS
            yield Step(f"set the {what} of {sku}", why)
    yield from (Step(f"remove the stock of {sku}", "its stock is untracked") for sku in sorted(plan.removed_stock))
    yield from (Step(f"remove the price of {sku}", "it no longer has a price") for sku in sorted(plan.removed_prices))
