"""Order and customer fields of undocumented types: read if their meaning is clear, else reported."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from daemon.entities import StoreFacts
from daemon.model import ExternalId
from daemon.platforms.bigcommerce.customers import mapping as customer_mapping
from daemon.platforms.bigcommerce.customers import schema as customer_wire
from daemon.platforms.bigcommerce.orders import mapping, schema
from daemon.platforms.shared.rows import Odd, Unreadable
from daemon.sparklayer.client import encode_json
from daemon.sparklayer.customers import CustomerWrite
from daemon.sparklayer.customers import merged as merged_customer
from daemon.sparklayer.purchases import merged
from tests.each import each
from tests.platforms.bigcommerce.fakes import ADDRESS
from tests.platforms.bigcommerce.test_bigcommerce_customer_mapping import CUSTOMER
from tests.platforms.bigcommerce.test_bigcommerce_order_mapping import CART, ORDER, PLACE, SHIRT, mapped, order

pytestmark = pytest.mark.holds("C6")

FACTS = StoreFacts(currency="GBP", weight_unit="KGS")
LINE = {
    **SHIRT,
    "order_address_id": 4,
    "quantity_shipped": 0,
    "quantity_refunded": 0,
    "total_ex_tax": "30.3",
    "total_inc_tax": "36.36",
    "applied_discounts": [{"amount": "1.00"}],
}
FULL_PLACE = dict.fromkeys(("first_name", "last_name", "street_2", "state", "phone"), "x") | PLACE
PART = {**FULL_PLACE, "id": 4, "line_items": [LINE], "shipping_method": "Van"}
FULL_ORDER: dict[str, Any] = {
    **ORDER,
    **dict.fromkeys(mapping.AMOUNTS, "1.0000"),
    "items_total": 3,
    "items_shipped": 0,
    "is_deleted": False,
    "billing_address": FULL_PLACE,
    "consignments": {"shipping": [PART], "pickups": [], "downloads": []},
}
FULL_CUSTOMER: dict[str, Any] = {
    **CUSTOMER,
    "addresses": [ADDRESS],
    "attributes": [{"attribute_id": 1, "attribute_value": "x", "customer_id": 7}],
    "address_count": 1,
    "attribute_count": 1,
}
VALUES: list[Any] = [
    *(None, {}, [], "", " ", "abc", "12", "-5", "NaN", "Infinity", "1e400", "\u200b", "0", True, False, [None]),
    *({"a": None}, -1, 0, 1.5, 3.0, 2**31, 2**53 + 1, 2**64, 10**30, 10**400, 1e308, 5e-324, "9" * 5000, "1e-400"),
]
Path = tuple[str | int, ...]


def paths(node: Any, at: Path = ()) -> list[Path]:
    """Return the path of every field and item."""
    rows = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path for key, one in rows for path in [(*at, key), *paths(one, (*at, key))]]


def changed(whole: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Return a copy with another value at a path."""
    copy: dict[str, Any] = json.loads(json.dumps(whole))
    node: Any = copy
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return copy


def raw(content: dict[str, Any]) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(content).encode())


@each("path", [path for path in paths(FULL_ORDER) if path != ("id",)])
def test_no_value_of_any_field_of_an_order_breaks_anything(path: Path) -> None:
    for value in VALUES:
        read = schema.ORDERS.read(raw(changed(FULL_ORDER, path, value)))
        if isinstance(read, Unreadable):
            assert isinstance(value, dict), "only what must be there, and is not, is asked for again"
            continue
        if isinstance(read, Odd):
            told = mapping.order(read, FACTS)
            assert told.issues
            assert all(f'"{name}"' in issue.message for name, issue in zip(read.fields, told.issues, strict=True))
            continue
        told = mapping.order(mapping.RawOrder(read, CART), FACTS)
        if told.value is not None:
            encode_json(merged(told.value, None))


@each("path", [path for path in paths(FULL_CUSTOMER) if path != ("id",)])
def test_no_value_of_any_field_of_a_customer_breaks_anything(path: Path) -> None:
    for value in VALUES:
        read = customer_wire.read_customer(raw(changed(FULL_CUSTOMER, path, value)))
        if isinstance(read, Unreadable):
            assert isinstance(value, dict) or path[-1] == "customer_id"
            continue
        if isinstance(read, Odd):
            assert customer_mapping.customer(read, FACTS).issues
            continue
        names = {"x": read.attributes[0]} if read.attributes else {}
        told = customer_mapping.RawCustomer(customer=read, addresses=read.addresses, attributes=names, is_b2b=True)
        value_of = customer_mapping.customer(told, FACTS).value
        if value_of is not None:
            encode_json(merged_customer(CustomerWrite(customer=value_of, email=value_of.email), None))


