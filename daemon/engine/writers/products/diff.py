"""Decides what is sent for a batch of products. Pure: values in, plans and issues out.

The ledger's parts of a product are fingerprints of each part of it, and the ids needed to remove it. A part is the
product itself (title, slug, variants), the stock of a SKU, or the price of a SKU. A fingerprint of None means *unsure*:
the part is about to be sent, and no answer is stored yet, so it differs from everything. The data itself is never kept.
`ours` is true once the daemon with this ledger has written the product. Until then SparkLayer may hold variants, stock
and prices of it that are not listed.

`daemon.engine.unique_keys` decides the owner of each SKU for the whole batch. A variant that loses its SKU is left out,
with an issue, and its product waits for the SKU. Where a claimed SKU is still another variant's in SparkLayer, the
holder is written first: once without the SKU, with placeholders where it claims moving SKUs itself, and once as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from attrs import evolve, field, frozen

from daemon.engine.unique_keys import by_age, decide_owners
from daemon.engine.writers.job import BatchPlan, Job
from daemon.entities import Issue, Product
from daemon.issues import IssueType
from daemon.model import ExternalId, Sku, VariantId

EXTRAS = ("rrp", "settings")
"""Fields that most stores never use (`daemon.sparklayer.products.EXTRAS`)."""


@frozen(kw_only=True)
class ProductParts:
    """The parts of one product as SparkLayer was last told them."""

    product: bytes | None = None
    variants: Mapping[VariantId, tuple[Sku, ...]] = field(factory=dict)
    """Every variant that SparkLayer may hold, with the SKUs that each may have there. A variant that vanished from the
    store stays listed without any, so that every later write can repeat that it is discontinued."""
    stock: Mapping[Sku, bytes | None] = field(factory=dict)
    prices: Mapping[Sku, bytes | None] = field(factory=dict)
    extras: tuple[str, ...] = ()
    """Optional fields that SparkLayer may hold of its variants: they must be cleared explicitly."""
    ours: bool = True

    @property
    def skus(self) -> set[Sku]:
        """All SKUs that SparkLayer may hold for this product, as a variant's, in stock or with a price."""
        return {sku for held in self.variants.values() for sku in held} | self.stock.keys() | self.prices.keys()

    keys = skus
    """The unique keys among the parts."""

    def joined(self, other: "ProductParts") -> "ProductParts":
        """Return the parts that are in either, all unsure."""
        variants = {
            variant: tuple(dict.fromkeys((*self.variants.get(variant, ()), *other.variants.get(variant, ()))))
            for variant in {**self.variants, **other.variants}
        }
        return evolve(
            self,
            product=None,
            variants=variants,
            stock=dict.fromkeys({**self.stock, **other.stock}),
            prices=dict.fromkeys({**self.prices, **other.prices}),
            extras=tuple(sorted({*self.extras, *other.extras})),
        )


@frozen(kw_only=True)
class Terms:
    """The targets of stock and prices on this site; fingerprints depend on them."""

    stock_location: str
    price_list: str


@frozen
class Fingerprints:
    """The fingerprints of products and their parts under one site's terms."""

    _fingerprint: Callable[[object], bytes]
    terms: Terms

    def fingerprint(self, product: Product) -> bytes:
        """Return one fingerprint for everything that is sent for `product`."""
        return self._fingerprint((product, self.terms))

    def parts(self, product: Product, kept: frozenset[VariantId] = frozenset()) -> ProductParts:
        """Return the parts once SparkLayer has all of `product`, and the `kept` variants beside it."""
        # Stock and prices have calls of their own: a new level must not write the product.
        bare = evolve(product, stock={}, prices={})
        place, price_list = self.terms.stock_location, self.terms.price_list
        return ProductParts(
            # With kept variants, so that the product is written again once they may go.
            product=self._fingerprint((bare, sorted(kept)) if kept else bare),
            variants={variant.external_id: (variant.sku,) for variant in product.variants},
            stock={sku: self._fingerprint((sku, stock, place)) for sku, stock in product.stock.items()},
            prices={sku: self._fingerprint((sku, price, price_list)) for sku, price in product.prices.items()},
            # Most stores never use these, so writes clear them only where they were used.
            extras=tuple(
                name
                for name in EXTRAS
                if any(getattr(variant, name) or name in variant.unreadable for variant in product.variants)
            ),
        )


