"""BigCommerce's product, variant and their parts, with the very field names and quirks of its JSON.

`null` in a variant means "as the product" (price, sale_price, retail_price, weight); `sku_id` is null on the base
variant; whole prices are sent as integers. Structs are encoded to JSON as they stand, field by field.
Source: bigcommerce.md sections 3 and 13 (nulls, calculated_weight, map_price, image_url).
"""

from attrs import Factory, define
from msgspec import Struct

Number = int | float


class OptionValue(Struct, frozen=True):
    """What tells a variant from its siblings."""

    id: int
    label: str
    option_id: int
    option_display_name: str


class Variant(Struct):
    """A variant; a simple product has one, the base variant, with empty `option_values`."""

    id: int
    product_id: int
    sku: str = ""
    sku_id: int | None = None
    price: Number | None = None
    calculated_price: Number = 0
    sale_price: Number | None = None
    retail_price: Number | None = None
    map_price: Number | None = None
    weight: Number | None = None
    calculated_weight: Number = 0
    width: Number | None = None
    height: Number | None = None
    depth: Number | None = None
    is_free_shipping: bool = False
    fixed_cost_shipping_price: Number | None = None
    purchasing_disabled: bool = False
    purchasing_disabled_message: str = ""
    image_url: str = ""
    cost_price: Number | None = None
    upc: str = ""
    mpn: str = ""
    gtin: str = ""
    inventory_level: int = 0
    inventory_warning_level: int = 0
    bin_picking_number: str = ""
    option_values: tuple[OptionValue, ...] = ()


class Image(Struct, frozen=True):
    """A picture of a product in four sizes."""

    id: int
    product_id: int
    is_thumbnail: bool
    sort_order: int
    image_file: str
    url_zoom: str
    url_standard: str
    url_thumbnail: str
    url_tiny: str
    description: str = ""
    date_modified: str = "2026-01-01T00:00:00+00:00"


class CustomField(Struct, frozen=True):
    """A name and value shown with a product."""

    id: int
    name: str
    value: str


class CustomUrl(Struct, frozen=True):
    """Where the product stands in the shop."""

    url: str
    is_customized: bool = False


class Product(Struct):
    """A product without what `include` adds."""

    id: int
    name: str
    custom_url: CustomUrl
    date_created: str
    date_modified: str
    type: str = "physical"
    sku: str = ""
    description: str = ""
    weight: Number = 0
    width: Number = 0
    depth: Number = 0
    height: Number = 0
    price: Number = 0
    cost_price: Number = 0
    retail_price: Number = 0
    sale_price: Number = 0
    map_price: Number = 0
    tax_class_id: int = 0
    product_tax_code: str = ""
    calculated_price: Number = 0
    categories: tuple[int, ...] = ()
    brand_id: int = 0
    option_set_id: int | None = None
    option_set_display: str = "right"
    inventory_level: int = 0
    inventory_warning_level: int = 0
    inventory_tracking: str = "none"
    reviews_rating_sum: int = 0
    reviews_count: int = 0
    total_sold: int = 0
    fixed_cost_shipping_price: Number = 0
    is_free_shipping: bool = False
    is_visible: bool = True
    is_featured: bool = False
    related_products: tuple[int, ...] = (-1,)
    warranty: str = ""
    bin_picking_number: str = ""
    layout_file: str = "product.html"
    upc: str = ""
    mpn: str = ""
    gtin: str = ""
    date_last_imported: str = ""
    search_keywords: str = ""
    availability: str = "available"
    availability_description: str = ""
    gift_wrapping_options_type: str = "any"
    gift_wrapping_options_list: tuple[int, ...] = ()
    sort_order: int = 0
    condition: str = "New"
    is_condition_shown: bool = False
    order_quantity_minimum: int = 0
    order_quantity_maximum: int = 0
    page_title: str = ""
    meta_keywords: tuple[str, ...] = ()
    meta_description: str = ""
    view_count: int = 0
    preorder_release_date: str | None = None
    preorder_message: str = ""
    is_preorder_only: bool = False
    is_price_hidden: bool = False
    price_hidden_label: str = ""
    base_variant_id: int | None = None


@define
class Entry:
    """A product with what `include` adds."""

    product: Product
    variants: list[Variant] = Factory(list)
    images: tuple[Image, ...] = ()
    custom_fields: tuple[CustomField, ...] = ()

    @property
    def simple(self) -> bool:
        """Whether the product has no options, so that its only variant is the base variant."""
        return self.product.base_variant_id is not None

    def settle(self) -> None:
        """Work out what depends on other fields: calculated prices and weights, and what base variants mirror."""
        product = self.product
        product.calculated_price = product.sale_price or product.price
        if self.simple:
            self._mirror(self.variants[0])
        elif product.inventory_tracking == "variant":
            product.inventory_level = sum(variant.inventory_level for variant in self.variants)
        for variant in self.variants:
            variant.calculated_price = _calculated(variant, product)
            variant.calculated_weight = product.weight if variant.weight is None else variant.weight

    def _mirror(self, base: Variant) -> None:
        self.product.sku = base.sku
        self.product.inventory_level = base.inventory_level


def _calculated(variant: Variant, product: Product) -> Number:
    if variant.sale_price:
        return variant.sale_price
    return product.calculated_price if variant.price is None else variant.price


def number(value: Number) -> Number:
    """Return `value` as BigCommerce would send it: whole numbers without a fraction."""
    whole = int(value)
    return whole if whole == value else value
