"""The SparkLayer product of a BigCommerce product, row by row. The JSON has the shapes of the contract."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from attrs import evolve

from daemon.entities import Mapped, Option, Product, Status, StockLevel, StoreFacts
from daemon.platforms.bigcommerce.products import mapping, schema
from daemon.platforms.shared import products
from tests.each import each

FACTS = StoreFacts(currency="GBP", weight_unit="KGS", url="https://store-abc.mybigcommerce.com")

BASE_VARIANT = {
    "id": 376,
    "product_id": 192,
    "sku": "BOOK",
    "sku_id": None,
    "price": None,
    "calculated_price": 17.99,
    "sale_price": None,
    "retail_price": None,
    "weight": None,
    "purchasing_disabled": False,
    "image_url": "",
    "inventory_level": 0,
    "option_values": [],
}
PRODUCT: dict[str, Any] = {
    "id": 192,
    "name": "Cheese book",
    "sku": "BOOK",
    "type": "physical",
    "custom_url": {"url": "/all/cheese-book/", "is_customized": False},
    "is_visible": True,
    "availability": "available",
    "price": 17.99,
    "sale_price": 0,
    "retail_price": 0,
    "weight": 1.5,
    "inventory_tracking": "none",
    "inventory_level": 0,
    "base_variant_id": 376,
    "option_set_id": None,
    "variants": [BASE_VARIANT],
    "images": [],
}


def colour(label: str, **changes: Any) -> dict[str, Any]:
    value = {"id": 9, "label": label, "option_id": 5, "option_display_name": "Colour"}
    return {**BASE_VARIANT, "id": 400 + len(label), "sku": f"B-{label}", "option_values": [value], **changes}


def told(changes: dict[str, Any], levels: mapping.Levels | None = None) -> mapping.RawProduct:
    read = schema.read_product(msgspec.Raw(msgspec.json.encode({**PRODUCT, **changes})))
    assert isinstance(read, schema.Product), read
    return mapping.RawProduct(read, levels)


def mapped(facts: StoreFacts = FACTS, levels: mapping.Levels | None = None, **changes: Any) -> Mapped[Product]:
    return mapping.product(told(changes, levels), facts)


def product(facts: StoreFacts = FACTS, levels: mapping.Levels | None = None, **changes: Any) -> Product:
    value = mapped(facts, levels, **changes).value
    assert value is not None
    return value


def codes(result: Mapped[Product]) -> list[str]:
    return [issue.code for issue in result.issues]


def test_a_simple_product_is_its_base_variant() -> None:
    result = mapped()
    assert result.issues == ()
    assert result.name == "Cheese book"
    assert result.url == "https://store-abc.mybigcommerce.com/manage/products/edit/192"
    assert result.value is not None
    assert (result.value.external_id, result.value.title, result.value.slug) == (
        "192",
        "Cheese book",
        "all/cheese-book",
    )
    (variant,) = result.value.variants
    assert (variant.external_id, variant.sku, variant.position) == ("376", "BOOK", 1)
    assert variant.status is Status.LIVE
    assert variant.options == ()
    assert result.value.prices == {"BOOK": Decimal("17.99")}
    assert result.value.stock == {}


def test_without_a_control_panel_there_is_no_link() -> None:
    assert mapped(StoreFacts(currency="GBP", weight_unit="KGS")).url == ""


@each(
    ("custom_url", "slug"),
    [
        ({"url": "/all/1l-le-parfait-jar/"}, "all/1l-le-parfait-jar"),
        ({"url": "plain"}, "plain"),
        *((empty, "product-192") for empty in ({"url": "/"}, {"url": ""}, {}, None)),
    ],
)
def test_slug(custom_url: object, slug: str) -> None:
    assert product(custom_url=custom_url).slug == slug


def test_a_path_that_is_too_long_is_cut_short_and_told() -> None:
    assert codes(mapped(custom_url={"url": f"/{'x' * products.LONGEST_SLUG}/"})) == []
    result = mapped(custom_url={"url": f"/{'x' * products.LONGEST_SLUG}y/"})
    assert codes(result) == ["slug_too_long"]
    assert result.value is not None
    assert result.value.slug == "x" * products.LONGEST_SLUG


@each(
    ("visible", "availability", "purchasing_disabled", "status"),
    [
        (True, "available", False, Status.LIVE),
        (True, "preorder", False, Status.LIVE),
        (False, "available", False, Status.SUSPENDED),
        (True, "disabled", False, Status.SUSPENDED),
        (True, "available", True, Status.SUSPENDED),
    ],
)
def test_status(*, visible: bool, availability: str, purchasing_disabled: bool, status: Status) -> None:
    variant = {**BASE_VARIANT, "purchasing_disabled": purchasing_disabled}
    assert product(is_visible=visible, availability=availability, variants=[variant]).variants[0].status is status


@each(
    ("unit", "grams"),
    [
        ("LBS", "680.388555"),
        ("Pounds", "680.388555"),
        ("Ounces", "42.5242846875"),
        ("KGS", "1500"),
        ("kilograms", "1500"),
        (" Grams ", "1.5"),
        ("Tonnes", "1500000"),
    ],
)
def test_weight_in_the_stores_unit(unit: str, grams: str) -> None:
    facts = StoreFacts(currency="GBP", weight_unit=unit)
    assert product(facts).variants[0].weight_in_grams == Decimal(grams)


@each(
    ("own", "inherited", "grams"),
    [
        (None, 1.5, Decimal(1500)),
        ({}, 1.5, Decimal(1500)),  # null as the older examples print it
        (0.25, 1.5, Decimal(250)),
        (0, 1.5, Decimal(0)),
        (None, None, None),
    ],
)
def test_weight_is_the_variants_or_the_products(own: object, inherited: object, grams: Decimal | None) -> None:
    result = product(weight=inherited, variants=[{**BASE_VARIANT, "weight": own}])
    assert result.variants[0].weight_in_grams == grams


def test_an_unknown_unit_of_weight_is_told_once_and_no_weight_is_sent() -> None:
    facts = StoreFacts(currency="GBP", weight_unit="Stone")
    result = mapped(facts, variants=[colour("Red"), colour("Green")])
    assert codes(result) == ["weight_unit_unknown"]
    assert "Stone" in result.issues[0].message
    assert result.value is not None
    assert [variant.weight_in_grams for variant in result.value.variants] == [None, None]
    assert [variant.unreadable for variant in result.value.variants] == [("weight_in_grams",)] * 2


UNREADABLE: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "an absurd retail price": ({"retail_price": -1}, {}, "rrp"),
    "a metafield rrp": ({}, {"rrp": "a lot"}, "rrp"),
    "a metafield settings": ({}, {"settings": "{"}, "settings"),
    "a count": ({}, {"pack_size": "many"}, "settings"),
    "a flag": ({}, {"sell": "perhaps"}, "settings"),
    "an absurd weight": ({"weight": -1}, {}, "weight_in_grams"),
}


@pytest.mark.holds("C6")
@each("on_variant", [False, True])
@each(("changes", "fields", "name"), UNREADABLE)
def test_an_unreadable_field_is_listed_so_that_sparklayer_keeps_its_own(
    changes: dict[str, Any], fields: dict[str, str], name: str, *, on_variant: bool
) -> None:
    source = told({"variants": [{**BASE_VARIANT, **changes}]} if on_variant else changes)
    variant = source.product.variants[0].id
    source = evolve(source, variant_fields={variant: fields}) if on_variant else evolve(source, fields=fields)
    result = mapping.product(source, FACTS)
    assert len(result.issues) == 1
    assert result.value is not None
    assert result.value.variants[0].unreadable == (name,)


def test_an_rrp_of_a_metafield_makes_up_for_an_absurd_retail_price() -> None:
    result = mapping.product(evolve(told({"retail_price": -1}), fields={"rrp": "5"}), FACTS)
    assert result.value is not None
    assert (result.issues, result.value.variants[0].unreadable) == ((), ())


@pytest.mark.holds("C6")
@each(("name", "text"), [("restock_date", "soon"), ("min_stock_level", "few")])
def test_an_unreadable_field_of_stock_is_listed(name: str, text: str) -> None:
    source = told({"inventory_tracking": "variant", "variants": [{**BASE_VARIANT, "inventory_level": 3}]})
    result = mapping.product(evolve(source, fields={name: text}), FACTS)
    assert codes(result) == ["attribute_unreadable"]
    assert result.value is not None
    assert result.value.stock == {"BOOK": StockLevel(3, unreadable=(name,))}


def test_an_unknown_unit_does_not_matter_to_what_weighs_nothing() -> None:
    assert codes(mapped(StoreFacts(currency="GBP", weight_unit="Stone"), weight=0)) == []


def test_a_negative_weight_is_a_problem() -> None:
    result = mapped(weight=-1)
    assert codes(result) == ["weight_unusable"]
    assert result.value is not None
    assert result.value.variants[0].weight_in_grams is None


@each("amount", [-1, 1e300])
def test_an_absurd_retail_price_is_a_problem_and_no_rrp(amount: float) -> None:
    result = mapped(retail_price=amount)
    assert codes(result) == ["retail_price_unusable"]
    assert result.value is not None
    assert result.value.variants[0].rrp is None


@each(
    ("own", "inherited", "price"),
    [
        (None, 17.99, "17.99"),
        ({}, 17.99, "17.99"),
        (12.5, 17.99, "12.5"),
        (0, 17.99, "0"),
        (0.1, 17.99, "0.1"),
    ],
)
def test_price_is_the_variants_or_the_products_and_exact(own: object, inherited: object, price: str) -> None:
    result = product(price=inherited, variants=[{**BASE_VARIANT, "price": own}])
    assert result.prices == {"BOOK": Decimal(price)}


@each(("own", "inherited"), [(-1, 5), (None, -0.01), (1e300, 5)])
def test_an_absurd_price_is_a_problem_and_no_price(own: object, inherited: object) -> None:
    result = mapped(price=inherited, variants=[{**BASE_VARIANT, "price": own}])
    assert codes(result) == ["price_missing"]
    assert "BOOK" in result.issues[0].message
    assert result.value is not None
    assert (result.value.prices, result.value.unreadable_prices) == ({}, ("BOOK",))
    assert len(result.value.variants) == 1


@each(
    ("tracking", "levels", "stock"),
    [
        ("none", None, {}),
        ("product", None, {"B-Red": 70, "B-Green": 70}),
        ("variant", None, {"B-Red": 3, "B-Green": -4}),
        ("none", {403: 11, 405: 12}, {}),
        ("variant", {403: 11, 405: 12}, {"B-Red": 11, "B-Green": 12}),
        ("variant", {403: 11}, {"B-Red": 11, "B-Green": -4}),
        ("product", {None: 90}, {"B-Red": 90, "B-Green": 90}),
        ("product", {403: 11, 405: 12}, {"B-Red": 70, "B-Green": 70}),
    ],
)
def test_stock(tracking: str, levels: dict[int | None, int] | None, stock: dict[str, int]) -> None:
    variants = [colour("Red", inventory_level=3), colour("Green", inventory_level=-4)]
    result = product(levels=levels, inventory_tracking=tracking, inventory_level=70, variants=variants)
    assert {sku: one.level for sku, one in result.stock.items()} == stock


@pytest.mark.holds("D7")
@each("null", [None, {}])
@each(
    ("tracking", "levels", "fields"),
    [
        ("none", None, []),
        ("variant", None, ["variants[0].inventory_level", "variants[2].inventory_level"]),
        ("variant", {403: 11}, ["variants[2].inventory_level"]),
        ("variant", {403: 11, 405: 12}, []),
        ("product", None, ["inventory_level"]),
        ("product", {None: 90}, []),
    ],
)
def test_a_level_that_is_null_though_it_is_counted_is_told_of_and_the_last_one_stays(
    tracking: str, levels: dict[int | None, int] | None, fields: list[str], null: object
) -> None:
    variants = [colour("Red", inventory_level=null), colour("Blue", inventory_level=3)]
    variants.append(colour("Green", inventory_level=null))
    variants.append(colour("Yellow", inventory_level=null, sku=""))
    result = mapped(levels=levels, inventory_tracking=tracking, inventory_level=null, variants=variants)
    told = [issue.message for issue in result.issues if issue.code == "field_unreadable"]
    assert (result.value is None, len(told)) == (bool(fields), len(fields))
    assert all(f'"{field}"' in words for field, words in zip(fields, told, strict=True))


@each(("tracking", "told"), [("product", True), ("variant", False), ("none", False)])
def test_stock_of_a_product_with_several_variants_is_told_of(tracking: str, told: bool) -> None:  # noqa: FBT001
    several = mapped(inventory_tracking=tracking, variants=[colour("Red"), colour("Green")])
    assert codes(several) == (["stock_of_product"] if told else [])
    assert several.value is not None
    assert codes(mapped(inventory_tracking=tracking)) == []


IMAGES = [
    {
        "is_thumbnail": False,
        "sort_order": 0,
        "url_thumbnail": "https://cdn/0.t.jpg",
        "url_standard": "https://cdn/0.jpg",
    },
    {
        "is_thumbnail": True,
        "sort_order": 1,
        "url_thumbnail": "https://cdn/1.t.jpg",
        "url_standard": "https://cdn/1.jpg",
    },
]


@each(
    ("own", "images", "url"),
    [
        ("https://cdn/own.jpg", IMAGES, "https://cdn/own.jpg"),
        ("", IMAGES, "https://cdn/1.t.jpg"),
        (None, IMAGES, "https://cdn/1.t.jpg"),
        ({}, [{"is_thumbnail": True, "url_standard": "https://cdn/1.jpg"}], "https://cdn/1.jpg"),
        ("", IMAGES[:1], None),
        ("", [], None),
    ],
)
def test_picture(own: object, images: object, url: str | None) -> None:
    assert product(images=images, variants=[{**BASE_VARIANT, "image_url": own}]).variants[0].cart_image_url == url


def test_options_are_group_and_value_one_per_group() -> None:
    values = [
        {"option_display_name": "Colour", "label": "Red"},
        {"option_display_name": "Size", "label": "L"},
        {"option_display_name": "Colour", "label": "Blue"},
        {"option_display_name": "", "label": "?"},
    ]
    variant = {**BASE_VARIANT, "option_values": values}
    assert product(variants=[variant]).variants[0].options == (Option("Colour", "Red"), Option("Size", "L"))


@pytest.mark.holds("E11")
@each("more", [1, 2, 5])
@each("labels", [("Red", "Blue"), ("Red", "Red")])
def test_options_of_one_name_are_told_of_once_and_the_first_holds(labels: tuple[str, str], more: int) -> None:
    first, second = ({"option_display_name": "Colour", "label": label} for label in labels)
    size = {"option_display_name": "Size", "label": "L"}
    result = mapped(variants=[{**BASE_VARIANT, "option_values": [first, size, *[second] * more]}])
    assert codes(result) == ["option_repeated"]
    assert '"Colour"' in result.issues[0].message
    assert result.value is not None
    assert result.value.variants[0].options == (Option("Colour", "Red"), Option("Size", "L"))
