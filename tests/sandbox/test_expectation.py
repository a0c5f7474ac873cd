"""The expected state of a site is worked out correctly, and every difference is reported."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from daemon.sandbox import Store, adventureworks, company
from daemon.sandbox.expectation import (
    attribute_differences,
    customer_differences,
    expected_customers,
    expected_orders,
    order_differences,
)
from daemon.sandbox.expectation.attributes import expected_rules
from daemon.sandbox.samples import trade_customers, trade_orders
from tests.each import each

CART = "4217ba4f-7618-4e3b-b1af-9055639b18d1"

ANN: dict[str, Any] = {
    "email": "ann@example.com",
    "first_name": "Ann",
    "last_name": "",
    "company_name": "A Ltd",
    "group": "gold",
    "status": "active",
    "sales_agent_groups": ["east", "north"],
    "price_lists": [],
    "discount_percentage": 12.5,
    "payment_on_account": {"credit_limit": 800, "balance": "1.50", "currency_code": "USD"},
    "addresses": {"1": {"address_line1": "1 Road", "city": "Ulm", "country_code": "DE", "region_code": ""}},
}


def trade() -> Store:
    store = Store()
    for name in ("Trade", "Guests"):
        store.customers.add_group(name, guests=name == "Guests")
    road = {"address1": "1 Road", "city": "Ulm", "country_code": "DE"}
    attributes = {
        "SparkLayer Group": "gold",
        "sales-agent-groups": "north, east,",
        "discount percentage": "12.50",
        "Payment_On_Account": '{"credit_limit": 800.0, "balance": 1.5}',
        "price_lists": " ",
    }
    store.customers.add(
        "ann@example.com", first_name="Ann", company="A Ltd", group_id=1, addresses=[road], attributes=attributes
    )
    return store


def test_a_customer_who_is_the_same_is_no_difference() -> None:
    assert customer_differences(trade(), {"1": ANN}) == []


@each(
    ("field", "value"),
    [
        ("email", "bob@example.com"),
        ("group", "base"),
        ("sales_agent_groups", ["north"]),
        ("price_lists", ["x"]),
        ("discount_percentage", 12),
        ("payment_on_account", {"credit_limit": 800, "balance": 1.5, "currency_code": "EUR"}),
        ("accounting_id", "A-1"),
        ("parent_customer_id", "7"),
        ("addresses", {}),
        ("addresses", {"1": ANN["addresses"]["1"] | {"city": "Bonn"}}),
    ],
)
def test_every_field_of_a_customer_counts(field: str, value: Any) -> None:
    (line,) = customer_differences(trade(), {"1": ANN | {field: value}})
    assert line.startswith(f"customer 1 {field}")


def test_what_comes_to_nothing_is_not_there() -> None:
    store = trade()
    for name in ("Payment_On_Account", "discount percentage", "sales-agent-groups"):
        store.customers.set_attribute(1, name, None)
    cleared = {"discount_percentage": 0, "payment_on_account": {"credit_limit": 0, "balance": 0}, "accounting_id": ""}
    assert customer_differences(store, {"1": ANN | cleared | {"sales_agent_groups": []}}) == []
    store.customers.set_attribute(1, "sales-agent-groups", '["west"]')
    store.customers.set_attribute(1, "company name", "A Group")
    wanted = expected_customers(store)["1"]
    assert (wanted["sales_agent_groups"], wanted["company_name"]) == (["west"], "A Group")
    store.customers.update(1, first_name=" Ann ")
    assert expected_customers(store)["1"]["first_name"] == "Ann"


def test_customers_too_many_and_too_few_are_differences() -> None:
    assert len(customer_differences(trade(), {"1": ANN, "2": ANN})) == 1
    assert len(customer_differences(trade(), {})) == 1


def test_a_group_makes_a_b2b_customer_and_may_have_another_name() -> None:
    store = trade()
    store.customers.set_attribute(1, "SparkLayer Group", None)
    store.customers.add("guest@example.com", group_id=2)
    store.customers.add("nobody@example.com")
    assert expected_customers(store).keys() == {"1"}
    assert expected_customers(store)["1"]["group"] == "base"
    assert expected_customers(store, names={1: "vip"})["1"]["group"] == "vip"
    assert expected_customers(store, groups=[2]).keys() == {"2"}


def test_a_circle_of_parents_is_broken_at_its_lowest_id() -> None:
    store = trade()
    people = [store.customers.add(f"c{number}@example.com", group_id=1) for number in range(10)]
    second, tenth, below, alone = people[0], people[-1], people[1], people[2]
    for child, parent in ((second, tenth), (tenth, second), (below, tenth), (alone, alone)):
        store.customers.set_attribute(child, "parent_customer_id", str(parent))
    found = {int(key): one.get("parent_customer_id") for key, one in expected_customers(store).items()}
    assert (found[second], found[tenth], found[below], found[alone]) == (None, str(second), str(tenth), None)


def test_what_the_sample_company_must_have() -> None:
    customers = expected_customers(adventureworks(), groups=[company.WHOLESALE])
    assert len(customers) == 700
    assert str(trade_customers.BAD_EMAIL) not in customers
    assert len(customers[str(trade_customers.MANY_ADDRESSES)]["addresses"]) == 14
    assert len(customers[str(trade_customers.NO_STREET)]["addresses"]) == 1
    assert customers[str(trade_customers.MANY_ATTRIBUTES)]["group"] == "gold"
    assert customers[str(trade_customers.PARENTS_CHILD)]["parent_customer_id"] == str(trade_customers.RICH)
    assert "payment_on_account" not in customers[str(trade_customers.BAD_PAYMENT)]
    rich = customers[str(trade_customers.RICH)]
    assert rich["payment_on_account"] == {"limit": Decimal(25000), "balance": Decimal("1250.5"), "currency": "USD"}
    assert (rich["price_lists"], rich["sales_agent_groups"]) == (["spring", "trade-usd"], ["east", "north"])


PLACED = "2026-01-01T00:00:00Z"


def ordered() -> Store:
    store = Store(clock=datetime.fromisoformat(PLACED).timestamp)
    store.add_product("Mug", price=7.5, variants=[{"sku": "MUG"}])
    store.orders.place(0, [{"sku": "MUG", "quantity": 4, "discount": 3}], cart_id=CART, tax_rate="0.2", shipping=5)
    store.orders.place(0, [{"sku": "MUG"}])
    return store


def money(number: str, times: int = 1, currency: str = "USD") -> dict[str, str]:
    return {"number": str(Decimal(number) * times), "currency": currency}


def package(kind: str, sku: str, quantity: int, gross: str, *numbers: str, currency: str = "USD") -> dict[str, Any]:
    total = {"total_net": money("7.5", quantity, currency), "total_gross": money(gross, 1, currency)}
    line = {
        "identifiers": {"sku": sku},
        "name_parent": "Mug",
        "quantity": quantity,
        "line_total": total | {"discount_net": money("0.75", quantity, currency)},
    }
    return {
        "type": kind,
        "line_items": [line],
        "shipments": [{"carrier": "ups", "tracking_number": n} for n in numbers],
    }


def purchase(*packages: dict[str, Any], platform: str = "101") -> dict[str, Any]:
    """Return the body of a purchase of the order that `ordered` has."""
    transport = {"name": "Flat", "line_total": {"total_net": money("5.00"), "total_gross": money("6.00")}}
    packages[0]["shipping_method"] = transport
    return {
        "type": "order",
        "purchase_identifiers": {"platform": platform},
        "currency_code": "USD",
        "dates": {"placed_at": PLACED},
        "packages": list(packages),
    }


def test_an_order_that_is_the_same_is_no_difference_however_it_is_packed() -> None:
    store = ordered()
    assert order_differences(store, {CART: purchase(package("incoming", "MUG", 4, "36"))}) == []
    halves = [package("processing", "MUG", 3, "27"), package("incoming", "MUG", 1, "9")]
    assert order_differences(store, {CART: purchase(*halves)}) == []


@each(
    ("body", "part"),
    [
        (purchase(package("shipped", "MUG", 4, "36")), "pieces open"),
        (purchase(package("incoming", "MUG", 3, "27")), "pieces open MUG"),
        (purchase(package("incoming", "CUP", 4, "36")), "pieces open CUP"),
        (purchase(package("incoming", "MUG", 4, "36.01")), "tax"),
        (purchase(package("incoming", "MUG", 4, "36", currency="EUR")), "currency"),
        (purchase(package("incoming", "MUG", 4, "36") | {"shipping_address": {"city": "Bath"}}), "places"),
        (purchase(package("incoming", "MUG", 4, "36")) | {"total_paid": money("1")}, "paid"),
        (purchase(package("incoming", "MUG", 4, "36")) | {"billing_address": {"city": "Bath"}}, "billed in"),
        (purchase(package("incoming", "MUG", 4, "36")) | {"dates": {"placed_at": "2026-01-02T00:00:00Z"}}, "placed"),
        (purchase(package("incoming", "MUG", 4, "36"), platform="102"), "platform"),
        (purchase(package("incoming", "MUG", 4, "36")) | {"type": "order_unconfirmed"}, "type"),
    ],
)
def test_what_an_order_is_otherwise_is_told(body: dict[str, Any], part: str) -> None:
    assert any(line.startswith(f"purchase {CART} {part}") for line in order_differences(ordered(), {CART: body}))


def test_pieces_follow_what_becomes_of_them() -> None:
    store = ordered()
    (line,) = store.orders.get(101).lines
    store.orders.ship(101, {line: 3}, carrier="ups", tracking_number="1Z")
    parts = package("shipped", "MUG", 3, "27", "1Z"), package("incoming", "MUG", 1, "9")
    assert order_differences(store, {CART: purchase(*parts)}) == []
    assert len(order_differences(store, {CART: purchase(package("shipped", "MUG", 3, "27"), parts[1])})) == 1

    store.orders.cancel(101)
    parts[1]["type"] = "cancelled"
    assert order_differences(store, {CART: purchase(*parts)}) == []

    store.orders.refund(101, line, 4)
    assert order_differences(store, {CART: purchase(package("returned", "MUG", 4, "36"))}) == []


def test_only_orders_from_a_cart_are_purchases() -> None:
    store = ordered()
    body = purchase(package("incoming", "MUG", 4, "36"))
    stranger = "00000000-0000-4000-8000-000000000001"
    assert len(order_differences(store, {CART: body, stranger: body})) == 1
    assert order_differences(store, {CART: body, stranger: body | {"type": "cart"}}) == []
    assert len(order_differences(store, {})) == 1
    store.orders.set_staff_notes(102, f"Call first. {trade_orders.NOTE}{stranger}")
    assert expected_orders(store).keys() == {CART}
    assert expected_orders(store, in_notes=True).keys() == {CART, stranger}
    store.metafields.set("order", 102, "cart_id", "not a cart")
    assert expected_orders(store, in_notes=True).keys() == {CART}


@each("become", [lambda store: store.orders.archive(101), lambda store: store.orders.set_status(101, 0)])
def test_the_purchase_of_an_order_that_is_none_is_cancelled_or_gone(become: Callable[[Store], None]) -> None:
    store = ordered()
    become(store)
    assert order_differences(store, {}) == []
    assert order_differences(store, {CART: purchase(package("cancelled", "MUG", 4, "36"))}) == []
    assert len(order_differences(store, {CART: purchase(package("incoming", "MUG", 4, "36"))})) == 2


def test_the_sample_company_has_twelve_purchases_and_one_in_the_notes() -> None:
    assert len(expected_orders(adventureworks())) == trade_orders.WITH_CART
    wanted = expected_orders(adventureworks(), in_notes=True)
    assert len(wanted) == trade_orders.WITH_CART + 1
    fates = {fate for purchase in wanted.values() for fate in purchase["pieces"]}
    assert fates == {"open", "shipped", "returned", "cancelled"}
    assert [number for _, number, _ in wanted[trade_orders.cart_id(104)]["parcels"]] == ["JD", "1Z"], (
        "by their carriers"
    )
    rich = wanted[trade_orders.cart_id(109)]
    assert rich["net"] + rich["tax"] - rich["discount"] == Decimal("5068.35")


@each(("parts_of", "paid"), [(0, "39"), (1, "30.75"), (4, "0")])
def test_what_came_back_is_paid_back(parts_of: int, paid: str) -> None:
    """Four mugs at 9 with tax, less 3 for all of them, and 6 for transport."""
    store = ordered()
    order = store.orders.get(101)
    order.payment_status = "captured"
    if parts_of:
        store.orders.refund(101, next(iter(order.lines)), parts_of)
    assert expected_orders(store)[CART]["paid"] == Decimal(paid)


RULES = [{"customer_group": "base", "pack_size": 6, "min_order_quantity": None}]


@pytest.mark.parametrize(
    ("change", "level", "differs"),
    [
        ({}, {}, ""),
        ({"rrp": [{"currency_code": "USD", "price": 12}]}, {}, "variant 2 rrp"),
        ({"settings": []}, {}, "variant 2 settings"),
        ({}, {"restock_date": "2027-01-16"}, "stock of MUG restock_date"),
        ({}, {"min_stock_level": 0}, "stock of MUG min_stock_level"),
    ],
)
async def test_attributes_that_differ_are_told(harness: Any, change: Any, level: Any, differs: str) -> None:
    variant = {"external_id": "2", "sku": "MUG", "rrp": [{"currency_code": "USD", "price": 9.5}], "settings": RULES}
    product = {"title": "Mug", "slug": "mug", "external_id": "1", "variants": [variant | change]}
    stock = {"sku": "MUG", "stock_level": 0, "restock_date": "2027-01-15", "min_stock_level": -5}
    async with harness(ruled()) as running:
        (place,) = (await running.site("GET", "/api/v1/stock-locations")).json()
        assert (await running.site("POST", "/api/v1/products", product)).status_code == 200
        levels = [stock | {"stock_location_id": place["id"]} | level]
        assert (await running.site("POST", "/api/v1/batch-update-stock", levels)).status_code == 204
        told = attribute_differences(running.store, running.sandbox.sparklayer.state)
    assert len(told) == bool(differs)
    assert all(line.startswith(differs) for line in told)


def ruled() -> Store:
    store = Store()
    product = store.add_product("Mug", variants=[{"sku": "MUG"}])
    variant = store.by_sku("MUG").id
    store.metafields.set("product", product, "rrp", "12")
    store.metafields.set("variant", variant, "rrp", "9.50")
    store.metafields.set("product", product, "pack_size", "6")
    store.metafields.set("product", product, "min_order_quantity", "a dozen")
    store.metafields.set("variant", variant, "restock_date", "2027-01-15")
    store.metafields.set("variant", variant, "min_stock_level", "-5")
    return store


def test_settings_go_before_single_keys_and_a_retail_price_stands_in() -> None:
    store = ruled()
    (variant,) = store.entry(1).variants
    gold = {"gold": {"sell": False}}
    for text in ('[{"customer_group": "gold", "sell": false}]', '{"gold": {"sell": false}}'):
        store.metafields.set("variant", variant.id, "settings", text)
        assert expected_rules(store, variant)["settings"] == gold
    for text in ("{not json", '[{"sell": false}]', "5"):
        store.metafields.set("variant", variant.id, "settings", text)
        assert expected_rules(store, variant)["settings"] == {"base": {"pack_size": 6}}
    store.metafields.set("variant", variant.id, "rrp", "ask")
    assert expected_rules(store, variant)["rrp"] == {}
    variant.retail_price = 20
    assert expected_rules(store, variant)["rrp"] == {"USD": Decimal(20)}
    store.metafields.set("variant", variant.id, "rrp", "0")
    assert expected_rules(store, variant)["rrp"] == {}
