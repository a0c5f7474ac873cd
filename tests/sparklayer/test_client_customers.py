"""Customer writes: the platform's fields, the fields written back, and the omitted ones."""

import math
from decimal import Decimal
from typing import Any

import httpx
import pytest
from attrs import evolve

from daemon.entities import Address, Credit, Customer
from daemon.errors import Duplicate, Missing, Rejected
from daemon.model import AddressId, ExternalId, Lane
from daemon.sparklayer import CustomerWrite, SparkLayer
from daemon.sparklayer.customers import CREDIT, is_agent, merged, sent
from tests.each import each

HOME = Address(address_line1="1 High Street", city="Bath", country_code="GB", first_name="Jo", postal_code="BA1 1AA")
PLAIN = Customer(
    external_id=ExternalId("7/7"),
    email="jo@shop.test",
    first_name="Jo",
    company_name="Jo's Shop",
    addresses={AddressId("9"): HOME},
)
RICH = evolve(
    PLAIN,
    group="trade",
    accounting_id="ACC-7",
    sales_agent_groups=("north", "south"),
    price_lists=("gold",),
    discount_percentage=Decimal("12.5"),
    payment_on_account=Credit(limit=Decimal("1000.10"), balance=Decimal(0), currency="GBP", net_terms=30),
    parent=ExternalId("3"),
)
SENT_HOME = {
    "external_id": "9",
    "first_name": "Jo",
    "last_name": "",
    "company": "",
    "address_line1": "1 High Street",
    "address_line2": "",
    "city": "Bath",
    "region_code": "",
    "postal_code": "BA1 1AA",
    "country_code": "GB",
    "phone": "",
}
OWNED = {
    "external_id": "7/7",
    "email": "jo@shop.test",
    "first_name": "Jo",
    "last_name": "",
    "company_name": "Jo's Shop",
}
BY_HAND: dict[str, Any] = {
    "title": "Dr",
    "accounting_id": "HAND",
    "status": "active",
    "group": "vip",
    "role": "limited-customer",
    "currency_code": "EUR",
    "sales_agent_groups": ["west"],
    "price_lists": ["silver"],
    "discount_percentage": 3,
    "tax_exempt": True,
    "parent_customer_id": "cu_5",
    "something_new": {"of": "theirs"},
}
HELD: dict[str, Any] = {
    **BY_HAND,
    "id": "cu_1",
    "legacy_id": "cu_0",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-02T00:00:00Z",
    "external_id": "7/7",
    "email": "old@shop.test",
    "first_name": "Old",
    "company_name": None,
    "payment_on_account": {"credit_limit": 50, "balance": 12.5, "currency_code": "EUR", "net_terms": 14},
    "addresses": [
        {"id": "ca_1", "external_id": "9", "address_line1": "Old", "city": "Old", "nickname": "HQ", "mobile": None},
        {"id": "ca_2", "address_line1": "By hand", "city": "Leeds", "country_code": "GB"},
        {"id": "ca_3", "external_id": "erp-1", "address_line1": "ERP", "city": "Hull", "country_code": "GB"},
        {"id": "ca_4", "external_id": "8", "address_line1": "Sold", "city": "York", "country_code": "GB"},
    ],
    "default_billing_address_id": "ca_2",
    "default_shipping_address_id": "ca_4",
    "available_shipping_addresses": ["ca_1", "ca_4"],
}


def write(customer: Customer, **fields: Any) -> CustomerWrite:
    return CustomerWrite(customer=customer, **{"email": customer.email, **fields})


def test_a_new_customer_has_what_the_platform_knows_and_the_group_of_every_site() -> None:
    assert sent(PLAIN) == frozenset()
    assert merged(write(PLAIN), None) == OWNED | {"group": "base", "addresses": [SENT_HOME]}


def test_what_the_platform_does_not_own_is_carried_over_under_its_own_name() -> None:
    content = merged(write(PLAIN), HELD)
    assert {name: content[name] for name in BY_HAND} == BY_HAND
    assert {name: content[name] for name in OWNED} == OWNED, "the platform's own fields are its own"
    assert not content.keys() & {"id", "legacy_id", "created_at", "updated_at"}


def test_the_balance_is_never_written_back() -> None:
    carried = merged(write(PLAIN), HELD)[CREDIT]
    assert carried == {"credit_limit": 50, "currency_code": "EUR", "net_terms": 14}
    own = evolve(PLAIN, payment_on_account=Credit(limit=Decimal(9)))
    assert merged(write(own), HELD)[CREDIT] == carried | {"credit_limit": Decimal(9)}
    assert CREDIT not in merged(write(PLAIN), HELD | {CREDIT: {"balance": 5}})
    told = evolve(PLAIN, payment_on_account=Credit(limit=Decimal(9), balance=Decimal(1)))
    assert merged(write(told), HELD)[CREDIT]["balance"] == Decimal(1), "but where the platform has one"


def test_addresses_that_we_never_sent_stay_and_those_that_vanished_go() -> None:
    addresses = merged(write(PLAIN, vanished=frozenset({AddressId("8")})), HELD)["addresses"]
    assert addresses == [SENT_HOME | {"id": "ca_1", "nickname": "HQ"}, HELD["addresses"][1], HELD["addresses"][2]]


