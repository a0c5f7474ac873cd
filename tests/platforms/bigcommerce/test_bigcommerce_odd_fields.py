"""Every field of a customer and of an order with null, another type, no key, and its value in another spelling.

A table states for each field what becomes of the entity:

    same     it is mapped as ever
    gone     it is mapped without this field, which may be null or missing
    text     a number is used as its decimal text
    again    it is unreadable, so it is requested again, and nothing is written
    address  its address stays as it is in SparkLayer, with an issue, and the rest is mapped
    part     what is listed is requested by itself
    a code   it is not mapped, with this issue, so SparkLayer keeps everything that it has
    -        this cannot be
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from attrs import asdict

from daemon.entities import Mapped
from daemon.issues import IssueType
from daemon.platforms.bigcommerce.customers import mapping as customer_mapping
from daemon.platforms.bigcommerce.customers import schema as customer_schema
from daemon.platforms.bigcommerce.orders import mapping as order_mapping
from daemon.platforms.bigcommerce.orders import schema as order_schema
from daemon.platforms.shared.rows import Odd, Unreadable
from tests.each import each
from tests.platforms.bigcommerce.test_bigcommerce_odd_types import (
    FACTS,
    FULL_CUSTOMER,
    FULL_ORDER,
    Path,
    changed,
    paths,
    raw,
)
from tests.platforms.bigcommerce.test_bigcommerce_order_mapping import CART

pytestmark = pytest.mark.holds("C6")

FIELD, AMOUNT, DATE = "field_unreadable", "order_amount_unusable", "order_date_unusable"
WAYS = ("null", "another type", "missing", "spelled")

Row = tuple[Sequence[str], str]
"""The outcome of each of `WAYS`, and the name of the field in SparkLayer's words."""


def needed(spelled: str, name: str = "") -> Row:
    """Return the row of a field that is always there and never null."""
    return (FIELD, FIELD, "again", spelled), name


def nullable(name: str) -> Row:
    """Return the row of a text that is always there and may be null."""
    return ("gone", FIELD, "again", "text"), name


def optional(spelled: str, name: str = "", without: str = "gone") -> Row:
    """Return the row of a field that may be null or missing."""
    return (without, FIELD, without, spelled), name


def amount(name: str = "", without: str = "gone") -> Row:
    """Return the row of an amount that may be null or missing."""
    return (without, AMOUNT, without, "same"), name


def item(name: str = "") -> Row:
    """Return the row of an item of a list, or of a list that may be missing."""
    return (FIELD, FIELD, "-", "-"), name


ADDRESS = "addresses.61"
CUSTOMER: Mapping[str, Row] = {
    "email": (("email_missing", FIELD, "again", "email_invalid"), "email"),
    "first_name": nullable("first_name"),
    "last_name": nullable("last_name"),
    "company": nullable("company_name"),
    "customer_group_id": needed("same"),
    "addresses": needed("-"),
    "addresses.0": item(),
    "addresses.0.id": needed("same"),
    "addresses.0.customer_id": optional("same", without="same"),
    "addresses.0.first_name": nullable(f"{ADDRESS}.first_name"),
    "addresses.0.last_name": nullable(f"{ADDRESS}.last_name"),
    "addresses.0.company": nullable(f"{ADDRESS}.company"),
    "addresses.0.address1": needed("text", f"{ADDRESS}.address_line1"),
    "addresses.0.address2": (("same", FIELD, "again", "text"), f"{ADDRESS}.address_line2"),
    "addresses.0.city": needed("text", f"{ADDRESS}.city"),
    "addresses.0.state_or_province": nullable(f"{ADDRESS}.region_code"),
    "addresses.0.postal_code": nullable(f"{ADDRESS}.postal_code"),
    "addresses.0.country_code": needed("address", ADDRESS),
    "addresses.0.phone": nullable(f"{ADDRESS}.phone"),
    "attributes": needed("-"),
    "attributes.0": item(),
    "attributes.0.attribute_id": needed("same"),
    "attributes.0.attribute_value": nullable("accounting_id"),
    "attributes.0.customer_id": optional("same", without="same"),
    "address_count": optional("same", without="same"),
    "attribute_count": optional("same", without="same"),
}

