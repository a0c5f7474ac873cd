"""Writes a batch of products: plan, mark unsure, push, judge."""

from collections.abc import Sequence

from attrs import evolve

from daemon.engine.batch import Batch, Variants
from daemon.engine.context import ConnectionContext
from daemon.engine.explanation import Step
from daemon.engine.signal import Signal
from daemon.engine.writers.products.diff import BatchPlan, Plan, Subject, plan_batch
from daemon.engine.writers.products.entry import Entry, Fingerprints, Terms, read_entry
from daemon.engine.writers.products.outcome import judge
from daemon.engine.writers.products.push import Pusher
from daemon.engine.writers.products.pushed import PushResult
from daemon.engine.writers.products.steps import steps_of
from daemon.entities import Mapped, Product
from daemon.errors import Missing
from daemon.model import ExternalId, Kind, Sku, VariantId
from daemon.model.outcome import Outcome, Row
from daemon.storage import ledger
from daemon.storage.leftovers import sku_of


class ProductWriter:
    """Fulfils `daemon.engine.batch.Writer` for products."""

    kind = Kind.PRODUCTS
    partial = False

    def __init__(self, context: ConnectionContext) -> None:
        self._context = context
        self._pusher = Pusher(sparklayer=context.sparklayer)

    def variants(self, product: Product | None, row: Row, /) -> Variants:
        """Return the variants of a product, and those in SparkLayer of which the product has no SKU any more."""
        there = frozenset(variant.external_id for variant in product.variants) if product else frozenset[VariantId]()
        skus = {variant.sku for variant in product.variants} if product else set()
        known = read_entry(row.parts).variants.items()
        vanished = {key: held[0] for key, held in known if held and key not in there and skus.isdisjoint(held)}
        return Variants(there=there, vanished=vanished)

    async def take_leftovers(self, batch: Batch) -> None:
        """Map the SKUs of a lost ledger to nothing: the store does not have them, unless a product has by now."""
        context = self._context
        skus = {key: sku for key in batch.claims if (sku := sku_of(key)) is not None}
        owned = (
            await context.storage.read(ledger.owners, context.connection.id, self.kind, {*skus.values()})
            if skus
            else {}
        )
        for key, sku in skus.items():
            batch.leftovers.add(key)
            if sku in owned:
                batch.outcomes[key] = Outcome(result="removed")  # from the ledger: SparkLayer keeps what is a product's
            else:
                batch.mapped[key] = Mapped(value=None, name=sku)
                batch.gone.add(key)

    async def prepare(self) -> None:
        """Find or make the price list and the stock location."""
        await self._context.terms()

    async def write(self, batch: Batch) -> None:
        """Send what differs from the ledger, and note the outcome of each entity."""
        terms = await self._context.terms()
        fingerprints = Fingerprints(self._context.fingerprint, terms)
        await self._push(batch, self._subjects(batch, fingerprints), fingerprints, terms)

    async def explain(self, batch: Batch) -> Sequence[Step]:
        """Tell which of the product, its stock and its prices would be written."""
        context = self._context
        fingerprints = Fingerprints(context.fingerprint, await context.terms())
        subjects = self._subjects(batch, fingerprints)
        owners = await context.storage.read(ledger.owners, context.connection.id, self.kind, _skus(subjects))
        return [step for plan in plan_batch(subjects, owners, fingerprints).plans for step in steps_of(plan)]

    def _subjects(self, batch: Batch, fingerprints: Fingerprints) -> list[Subject]:
        """Return what must be planned, and note the outcome of what SparkLayer has as it is."""
        todo = {key: mapped for key, mapped in batch.mapped.items() if key not in batch.outcomes}
        self._context.sparklayer.products.expect(
            key for key in todo if key in batch.rows and batch.rows[key].fingerprint is not None
        )
        current = {key: fingerprints.fingerprint(mapped.value) for key, mapped in todo.items() if mapped.value}
        subjects = []
        for external_id, mapped in todo.items():
            row, refresh = batch.rows.get(external_id), external_id in batch.refreshing
            kept = frozenset(batch.kept.get(external_id, ()))
            if row and not refresh and row.fingerprint is not None and row.fingerprint == current.get(external_id):
                batch.outcomes[external_id] = Outcome(result="unchanged")
                continue
            before = read_entry(row.parts) if row else None
            before = before.forgotten() if before is not None and refresh else before
            left = external_id in batch.leftovers
            subjects.append(
                Subject(external_id=external_id, product=mapped.value, before=before, kept=kept, leftover=left)
            )
        return subjects

    async def _push(
        self, batch: Batch, subjects: Sequence[Subject], fingerprints: Fingerprints, terms: Terms
    ) -> set[ExternalId]:
        """Plan, mark and send; note the outcomes. Return the entities that are late: those are followed."""
        if not subjects:
            return set()
        plan = await self._mark(subjects, fingerprints)
        came_in = Signal()
        pushed = await self._pusher.push(plan, terms, batch.lane, batch.nursery, came_in)
        behind = [one for one in plan.plans if one.external_id in pushed.behind]
        if behind:
            batch.late.update(pushed.behind)
            batch.nursery.start_soon(self._follow, batch, behind, pushed, came_in, fingerprints, terms)
        rest = [one for one in plan.plans if one.external_id not in pushed.behind]
        return {*pushed.behind} | await self._conclude(batch, rest, pushed, fingerprints, terms)

    async def _follow(
        self,
        batch: Batch,
        plans: Sequence[Plan],
        pushed: PushResult,
        came_in: Signal,
        fingerprints: Fingerprints,
        terms: Terms,
    ) -> None:
        """Send the rest of late products as they come in: together what came in together."""
        left = {plan.external_id: plan for plan in plans}
        while left:
            await came_in.wait()
            back = {external_id: left.pop(external_id) for external_id in left.keys() - pushed.late}
            late_again: set[ExternalId] = set()
            try:
                await self._pusher.follow([*back.values()], terms, batch.lane, pushed)
                late_again = await self._conclude(batch, [*back.values()], pushed, fingerprints, terms)
            except Exception as error:  # noqa: BLE001  the entities' edge: the pipeline logs and counts it
                for external_id in back:
                    batch.fail(external_id, error)
            batch.come_in(*(back.keys() - late_again))

    async def _conclude(
        self, batch: Batch, plans: Sequence[Plan], pushed: PushResult, fingerprints: Fingerprints, terms: Terms
    ) -> set[ExternalId]:
        """Note the outcomes. What SparkLayer held unknown to us is planned and sent once more; return what is late."""
        if any(isinstance(error, Missing) for error in pushed.undone.values()):
            self._context.forget_terms()  # so that the next attempt makes what is missing
        for plan in plans:
            batch.outcomes[plan.external_id] = judge(plan, pushed, fingerprints)
        unmanaged = [
            evolve(plan.subject, before=_joined(held, plan), adopted=True)
            for plan in plans
            if not plan.subject.adopted and (held := pushed.adopted.get(plan.external_id)) is not None
        ]
        return await self._push(batch, unmanaged, fingerprints, terms)

    async def _mark(self, subjects: Sequence[Subject], fingerprints: Fingerprints) -> BatchPlan:
        """Plan the batch and mark it unsure; plan again when somebody took a SKU in between."""
        context, skus = self._context, _skus(subjects)
        while True:
            owners = await context.storage.read(ledger.owners, context.connection.id, self.kind, skus) if skus else {}
            plan = plan_batch(subjects, owners, fingerprints)
            busy = [one for one in plan.plans if not one.idle]
            mark = ledger.Mark(
                connection_id=context.connection.id,
                kind=self.kind,
                rows=[Row(one.external_id, None, one.marked.encoded()) for one in busy],
                claims={sku: one.external_id for one in busy for sku in one.claims},
                given_up=plan.given_up,
            )
            if not busy or not await context.storage.write(ledger.mark, mark):
                return plan


def _joined(held: Entry, plan: Plan) -> Entry:
    """Return what SparkLayer holds of a product, with the rows that it may have besides."""
    return evolve(held, stock={**plan.marked.stock, **held.stock}, prices={**plan.marked.prices, **held.prices})


def _skus(subjects: Sequence[Subject]) -> set[Sku]:
    """Return every SKU that a batch mentions."""
    skus: set[Sku] = set()
    for subject in subjects:
        skus.update(variant.sku for variant in (subject.product.variants if subject.product else ()))
        skus.update(subject.before.skus if subject.before else ())
    return skus