@frozen(kw_only=True)
class ProductJob(Job[Product, ProductParts]):
    """A product, with the fingerprints under the site's present terms.

    `adopted`: SparkLayer was asked for its present entry just now, because the ledger did not know it. Variants that
    are `kept` have vanished from the store, and stay in SparkLayer as they are, with their SKUs. A `leftover` is a SKU
    without a known product: only its price and stock can be removed.
    """

    fingerprints: Fingerprints
    adopted: bool = False
    kept: frozenset[VariantId] = frozenset()
    leftover: bool = False

    @property
    def kept_skus(self) -> set[Sku]:
        """The SKUs of the variants that are kept."""
        held = self.before.variants if self.before else {}
        return {sku for variant in self.kept for sku in held.get(variant, ())}

    @property
    def wanted_skus(self) -> set[Sku]:
        """The SKUs that the product should have."""
        return self.kept_skus.union(variant.sku for variant in (self.value.variants if self.value else ()))


@frozen(kw_only=True)
class ProductPlan:
    """Everything that is sent for one product.

    `product` is the product without the variants that lost their SKU. `after` are the ledger's parts once all is
    confirmed, `marked` those that are stored before anything is sent. `rounds` has the product's writes of the first
    and the second round. SKUs in `removed_*` lose their row, those in `stock` and `prices` get one.
    """

    external_id: ExternalId
    job: ProductJob
    product: Product | None
    issues: tuple[Issue, ...]
    after: ProductParts
    marked: ProductParts
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
    def writes_product(self) -> bool:
        """True if the product itself is written."""
        return self.rounds != (None, None)

    @property
    def rows(self) -> frozenset[Sku]:
        """The SKUs whose stock or price is written."""
        return self.stock | self.prices | self.removed_stock | self.removed_prices

    @property
    def idle(self) -> bool:
        """True if there is nothing to send."""
        return not (self.writes_product or self.rows)


def freed_sku(variant: VariantId) -> Sku:
    """Return the placeholder SKU of a variant that has none: unique, since variant ids are."""
    return Sku(f"freed-{variant}")


def plan_batch(jobs: Sequence[ProductJob], owners: Mapping[Sku, ExternalId]) -> BatchPlan[ProductPlan]:
    """Return the plans of a batch. `owners` has the present owner of every SKU that `jobs` mention."""
    # Sorted, so that the same batch always leads to the same calls.
    ordered = sorted(jobs, key=lambda job: by_age(job.external_id))
    wanted = {job.external_id: job.wanted_skus for job in ordered}
    claims, lost = decide_owners(wanted, owners, wanted.keys())
    owners_after = {**owners, **claims}
    moving = _moving(ordered, owners_after)
    entries = {job.external_id: job.before for job in ordered}
    plans = {}
    for job in ordered:
        refused = lost.get(job.external_id, frozenset())
        product = without(job.value, refused) if job.value is not None and refused else job.value
        before = _with_inherited(job, product, owners, entries)
        plans[job.external_id] = _plan(job, product, before, refused, owners_after, moving)
    busy = [plan for plan in plans.values() if not plan.idle]
    return BatchPlan(
        tasks=plans,
        stages=[[plan for plan in busy if plan.rounds[number] is not None] for number in (0, 1)],
        rows=[plan.job.row(plan.marked, sure=False) for plan in busy],
        # An idle product sends nothing, so it takes nothing from the ledger's owners either.
        claims={sku: plan.external_id for plan in busy for sku in plan.claims},
        owners=owners,
    )


def _moving(jobs: Sequence[ProductJob], owners: Mapping[Sku, ExternalId]) -> set[Sku]:
    """Return the claimed SKUs that SparkLayer may hold at another variant of the batch; `owners` are those after it."""
    holders: dict[Sku, set[tuple[ExternalId, VariantId]]] = {}
    for job in jobs:
        for variant_id, held in job.before.variants.items() if job.before else ():
            for sku in held:
                holders.setdefault(sku, set()).add((job.external_id, variant_id))
    return {
        variant.sku
        for job in jobs
        for variant in (job.value.variants if job.value else ())
        if owners.get(variant.sku) == job.external_id
        and holders.get(variant.sku, set()) - {(job.external_id, variant.external_id)}
    }


