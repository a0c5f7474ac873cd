"""A product as the API returns it: only the fields that we use.

The answers of real stores decide, not the specification: a variant's null price or weight inherits the product's.
Fields of every answer are required, because a missing one must not be read as "none": `variants` and `images` are
missing if the server ignored `include`, and without `inventory_tracking` no stock would be tracked.

A field of another type becomes an issue, and SparkLayer keeps what it has: see `daemon.platforms.shared.rows`.
"""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Raw, Struct
from msgspec.json import Decoder

from daemon.platforms.bigcommerce.schema import Listing
from daemon.platforms.shared.amounts import Amount, Count, Nothing
from daemon.platforms.shared.rows import OUT_OF_FILTER, Odd, Shape, Unreadable, readable


class OptionValue(Struct, frozen=True):
    """One option of a variant: `Colour` is the display name, `Red` the label."""

    label: str
    option_display_name: str


class Variant(Struct, frozen=True, kw_only=True):
    """A variant; a simple product has exactly one, the base variant, without option values.

    `inventory_level` may be null if stock is not tracked; the mapping checks that.
    """

    id: int
    product_id: int | None = None
    sku: str
    price: Amount
    retail_price: Amount
    weight: Amount
    inventory_level: Count
    purchasing_disabled: bool
    image_url: str | Nothing | None = None
    option_values: list[OptionValue]


class Image(Struct, frozen=True):
    """An image in two sizes: `thumbnail` for category pages, `standard` for the product's page."""

    is_thumbnail: bool
    url_thumbnail: str | None = None
    url_standard: str | None = None


class CustomUrl(Struct, frozen=True):
    """The path of the product's page, with slashes around it."""

    url: str | None = None


class Product(Struct, frozen=True, kw_only=True):
    """A product with its variants and images included. `inventory_tracking` is none, product or variant."""

    id: int
    variants: Annotated[list[Variant], Meta(min_length=1)]
    name: str
    sku: str | None = None
    custom_url: CustomUrl | None
    is_visible: bool
    availability: str
    price: Decimal
    retail_price: Amount
    weight: Amount
    inventory_tracking: str
    inventory_level: Count
    images: list[Image]


class Identity(Struct, frozen=True):
    """The product and the variant of an inventory item."""

    product_id: int
    variant_id: int | None = None


class ItemLocation(Struct, frozen=True):
    """Stock available to sell at one location: on hand less safety stock."""

    available_to_sell: int
    location_enabled: bool = True


class InventoryItem(Struct, frozen=True):
    """The stock of one SKU at every location."""

    identity: Identity
    locations: list[ItemLocation]

    @property
    def level(self) -> int:
        """Stock available to sell in all; disabled locations do not sell (inferred)."""
        return sum(place.available_to_sell for place in self.locations if place.location_enabled)


class Owner(Struct, frozen=True):
    """The product of a variant, and the variant's id if the answer has it."""

    product_id: int
    id: int | None = None


class _Owned(Struct, frozen=True):
    identity: Owner


ITEMS = Shape(InventoryItem)
OWNERS = Decoder(Listing[Owner])

AMOUNTS = ("price", "retail_price", "weight")
"""Fields of a product and of a variant with an amount."""

_PRODUCT = Shape(Product)
_OWNED = Decoder(_Owned, strict=False)


def read_product(raw: Raw) -> Product | Unreadable | Odd:
    """Decode one product. Raises Retry if its id cannot be read.

    A product without variants, or with a variant that names another product, is unreadable.
    """
    product = _PRODUCT.read(raw)
    if isinstance(product, Odd) and "variants" in product.fields:
        return Unreadable(product.id, "it has no variants")
    if isinstance(product, Product):
        strange = next((variant for variant in product.variants if variant.product_id not in (None, product.id)), None)
        if strange is not None:
            return Unreadable(product.id, f"its variant {strange.id} is of another product", reason=OUT_OF_FILTER)
    return product


def read_owner(raw: Raw) -> int | None:
    """Return the product of an inventory item, or None."""
    return next((row.identity.product_id for row in readable([raw], _OWNED)), None)
