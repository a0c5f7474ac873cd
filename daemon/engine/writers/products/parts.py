"""The ledger's parts of a product: a fingerprint of each part of it, and the ids needed to remove it. Pure.

A part is the product itself (title, slug, variants), the stock of a SKU, or the price of a SKU. A fingerprint of None
means *unsure*: the part was about to be sent when something went wrong, so it differs from everything. The data itself
is never kept. Until SparkLayer has heard of the product from the keeper of this ledger (`ours`), it may hold more than
is listed.
"""

from collections.abc import Callable, Mapping

from attrs import evolve, field, frozen

from daemon.entities import Product
from daemon.model import Sku, VariantId
from daemon.sparklayer.products import EXTRAS


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


class Fingerprints:
    """The fingerprints of products and their parts under one site's terms."""

    def __init__(self, fingerprint: Callable[[object], bytes], terms: Terms) -> None:
        self._fingerprint = fingerprint
        self.terms = terms

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
                for name in sorted(EXTRAS)
                if any(getattr(variant, name) or name in variant.unreadable for variant in product.variants)
            ),
        )
