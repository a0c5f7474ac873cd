"""The customers that a site must hold for a store: those in a B2B group, with a usable e-mail.

A customer's attributes are found by their names in lower case, spaces and hyphens read as underscores, with or
without `sparklayer_` in front. A list is separated by commas, or JSON. What cannot be read is as if it were not there,
and so is what comes to nothing: an empty text, a discount or a credit of 0. An address without a street, a city or a
country is not expected, nor is a parent who is not expected himself. Of those who are each other's parents in a
circle the one with the lowest id has none.
"""

import json
import re
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from daemon.sandbox.bigcommerce.customer_book import Address, CustomerBook, Person
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.expectation.picture import Picture, compared

BASE = "base"
EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_TEXTS = (
    *("email", "first_name", "last_name", "company_name", "group", "accounting_id", "parent_customer_id"),
    *("company", "address_line1", "address_line2", "city", "region_code", "postal_code", "country_code", "phone"),
)


def customer_differences(
    store: Store,
    held: Mapping[str, Any],
    *,
    groups: Collection[int] | None = None,
    names: Mapping[int, str] | None = None,
) -> list[str]:
    """Return how the customers of a site differ from the store's.

    `held` is {external id: fields}, with `addresses` as {external id: fields}; `groups` are the B2B groups, by
    default all but the guests'; `names` has SparkLayer's name of some groups.
    """
    return differences_of(expected_customers(store, groups=groups, names=names), held, store.currency)


def differences_of(expected: Picture, held: Mapping[str, Any], currency: str) -> list[str]:
    """Return how the customers of a site differ from the expected ones."""
    found = {
        external_id: _held(_without_own_balance(customer, expected.get(external_id, {})), currency)
        for external_id, customer in held.items()
    }
    return compared("customer", expected, found)


def _without_own_balance(customer: Mapping[str, Any], expected: Picture) -> Mapping[str, Any]:
    """Return a customer without the balance that SparkLayer keeps where the store says nothing of one."""
    account = customer.get("payment_on_account")
    if not isinstance(account, Mapping) or "balance" in (expected.get("payment_on_account") or {}):
        return customer
    rest = {name: value for name, value in account.items() if name != "balance"}
    return {**customer, "payment_on_account": rest or None}


def expected_customers(
    store: Store, *, groups: Collection[int] | None = None, names: Mapping[int, str] | None = None
) -> Picture:
    """Return {external id: fields} of a site that agrees with `store`; empty fields are left out."""
    book = store.customers
    wanted = _b2b(book) if groups is None else groups
    people = [person for person in book.in_groups(*wanted) if EMAIL.fullmatch(person.customer.email.strip())]
    parents = _parents(book, people)
    return {str(person.customer.id): _expected(store, person, parents, names or {}) for person in people}


def _b2b(book: CustomerBook) -> list[int]:
    return [group.id for group in book.groups.values() if not group.is_group_for_guests]


def _parents(book: CustomerBook, people: Collection[Person]) -> dict[str, str]:
    """Return the parents of those that have one, by their ids."""
    ids = {str(person.customer.id) for person in people}
    named = {str(person.customer.id): _attributes(book, person).get("parent_customer_id") for person in people}
    return without_circles({child: parent for child, parent in named.items() if parent in ids})


def without_circles(parents: Mapping[str, str]) -> dict[str, str]:
    """Return parents by their children, without that of the lowest id of each circle."""
    return {child: parent for child, parent in parents.items() if not _breaks_circle(child, parents)}


def _breaks_circle(child: str, parents: Mapping[str, str]) -> bool:
    above, met = parents.get(child), list[str]()
    while above is not None and above not in met:
        met.append(above)
        above = parents.get(above)
    return child in met and child == min(met[: met.index(child) + 1], key=int)


def _expected(store: Store, person: Person, parents: Mapping[str, str], names: Mapping[int, str]) -> Picture:
    customer, attributes = person.customer, _attributes(store.customers, person)
    return filled(
        {
            "email": customer.email,
            "first_name": customer.first_name,
            "last_name": customer.last_name,
            "company_name": attributes.get("company_name") or customer.company,
            "group": attributes.get("group") or names.get(customer.customer_group_id, BASE),
            "accounting_id": attributes.get("accounting_id"),
            "sales_agent_groups": listed(attributes.get("sales_agent_groups", "")),
            "price_lists": listed(attributes.get("price_lists", "")),
            "discount_percentage": decimal(attributes.get("discount_percentage", "").removesuffix("%")),
            "payment_on_account": credit(from_json(attributes.get("payment_on_account", "")), store.currency),
            "parent_customer_id": parents.get(str(customer.id)),
        }
    ) | {"addresses": {str(a.id): _address(a) for a in person.addresses.values() if _usable(a)}}


def _attributes(book: CustomerBook, person: Person) -> dict[str, str]:
    texts = book.attribute_texts(person.customer.id)
    return {_plain(name): value.strip() for name, value in texts.items()}


def _plain(name: str) -> str:
    return re.sub(r"[\s-]", "_", name.strip().lower()).removeprefix("sparklayer_")


def _usable(address: Address) -> bool:
    return all(text.strip() for text in (address.address1, address.city, address.country_code))


def _address(address: Address) -> Picture:
    return filled(
        {
            "first_name": address.first_name,
            "last_name": address.last_name,
            "company": address.company,
            "address_line1": address.address1,
            "address_line2": address.address2,
            "city": address.city,
            "region_code": address.state_or_province,
            "postal_code": address.postal_code,
            "country_code": address.country_code,
            "phone": address.phone,
        }
    )


def _held(customer: Mapping[str, Any], currency: str) -> Picture:
    addresses = customer.get("addresses") or {}
    fields: Picture = {name: customer.get(name) for name in _TEXTS if name in customer}
    fields |= {
        "sales_agent_groups": sorted(customer.get("sales_agent_groups") or ()),
        "price_lists": sorted(customer.get("price_lists") or ()),
        "discount_percentage": decimal(customer.get("discount_percentage")),
        "payment_on_account": credit(customer.get("payment_on_account"), currency),
    }
    positions = {key: filled({name: fields.get(name) for name in _TEXTS}) for key, fields in addresses.items()}
    return filled(fields) | {"addresses": positions}


def credit(account: Any, currency: str) -> Picture | None:
    """Return a payment on account; one without a currency is in the store's."""
    if not isinstance(account, Mapping):
        return None
    limit, balance = decimal(account.get("credit_limit")), decimal(account.get("balance"))
    shown = {
        "limit": limit,
        "balance": balance,
        "currency": account.get("currency_code") or currency,
        "terms": decimal(account.get("net_terms")),
    }
    return filled(shown) if limit or balance else None


def from_json(text: str) -> Any:
    """Return decoded JSON; None for another text."""
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        return None


def listed(text: str) -> list[str]:
    """Return the texts of a list, sorted."""
    parts = from_json(text) if text.startswith("[") else text.split(",")
    return sorted({str(part).strip() for part in parts or ()} - {""})


def decimal(value: Any) -> Decimal | None:
    """Return a number; None for 0 and for what is none."""
    try:
        return Decimal(str(value)).normalize() or None
    except InvalidOperation:
        return None


def filled(fields: Picture) -> Picture:
    """Leave out what is empty; white space around a text is not part of it."""
    fields = {name: value.strip() if isinstance(value, str) else value for name, value in fields.items()}
    return {name: value for name, value in fields.items() if value not in (None, "", [])}
