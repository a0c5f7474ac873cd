"""Customers, their addresses and attributes, and customer groups (bigcommerce.md section 5).

`include` adds ten addresses and ten attributes at most, without a word: the counts tell the truth. There is no route
for a single customer.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from daemon.sandbox.bigcommerce.customer_records import Address, Customer, Person
from daemon.sandbox.bigcommerce.paging import Place, bare, cursored, numbered
from daemon.sandbox.bigcommerce.problems import invalid_v2
from daemon.sandbox.bigcommerce.query import Parameters
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.message import Request, Response
from daemon.sandbox.router import route

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
        filters = _filters(query)

        def place(person: Person) -> Place:
            return getattr(person.customer, sort), person.customer.id

        people = self._some(query.ids("id:in"))
        kept = [person for person in people if all(passes(person.customer) for passes in filters)]
        if sort != "id":
            kept.sort(key=place)
        return cursored(kept, query, lambda person: _shown(person, includes), place, descending=way == "desc")

    @route("GET", "/v3/customers/addresses")
    def _addresses(self, request: Request) -> Response:
        query = Parameters(request.query)
        fields = query.words("include", ("formfields",)) is not None
        rows = [address for person in self._owners(query) for address in person.addresses.values()]
        return numbered(rows, query, lambda address: _address(address, fields=fields))

    @route("GET", "/v3/customers/attributes")
    def _attributes(self, request: Request) -> Response:
        return numbered(list(self._book.attributes.values()), Parameters(request.query), msgspec.to_builtins)

    @route("GET", "/v3/customers/attribute-values")
    def _attribute_values(self, request: Request) -> Response:
        query = Parameters(request.query)
        rows = [value for person in self._owners(query) for value in person.attributes.values()]
        return numbered(rows, query, msgspec.to_builtins)

    @route("GET", "/v2/customer_groups")
    def groups(self, request: Request) -> Response:
        """Answer a page of customer groups."""
        query = Parameters(request.query, invalid_v2)
        since = query.moment("date_modified:min")
        rows = [g for g in self._book.groups.values() if since is None or _seconds(g.date_modified) >= since]
        return bare(rows, query, msgspec.to_builtins)

    def _owners(self, query: Parameters) -> Iterable[Person]:
        return self._some(query.ids("customer_id:in"))

    def _some(self, wanted: list[int] | None) -> Iterable[Person]:
        people = self._book.people  # ids only rise, so they stand in order
        return people.values() if wanted is None else [people[i] for i in sorted(set(wanted)) if i in people]


def _filters(query: Parameters) -> list[Callable[[Customer], bool]]:
    """Return what a customer must pass; both ends of a span of time belong to it."""
    emails, companies, names = query.texts("email:in"), query.texts("company:in"), query.texts("name:in")
    groups, like = query.ids("customer_group_id:in"), query.text("name:like")
    spans = [
        (field, query.time(f"{field}:min"), query.time(f"{field}:max")) for field in ("date_created", "date_modified")
    ]
    asked: dict[Callable[[Customer], bool], object] = {
        lambda customer: customer.email in (emails or ()): emails,
        lambda customer: customer.company in (companies or ()): companies,
        lambda customer: _name(customer) in (names or ()): names,
        lambda customer: (like or "").lower() in _name(customer).lower(): like,
        lambda customer: customer.customer_group_id in (groups or ()): groups,
    }
    filters = [passes for passes, value in asked.items() if value is not None]
    return filters + [_within(*span) for span in spans if span[1:] != (None, None)]


def _within(field: str, since: float | None, until: float | None) -> Callable[[Customer], bool]:
    def passes(customer: Customer) -> bool:
        seconds = _seconds(getattr(customer, field))
        return (since is None or seconds >= since) and (until is None or seconds <= until)

    return passes


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
    shown: dict[str, Any] = msgspec.to_builtins(address)
    return shown | ({"form_fields": []} if fields else {})


def _name(customer: Customer) -> str:
    return f"{customer.first_name} {customer.last_name}"


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
