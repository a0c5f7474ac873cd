"""Customers as they are sent: what is said, what is left out, and what is emptied."""

from decimal import Decimal
from typing import Any

import httpx
import pytest
import trio.testing
from attrs import evolve

from daemon.errors import Duplicate, Missing, Rejected, Retry
from daemon.model import Address, AddressId, Credit, Customer, ExternalId, Lane
from daemon.sparklayer import CustomerWrite, SparkLayer
from daemon.sparklayer.customers import OPTIONAL, body, sent

HOME = Address(address_line1="1 High Street", city="Bath", country_code="GB", first_name="Jo", postal_code="BA1 1AA")
PLAIN = Customer(
    external_id=ExternalId("7/7"),
    email="jo@shop.test",
    first_name="Jo",
    company_name="Jo's Shop",
    addresses={AddressId("9"): HOME},
    group="trade",
)
RICH = evolve(
    PLAIN,
    accounting_id="ACC-7",
    sales_agent_groups=("north", "south"),
    price_lists=("gold",),
    discount_percentage=Decimal("12.5"),
    payment_on_account=Credit(limit=Decimal("1000.10"), balance=Decimal(0), currency="GBP"),
    parent=ExternalId("3"),
)


def write(customer: Customer, *cleared: str) -> CustomerWrite:
    return CustomerWrite(customer=customer, email=customer.email, cleared=frozenset(cleared))


def test_a_customer_without_extras_is_sent_without_them_but_with_all_its_addresses() -> None:
    assert sent(PLAIN) == frozenset()
    assert body(write(PLAIN)) == {
        "external_id": "7/7",
        "email": "jo@shop.test",
        "first_name": "Jo",
        "last_name": "",
        "company_name": "Jo's Shop",
        "group": "trade",
        "addresses": [
            {
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
        ],
    }


async def test_money_and_percentages_are_exact_numbers(sparklayer: SparkLayer, fake: Any) -> None:
    await sparklayer.customers.create(write(RICH), Lane.LIVE)
    assert sent(RICH) == OPTIONAL | {"payment_on_account.balance"}
    content = fake.requests[0].content
    assert b'"discount_percentage":12.5' in content
    assert b'"credit_limit":1000.10,"balance":0,"currency_code":"GBP"' in content
    (sent_body,) = fake.bodies()
    assert (sent_body["sales_agent_groups"], sent_body["parent_customer_id"]) == (["north", "south"], "3")


def test_a_credit_says_nothing_of_what_is_not_known() -> None:
    known = evolve(PLAIN, payment_on_account=Credit(limit=Decimal(5)))
    assert body(write(known))["payment_on_account"] == {"credit_limit": Decimal(5)}
    terms = evolve(PLAIN, payment_on_account=Credit(limit=Decimal(5), net_terms=30))
    assert body(write(terms))["payment_on_account"] == {"credit_limit": Decimal(5), "net_terms": 30}


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("accounting_id", ""),
        ("sales_agent_groups", []),
        ("price_lists", []),
        ("discount_percentage", 0),
        ("payment_on_account", {"credit_limit": 0, "balance": 0}),
        ("parent_customer_id", ""),
    ],
)
async def test_a_field_that_was_sent_once_is_sent_empty_when_it_is_gone(
    sparklayer: SparkLayer, fake: Any, name: str, empty: Any
) -> None:
    await sparklayer.customers.update(write(PLAIN, name), Lane.LIVE)
    (sent_body,) = fake.bodies()
    assert {field: value for field, value in sent_body.items() if field in OPTIONAL} == {name: empty}


def test_a_part_of_a_credit_that_was_sent_once_is_sent_empty_when_it_is_gone() -> None:
    parts = sent(evolve(PLAIN, payment_on_account=Credit(limit=Decimal(5), balance=Decimal(1), net_terms=30)))
    assert parts == {"payment_on_account", "payment_on_account.balance", "payment_on_account.net_terms"}
    nothing = {"balance": 0, "net_terms": 0}
    less = evolve(PLAIN, payment_on_account=Credit(limit=Decimal(5)))
    assert body(write(less, *(parts - sent(less))))["payment_on_account"] == {"credit_limit": Decimal(5)} | nothing
    assert body(write(PLAIN, *parts))["payment_on_account"] == {"credit_limit": 0} | nothing


