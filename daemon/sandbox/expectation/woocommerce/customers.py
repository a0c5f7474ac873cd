"""The customers that a site must hold for a WooCommerce shop: those with a B2B role, with a usable e-mail.

Roles count whether the API shows them or not. A customer has two addresses at most, billing and shipping. Attributes
are meta data with SparkLayer's prefix; what is said of them in `daemon.sandbox.expectation.customers` holds here too.
"""

import html
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from daemon.sandbox.expectation.customers import (
    BASE,
    EMAIL,
    credit,
    decimal,
    differences_of,
    filled,
    from_json,
    listed,
    without_circles,
)
from daemon.sandbox.expectation.picture import Picture
from daemon.sandbox.woocommerce.records import Customer
from daemon.sandbox.woocommerce.shop import Shop

PREFIX = "sparklayer_"
ROLES = ("sparklayer_b2b*",)
ADDRESSES = ("billing", "shipping")


def customer_differences(shop: Shop, held: Mapping[str, Any], *, roles: Sequence[str] = ROLES) -> list[str]:
    """Return how the customers of a site, {external id: fields}, differ from the shop's; `roles` are patterns."""
    return differences_of(expected_customers(shop, roles=roles), held, shop.currency)


def expected_customers(shop: Shop, *, roles: Sequence[str] = ROLES) -> Picture:
    """Return {external id: fields} of a site that agrees with a shop; empty fields are left out."""
    people = [person for person in shop.customers.people.values() if _is_b2b(shop, person, roles)]
    named = {str(person.id): _attributes(person).get("parent_customer_id", "") for person in people}
    parents = without_circles({child: parent for child, parent in named.items() if parent in named})
    return {str(person.id): _expected(shop, person, parents) for person in people}


def _is_b2b(shop: Shop, person: Customer, patterns: Sequence[str]) -> bool:
    known = [role for role in person.roles if role in shop.roles]
    fits = any(fnmatchcase(role, pattern) for role in known for pattern in patterns)
    return fits and EMAIL.fullmatch(person.email.strip()) is not None


def _expected(shop: Shop, person: Customer, parents: Mapping[str, str]) -> Picture:
    attributes = _attributes(person)
    return filled(
        {
            "email": person.email,
            "first_name": _text(person.first_name) or _text(person.billing.get("first_name", "")),
            "last_name": _text(person.last_name) or _text(person.billing.get("last_name", "")),
            "company_name": attributes.get("company_name") or _text(person.billing.get("company", "")),
            "group": attributes.get("group") or BASE,
            "accounting_id": attributes.get("accounting_id"),
            "sales_agent_groups": listed(attributes.get("sales_agent_groups", "")),
            "price_lists": listed(attributes.get("price_lists", "")),
            "discount_percentage": decimal(attributes.get("discount_percentage", "").removesuffix("%")),
            "payment_on_account": credit(from_json(attributes.get("payment_on_account", "")), shop.currency),
            "parent_customer_id": parents.get(str(person.id)),
        }
    ) | {"addresses": dict(filter(None, (_address(person, name) for name in ADDRESSES)))}


def _attributes(person: Customer) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in person.meta:
        if row.key.startswith(PREFIX):
            found.setdefault(row.key.removeprefix(PREFIX), str(row.value).strip())
    return found


def _address(person: Customer, name: str) -> tuple[str, Picture] | None:
    """Return one of a customer's addresses; None for one without a street, a city or a country."""
    row = {part: _text(text) for part, text in getattr(person, name).items()}
    if not all(row.get(part) for part in ("address_1", "city", "country")):
        return None
    fields = {
        "first_name": row.get("first_name"),
        "last_name": row.get("last_name"),
        "company": row.get("company"),
        "address_line1": row["address_1"],
        "address_line2": row.get("address_2"),
        "city": row["city"],
        "region_code": row.get("state"),
        "postal_code": row.get("postcode"),
        "country_code": row["country"].upper(),
        "phone": row.get("phone"),
    }
    return f"{person.id}-{name}", filled(fields)


def _text(value: str) -> str:
    return html.unescape(value).strip()
