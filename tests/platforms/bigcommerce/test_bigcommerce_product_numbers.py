"""A price or a weight that is no number costs that number only: the product comes, and the merchant is told."""

from decimal import Decimal

import msgspec
import pytest

from daemon.platforms.bigcommerce.products import wire
from tests.platforms.bigcommerce.test_bigcommerce_mapping import codes, colour, mapped, product

NO_NUMBERS = ["abc", "NaN", "", "19,99", True, [], ["1"], "1e999999999999999999999"]


@pytest.mark.parametrize("told", NO_NUMBERS)
@pytest.mark.parametrize(
    ("field", "code"),
    [("weight", "weight_unusable"), ("price", "price_missing"), ("retail_price", "retail_price_unusable")],
)
def test_an_amount_that_is_no_number_costs_that_amount_only(field: str, code: str, told: object) -> None:
    whole = product(variants=[colour("Red"), colour("Green")])
    result = mapped(variants=[colour("Red", **{field: told}), colour("Green")])
    assert codes(result) == [code]
    assert "Red" in result.problems[0].message
    assert result.value is not None
    assert [variant.sku for variant in result.value.variants] == ["B-Red", "B-Green"]
    assert result.value.variants[1] == whole.variants[1]
    assert result.value.prices == {
        sku: price for sku, price in whole.prices.items() if sku != "B-Red" or field != "price"
    }
    assert (result.value.variants[0].weight_in_grams is None) == (field == "weight")
    assert result.value.variants[0].rrp is None


def test_beside_an_amount_that_is_no_number_the_others_stay_exact() -> None:
    raw = msgspec.Raw(
        b'{"id": 1, "price": 0.1000000000000000055511151231257827, "weight": "x", "variants": [{"id": 2}]}'
    )
    read = wire.read_product(raw)
    assert isinstance(read, wire.Product)
    assert read.price == Decimal("0.1000000000000000055511151231257827")
    beyond = wire.read_product(msgspec.Raw(b'{"id": 1, "price": 1e99999999999999999999, "variants": [{"id": 2}]}'))
    assert isinstance(beyond, wire.Product)
    assert str(beyond.price) == "NaN"
