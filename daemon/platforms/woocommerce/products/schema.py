"""A product and its variations as the API returns them: only the fields that we use.

Every field is required, because the API always sends it: a missing one must not be read as "none". A field of another
type becomes an issue, and SparkLayer keeps what it has: see `daemon.platforms.shared.rows`.
"""

from msgspec import Raw, Struct

from daemon.platforms.shared.rows import Shape

VARIATION = "variation"


class Image(Struct, frozen=True):
    """A picture: its address, and that of a small size."""

    src: str
    thumbnail: str | None = None


class Choice(Struct, frozen=True):
    """One option of a variation, such as Size: S. The option of "any size" is empty."""

    name: str
    option: str | None = None


class Variation(Struct, frozen=True, kw_only=True):
    """A variation. Empty values are inherited from the product in the API's answer, its SKU too.

    `manage_stock` is "parent" if the product's stock is shared; `stock_quantity` is then the product's.
    """

    id: int
    parent_id: int
    sku: str
    status: str
    regular_price: str
    purchasable: bool
    manage_stock: bool | str
    stock_quantity: int | None
    weight: str
    image: Image | None
    attributes: list[Choice]
    menu_order: int


class Product(Struct, frozen=True, kw_only=True):
    """A product; `variations` has the ids of its variations. By its own id, a variation is read as one too."""

    id: int
    parent_id: int
    name: str
    slug: str
    type: str
    status: str
    sku: str
    regular_price: str
    purchasable: bool
    manage_stock: bool | str
    stock_quantity: int | None
    weight: str
    images: list[Image]
    variations: list[int]


class _Single(Struct, frozen=True, kw_only=True):
    """The fields by which a single answer is recognised as a variation."""

    id: int
    type: str
    parent_id: int


PRODUCT_FIELDS = ",".join(Product.__struct_encode_fields__)
VARIATION_FIELDS = ",".join(Variation.__struct_encode_fields__)

PRODUCTS, VARIATIONS, _SINGLE = Shape(Product), Shape(Variation), Shape(_Single)


def parent_of(raw: Raw) -> int | None:
    """Return the product of a variation; None for a product."""
    single = _SINGLE.read(raw)
    if isinstance(single, _Single) and single.type == VARIATION and single.parent_id > 0:
        return single.parent_id
    return None
