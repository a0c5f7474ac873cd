"""A product field of an undocumented type becomes an issue, and removes nothing from SparkLayer."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from daemon.entities import Mapped, Product
from daemon.platforms.bigcommerce.products import mapping, schema
from daemon.platforms.shared.rows import Odd, Unreadable
from tests.each import each
from tests.platforms.bigcommerce.test_bigcommerce_mapping import BASE_VARIANT, FACTS, PRODUCT, codes
from tests.platforms.bigcommerce.test_bigcommerce_odd_types import VALUES, Path, changed, paths, raw, typed

IMAGE = {"is_thumbnail": True, "url_thumbnail": "https://cdn/1.t.jpg", "url_standard": "https://cdn/1.jpg"}
VARIANT = {
    **{name: value for name, value in BASE_VARIANT.items() if name not in {"sku_id", "calculated_price", "sale_price"}},
    "option_values": [{"label": "Red", "option_display_name": "Colour"}],
}
WHOLE: dict[str, Any] = {
    **{name: value for name, value in PRODUCT.items() if not name.startswith(("base_", "option_", "sale_"))},
    "inventory_tracking": "variant",
    "images": [IMAGE],
    "variants": [VARIANT],
}
OPTIONAL = {"id", "type", "product_id", "image_url", "url", "is_customized", "url_thumbnail", "url_standard"}
"""Keys that are optional or unused; a product's own `sku` is another one."""


def read_as(content: dict[str, Any]) -> Mapped[Product] | Unreadable:
    """Return the mapping of a product's JSON."""
    read = schema.read_product(raw(content))
    if isinstance(read, Unreadable):
        return read
    return mapping.product(read if isinstance(read, Odd) else mapping.RawProduct(read), FACTS)


def known(content: dict[str, Any]) -> Product:
    mapped = read_as(content)
    assert isinstance(mapped, Mapped)
    assert mapped.value is not None, mapped.issues
    return mapped.value


@pytest.mark.holds("C6")
@each("path", [path for path in paths(WHOLE) if path != ("id",)])
def test_no_value_of_any_field_of_a_product_takes_anything_away(path: Path) -> None:
    """It is used, reported by its field, or read again: no stock, price, variant or option is lost silently."""
    whole = known(WHOLE)
    for value in VALUES:
        mapped = read_as(changed(WHOLE, path, value))
        if isinstance(mapped, Unreadable):
            assert path[0] == "variants" or isinstance(value, dict), value
            continue
        if mapped.value is None:
            assert codes(mapped)[0] == "field_unreadable"
            continue
        documented = type(value) is type(_at(WHOLE, path)) or isinstance(value, int | float | str)
        if not documented:
            assert mapped.value.stock.keys() == whole.stock.keys()
            assert mapped.value.prices.keys() == whole.prices.keys()
            assert [one.options for one in mapped.value.variants] == [one.options for one in whole.variants]


KEYS = [path for path in paths(WHOLE) if isinstance(path[-1], str) and path[-1] not in OPTIONAL and path != ("sku",)]


@pytest.mark.holds("B2")
@each("path", KEYS)
def test_a_product_that_lacks_a_key_is_unreadable(path: Path) -> None:
    lacking = json.loads(json.dumps(WHOLE))
    del _at(lacking, path[:-1])[path[-1]]
    assert isinstance(schema.read_product(raw(lacking)), Unreadable)


def _at(node: Any, path: Path) -> Any:
    for key in path:
        node = node[key]
    return node


NO_NUMBERS = ["abc", "NaN", "-Infinity", "", "19,99", True, [], ["1"], "1e999999999999999999999"]


@pytest.mark.holds("C6")
@each("told", [*NO_NUMBERS])
@each("where", ["", "variants[0]."])
@each("name", schema.AMOUNTS)
def test_an_amount_that_is_no_number_is_told_of(where: str, name: str, told: object) -> None:
    path: Path = ("variants", 0, name) if where else (name,)
    mapped = read_as(changed(WHOLE, path, told))
    assert isinstance(mapped, Mapped)
    assert (mapped.value, codes(mapped)) == (None, ["field_unreadable"])
    assert f'"{where}{name}"' in mapped.issues[0].message
    assert mapped.name == "Cheese book"


@pytest.mark.holds("C6")
@each("name", schema.AMOUNTS)
def test_text_that_is_exactly_a_number_is_that_amount(name: str) -> None:
    for where in ((name,), ("variants", 0, name)):
        assert known(changed(WHOLE, where, "19.99")) == known(changed(WHOLE, where, 19.99))


@pytest.mark.holds("C6")
@each("level", ["7", 7.0])
def test_a_level_in_another_spelling_is_that_level(level: object) -> None:
    assert known(changed(WHOLE, ("variants", 0, "inventory_level"), level)).stock["BOOK"].level == 7  # type: ignore[index]


@pytest.mark.holds("C6")
@each("kind", [schema.Product, schema.Variant])
def test_a_number_where_a_product_has_text_is_its_decimal_text(kind: type[Any]) -> None:
    for name in typed(kind, inspect.StrType):
        path: Path = ("variants", 0, name) if kind is schema.Variant else (name,)
        read = schema.read_product(raw(changed(WHOLE, path, 1.50)))
        assert isinstance(read, schema.Product)
        assert getattr(read.variants[0] if kind is schema.Variant else read, name) == "1.5"


@pytest.mark.holds("C6")
@each("tracking", ["", "sku", "Variant"])
def test_a_way_of_counting_that_is_not_documented_takes_no_stock_away(tracking: str) -> None:
    mapped = read_as({**WHOLE, "inventory_tracking": tracking})
    assert isinstance(mapped, Mapped)
    assert (mapped.value, codes(mapped)) == (None, ["field_unreadable"])


def test_beside_text_for_an_amount_the_others_stay_exact() -> None:
    exact = "0.1000000000000000055511151231257827"
    told = json.dumps({**WHOLE, "weight": "2", "price": "?"}).replace('"?"', exact).encode()
    read = schema.read_product(msgspec.Raw(told))
    assert isinstance(read, schema.Product)
    assert (read.price, read.weight) == (Decimal(exact), Decimal(2))


@each("variants", [None, [], {}, "none", [BASE_VARIANT, {**BASE_VARIANT, "product_id": 193}]])
def test_a_product_without_variants_or_with_anothers_is_unreadable(variants: object) -> None:
    read = schema.read_product(msgspec.Raw(msgspec.json.encode({**PRODUCT, "variants": variants})))
    assert isinstance(read, Unreadable)
    assert read.id == 192
