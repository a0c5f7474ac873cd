"""The mapping of a product with any values keeps the promises that the engine relies on."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from daemon.entities import StoreFacts
from daemon.platforms.bigcommerce.products import mapping, schema
from daemon.platforms.shared.rows import Odd
from tests.platforms.bigcommerce.test_bigcommerce_mapping import codes

amounts: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.just({}), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=4)
)
skus = st.one_of(st.sampled_from(["", " ", "A", "B", "A ", "a"]), st.text(max_size=8))
values = st.fixed_dictionaries({"option_display_name": st.text(max_size=5), "label": st.text(max_size=5)})
variants = st.fixed_dictionaries(
    {
        "id": st.integers(1, 10**9),
        "sku": skus,
        "price": amounts,
        "retail_price": amounts,
        "weight": amounts,
        "inventory_level": st.one_of(st.none(), st.just({}), st.integers(-(2**40), 2**40)),
        "purchasing_disabled": st.booleans(),
        "option_values": st.lists(values, max_size=3),
    },
    optional={"image_url": st.none() | st.text(max_size=9)},
)
products = st.fixed_dictionaries(
    {
        "id": st.integers(1, 10**9),
        "variants": st.lists(variants, min_size=1, max_size=6),
        "name": st.text(max_size=9),
        "price": amounts,
        "retail_price": amounts,
        "weight": amounts,
        "is_visible": st.booleans(),
        "availability": st.sampled_from(["available", "disabled", "preorder"]),
        "inventory_tracking": st.sampled_from(["none", "product", "variant"]),
        "inventory_level": st.integers(-(2**40), 2**40),
        "custom_url": st.none() | st.fixed_dictionaries({"url": st.text(max_size=9)}),
        "images": st.just([]),
    },
)


@given(raw=products, unit=st.sampled_from(["LBS", "Ounces", "KGS", "Grams", "Tonnes", "", "Stone"]))
def test_whatever_the_store_says_the_mapping_keeps_its_promises(raw: dict[str, Any], unit: str) -> None:
    read = schema.read_product(msgspec.Raw(msgspec.json.encode(raw)))
    if isinstance(read, Odd):
        return
    assert isinstance(read, schema.Product)
    result = mapping.product(mapping.RawProduct(read), StoreFacts(currency="GBP", weight_unit=unit))
    value = result.value
    if value is None:
        assert codes(result)[0] == "field_unreadable"
        return
    kept = [variant.sku for variant in value.variants]
    assert len(set(kept)) == len(kept)
    assert all(sku.strip() for sku in kept)
    assert [variant.position for variant in value.variants] == list(range(1, len(kept) + 1))
    assert set(value.stock) <= set(kept)
    assert set(value.prices) <= set(kept)
    assert all(price >= 0 for price in value.prices.values())
    assert value.slug