def test_default_addresses_stay_while_they_exist() -> None:
    content = merged(write(PLAIN, vanished=frozenset({AddressId("8")})), HELD)
    assert content["default_billing_address_id"] == "ca_2"
    assert "default_shipping_address_id" not in content
    assert content["available_shipping_addresses"] == ["ca_1"]


def test_what_the_platform_owns_replaces_what_is_held() -> None:
    content = merged(write(RICH), HELD)
    expected = {
        "group": "trade",
        "accounting_id": "ACC-7",
        "sales_agent_groups": ("north", "south"),
        "price_lists": ("gold",),
        "discount_percentage": Decimal("12.5"),
        "parent_customer_id": "3",
        CREDIT: {"credit_limit": Decimal("1000.10"), "balance": 0, "currency_code": "GBP", "net_terms": 30},
    }
    assert {name: content[name] for name in expected} == expected


@each("name", sorted(sent(RICH)))
def test_what_was_sent_last_time_and_is_gone_is_left_out_once(name: str) -> None:
    before = merged(write(RICH), HELD)
    after = merged(write(PLAIN, gone=frozenset({name})), before)
    field, _, part = name.partition(".")
    if part:
        assert part not in after[field]
        assert after[field].keys() | {part, "balance"} == before[field].keys()
    elif field == "group":
        assert after["group"] == "base", "a customer is always in a group"
    else:
        assert field not in after
        assert after.keys() | {field} == before.keys()


def test_a_credit_of_which_everything_was_ours_is_left_out_whole() -> None:
    parts = frozenset(name for name in sent(RICH) if name.startswith(CREDIT))
    assert CREDIT not in merged(write(PLAIN, gone=parts), merged(write(RICH), None))


@each(("role", "agent"), [("sales-agent", True), ("sales-admin", True), ("main", False)])
def test_an_agent_is_told_by_the_role(role: str, *, agent: bool) -> None:
    assert is_agent({"role": role}) is agent
    assert not is_agent({})


async def test_money_and_percentages_are_exact_numbers(sparklayer: SparkLayer, fake: Any) -> None:
    await sparklayer.customers.put(RICH.external_id, merged(write(RICH), None), Lane.LIVE, math.inf)
    content = fake.requests[0].content
    assert b'"discount_percentage":12.5' in content
    assert b'"credit_limit":1000.10,"balance":0,"currency_code":"GBP"' in content


async def test_each_operation_has_its_path_and_ids_are_quoted_in_it(sparklayer: SparkLayer, fake: Any) -> None:
    there = {"id": "cu_1", "email": "Jo+1@shop.test", "addresses": []}
    body = merged(write(PLAIN), None)
    fake.answers = [
        httpx.Response(404, json={"title": "No", "detail": "No"}),
        httpx.Response(201, json=there),
        httpx.Response(200, json=there),
        httpx.Response(200, json=there),
        httpx.Response(200, json=there),
        httpx.Response(204),
    ]
    api = sparklayer.customers
    assert await api.read(PLAIN.external_id, Lane.LIVE) is None
    assert await api.put(PLAIN.external_id, body, Lane.LIVE, math.inf), "it was created"
    assert not await api.put(PLAIN.external_id, body, Lane.BACKFILL, math.inf), "it was replaced"
    assert await api.read_by_email("jo+1@shop.test", Lane.LIVE) == there
    await api.put_by_email("jo@shop.test", body, Lane.LIVE, math.inf)
    await api.delete(PLAIN.external_id, Lane.LIVE)
    assert [(request.method, request.url.raw_path) for request in fake.requests] == [
        ("GET", b"/api/v2/customers/platform/7%2F7"),
        ("PUT", b"/api/v2/customers/platform/7%2F7"),
        ("PUT", b"/api/v2/customers/platform/7%2F7"),
        ("GET", b"/api/v2/customers/email/jo%2B1%40shop.test"),
        ("PUT", b"/api/v2/customers/email/jo%40shop.test"),
        ("DELETE", b"/api/v2/customers/platform/7%2F7"),
    ]


async def test_a_refused_customer_comes_with_sparklayers_words_and_the_fields_that_it_names(
    sparklayer: SparkLayer, fake: Any
) -> None:
    fake.answers = [
        httpx.Response(400, json={"title": "No", "errors": [{"property": "group", "message": "is unknown"}]})
    ]
    with pytest.raises(Rejected, match="group: is unknown") as refusal:
        await sparklayer.customers.put(PLAIN.external_id, merged(write(PLAIN), None), Lane.LIVE, math.inf)
    assert refusal.value.properties == {"group"}


async def test_a_conflict_is_a_duplicate_whatever_its_words(sparklayer: SparkLayer, fake: Any) -> None:
    fake.answers = [
        httpx.Response(409, json={"title": "No", "detail": "No"}),
        httpx.Response(409, json={"title": "No", "detail": "email"}),
        httpx.Response(404, json={"title": "No", "detail": "No"}),
    ]
    for _ in range(2):
        with pytest.raises(Duplicate):
            await sparklayer.customers.put(PLAIN.external_id, merged(write(PLAIN), None), Lane.LIVE, math.inf)
    with pytest.raises(Missing):
        await sparklayer.customers.delete(ExternalId("7"), Lane.LIVE)
