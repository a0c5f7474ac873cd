"""The SKUs of a BigCommerce product: a variant without one, or with one that cannot be its own, is left out."""

from decimal import Decimal

from daemon.platforms.shared import products
from tests.each import each
from tests.platforms.bigcommerce.test_bigcommerce_mapping import BASE_VARIANT, codes, colour, mapped


def test_a_variant_whose_sku_is_too_long_is_left_out_and_told() -> None:
    longest = "S" * products.LONGEST_SKU
    result = mapped(variants=[colour("Red", sku=longest), colour("Green", sku=longest + "S")])
    assert codes(result) == ["sku_too_long"]
    assert "Green" in result.issues[0].message
    assert result.value is not None
    assert [variant.sku for variant in result.value.variants] == [longest]


@each("sku", ["", "   "])
def test_a_variant_without_sku_is_left_out_and_named(sku: str) -> None:
    result = mapped(variants=[colour("Red"), colour("Green", sku=sku), colour("Yellow")])
    assert codes(result) == ["variant_without_sku"]
    assert "Green" in result.issues[0].message
    assert "405" in result.issues[0].message
    assert result.value is not None
    assert [(v.sku, v.position) for v in result.value.variants] == [("B-Red", 1), ("B-Yellow", 2)]


def test_a_base_variant_without_sku_leaves_a_product_without_variants() -> None:
    result = mapped(sku="", variants=[{**BASE_VARIANT, "sku": ""}])
    assert codes(result) == ["variant_without_sku", "nothing_to_sell"]
    assert result.value is not None
    assert (result.value.variants, result.value.stock, result.value.prices) == ((), {}, {})


def test_a_sku_used_twice_stays_with_the_first_variant() -> None:
    result = mapped(variants=[colour("Red", sku="X"), colour("Green", sku=" X ", price=1)])
    assert codes(result) == ["sku_repeated"]
    assert "Green" in result.issues[0].message
    assert result.value is not None
    assert [v.external_id for v in result.value.variants] == ["403"]
    assert result.value.prices == {"X": Decimal("17.99")}
