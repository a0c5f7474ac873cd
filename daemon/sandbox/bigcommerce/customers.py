"""Customers, their addresses and attributes, and customer groups (bigcommerce.md section 5).

`include` adds ten addresses and ten attributes at most, without a word: the counts tell the truth. There is no route
for a single customer.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from daemon.sandbox.bigcommerce.answers import (
    Filters,
    Parameters,
    Place,
    bare,
    cursored,
    invalid_v2,
    numbered,
    seconds,
    span,
)
from daemon.sandbox.bigcommerce.customer_book import Address, Customer, Group, Person
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.message import Request, Response, route

INCLUDED = 10
"""Most addresses, and most attributes, of a customer that `include` shows."""

INCLUDES = ("addresses", "attributes", "formfields")
SORTS = ("date_created", "date_modified", "last_name")


class Customers:
    """The customer routes of a store."""

    def __init__(self, store: Store) -> None:
        self._book = store.customers

    @route("GET", "/v3/customers")
    def _page(self, request: Request) -> Response:
        query = Parameters(request.query)
        includes = frozenset(query.words("include", INCLUDES) or ())
        ways = {f"{name}:{way}" for name in SORTS for way in ("asc", "desc")}
        sort, _, way = query.word("sort", ways, "id:asc").partition(":")

        def place(person: Person) -> Place:
            return getattr(person.customer, sort), person.customer.id

        kept = query.chosen(self._some(query.ids("id:in")), FILTERS)
        if sort != "id":
            kept.sort(key=place)
        return cursored(kept, query, lambda person: _shown(person, includes), place, descending=way == "desc")

    @route("GET", "/v3/customers/addresses")
    def _addresses(self, request: Request) -> Response:
        query = Parameters(request.query)
        fields = query.words("include", ("formfields",)) is not None
        rows = [address for person in self._some(query.ids("customer_id:in")) for address in person.addresses.values()]
        return numbered(rows, query, lambda address: _address(address, fields=fields))

    @route("GET", "/v3/customers/attributes")
    def _attributes(self, request: Request) -> Response:
        return numbered(list(self._book.attributes.values()), Parameters(request.query), msgspec.to_builtins)

    @route("GET", "/v3/customers/attribute-values")
    def _attribute_values(self, request: Request) -> Response:
        query = Parameters(request.query)
        rows = [value for person in self._some(query.ids("customer_id:in")) for value in person.attributes.values()]
        return numbered(rows, query, msgspec.to_builtins)

    @route("GET", "/v2/customer_groups")
    def groups(self, request: Request) -> Response:
        """Answer a page of customer groups."""
        query = Parameters(request.query, invalid_v2)
        return bare(query.chosen(self._book.groups.values(), GROUP_FILTERS), query, msgspec.to_builtins)

    def _some(self, wanted: list[int] | None) -> Iterable[Person]:
        people = self._book.people  # ids only rise, so they stand in order
        return people.values() if wanted is None else [people[i] for i in sorted(set(wanted)) if i in people]


GROUP_FILTERS: Filters[Group] = {
    "date_modified:min": (Parameters.moment, lambda group, since: seconds(group.date_modified) >= since)
}
FILTERS: Filters[Person] = {
    "email:in": (Parameters.texts, lambda person, emails: person.customer.email in emails),
    "company:in": (Parameters.texts, lambda person, companies: person.customer.company in companies),
    "name:in": (Parameters.texts, lambda person, names: _name(person.customer) in names),
    "name:like": (Parameters.text, lambda person, like: like.lower() in _name(person.customer).lower()),
    "customer_group_id:in": (Parameters.ids, lambda person, groups: person.customer.customer_group_id in groups),
    **span(
        Parameters.time, "date_created:min", "date_created:max", lambda person: seconds(person.customer.date_created)
    ),
    **span(
        Parameters.time, "date_modified:min", "date_modified:max", lambda person: seconds(person.customer.date_modified)
    ),
}


def _shown(person: Person, includes: frozenset[str]) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(person.customer)
    fields = "formfields" in includes
    if "addresses" in includes:
        shown["addresses"] = [_address(address, fields=fields) for address in [*person.addresses.values()][:INCLUDED]]
    if "attributes" in includes:
        shown["attributes"] = [*person.attributes.values()][:INCLUDED]
    if fields:
        shown["form_fields"] = person.form_fields
    return shown


def _address(address: Address, *, fields: bool) -> dict[str, Any]:
    return dict(msgspec.to_builtins(address)) | ({"form_fields": []} if fields else {})


def _name(customer: Customer) -> str:
    return f"{customer.first_name} {customer.last_name}"
