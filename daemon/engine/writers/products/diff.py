"""Decides what to send for a batch of products. Pure: values in, values and problems out.

Who owns which SKU is decided for the whole batch before anything is sent, from the ledger and the batch: the present
owner keeps a SKU that it still has; one that an owner in the batch gives up goes to the first who has it now; one
whose owner is not in the batch stays there. Whoever loses is told by a problem, its variant is left out, and it waits.

A SKU that moves from one variant to another must be free before it is claimed, since SparkLayer's SKUs are unique.
So writes have two rounds: in the first each product that gives up a moving SKU is written, with a placeholder where
it would itself claim one; in the second the claims are made. Swaps and cycles need nothing more.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from attrs import evolve, field, frozen

from daemon.engine.writers.products.entry import Entry, Fingerprints
from daemon.entities import Issue, Product, Variant
from daemon.issues import IssueType
from daemon.model import ExternalId, Sku, VariantId


@frozen(kw_only=True)
class Subject:
    """One entity of a batch: what SparkLayer shall hold (None: nothing) and what it was last told (None: nothing).

    `met` says that SparkLayer was asked for what it holds just now, because the ledger did not know. Variants that are
    `kept` have vanished from the store, and stay in SparkLayer as they are, with their SKUs. A `leftover` is no product
    but a SKU of one that nobody knows: only its price and stock can be removed.
    """

    external_id: ExternalId
    product: Product | None
    before: Entry | None
    adopted: bool = False
    kept: frozenset[VariantId] = frozenset()
    leftover: bool = False

    @property
    def kept_skus(self) -> set[Sku]:
        """The SKUs of the variants that are kept."""
        held = self.before.variants if self.before else {}
        return {sku for variant in self.kept for sku in held.get(variant, ())}


@frozen(kw_only=True)
class Plan:
    """What to send for one entity.

    `product` is the product without the variants that lost their SKU; `after` is the ledger's entry once all is
    confirmed, `marked` the one that is stored before anything is sent. `rounds` has the product's writes of the first
    and the second round. SKUs in `removed_*` lose their row, those in `stock` and `prices` get one.
    """

    subject: Subject
    product: Product | None
    issues: tuple[Issue, ...]
    after: Entry
    marked: Entry
    rounds: tuple[Product | None, Product | None]
    vanished: tuple[VariantId, ...]
    stock: frozenset[Sku]
    prices: frozenset[Sku]
    removed_stock: frozenset[Sku]
    removed_prices: frozenset[Sku]
    claims: frozenset[Sku]
    released: frozenset[Sku]
    waits_for: frozenset[Sku] = frozenset()

    @property
    def external_id(self) -> ExternalId:
        """The entity's id."""
        return self.subject.external_id

    @property
    def writes_product(self) -> bool:
        """Whether the product itself is written."""
        return self.rounds != (None, None)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to send."""
        bulk = self.stock | self.prices | self.removed_stock | self.removed_prices
        return not (self.writes_product or bulk)


@frozen(kw_only=True)
class BatchPlan:
    """The plans of a batch; `given_up` has the owner in the batch that each moving SKU is taken from."""

    plans: Sequence[Plan]
    claims: Mapping[Sku, ExternalId]
    given_up: Mapping[Sku, ExternalId]


@frozen
class _Tenure:
    """Who has which SKU after the batch, and who had it before."""

    winners: Mapping[Sku, ExternalId]
    owners: Mapping[Sku, ExternalId]
    holders: Mapping[Sku, set[tuple[ExternalId, VariantId]]] = field(repr=False)

    def moves(self, sku: Sku, external_id: ExternalId, variant: VariantId) -> bool:
        """Whether this variant claims a SKU that SparkLayer may hold at another variant of the batch."""
        return bool(self.holders.get(sku, set()) - {(external_id, variant)})

    def heir(self, sku: Sku, present: ExternalId) -> ExternalId:
        """Who has `sku` after the batch; `present` when nobody else is known to."""
        return self.winners.get(sku) or self.owners.get(sku, present)


def freed_sku(variant: VariantId) -> Sku:
    """Return the placeholder SKU of a variant that has none: unique, since variant ids are."""
    return Sku(f"freed-{variant}")


def plan_batch(subjects: Sequence[Subject], owners: Mapping[Sku, ExternalId], fingerprints: Fingerprints) -> BatchPlan:
    """Return what to send. `owners` has the present owner of every SKU that `subjects` mention."""
    ordered = sorted(subjects, key=lambda subject: _order(subject.external_id))
    tenure = _Tenure(_winners(ordered, owners), owners, _holders(ordered))
    moving = {
        variant.sku
        for subject in ordered
        for variant in (subject.product.variants if subject.product else ())
        if tenure.winners[variant.sku] == subject.external_id
        and tenure.moves(variant.sku, subject.external_id, variant.external_id)
    }
    entries = {subject.external_id: subject.before for subject in ordered}
    plans = [_plan(subject, tenure, moving, entries, fingerprints) for subject in ordered]
    batch = {plan.external_id for plan in plans}
    claims = {sku: plan.external_id for plan in plans for sku in plan.claims}
    return BatchPlan(
        plans=plans,
        claims=claims,
        given_up={sku: owners[sku] for sku in claims if owners.get(sku) in batch},
    )


def _order(external_id: ExternalId) -> tuple[int, str]:
    """Numeric ids by number, so that the later product is the one made later."""
    return (int(external_id), "") if external_id.isdecimal() else (0, external_id)


def _winners(subjects: Iterable[Subject], owners: Mapping[Sku, ExternalId]) -> dict[Sku, ExternalId]:
    wanted: dict[Sku, list[ExternalId]] = {}
    batch = set()
    for subject in subjects:
        batch.add(subject.external_id)
        variants = subject.product.variants if subject.product else ()
        for sku in subject.kept_skus.union(variant.sku for variant in variants):
            wanted.setdefault(sku, []).append(subject.external_id)
    winners = {}
    for sku, claimants in wanted.items():
        owner = owners.get(sku)
        keeps = owner is not None and (owner in claimants or owner not in batch)
        winners[sku] = owner if keeps and owner is not None else claimants[0]
    return winners


def _holders(subjects: Iterable[Subject]) -> dict[Sku, set[tuple[ExternalId, VariantId]]]:
    holders: dict[Sku, set[tuple[ExternalId, VariantId]]] = {}
    for subject in subjects:
        for variant, held in subject.before.variants.items() if subject.before else ():
            for sku in held:
                holders.setdefault(sku, set()).add((subject.external_id, variant))
    return holders


def _plan(
    subject: Subject,
    tenure: _Tenure,
    moving: set[Sku],
    entries: Mapping[ExternalId, Entry | None],
    fingerprints: Fingerprints,
) -> Plan:
    product, lost = _without_lost(subject, tenure)
    before = _with_inherited(subject, product, tenure, entries)
    after = _with_kept(fingerprints.entry(product, subject.kept), subject) if product is not None else Entry()
    vanished = tuple(variant for variant in before.variants if variant not in after.variants)
    after = evolve(after, variants={**after.variants, **dict.fromkeys(vanished, ())})
    kept = {sku for sku in before.skus if tenure.heir(sku, subject.external_id) == subject.external_id}
    stock = _differing(before.stock, after.stock) - subject.kept_skus
    prices = _differing(before.prices, after.prices) - subject.kept_skus
    known = not subject.leftover and (subject.before is not None or bool(product and product.variants))
    removed_stock = frozenset(before.stock.keys() - after.stock.keys()) & kept
    removed_prices = frozenset(before.prices.keys() - after.prices.keys()) & kept
    needed = known and (before.product is None or before.product != after.product)
    return Plan(
        subject=subject,
        product=product,
        issues=tuple(IssueType.SKU_USED_TWICE.issue(sku=variant.sku) for variant in lost),
        after=after,
        marked=_marked(before, after, stock, prices, writes=needed),
        rounds=_rounds(subject, product or _nothing(subject), tenure, moving) if needed else (None, None),
        vanished=vanished,
        stock=stock & after.stock.keys(),
        prices=prices & after.prices.keys(),
        removed_stock=removed_stock,
        removed_prices=removed_prices,
        # A variant that is kept may be listed with SKUs that it has lost to others by now.
        claims=frozenset(
            sku for held in after.variants.values() for sku in held if tenure.winners.get(sku) == subject.external_id
        )
        # Nobody may take it while it is taken away.
        | (removed_stock | removed_prices if subject.leftover else frozenset()),
        released=frozenset(before.skus - after.skus),
        waits_for=frozenset(variant.sku for variant in lost),
    )


def _with_kept(after: Entry, subject: Subject) -> Entry:
    """Return `after` with what SparkLayer has of the variants that are kept."""
    before, skus = subject.before, subject.kept_skus
    if before is None or not skus:
        return after
    return evolve(
        after,
        variants={**after.variants, **{key: held for key, held in before.variants.items() if key in subject.kept}},
        stock={**{sku: mark for sku, mark in before.stock.items() if sku in skus}, **after.stock},
        prices={**{sku: mark for sku, mark in before.prices.items() if sku in skus}, **after.prices},
    )


def _without_lost(subject: Subject, tenure: _Tenure) -> tuple[Product | None, list[Variant]]:
    """Split off the variants whose SKU belongs to somebody else."""
    product = subject.product
    if product is None:
        return None, []
    lost = [v for v in product.variants if tenure.winners[v.sku] != subject.external_id]
    if not lost:
        return product, []
    return without(product, {variant.sku for variant in lost}), lost


def without(product: Product, gone: AbstractSet[Sku]) -> Product:
    """Return a product without the variants of some SKUs."""
    kept = [variant for variant in product.variants if variant.sku not in gone]
    return evolve(
        product,
        variants=tuple(evolve(variant, position=position) for position, variant in enumerate(kept, start=1)),
        stock={sku: level for sku, level in product.stock.items() if sku not in gone},
        prices={sku: price for sku, price in product.prices.items() if sku not in gone},
    )


def _with_inherited(
    subject: Subject, product: Product | None, tenure: _Tenure, entries: Mapping[ExternalId, Entry | None]
) -> Entry:
    """Return what SparkLayer holds for the entity, with the rows of the SKUs that it takes over, unsure."""
    before = subject.before or Entry(ours=False)
    taken = {
        variant.sku: former
        for variant in (product.variants if product else ())
        if (former := entries.get(tenure.owners.get(variant.sku, subject.external_id))) and former is not subject.before
    }
    if not taken:
        return before
    return evolve(
        before,
        stock={**dict.fromkeys(sku for sku, former in taken.items() if sku in former.stock), **before.stock},
        prices={**dict.fromkeys(sku for sku, former in taken.items() if sku in former.prices), **before.prices},
    )


def _differing(before: Mapping[Sku, bytes | None], after: Mapping[Sku, bytes | None]) -> frozenset[Sku]:
    return frozenset(sku for sku in {*before, *after} if before.get(sku) is None or before[sku] != after.get(sku))


def _nothing(subject: Subject) -> Product:
    """Return a product that is gone: written only to say that its variants are discontinued."""
    return Product(external_id=subject.external_id, title="", slug="", variants=(), stock={}, prices={})


def _marked(before: Entry, after: Entry, stock: frozenset[Sku], prices: frozenset[Sku], *, writes: bool) -> Entry:
    """Return the entry for the time of sending: whatever will be touched is unsure, whatever may exist is listed."""
    variants = {
        variant: tuple(dict.fromkeys((*before.variants.get(variant, ()), *after.variants.get(variant, ()))))
        for variant in (*before.variants, *(v for v in after.variants if v not in before.variants))
    }
    return Entry(
        product=None if writes else before.product,
        variants=variants if writes else before.variants,
        stock={**before.stock, **dict.fromkeys(stock)},
        prices={**before.prices, **dict.fromkeys(prices)},
        extras=tuple(sorted({*before.extras, *after.extras})) if writes else before.extras,
        ours=before.ours,
    )


def _rounds(
    subject: Subject, product: Product, tenure: _Tenure, moving: set[Sku]
) -> tuple[Product | None, Product | None]:
    held = subject.before.variants if subject.before else {}
    new = {variant.external_id: variant.sku for variant in product.variants}
    gives = any(sku in moving and new.get(variant) != sku for variant, skus in held.items() for sku in skus)
    takes = {
        variant.external_id
        for variant in product.variants
        if variant.sku in moving and tenure.moves(variant.sku, subject.external_id, variant.external_id)
    }
    if not gives:
        return None, product
    if not takes:
        return product, None
    waiting = tuple(
        evolve(variant, sku=freed_sku(variant.external_id)) if variant.external_id in takes else variant
        for variant in product.variants
    )
    return evolve(product, variants=waiting), product