PART, LINE = "consignments.shipping.0", "consignments.shipping.0.line_items.0"
PACKAGE, PIECES = "packages.0", "packages.0.lines.0"
PLACE = {
    "first_name": "first_name",
    "last_name": "last_name",
    "street_2": "address_line2",
    "state": "region_code",
    "zip": "postal_code",
    "company": "company",
    "phone": "phone",
}
NEEDED_IN_PLACE = {"street_1": "address_line1", "city": "city", "country_iso2": "country_code"}


def place(field: str, name: str) -> Iterator[tuple[str, Row]]:
    """Yield the rows of an order's address: SparkLayer's stays if it lacks a part that SparkLayer needs."""
    for ours, theirs in PLACE.items():
        yield f"{field}.{ours}", optional("text", f"{name}.{theirs}")
    for ours, theirs in NEEDED_IN_PLACE.items():
        yield f"{field}.{ours}", (("gone", FIELD, "gone", "text"), f"{name}.{theirs}")


ORDER: Mapping[str, Row] = {
    "customer_id": (("gone", FIELD, "again", "same"), "customer"),
    "status_id": needed("same"),
    "default_currency_code": optional("text", "currency", without="same"),
    "date_created": ((DATE, FIELD, DATE, DATE), ""),
    "date_modified": ((DATE, FIELD, DATE, DATE), ""),
    "total_inc_tax": amount(without="same"),
    "total_tax": amount("tax"),
    "payment_status": optional("-", without="same"),
    "items_total": needed("same"),
    "items_shipped": needed("same"),
    "is_deleted": needed("same"),
    "shipping_cost_ex_tax": ((AMOUNT, AMOUNT, AMOUNT, "same"), ""),
    "handling_cost_ex_tax": ((AMOUNT, AMOUNT, AMOUNT, "same"), ""),
    "wrapping_cost_ex_tax": ((AMOUNT, AMOUNT, AMOUNT, "same"), ""),
    "shipping_cost_inc_tax": amount(without="same"),
    "handling_cost_inc_tax": amount(without="same"),
    "wrapping_cost_inc_tax": amount(without="same"),
    "billing_address": optional("-", "billing_address"),
    **dict(place("billing_address", "billing_address")),
    "consignments": (("part", FIELD, "again", "-"), ""),
    "consignments.shipping": ((FIELD, FIELD, "part", "-"), ""),
    "consignments.pickups": ((FIELD, FIELD, "same", "-"), ""),
    "consignments.downloads": ((FIELD, FIELD, "same", "-"), ""),
    PART: item(),
    **dict(place(PART, f"{PACKAGE}.address")),
    f"{PART}.id": optional("same", without="same"),
    f"{PART}.shipping_method": optional("text", f"{PACKAGE}.method"),
    f"{PART}.line_items": (("part", FIELD, "part", "-"), ""),
    LINE: item(),
    f"{LINE}.id": needed("same"),
    f"{LINE}.product_id": optional("same", without="same"),
    f"{LINE}.variant_id": (("same", "same", "same", "same"), ""),
    f"{LINE}.order_address_id": optional("same", without="same"),
    f"{LINE}.sku": optional("text", f"{PIECES}.sku"),
    f"{LINE}.name": optional("text", f"{PIECES}.name"),
    f"{LINE}.quantity": needed("same"),
    f"{LINE}.quantity_shipped": optional("same", without="same"),
    f"{LINE}.quantity_refunded": optional("same", without="same"),
    f"{LINE}.price_ex_tax": amount(without="same"),
    f"{LINE}.price_inc_tax": amount(without="same"),
    f"{LINE}.total_ex_tax": amount(without="same"),
    f"{LINE}.total_inc_tax": amount(without="same"),
    f"{LINE}.product_options": ((FIELD, FIELD, "gone", "-"), f"{PIECES}.options"),
    f"{LINE}.product_options.0": item(),
    f"{LINE}.product_options.0.display_name": optional("text", f"{PIECES}.options"),
    f"{LINE}.product_options.0.display_value": optional("text", f"{PIECES}.options"),
    f"{LINE}.applied_discounts": ((FIELD, FIELD, "gone", "-"), f"{PIECES}.discount"),
    f"{LINE}.applied_discounts.0": item(),
    f"{LINE}.applied_discounts.0.amount": ((AMOUNT, AMOUNT, "again", "same"), "applied_discounts"),
}
"""An order's row that is `gone` from a package changes a purchase only where the store has no value any more."""


