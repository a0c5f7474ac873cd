"""What became of one product that was planned and sent. Pure.

The ledger's entry afterwards has the new print of each part that was confirmed; whatever else was about to be sent
stays unsure. SKUs are let go only by an entity that SparkLayer has taken whole.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from attrs import evolve

from daemon.engine.writers.products.diff import Plan
from daemon.engine.writers.products.entry import Entry, Fingerprints
from daemon.engine.writers.products.pushed import PushResult
from daemon.errors import Duplicate, Missing, Rejected, Retry
from daemon.issues import refused
from daemon.model import Sku
from daemon.model.outcome import Outcome, Row


def judge(plan: Plan, pushed: PushResult, fingerprints: Fingerprints) -> Outcome:
    """Return the outcome of `plan`.

    The ledger row has a fingerprint only if SparkLayer has all of the product, so that it can stand for the whole.
    """

    def row(entry: Entry, *, whole: bool = False) -> Row:
        product = plan.subject.product if whole and not plan.subject.kept else None
        fingerprint = fingerprints.fingerprint(product) if product else None
        return Row(plan.external_id, fingerprint, entry.encoded())

    entry = _listing(_confirmed(plan, pushed), plan.released)
    failure = _failure(plan, pushed)
    if failure is not None and not isinstance(failure, Rejected):
        return Outcome(result="retried", failure=failure, row=row(entry))
    words = [str(failure)] if failure is not None else []
    words += [f"SKU {sku}: {pushed.refused[sku]}" for sku in sorted(_skus_of(plan)) if sku in pushed.refused]
    if words:
        taken = plan.claims if isinstance(failure, Duplicate) else frozenset()
        return Outcome(
            result="rejected",
            issues=(*plan.issues, *map(refused, words)),
            row=row(entry),
            waits_for=plan.waits_for | taken,
        )
    gone = plan.subject.product is None
    known = plan.subject.before is not None or bool(plan.after.variants)
    return Outcome(
        result="removed" if gone else "unchanged" if plan.idle else "written",
        issues=plan.issues,
        row=row(plan.after, whole=not plan.waits_for) if known and not gone else None,
        released=plan.released,
        waits_for=plan.waits_for,
    )


def _skus_of(plan: Plan) -> frozenset[Sku]:
    return plan.stock | plan.prices | plan.removed_stock | plan.removed_prices


def _failure(plan: Plan, pushed: PushResult) -> Exception | None:
    """Why the entity is not done: first what may yet succeed. A price list or location that is gone is to be made."""
    failure = pushed.failures.get(plan.external_id)
    if failure is not None and not isinstance(failure, Rejected):
        return failure
    undone = next((pushed.undone[sku] for sku in sorted(_skus_of(plan)) if sku in pushed.undone), None)
    if isinstance(undone, Missing):
        return Retry(str(undone), reason="price_list_or_location_missing")
    return undone or failure


def _confirmed(plan: Plan, pushed: PushResult) -> Entry:
    marked, after, written = plan.marked, plan.after, plan.external_id in pushed.products
    return Entry(
        product=after.product if written or not plan.writes_product else None,
        variants=after.variants if written or not plan.writes_product else marked.variants,
        extras=after.extras if written or not plan.writes_product else marked.extras,
        ours=written or marked.ours,
        stock=_parts(marked.stock, after.stock, plan.stock | plan.removed_stock, pushed.stock),
        prices=_parts(marked.prices, after.prices, plan.prices | plan.removed_prices, pushed.prices),
    )


def _listing(entry: Entry, skus: AbstractSet[Sku]) -> Entry:
    """Return `entry` with SKUs that are yet to be let go, as unsure: what is not listed would be kept for ever."""
    return evolve(entry, stock={**dict.fromkeys(skus - entry.skus), **entry.stock})


def _parts(
    marked: Mapping[Sku, bytes | None],
    after: Mapping[Sku, bytes | None],
    sent: AbstractSet[Sku],
    confirmed: AbstractSet[Sku],
) -> dict[Sku, bytes | None]:
    """Return the prints of one sort of part: what was sent and confirmed has its new one, or none if removed."""
    unchanged = {sku: mark for sku, mark in marked.items() if sku not in confirmed}
    return {**unchanged, **{sku: after[sku] for sku in sent & confirmed if sku in after}}
