"""A product as the API tells it: only the fields we use.

What real stores answer decides, not the specification: a variant's null price or weight inherits the product's.
`variants` must be there and not empty: it is missing when the server ignored `include`, and that must not read as "no
variants".

A price or a weight that is no number at all costs that number only: it reads as NaN, which no amount may be, and so
becomes a problem for the merchant. A level of stock that is none makes the product `Unreadable`: to leave it out would
sell without end.
"""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.json import Decoder

from daemon.platforms.bigcommerce import wire
from daemon.platforms.bigcommerce.wire import Amount, Count, Listing, Nothing, Unreadable


class OptionValue(Struct, frozen=True):
    """One option of a variant: `Colour` is the display name, `Red` the label."""

    label: str | None = None
    option_display_name: str | None = None


class Variant(Struct, frozen=True):
    """A variant; a simple product has exactly one, the base variant, without option values."""

    id: int
    sku: str | None = None
    price: Amount = None
    retail_price: Amount = None
    weight: Amount = None
    inventory_level: Count = None
    purchasing_disabled: bool | None = None
    image_url: str | Nothing | None = None
    option_values: list[OptionValue] | None = None


class Image(Struct, frozen=True):
    """An image in several sizes: `thumbnail` as on category pages, `standard` as on the product's page."""

    is_thumbnail: bool | None = None
    url_thumbnail: str | None = None
    url_standard: str | None = None


class CustomUrl(Struct, frozen=True):
    """The path of the product's page, with slashes around it."""

    url: str | None = None


class Product(Struct, frozen=True):
    """A product with its variants and images included. `inventory_tracking` is none, product or variant."""

    id: int
    variants: Annotated[list[Variant], Meta(min_length=1)]
    name: str = ""
    sku: str | None = None
    custom_url: CustomUrl | None = None
    is_visible: bool = True
    availability: str | None = None
    price: Amount = None
    retail_price: Amount = None
    weight: Amount = None
    inventory_tracking: str | None = None
    inventory_level: Count = None
    images: list[Image] | None = None


class Identity(Struct, frozen=True):
    """Whose stock an inventory item is."""

    product_id: int
    variant_id: int | None = None


class ItemLocation(Struct, frozen=True):
    """What can be sold from one location: on hand less safety stock."""

    available_to_sell: int = 0
    location_enabled: bool = True


class InventoryItem(Struct, frozen=True):
    """The stock of one SKU at every location."""

    identity: Identity
    locations: list[ItemLocation]

    @property
    def level(self) -> int:
        """What can be sold in all; disabled locations do not sell (inferred)."""
        return sum(place.available_to_sell for place in self.locations if place.location_enabled)


class Owner(Struct, frozen=True):
    """Whose a variant is."""

    product_id: int


ITEMS = Decoder(Listing[InventoryItem])
OWNERS = Decoder(Listing[Owner])

AMOUNTS = ("price", "retail_price", "weight")
"""The fields of a product and of a variant that are an `Amount`."""

NO_NUMBER = Decimal("NaN")


def read_product(raw: Raw) -> Product | Unreadable:
    """Decode one product. Raises Retry when not even its id can be told."""
    product = wire.read(raw, _PRODUCT)
    if isinstance(product, Product):
        return product
    try:
        return msgspec.convert(_without_words(wire.decode(raw, _LOOSE)), Product)
    except msgspec.DecodeError:
        return product


def _number(text: str) -> Decimal:
    """Read a number of JSON, exactly."""
    try:
        return Decimal(text)
    except InvalidOperation:  # its exponent is beyond all bounds
        return NO_NUMBER


_PRODUCT = Decoder(Product)
_LOOSE = Decoder(dict[str, Any], float_hook=_number)


def _without_words(product: dict[str, Any]) -> dict[str, Any]:
    """Replace each amount that is no number by NaN."""
    variants = product.get("variants")
    for told in (product, *(variants if isinstance(variants, list) else ())):
        if isinstance(told, dict):
            told.update({name: NO_NUMBER for name in AMOUNTS if name in told and not _is_amount(told[name])})
    return product


def _is_amount(value: object) -> bool:
    try:
        msgspec.convert(value, Amount)
    except msgspec.ValidationError:
        return False
    return True