def _plan(
    job: ProductJob,
    product: Product | None,
    before: ProductParts,
    lost: AbstractSet[Sku],
    owners: Mapping[Sku, ExternalId],
    moving: AbstractSet[Sku],
) -> ProductPlan:
    """Return what is sent for `product`, without its `lost` SKUs; `owners` are those after the batch."""
    after = job.fingerprints.parts(product, job.kept) if product is not None else ProductParts()
    if product is not None and job.kept and job.before is not None:
        after = _with_kept(after, job.before, job)
    unreadable = frozenset(product.unreadable_prices if product else ())
    if unreadable:
        after = evolve(after, prices={**_only(before.prices, unreadable), **after.prices})
    # SparkLayer's PATCH may merge variants, so every later write repeats that these are discontinued.
    vanished = tuple(variant for variant in before.variants if variant not in after.variants)
    if vanished:
        after = evolve(after, variants={**after.variants, **dict.fromkeys(vanished, ())})
    # Only the owner removes the rows of a SKU: another one may have set them by now.
    own = {sku for sku in before.skus if owners.get(sku, job.external_id) == job.external_id}
    # Rows of kept variants, and prices that cannot be read, are left alone, also by a refresh run.
    stock = _differing(before.stock, after.stock) - job.kept_skus
    prices = _differing(before.prices, after.prices) - job.kept_skus - unreadable
    removed_stock = frozenset(before.stock.keys() - after.stock.keys()) & own
    removed_prices = frozenset(before.prices.keys() - after.prices.keys()) & own
    # Written only to say that the variants of a product that is gone are discontinued.
    gone = Product(external_id=job.external_id, title="", slug="", variants=(), stock={}, prices={})
    # A product that SparkLayer never had, and that has nothing to sell, is not created.
    known = not job.leftover and (job.before is not None or bool(product and product.variants))
    needed = known and (before.product is None or before.product != after.product)
    # A variant that is kept may be listed with SKUs that it has lost to others by now.
    claims = {sku for held in after.variants.values() for sku in held if owners.get(sku) == job.external_id}
    if job.leftover:
        claims |= removed_stock | removed_prices  # so that no product takes the SKU while it is removed
    refused = [sku for variant in (job.value.variants if job.value else ()) if (sku := variant.sku) in lost]
    return ProductPlan(
        external_id=job.external_id,
        job=job,
        product=product,
        issues=tuple(IssueType.SKU_USED_TWICE.issue(sku=sku) for sku in refused),
        after=after,
        # All that is sent is unsure, and all that may exist is listed: SparkLayer may hold either state of a variant
        # until the write is confirmed.
        marked=evolve(
            before.joined(after) if needed else before,
            stock={**before.stock, **dict.fromkeys(stock)},
            prices={**before.prices, **dict.fromkeys(prices)},
        ),
        rounds=_rounds(job, product or gone, moving) if needed else (None, None),
        vanished=vanished,
        stock=stock & after.stock.keys(),
        prices=prices & after.prices.keys(),
        removed_stock=removed_stock,
        removed_prices=removed_prices,
        claims=frozenset(claims),
        released=frozenset(before.skus - after.skus),
        waits_for=frozenset(refused),
    )


def _with_kept(after: ProductParts, before: ProductParts, job: ProductJob) -> ProductParts:
    """Return `after` with SparkLayer's present parts of the variants that are kept."""
    skus = job.kept_skus
    return evolve(
        after,
        variants={**after.variants, **{key: held for key, held in before.variants.items() if key in job.kept}},
        stock={**_only(before.stock, skus), **after.stock},
        prices={**_only(before.prices, skus), **after.prices},
    )


def _only(rows: Mapping[Sku, bytes | None], skus: AbstractSet[Sku]) -> dict[Sku, bytes | None]:
    return {sku: mark for sku, mark in rows.items() if sku in skus}


def without(product: Product, gone: AbstractSet[Sku]) -> Product:
    """Return a product without the variants of some SKUs."""
    kept = [variant for variant in product.variants if variant.sku not in gone]
    return evolve(
        product,
        # SparkLayer shows variants by position: no gaps.
        variants=tuple(evolve(variant, position=position) for position, variant in enumerate(kept, start=1)),
        stock={sku: level for sku, level in product.stock.items() if sku not in gone},
        prices={sku: price for sku, price in product.prices.items() if sku not in gone},
        unreadable_prices=tuple(sku for sku in product.unreadable_prices if sku not in gone),
    )


def _with_inherited(
    job: ProductJob,
    product: Product | None,
    owners: Mapping[Sku, ExternalId],
    entries: Mapping[ExternalId, ProductParts | None],
) -> ProductParts:
    """Return what SparkLayer holds for the product, with the rows of the SKUs that it takes over, unsure.

    The former owner's rows of a SKU are still there: they are set again, or removed.
    """
    before = job.before or ProductParts(ours=False)
    taken = {
        variant.sku: former
        for variant in (product.variants if product else ())
        if (former := entries.get(owners.get(variant.sku, job.external_id))) and former is not job.before
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


def _rounds(job: ProductJob, product: Product, moving: AbstractSet[Sku]) -> tuple[Product | None, Product | None]:
    held = job.before.variants if job.before else {}
    new = {variant.external_id: variant.sku for variant in product.variants}
    gives = any(sku in moving and new.get(variant) != sku for variant, skus in held.items() for sku in skus)
    # A SKU that moves has one variant after the batch: if the product has it, it takes it.
    takes = {variant.external_id for variant in product.variants if variant.sku in moving}
    if not gives:
        return None, product
    if not takes:
        return product, None
    waiting = tuple(
        evolve(variant, sku=freed_sku(variant.external_id)) if variant.external_id in takes else variant
        for variant in product.variants
    )
    # Twice: nothing else can free a SKU of a variant that stays.
    return evolve(product, variants=waiting), product
