"""The SparkLayer customer of a BigCommerce customer, row by row."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.entities import Address, Credit, Customer, Mapped, StoreFacts
from daemon.model import AddressId, ExternalId
from daemon.platforms.bigcommerce.customers import mapping, schema
from tests.each import each
from tests.platforms.bigcommerce.fakes import ADDRESS

FACTS = StoreFacts(currency="GBP", weight_unit="KGS", url="https://store-abc.mybigcommerce.com")
CUSTOMER: dict[str, Any] = {
    "id": 7,
    "email": "ada@example.com",
    "first_name": "Ada",
    "last_name": "Byron",
    "company": "Engines Ltd",
    "customer_group_id": 3,
    "addresses": [],
    "attributes": [],
}


def mapped(attributes: dict[str, str] | None = None, *, is_b2b: bool = True, **changes: Any) -> Mapped[Customer]:
    raw = schema.read_customer(msgspec.Raw(msgspec.json.encode({**CUSTOMER, **changes})))
    assert isinstance(raw, schema.Customer), raw
    values = {name: schema.Attribute(0, value) for name, value in (attributes or {}).items()}
    told = mapping.RawCustomer(
        customer=raw,
        is_b2b=is_b2b,
        addresses=raw.addresses or (),
        attributes=values,
        group={3: "vip", 5: "gold"}.get(raw.customer_group_id or 0),
    )
    return mapping.customer(told, FACTS)


def customer(attributes: dict[str, str] | None = None, **changes: Any) -> Customer:
    value = mapped(attributes, **changes).value
    assert value is not None
    return value


def codes(result: Mapped[Customer]) -> list[str]:
    return [issue.code for issue in result.issues]


def test_a_customer_with_an_address() -> None:
    result = mapped(addresses=[ADDRESS])
    assert result.issues == ()
    assert (result.name, result.url) == (
        "Engines Ltd",
        "https://store-abc.mybigcommerce.com/manage/customers/7/edit",
    )
    assert result.value == Customer(
        external_id=ExternalId("7"),
        email="ada@example.com",
        first_name="Ada",
        last_name="Byron",
        company_name="Engines Ltd",
        group="vip",
        addresses={
            AddressId("61"): Address(
                address_line1="12 St James's Square",
                city="London",
                country_code="GB",
                first_name="Ada",
                last_name="Byron",
                company="Engines Ltd",
                region_code="Greater London",
                postal_code="SW1Y 4JH",
                phone="020",
            )
        },
    )


def test_who_is_not_b2b_is_nothing_and_no_problem() -> None:
    result = mapped(is_b2b=False, email="", addresses=[{**ADDRESS, "city": ""}])
    assert (result.value, result.issues) == (None, ())


@each(
    ("company", "first", "last", "name"),
    [
        ("Engines", "Ada", "Byron", "Engines"),
        ("", "Ada", "Byron", "Ada Byron"),
        (None, None, "Byron", "Byron"),
        ("", "", "", "ada@example.com"),
    ],
)
def test_what_a_person_calls_the_customer(company: str | None, first: str | None, last: str, name: str) -> None:
    assert mapped(company=company, first_name=first, last_name=last).name == name


@each(
    ("email", "code"),
    [
        ("", "email_missing"),
        (None, "email_missing"),
        ("  ", "email_missing"),
        ("ada", "email_invalid"),
        ("ada@example", "email_invalid"),
        ("ada@@example.com", "email_invalid"),
        ("a da@example.com", "email_invalid"),
        ("ada@example..com", "email_invalid"),
    ],
)
def test_without_an_email_the_customer_cannot_be_told(email: str | None, code: str) -> None:
    result = mapped(email=email)
    assert (result.value, codes(result)) == (None, [code])
    assert result.name == "Engines Ltd"


def test_an_email_is_taken_as_it_is() -> None:
    assert customer(email=" Ada.B+x@mail.Example.co.uk ").email == "Ada.B+x@mail.Example.co.uk"


@each(
    ("changes", "expected"),
    [
        ({"address1": " "}, ["address_line_1_empty"]),
        ({"city": ""}, ["address_city_empty"]),
        ({"country_code": ""}, ["address_country_empty"]),
        ({"country_code": "UK"}, ["address_country_unknown"]),
        ({"country_code": "GBR"}, ["address_country_unknown"]),
        ({"address1": "", "city": "", "country_code": "??"}, ["address_line_1_empty", "address_city_empty"]),
    ],
)
def test_an_address_that_sparklayer_cannot_have_is_left_out(changes: dict[str, Any], expected: list[str]) -> None:
    result = mapped(addresses=[{**ADDRESS, **changes}, {**ADDRESS, "id": 62}])
    assert codes(result)[: len(expected)] == expected
    assert all("61" in issue.message for issue in result.issues)
    assert result.value is not None
    assert (list(result.value.addresses), result.value.unreadable_addresses) == (["62"], ("61",))


@each("group", [None, "", "  "])
def test_the_group_is_the_attributes_or_the_mappings_or_not_the_stores(group: str | None) -> None:
    attributes = {} if group is None else {"group": group}
    assert customer(attributes, customer_group_id=5).group == "gold"
    assert customer(attributes, customer_group_id=6).group is None
    assert customer({"group": " wholesale "}, customer_group_id=5).group == "wholesale"


@each(
    "name", ["accounting_id", "Accounting ID", "accounting-id", "SparkLayer Accounting Id", "sparklayer_accounting_id"]
)
def test_an_attribute_is_known_by_its_name_however_it_is_written(name: str) -> None:
    assert customer({name: "A-1"}).accounting_id == "A-1"


def test_of_two_that_come_to_the_same_the_prefixed_one_holds() -> None:
    assert customer({"sparklayer_group": "a", "Group": "b"}).group == "a"
    assert customer({"Group": "b", "sparklayer_group": " "}).group == "b"


@each(
    ("name", "text", "field", "value"),
    [
        ("company_name", "Analytical Ltd", "company_name", "Analytical Ltd"),
        ("sales_agent_groups", "north, south ,, north", "sales_agent_groups", ("north", "south")),
        ("price_lists", '["a, b", "c"]', "price_lists", ("a, b", "c")),
        ("price_lists", "[]", "price_lists", ()),
        ("discount_percentage", "12.50", "discount_percentage", Decimal("12.5")),
        ("discount_percentage", "0", "discount_percentage", Decimal(0)),
        ("discount_percentage", "100", "discount_percentage", Decimal(100)),
        ("parent_customer_id", " 0042 ", "parent", "42"),
        (
            "payment_on_account",
            '{"credit_limit": 5000.10, "balance": "-3", "currency_code": "gbp", "net_terms": 30}',
            "payment_on_account",
            Credit(limit=Decimal("5000.10"), balance=Decimal(-3), currency="GBP", net_terms=30),
        ),
        ("payment_on_account", '{"credit_limit": "100"}', "payment_on_account", Credit(limit=Decimal(100))),
        (
            "payment_on_account",
            '{"credit_limit": 1, "net_terms": "0"}',
            "payment_on_account",
            Credit(limit=Decimal(1), net_terms=0),
        ),
    ],
)
def test_attribute(name: str, text: str, field: str, value: Any) -> None:
    result = mapped({name: text})
    assert result.issues == ()
    assert getattr(result.value, field) == value


@each(
    ("name", "text", "field", "nothing"),
    [
        ("price_lists", '["a", 7]', "price_lists", ()),
        ("sales_agent_groups", "[", "sales_agent_groups", ()),
        ("discount_percentage", "ten", "discount_percentage", None),
        ("discount_percentage", "100.01", "discount_percentage", None),
        ("discount_percentage", "-1", "discount_percentage", None),
        ("discount_percentage", "NaN", "discount_percentage", None),
        ("payment_on_account", "5000", "payment_on_account", None),
        ("payment_on_account", "{}", "payment_on_account", None),
        ("discount_percentage", "1_0", "discount_percentage", None),
        ("discount_percentage", "\u0661\u0662", "discount_percentage", None),
        ("payment_on_account", '{"credit_limit": "1_000"}', "payment_on_account", None),
        ("payment_on_account", '{"credit_limit": "\u0661"}', "payment_on_account", None),
        ("payment_on_account", '{"credit_limit": 1, "balance": "1_0"}', "payment_on_account", None),
        ("payment_on_account", '{"credit_limit": 1, "net_terms": "3_0"}', "payment_on_account", None),
        ("payment_on_account", '{"credit_limit": 1, "net_terms": 1.5}', "payment_on_account", None),
        ("payment_on_account", '{"credit_limit": true}', "payment_on_account", None),
        ("payment_on_account", '{"balance": 1}', "payment_on_account", None),
        ("payment_on_account", '{"credit_limit": "lots"}', "payment_on_account", None),
        ("payment_on_account", '{"credit_limit": "Infinity"}', "payment_on_account", None),
        ("payment_on_account", '{"credit_limit": -1}', "payment_on_account", None),
        ("payment_on_account", '{"credit_limit": 1, "currency_code": "Pounds"}', "payment_on_account", None),
        ("payment_on_account", '{"credit_limit": 1, "net_terms": -1}', "payment_on_account", None),
        ("payment_on_account", '{"credit_limit": 1, "net_terms": "a month"}', "payment_on_account", None),
        ("payment_on_account", "[" * 10_000, "payment_on_account", None),
        ("payment_on_account", '{"x": ' + "[" * 10_000, "payment_on_account", None),
    ],
)
def test_an_attribute_that_cannot_be_read_is_listed(name: str, text: str, field: str, nothing: Any) -> None:
    result = mapped({name: text, "accounting_id": "A-1"})
    assert codes(result) == ["attribute_unreadable"]
    assert name in result.issues[0].message
    assert result.value is not None
    assert getattr(result.value, field) == nothing
    assert (result.value.accounting_id, result.value.unreadable) == ("A-1", (name,))


@pytest.mark.holds("C5")
@each(
    "parent",
    [
        "ada@example.com",
        "0",
        "-1",
        "1.5",
        "1_2",
        "\u0661\u0662",
        "9" * 5000,
        "2147483648",
        "9" * 19,
        "1234567890123456789012",
        "9" * 4000,
    ],
)
def test_a_parent_that_cannot_be_a_customer_is_told_of_by_its_id(parent: str) -> None:
    result = mapped({"parent_customer_id": parent})
    assert (result.value, codes(result)) == (None, ["parent_impossible"])
    assert parent[:40] in result.issues[0].message


def test_the_largest_id_may_be_a_parent() -> None:
    assert customer({"parent_customer_id": "2147483647"}).parent == "2147483647"


texts = st.none() | st.text(max_size=9)
raws = st.fixed_dictionaries(
    {
        "email": st.one_of(texts, st.emails()),
        "first_name": texts,
        "company": texts,
        "customer_group_id": st.integers(0, 9),
        "addresses": st.lists(
            st.fixed_dictionaries(
                {
                    **{name: st.just(text) for name, text in ADDRESS.items()},
                    "id": st.integers(1, 99),
                    "address1": st.text(max_size=9),
                    "city": st.text(max_size=9),
                    "country_code": st.sampled_from(["GB", "us", "", "ZZ"]),
                }
            ),
            max_size=4,
        ),
    },
)
names = st.sampled_from(
    ["group", "Price Lists", "discount-percentage", "payment_on_account", "parent_customer_id", "x"]
)


@given(raw=raws, attributes=st.dictionaries(names, st.text(max_size=12)), is_b2b=st.booleans())
def test_whatever_the_store_says_the_mapping_keeps_its_promises(
    raw: dict[str, Any], attributes: dict[str, str], *, is_b2b: bool
) -> None:
    result = mapped(attributes, is_b2b=is_b2b, **raw)
    if result.value is None:
        assert not is_b2b or any(code.startswith("email") or code == "parent_impossible" for code in codes(result))
    else:
        assert result.value.email.strip()
        assert result.value.group is None or result.value.group.strip()
        assert all(one.address_line1 and one.city and one.country_code for one in result.value.addresses.values())
