"""The customers that a site must hold for a store: those in a B2B group, with a usable e-mail.

A customer's attributes are found by their names in lower case, spaces and hyphens read as underscores, with or
without `sparklayer_` in front. A list is separated by commas, or JSON. What cannot be read is as if it were not there,
and so is what comes to nothing: an empty text, a discount or a credit of 0. An address without a street, a city or a
country is not expected, nor is a parent who is not expected himself. Of those who are each other's parents in a
circle the one with the lowest id has none.

Of a WooCommerce shop these are the customers with a B2B role. Roles count whether the API shows them or not. A customer
has two addresses at most, billing and shipping. Attributes are meta data with SparkLayer's prefix.
"""

import html
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

from daemon.sandbox.bigcommerce.customer_book import Address
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.expectation.products import Picture, compared
from daemon.sandbox.record import Record, record
from daemon.sandbox.woocommerce.shop import Shop

BASE = "base"
PREFIX = "sparklayer_"
ROLES = ("sparklayer_b2b*",)
NEEDED = {"address_line1", "city", "country_code"}
"""The fields without which an address is not expected."""
EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_TEXTS = (
    *("email", "first_name", "last_name", "company_name", "group", "accounting_id", "parent_customer_id"),
    *("company", "address_line1", "address_line2", "city", "region_code", "postal_code", "country_code", "phone"),
)


@record("id email first_name last_name company attributes group addresses")
class _Buyer(Record):
    """A customer as its store has it; attributes and addresses are under SparkLayer's names."""


def customer_differences(
    store: Store | Shop,
    held: Mapping[str, Any],
    *,
    groups: Collection[int] | None = None,
    names: Mapping[int, str] | None = None,
) -> list[str]:
    """Return how the customers of a site differ from the store's.

    `held` is {external id: fields}, with `addresses` as {external id: fields}; `groups` are the B2B groups, by
    default all but the guests'; `names` has SparkLayer's name of some groups.
    """
    expected = expected_customers(store, groups=groups, names=names)
    found = {
        external_id: _held(_without_own_balance(customer, expected.get(external_id, {})), store.currency)
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
    store: Store | Shop,
    *,
    groups: Collection[int] | None = None,
    names: Mapping[int, str] | None = None,
    roles: Sequence[str] = ROLES,
) -> Picture:
    """Return {external id: fields} of a site that agrees with `store`; empty fields are left out.

    `roles` are patterns of a shop's B2B roles.
    """
    buyers = _of_shop(store, roles) if isinstance(store, Shop) else _of_store(store, groups, names or {})
    people = {str(buyer.id): buyer for buyer in buyers if EMAIL.fullmatch(buyer.email.strip())}
    named = {key: buyer.attributes.get("parent_customer_id") for key, buyer in people.items()}
    parents = {child: parent for child, parent in named.items() if parent in people}
    parents = {child: parent for child, parent in parents.items() if not _breaks_circle(child, parents)}
    return {key: _expected(buyer, parents.get(key), store.currency) for key, buyer in people.items()}


def _of_store(store: Store, groups: Collection[int] | None, names: Mapping[int, str]) -> Iterator[_Buyer]:
    book = store.customers
    b2b = [group.id for group in book.groups.values() if not group.is_group_for_guests]
    for person in book.in_groups(*(b2b if groups is None else groups)):
        customer, texts = person.customer, book.attribute_texts(person.customer.id)
        yield _Buyer(
            id=customer.id,
            email=customer.email,
            first_name=customer.first_name,
            last_name=customer.last_name,
            company=customer.company,
            attributes={
                re.sub(r"[\s-]", "_", name.strip().lower()).removeprefix(PREFIX): value.strip()
                for name, value in texts.items()
            },
            group=names.get(customer.customer_group_id, BASE),
            addresses={str(address.id): _store_address(address) for address in person.addresses.values()},
        )


