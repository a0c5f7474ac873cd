"""The catalogue of a BigCommerce store; each change is dated and announced.

Products are kept in the order of their ids, so that pages are slices. Knows neither which edits there are (see
`store`) nor HTTP.
"""

from bisect import bisect_left
from collections.abc import Iterator

from attrs import define, field

from daemon.sandbox.bigcommerce.events import BigCommerceChronicle, Event
from daemon.sandbox.bigcommerce.records import Entry, Variant
from daemon.sandbox.record import Record, record

MAIN_LOCATION = 1


@record("id code label")
class Location(Record):
    """A place that holds stock."""


@define(eq=False, kw_only=True)
class Catalogue(BigCommerceChronicle):
    """The store's products. Ids are small and never used again."""

    name: str = "Sandbox Store"
    currency: str = "USD"
    weight_unit: str = "LBS"
    tax_inclusive: bool = False
    entries: dict[int, Entry] = field(factory=dict, repr=False)
    ids: list[int] = field(factory=list, repr=False)
    locations: list[Location] = field(factory=lambda: [Location(MAIN_LOCATION, "default", "Default location")])
    elsewhere: dict[tuple[int, int], int] = field(factory=dict, repr=False)
    """Stock by (variant id, location id) at other than the main location."""
    _owners: dict[int, int] = field(factory=dict, repr=False)
    _last_id: int = 0

    def entry(self, product_id: int) -> Entry:
        """Return a product with its parts. Raises KeyError."""
        return self.entries[product_id]

    def variant(self, variant_id: int) -> Variant:
        """Return a variant. Raises KeyError."""
        variants: list[Variant] = self.entries[self._owners[variant_id]].variants
        return next(variant for variant in variants if variant.id == variant_id)

    def by_sku(self, sku: str) -> Variant:
        """Return the first variant with `sku`. Raises KeyError."""
        for variant in self.variants():
            if variant.sku == sku:
                return variant
        raise KeyError(sku)

    def variants(self) -> Iterator[Variant]:
        """Return every variant by product and position."""
        return (variant for product_id in self.ids for variant in self.entries[product_id].variants)

    def new_id(self) -> int:
        """Return an id that nothing else has."""
        self._last_id += 1
        return self._last_id

    def put(self, entry: Entry) -> None:
        """Place a ready product without announcing it; how a sample store is filled."""
        product_id = entry.product.id
        entry.settle()
        self.entries[product_id] = entry
        self.ids.insert(bisect_left(self.ids, product_id), product_id)
        self._owners.update((variant.id, product_id) for variant in entry.variants)
        self._last_id = max(self._last_id, product_id, *(variant.id for variant in entry.variants))

    def _touch(self, product_id: int, *announced: Event, silent: bool) -> None:
        entry = self.entries[product_id]
        entry.settle()
        if self.stamping:
            entry.product.date_modified = self.stamp()
        self.announce(*announced, silent=silent)
