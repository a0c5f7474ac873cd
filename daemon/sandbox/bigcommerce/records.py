"""BigCommerce's product, variant and their parts, with the very field names and quirks of its JSON.

`null` in a variant means "as the product" (price, sale_price, retail_price, weight); `sku_id` is null on the base
variant; whole prices are sent as integers. Structs are encoded to JSON as they stand, field by field.
Source: bigcommerce.md sections 3 and 13 (nulls, calculated_weight, map_price, image_url).
"""

from daemon.sandbox.record import Record, record

Number = int | float


@record("id label option_id option_display_name")
class OptionValue(Record):
    """Option values that tell a variant from its siblings."""


@record(
    "id product_id",
    sku="",
    sku_id=None,
    price=None,
    calculated_price=0,
    sale_price=None,
    retail_price=None,
    map_price=None,
    weight=None,
    calculated_weight=0,
    width=None,
    height=None,
    depth=None,
    is_free_shipping=False,
    fixed_cost_shipping_price=None,
    purchasing_disabled=False,
    purchasing_disabled_message="",
    image_url="",
    cost_price=None,
    upc="",
    mpn="",
    gtin="",
    inventory_level=0,
    inventory_warning_level=0,
    bin_picking_number="",
    option_values=(),
)
class Variant(Record):
    """A variant; a simple product has one, the base variant, with empty `option_values`."""


@record(
    "id product_id is_thumbnail sort_order image_file url_zoom url_standard url_thumbnail url_tiny",
    description="",
    date_modified="2026-01-01T00:00:00+00:00",
)
class Image(Record):
    """A picture of a product in four sizes."""


@record("id name value")
class CustomField(Record):
    """A name and value shown with a product."""


@record("url", is_customized=False)
class CustomUrl(Record):
    """Path of the product in the shop."""


@record(
    "id name custom_url date_created date_modified",
    type="physical",
    sku="",
    description="",
    weight=0,
    width=0,
    depth=0,
    height=0,
    price=0,
    cost_price=0,
    retail_price=0,
    sale_price=0,
    map_price=0,
    tax_class_id=0,
    product_tax_code="",
    calculated_price=0,
    categories=(),
    brand_id=0,
    option_set_id=None,
    option_set_display="right",
    inventory_level=0,
    inventory_warning_level=0,
    inventory_tracking="none",
    reviews_rating_sum=0,
    reviews_count=0,
    total_sold=0,
    fixed_cost_shipping_price=0,
    is_free_shipping=False,
    is_visible=True,
    is_featured=False,
    related_products=(-1,),
    warranty="",
    bin_picking_number="",
    layout_file="product.html",
    upc="",
    mpn="",
    gtin="",
    date_last_imported="",
    search_keywords="",
    availability="available",
    availability_description="",
    gift_wrapping_options_type="any",
    gift_wrapping_options_list=(),
    sort_order=0,
    condition="New",
    is_condition_shown=False,
    order_quantity_minimum=0,
    order_quantity_maximum=0,
    page_title="",
    meta_keywords=(),
    meta_description="",
    view_count=0,
    preorder_release_date=None,
    preorder_message="",
    is_preorder_only=False,
    is_price_hidden=False,
    price_hidden_label="",
    base_variant_id=None,
)
class Product(Record):
    """A product without what `include` adds."""


@record("product", variants=[], images=(), custom_fields=())
class Entry(Record):
    """A product with what `include` adds."""

    @property
    def simple(self) -> bool:
        """True if the product has no options, so that its only variant is the base variant."""
        return bool(self.product.base_variant_id is not None)

    def settle(self) -> None:
        """Work out what depends on other fields: calculated prices and weights, and what base variants mirror."""
        product = self.product
        product.calculated_price = product.sale_price or product.price
        if self.simple:
            product.sku, product.inventory_level = self.variants[0].sku, self.variants[0].inventory_level
        elif product.inventory_tracking == "variant":
            product.inventory_level = sum(variant.inventory_level for variant in self.variants)
        for variant in self.variants:
            listed = product.calculated_price if variant.price is None else variant.price
            variant.calculated_price = variant.sale_price or listed
            variant.calculated_weight = product.weight if variant.weight is None else variant.weight


def number(value: Number) -> Number:
    """Return `value` as BigCommerce would send it: whole numbers without a fraction."""
    whole = int(value)
    return whole if whole == value else value