def _store_address(address: Address) -> Picture:
    return {
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


def _of_shop(shop: Shop, patterns: Sequence[str]) -> Iterator[_Buyer]:
    for person in shop.customers.people.values():
        known = [role for role in person.roles if role in shop.roles]
        if any(fnmatchcase(role, pattern) for role in known for pattern in patterns):
            billing = {part: _text(text) for part, text in person.billing.items()}
            # The first row of a key counts.
            rows = [(row.key, str(row.value)) for row in reversed(person.meta) if row.key.startswith(PREFIX)]
            yield _Buyer(
                id=person.id,
                email=person.email,
                first_name=_text(person.first_name) or billing.get("first_name", ""),
                last_name=_text(person.last_name) or billing.get("last_name", ""),
                company=billing.get("company", ""),
                attributes={key.removeprefix(PREFIX): text.strip() for key, text in rows},
                group=BASE,
                addresses={
                    f"{person.id}-{name}": _shop_address(home)
                    for name, home in (("billing", person.billing), ("shipping", person.shipping))
                },
            )


def _shop_address(home: Mapping[str, str]) -> Picture:
    row = {part: _text(text) for part, text in home.items()}
    return {
        "first_name": row.get("first_name"),
        "last_name": row.get("last_name"),
        "company": row.get("company"),
        "address_line1": row.get("address_1"),
        "address_line2": row.get("address_2"),
        "city": row.get("city"),
        "region_code": row.get("state"),
        "postal_code": row.get("postcode"),
        "country_code": row.get("country", "").upper(),
        "phone": row.get("phone"),
    }


def _text(value: str) -> str:
    return html.unescape(value).strip()


def _expected(buyer: _Buyer, parent: str | None, currency: str) -> Picture:
    attributes = buyer.attributes
    addresses = {key: _filled(address) for key, address in buyer.addresses.items()}
    return _filled(
        {
            "email": buyer.email,
            "first_name": buyer.first_name,
            "last_name": buyer.last_name,
            "company_name": attributes.get("company_name") or buyer.company,
            "group": attributes.get("group") or buyer.group,
            "accounting_id": attributes.get("accounting_id"),
            "sales_agent_groups": _listed(attributes.get("sales_agent_groups", "")),
            "price_lists": _listed(attributes.get("price_lists", "")),
            "discount_percentage": _decimal(attributes.get("discount_percentage", "").removesuffix("%")),
            "payment_on_account": _credit(_from_json(attributes.get("payment_on_account", "")), currency),
            "parent_customer_id": parent,
        }
    ) | {"addresses": {key: address for key, address in addresses.items() if not NEEDED - address.keys()}}


def _breaks_circle(child: str, parents: Mapping[str, str]) -> bool:
    above, met = parents.get(child), list[str]()
    while above is not None and above not in met:
        met.append(above)
        above = parents.get(above)
    return child in met and child == min(met[: met.index(child) + 1], key=int)


def _held(customer: Mapping[str, Any], currency: str) -> Picture:
    addresses = customer.get("addresses") or {}
    fields: Picture = {name: customer.get(name) for name in _TEXTS if name in customer}
    fields |= {
        "sales_agent_groups": sorted(customer.get("sales_agent_groups") or ()),
        "price_lists": sorted(customer.get("price_lists") or ()),
        "discount_percentage": _decimal(customer.get("discount_percentage")),
        "payment_on_account": _credit(customer.get("payment_on_account"), currency),
    }
    positions = {key: _filled({name: fields.get(name) for name in _TEXTS}) for key, fields in addresses.items()}
    return _filled(fields) | {"addresses": positions}


def _credit(account: Any, currency: str) -> Picture | None:
    """Return a payment on account; one without a currency is in the store's."""
    if not isinstance(account, Mapping):
        return None
    limit, balance = _decimal(account.get("credit_limit")), _decimal(account.get("balance"))
    shown = {
        "limit": limit,
        "balance": balance,
        "currency": account.get("currency_code") or currency,
        "terms": _decimal(account.get("net_terms")),
    }
    return _filled(shown) if limit or balance else None


def _from_json(text: str) -> Any:
    """Return decoded JSON; None for another text."""
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        return None


def _listed(text: str) -> list[str]:
    """Return the texts of a list, sorted."""
    parts = _from_json(text) if text.startswith("[") else text.split(",")
    return sorted({str(part).strip() for part in parts or ()} - {""})


def _decimal(value: Any) -> Decimal | None:
    """Return a number; None for 0 and for what is none."""
    try:
        return Decimal(str(value)).normalize() or None
    except InvalidOperation:
        return None


def _filled(fields: Picture) -> Picture:
    """Leave out what is empty; white space around a text is not part of it."""
    fields = {name: value.strip() if isinstance(value, str) else value for name, value in fields.items()}
    return {name: value for name, value in fields.items() if value not in (None, "", [])}