def map_customer(content: dict[str, Any]) -> Mapped[Any] | Unreadable:
    read = customer_schema.read_customer(raw(content))
    if isinstance(read, Unreadable):
        return read
    if isinstance(read, Odd):
        return customer_mapping.customer(read, FACTS)
    named = {"accounting_id": read.attributes[0]} if read.attributes else {}
    source = customer_mapping.RawCustomer(customer=read, addresses=read.addresses, attributes=named, is_b2b=True)
    return customer_mapping.customer(source, FACTS)


def map_order(content: dict[str, Any]) -> Mapped[Any] | Unreadable | None:
    """Return the mapping of an order; None if its lines are requested by themselves."""
    read = order_schema.ORDERS.read(raw(content))
    if isinstance(read, Unreadable):
        return read
    if isinstance(read, Odd):
        return order_mapping.order(read, FACTS)
    return order_mapping.order(order_mapping.RawOrder(read, CART), FACTS) if read.parts.is_whole else None


def flat(node: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the fields of a value by their dotted names."""
    rows = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list | tuple) else ()
    for key, part in rows:
        yield from flat(part, f"{at}.{key}" if at else str(key))
    if not isinstance(node, dict | list | tuple) or not node:
        yield at, node


def is_or_below(name: str, field: str) -> bool:
    return name == field or name.startswith(f"{field}.")


def at(node: Any, path: Path) -> Any:
    for key in path:
        node = node[key]
    return node


def variation(whole: dict[str, Any], path: Path, way: str, expected: str) -> dict[str, Any]:
    value = at(whole, path)
    if way == "missing":
        copy: dict[str, Any] = json.loads(json.dumps(whole))
        del at(copy, path[:-1])[path[-1]]
        return copy
    if way == "null":
        return changed(whole, path, None)
    if way == "another type":
        return changed(whole, path, "x" if isinstance(value, list) else ["x"])
    if isinstance(value, str):
        return changed(whole, path, float(value) if expected == "same" else 12)
    return changed(whole, path, str(value).lower())


ENTITIES: Mapping[str, tuple[dict[str, Any], Mapping[str, Row], Any]] = {
    "customer": (FULL_CUSTOMER, CUSTOMER, map_customer),
    "order": (FULL_ORDER, ORDER, map_order),
}


def dotted(path: Path) -> str:
    return ".".join(map(str, path))


@each("entity", [*ENTITIES])
def test_the_tables_have_every_field(entity: str) -> None:
    whole, table, _ = ENTITIES[entity]
    assert table.keys() == {dotted(path) for path in paths(whole)} - {"id"}


CASES = [
    (entity, path, way, word, row[1])
    for entity, (whole, table, _) in ENTITIES.items()
    for path in paths(whole)
    if path != ("id",)
    for row in [table[dotted(path)]]
    for way, word in zip(WAYS, row[0], strict=True)
    if word != "-"
]


@each(("entity", "path", "way", "expected", "name"), CASES)
def test_an_odd_field_has_the_stated_outcome(entity: str, path: Path, way: str, expected: str, name: str) -> None:
    whole, _, read = ENTITIES[entity]
    result = read(variation(whole, path, way, expected))
    if expected in {"again", "part"}:
        assert isinstance(result, Unreadable) if expected == "again" else result is None
        return
    assert isinstance(result, Mapped)
    codes = [issue.code for issue in result.issues]
    if expected.upper() in IssueType.__members__:
        assert (result.value, codes) == (None, [expected]), "SparkLayer keeps what it has"
        fields = {re.sub(r"\.(\d+)", r"[\1]", dotted(path))} if expected == FIELD else {str(path[-1]), name} - {""}
        assert expected.startswith("email") or any(f'{field}"' in result.issues[0].message for field in fields)
        return
    value = result.value
    assert value is not None
    before, now = (dict(flat(asdict(there))) for there in (read(whole).value, value))
    differing = {field for field in before.keys() | now.keys() if before.get(field) != now.get(field)}
    if expected == "same":
        assert (differing, codes) == (set(), [])
    elif expected == "address":
        assert value.unreadable_addresses == ("61",)
        assert codes == ["address_country_unknown"]
    else:
        assert differing, "it has an effect"
        assert codes == (["line_without_product"] if name.endswith(".sku") and expected == "gone" else [])
        place = name.rpartition(".")[0] if path[-1] in NEEDED_IN_PLACE and expected == "gone" else name
        assert all(is_or_below(field, place) or is_or_below(place, field) for field in differing), differing
        assert expected == "gone" or "12" in {now.get(field) for field in differing}
