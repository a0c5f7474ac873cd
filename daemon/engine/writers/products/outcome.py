"""Judges the outcome of one product that was planned and sent. Pure.

The ledger afterwards has the new fingerprint of each part that was confirmed; all else that was sent stays unsure.
SKUs are released only by a product that SparkLayer has taken whole.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from attrs import define, evolve, field

from daemon.engine.writers.products.diff import ProductParts, ProductPlan
from daemon.errors import Duplicate, Missing, Rejected, Retry
from daemon.issues import refused
from daemon.model import Sku, VariantId
from daemon.model.outcome import Outcome, Result, Row


class Unmanaged(Duplicate):
    """SparkLayer has a product that the ledger does not know; `held` is what it has of it."""

    def __init__(self, taken: Duplicate, held: ProductParts) -> None:
        super().__init__(str(taken), reason=taken.reason)
        self.held = held


class GaveWay(Duplicate):
    """SparkLayer has a claimed SKU elsewhere; the product has freed its former ones, which others wait for.

    `variants` has the SKUs of its variants there now.
    """

    def __init__(self, taken: Duplicate, variants: Mapping[VariantId, tuple[Sku, ...]]) -> None:
        super().__init__(str(taken), reason=taken.reason)
        self.variants = variants


@define
class BulkResult:
    """The result of a batch's stock and price calls, by SKU.

    Rows in `stock` and `prices` were confirmed, set or removed. Those `refused` will not be taken, in SparkLayer's
    words. Those `undone` were not confirmed. Those `overtaken` were confirmed, but SparkLayer may carry out an earlier
    call with another value within these seconds.
    """

    stock: set[Sku] = field(factory=set)
    prices: set[Sku] = field(factory=set)
    refused: dict[Sku, str] = field(factory=dict)
    undone: dict[Sku, Exception] = field(factory=dict)
    overtaken: dict[Sku, float] = field(factory=dict)


def judge(plan: ProductPlan, error: Exception | None, bulk: BulkResult) -> Outcome:
    """Return the outcome of `plan`. `error` is why the product itself was not written."""
    failure = _failure(plan, error, bulk)
    if failure is not None and not isinstance(failure, Rejected):
        row = plan.job.row(_in_part(plan, error, failure, bulk), sure=False)
        return Outcome(result=Result.RETRIED, failure=failure, row=row)
    again_after = max((bulk.overtaken[sku] for sku in plan.rows & bulk.overtaken.keys()), default=None)
    words = [str(failure)] if failure is not None else []
    words += [f"SKU {sku}: {bulk.refused[sku]}" for sku in sorted(plan.rows & bulk.refused.keys())]
    if words:
        # SparkLayer may still have a claimed SKU at a product that gives it up later: then this one is looked at again.
        taken = plan.claims if isinstance(failure, Duplicate) else frozenset()
        return Outcome(
            result=Result.REJECTED,
            issues=(*plan.issues, *map(refused, words)),
            row=plan.job.row(_in_part(plan, error, failure, bulk), sure=False),
            waits_for=plan.waits_for | taken,
            # No product must wait for a leftover that SparkLayer does not remove.
            released=plan.released if isinstance(failure, GaveWay) or plan.job.leftover else frozenset(),
            again_after=again_after,
        )
    gone = plan.job.value is None
    known = plan.job.before is not None or bool(plan.after.variants)
    # Nothing of an unknown product can be sent when none of its variants has a SKU of its own.
    idle = Result.UNCHANGED if known else Result.REJECTED
    return Outcome(
        result=Result.REMOVED if gone else idle if plan.idle else Result.WRITTEN,
        issues=plan.issues,
        row=_written(plan, bulk) if known and not gone else None,
        released=plan.released,
        waits_for=plan.waits_for,
        again_after=again_after,
    )


def _written(plan: ProductPlan, bulk: BulkResult) -> Row:
    """Return the row of a product whose parts were all confirmed; overtaken parts are still unsure."""
    after, doubtful = plan.after, bulk.overtaken.keys()
    overtaken = bool(plan.rows & doubtful)
    if overtaken:
        after = evolve(
            after,
            stock={sku: None if sku in doubtful else mark for sku, mark in after.stock.items()},
            prices={sku: None if sku in doubtful else mark for sku, mark in after.prices.items()},
        )
    # A product without the variants that lost their SKU is not the whole: it is compared again next time.
    return plan.job.row(after, sure=not (plan.waits_for or plan.job.kept or overtaken))


def _failure(plan: ProductPlan, error: Exception | None, bulk: BulkResult) -> Exception | None:
    """Return why the product is not done: first what may yet succeed. A missing price list or location is made."""
    if error is not None and not isinstance(error, Rejected):
        return error
    undone = next((bulk.undone[sku] for sku in sorted(plan.rows & bulk.undone.keys())), None)
    lost = plan.removed_stock | plan.removed_prices
    if undone is None and (late := [bulk.overtaken[sku] for sku in lost & bulk.overtaken.keys()]):
        # The ledger must not forget a SKU whose row may come back.
        return Retry("an earlier value of it may still arrive in SparkLayer", reason="overtaken", after=max(late))
    if isinstance(undone, Missing):
        return Retry(str(undone), reason="price_list_or_location_missing")
    return undone or error


def _in_part(plan: ProductPlan, error: Exception | None, failure: Exception | None, bulk: BulkResult) -> ProductParts:
    """Return what SparkLayer may hold of a product that was not confirmed whole."""
    written = plan.writes_product and error is None
    entry = evolve(
        plan.after if written or not plan.writes_product else plan.marked,
        ours=written or plan.marked.ours,
        stock=_parts(plan.marked.stock, plan.after.stock, plan.stock | plan.removed_stock, bulk.stock),
        prices=_parts(plan.marked.prices, plan.after.prices, plan.prices | plan.removed_prices, bulk.prices),
    )
    if isinstance(failure, GaveWay):
        # A freed SKU must not stay listed: each attempt would give it up again, and wake the products that wait for it.
        entry = evolve(entry, variants={**entry.variants, **failure.variants})
    # SKUs that are yet to be released stay listed, as unsure: an unlisted SKU would be kept for ever.
    return evolve(entry, stock={**dict.fromkeys(plan.released - entry.skus), **entry.stock})


def _parts(
    marked: Mapping[Sku, bytes | None],
    after: Mapping[Sku, bytes | None],
    sent: AbstractSet[Sku],
    confirmed: AbstractSet[Sku],
) -> dict[Sku, bytes | None]:
    """Return the fingerprints of stock or prices: a row that was sent and confirmed has its new one, a removed none."""
    unchanged = {sku: mark for sku, mark in marked.items() if sku not in confirmed}
    return {**unchanged, **{sku: after[sku] for sku in sent & confirmed if sku in after}}