async def test_what_is_there_is_stronger_than_what_is_to_be_emptied(sparklayer: SparkLayer, fake: Any) -> None:
    await sparklayer.customers.update(write(RICH, *OPTIONAL), Lane.LIVE)
    (sent_body,) = fake.bodies()
    assert (sent_body["accounting_id"], sent_body["price_lists"]) == ("ACC-7", ["gold"])


async def test_the_email_that_is_sent_may_be_a_placeholder(sparklayer: SparkLayer, fake: Any) -> None:
    placeholder = "freed-7@ignite-sync.invalid"
    await sparklayer.customers.update(CustomerWrite(customer=PLAIN, email=placeholder), Lane.LIVE)
    assert fake.bodies()[0]["email"] == placeholder


async def test_each_operation_has_its_path_and_ids_are_quoted_in_it(sparklayer: SparkLayer, fake: Any) -> None:
    written = httpx.Response(200, json={"external_id": "7/7"})
    addresses = httpx.Response(200, json=[{"external_id": "9"}, {"id": "pa_1"}])
    fake.answers = [written, written, httpx.Response(204), httpx.Response(204), addresses]
    await sparklayer.customers.create(write(PLAIN), Lane.LIVE)
    await sparklayer.customers.update(write(PLAIN), Lane.BACKFILL)
    await sparklayer.customers.delete_address(ExternalId("7/7"), AddressId("a b"), Lane.LIVE)
    await sparklayer.customers.delete(ExternalId("7/7"), Lane.LIVE)
    assert await sparklayer.customers.addresses_of(ExternalId("7/7"), Lane.LIVE) == [AddressId("9")]
    assert [(request.method, request.url.raw_path) for request in fake.requests] == [
        ("POST", b"/api/v1/customers"),
        ("PATCH", b"/api/v1/customers/7%2F7"),
        ("DELETE", b"/api/v1/customers/7%2F7/addresses/a%20b"),
        ("DELETE", b"/api/v1/customers/7%2F7"),
        ("GET", b"/api/v1/customers/7%2F7/addresses"),
    ]


async def test_a_taken_email_is_a_duplicate_and_what_is_not_there_missing(sparklayer: SparkLayer, fake: Any) -> None:
    taken = httpx.Response(409, json={"detail": "email jo@shop.test is already taken"})
    fake.answers = [taken, httpx.Response(404), httpx.Response(404), httpx.Response(404)]
    with pytest.raises(Duplicate):
        await sparklayer.customers.create(write(PLAIN), Lane.LIVE)
    with pytest.raises(Missing):
        await sparklayer.customers.update(write(PLAIN), Lane.LIVE)
    with pytest.raises(Missing):
        await sparklayer.customers.delete(ExternalId("7"), Lane.LIVE)
    with pytest.raises(Missing):
        await sparklayer.customers.delete_address(ExternalId("7"), AddressId("9"), Lane.LIVE)


async def test_a_conflict_that_names_no_duplicate_is_tried_again(
    sparklayer: SparkLayer, fake: Any, autojump_clock: trio.testing.MockClock
) -> None:
    fake.answers = [httpx.Response(409)] * 4
    await sparklayer.customers.update(write(PLAIN), Lane.LIVE)
    fake.answers = [httpx.Response(409)] * 5
    with pytest.raises(Retry) as failure:
        await sparklayer.customers.update(write(PLAIN), Lane.LIVE)
    assert failure.value.reason == "conflict"


async def test_a_refused_customer_comes_with_sparklayers_words(sparklayer: SparkLayer, fake: Any) -> None:
    fake.answers = [httpx.Response(422, json={"errors": [{"property": "group", "message": "is unknown"}]})]
    with pytest.raises(Rejected, match="group: is unknown"):
        await sparklayer.customers.update(write(PLAIN), Lane.LIVE)
