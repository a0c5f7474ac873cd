"""The answers of BigCommerce's API as typed values: only the fields we use; unknown ones are skipped.

Amounts are exact decimals. What real stores answer decides, not the specification: a variant's null price or
weight inherits the product's, and null is sometimes printed as `{}` (contract section 13). `variants` must be
there and not empty: it is missing when the server ignored `include`, and that must not read as "no variants".

A page is decoded product by product, so that one that is not what was agreed becomes `Unreadable` and its
neighbours are still read. Text that is no Unicode costs its bad characters only: see `decode`.
"""

import re
from decimal import Decimal
from typing import Annotated, Generic, TypeVar

import msgspec
from attrs import frozen
from msgspec import Meta, Raw, Struct
from msgspec.json import Decoder

from daemon.errors import Retry

T = TypeVar("T")


class Nothing(Struct, frozen=True):
    """A null printed as `{}`."""


Amount = Decimal | Nothing | None
Count = int | Nothing | None


class OptionValue(Struct, frozen=True):
    """One option of a variant: `Colour` is the display name, `Red` the label."""

    label: str | None = None
    option_display_name: str | None = None


class Variant(Struct, frozen=True):
    """A variant; a simple product has exactly one, the base variant, without option values."""

    id: int
    sku: str | None = None
    price: Amount = None
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
    weight: Amount = None
    inventory_tracking: str | None = None
    inventory_level: Count = None
    images: list[Image] | None = None


class _Stub(Struct, frozen=True):
    id: int


class Pagination(Struct, frozen=True):
    """What an offset list says of itself; `total` counts all that matched."""

    total: int | None = None
    total_pages: int | None = None


class ListMeta(Struct, frozen=True):
    """The `meta` of a v3 list."""

    pagination: Pagination | None = None


class Listing(Struct, Generic[T], frozen=True):
    """A v3 list."""

    data: list[T]
    meta: ListMeta | None = None

    @property
    def pagination(self) -> Pagination:
        """What the list says of itself, empty when it says nothing."""
        return (self.meta and self.meta.pagination) or Pagination()


class Single(Struct, Generic[T], frozen=True):
    """A v3 answer about one thing."""

    data: T


class Store(Struct, frozen=True):
    """The part of GET /v2/store that mapping depends on. The panel's URL is not in the contract (inferred)."""

    currency: Annotated[str, Meta(min_length=1)]
    weight_units: str
    control_panel_base_url: str | None = None


class Location(Struct, frozen=True):
    """A stock location of the store."""

    enabled: bool = True


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


class Hook(Struct, frozen=True):
    """A registered webhook. `headers` is None when the API does not show them."""

    id: int
    scope: str
    destination: str
    is_active: bool = False
    headers: dict[str, str] | None = None


@frozen
class Unreadable:
    """A product whose answer is not what was agreed; `why` names the field, never its content."""

    id: int
    why: str


PRODUCTS = Decoder(Listing[Raw])
PRODUCT = Decoder(Single[Raw])
STORE = Decoder(Store)
LOCATIONS = Decoder(Listing[Location])
ITEMS = Decoder(Listing[InventoryItem])
HOOKS = Decoder(Listing[Hook])
ANYTHING = Decoder(dict[str, object])

_PRODUCT = Decoder(Product)
_STUB = Decoder(_Stub)

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape in a JSON text: a pair of surrogates, half of one, or the start of any other."""


def decode(body: bytes | Raw, decoder: Decoder[T]) -> T:
    """Decode a JSON text; halves of characters, as bytes or as escapes, read as U+FFFD.

    Stores cut long names in the middle of a character, and msgspec then refuses all of the text. Raises
    ValidationError for another shape, DecodeError for what is no whole JSON, RecursionError; no UnicodeDecodeError.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        return decoder.decode(_mended(bytes(body)))


def _mended(body: bytes) -> bytes:
    """Return `body` with each half of a character replaced; nothing else changes."""
    whole = body.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape["lone"] else escape[0], whole)


def read_product(raw: Raw) -> Product | Unreadable:
    """Decode one product. Raises Retry when not even its id can be told."""
    try:
        return decode(raw, _PRODUCT)
    except msgspec.DecodeError as error:
        return Unreadable(_read_id(raw), str(error))


def _read_id(raw: Raw) -> int:
    try:
        return decode(raw, _STUB).id
    except msgspec.DecodeError as error:
        raise Retry(f"BigCommerce lists a product without id: {error}", reason="unexpected_shape") from None