def typed(kind: Any, leaf: type[inspect.Type]) -> list[str]:
    """Return the fields of a struct that allow a type, without unions with a struct."""
    found = []
    for one in inspect.type_info(kind).fields:  # type: ignore[attr-defined]
        options = one.type.types if isinstance(one.type, inspect.UnionType) else (one.type,)
        if any(isinstance(option, leaf) for option in options):
            found.append(one.name)
    return found


@each("name", typed(schema.Order, inspect.StrType))
def test_a_number_where_an_order_has_text_is_its_decimal_text(name: str) -> None:
    for number, text in [(12, "12"), (1.5, "1.5"), (-1, "-1")]:
        read = schema.ORDERS.read(raw({**FULL_ORDER, name: number}))
        assert isinstance(read, schema.Order)
        assert getattr(read, name) == text


@each("name", typed(customer_wire.Customer, inspect.StrType))
def test_a_number_where_a_customer_has_text_is_its_decimal_text(name: str) -> None:
    read = customer_wire.read_customer(raw({**FULL_CUSTOMER, name: 1.50}))
    assert isinstance(read, customer_wire.Customer)
    assert getattr(read, name) == "1.5"


@each("name", typed(schema.Order, inspect.IntType))
def test_text_that_is_a_number_is_that_number_of_an_order(name: str) -> None:
    read = schema.ORDERS.read(raw({**FULL_ORDER, name: "12"}))
    assert isinstance(read, schema.Order)
    assert getattr(read, name) == 12


@each("name", typed(customer_wire.Customer, inspect.IntType))
def test_text_that_is_a_number_is_that_number_of_a_customer(name: str) -> None:
    read = customer_wire.read_customer(raw({**FULL_CUSTOMER, "addresses": [], "attributes": [], name: "12"}))
    assert isinstance(read, customer_wire.Customer)
    assert getattr(read, name) == 12


@each("name", [*typed(schema.Order, inspect.IntType), "is_deleted", "payment_status", "consignments"])
def test_another_type_is_told_of_by_the_field(name: str) -> None:
    if name == "id":
        return
    read = schema.ORDERS.read(raw({**FULL_ORDER, name: ["x"]}))
    assert isinstance(read, Odd)
    told = mapping.order(read, FACTS)
    assert (told.value, [issue.code for issue in told.issues]) == (None, ["field_unreadable"])
    assert f'"{name}"' in told.issues[0].message


NO_AMOUNTS = ["abc", "", "NaN", "Infinity", "1e13", "1e400", "1e-400", "19,99", True, [], ["1"], 10**30]


@each("told", NO_AMOUNTS)
@each("name", mapping.AMOUNTS)
def test_an_amount_of_an_order_that_is_none_is_told_of(name: str, told: Any) -> None:
    changes: dict[str, Any] = {name: told}
    result = mapped(**changes)
    assert (result.value, [issue.code for issue in result.issues]) == (None, ["order_amount_unusable"])
    assert f'"{name}"' in result.issues[0].message


@each("told", NO_AMOUNTS)
@each("name", mapping.LINE_AMOUNTS)
def test_an_amount_of_a_line_that_is_none_is_told_of(name: str, told: Any) -> None:
    result = mapped(lines=[{**LINE, name: told}])
    assert (result.value, [issue.code for issue in result.issues]) == (None, ["order_amount_unusable"])
    assert f'"Shirt: {name}"' in result.issues[0].message


@each("quantity", [-1, 2**31, 10**18])
def test_a_quantity_beyond_reason_is_told_of(quantity: int) -> None:
    result = mapped(lines=[{**LINE, "quantity": quantity}])
    assert (result.value, [issue.code for issue in result.issues]) == (None, ["order_amount_unusable"])


@each("price", mapping.NEEDED)
def test_a_line_needs_a_price(price: tuple[str, str]) -> None:
    result = mapped(lines=[{name: one for name, one in LINE.items() if name not in price}])
    assert [issue.code for issue in result.issues] == ["order_amount_unusable"]


def test_numbers_as_numbers_and_as_text_are_the_same_order() -> None:
    told = json.dumps({**FULL_ORDER, "total_tax": 6.06, "customer_id": "5", "status_id": "11"}).encode()
    read = schema.ORDERS.read(msgspec.Raw(told))
    assert isinstance(read, schema.Order)
    assert (read.total_tax, read.customer_id, read.status_id) == (Decimal("6.06"), 5, 11)
    assert order(customer_id="5").customer == ExternalId("5")
