"""Customers and their addresses (sparklayer.md section 5).

E-mails (whatever their case), external ids and the external ids of addresses are unique in the site. A request is
carried out whole or not at all. Whether PATCH merges `addresses` by external id or replaces them is not documented, so
both can be had. What is inferred: the paths, that a parent is named by its external id as well as by its own, and
that an empty text clears it.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from attrs import define, field
from msgspec import UNSET, Meta, UnsetType

from daemon.sandbox.message import Request, Response, json
from daemon.sandbox.router import Router
from daemon.sandbox.sparklayer.body import Currency, Text, Written, decode
from daemon.sandbox.sparklayer.claims import Claims
from daemon.sandbox.sparklayer.problems import Detail, problem

Mode = Literal["merge", "replace"]
CUSTOMER, ADDRESS = "cu_", "ca_"
"""What the API's own ids begin with, and external ids must not."""

Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$")]
Country = Annotated[str, Meta(pattern="^[A-Z]{2,3}$")]
Percentage = Annotated[float, Meta(ge=0, le=100)]


class Credit(Written):
    """What a customer may buy on account."""

    credit_limit: float | UnsetType = UNSET
    balance: float | UnsetType = UNSET
    currency_code: Currency | UnsetType = UNSET


class AddressWrite(Written, kw_only=True):
    """An address as it may be written."""

    external_id: Text | UnsetType = UNSET
    title: str | UnsetType = UNSET
    first_name: str | UnsetType = UNSET
    last_name: str | UnsetType = UNSET
    company: str | UnsetType = UNSET
    address_line1: Text
    address_line2: str | UnsetType = UNSET
    city: Text
    region_code: str | UnsetType = UNSET
    postal_code: str | UnsetType = UNSET
    country_code: Country
    phone: str | UnsetType = UNSET
    mobile: str | UnsetType = UNSET
    nickname: str | UnsetType = UNSET


class Address(AddressWrite, kw_only=True):
    """An address as it is stored and answered."""

    id: str


class _Fields(Written, kw_only=True):
    title: str | UnsetType = UNSET
    first_name: str | UnsetType = UNSET
    last_name: str | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    company_name: str | UnsetType = UNSET
    external_id: Text | UnsetType = UNSET
    accounting_id: str | UnsetType = UNSET
    status: Text | UnsetType = UNSET
    group: Text | UnsetType = UNSET
    role: Literal["main", "limited-customer", "sales-agent", "sales-admin"] | UnsetType = UNSET
    default_billing_address_id: str | UnsetType = UNSET
    default_shipping_address_id: str | UnsetType = UNSET
    available_shipping_addresses: list[Text] | UnsetType = UNSET
    currency_code: Currency | UnsetType = UNSET
    sales_agent_groups: list[Text] | UnsetType = UNSET
    price_lists: list[Text] | UnsetType = UNSET
    payment_on_account: Credit | UnsetType = UNSET
    discount_percentage: Percentage | UnsetType = UNSET
    parent_customer_id: str | UnsetType = UNSET


class CustomerWrite(_Fields, kw_only=True):
    """A customer as it may be written."""

    addresses: list[AddressWrite] | UnsetType = UNSET


class Customer(_Fields, kw_only=True):
    """A customer as it is stored and answered."""

    id: str
    created_at: str
    updated_at: str
    addresses: list[Address]


@define(eq=False, kw_only=True)
class Customers:
    """All customers of the site by their own ids, and their routes. `writes` counts what was carried out."""

    mode: Mode
    duplicate_status: int
    customers: dict[str, Customer] = field(factory=dict, repr=False)
    writes: int = 0
    removals: int = 0
    """How many customers and addresses were deleted."""
    _ids: dict[str, str] = field(factory=dict, repr=False)
    _emails: dict[str, str] = field(factory=dict, repr=False)
    _address_ids: dict[str, str] = field(factory=dict, repr=False)
    _last: int = 0

    def route(self, router: Router) -> None:
        """Add the routes."""
        one = "/api/v1/customers/{customer_id}"
        router.add("POST", "/api/v1/customers", self.create)
        router.add("GET", one, self.get)
        router.add("PATCH", one, self.update)
        router.add("DELETE", one, self.delete)
        router.add("GET", f"{one}/addresses", self.addresses)
        router.add("POST", f"{one}/addresses", self.add_address)
        router.add("DELETE", f"{one}/addresses/{{address_id}}", self.delete_address)

    def find(self, customer_id: str) -> Customer | None:
        """Return a customer by internal or external id."""
        return self.customers.get(customer_id) or self.customers.get(self._ids.get(customer_id, ""))

    def create(self, request: Request) -> Response:
        """Create a customer; answers 200 with it."""
        written = decode(request, CustomerWrite)
        if written.email is UNSET:
            raise problem(400, "email is required", [Detail("required", "is required", "email")])
        now = _now()
        blank = Customer(id=self._new_id(CUSTOMER), created_at=now, updated_at=now, addresses=[])
        return json(self._write(blank, written))

    def get(self, _request: Request, customer_id: str) -> Response:
        """Answer a customer."""
        return json(self._existing(customer_id))

    def update(self, request: Request, customer_id: str) -> Response:
        """Change the fields sent; answers 200 with the customer."""
        written = decode(request, CustomerWrite)
        return json(self._write(self._existing(customer_id), written))

    def delete(self, _request: Request, customer_id: str) -> Response:
        """Delete a customer with its addresses; its sub-accounts have no parent then."""
        customer = self._existing(customer_id)
        names = {customer.id, customer.external_id}
        for child in self.customers.values():
            if child.parent_customer_id in names:
                child.parent_customer_id = UNSET
        del self.customers[customer.id]
        for index in (self._ids, self._emails):
            for word in [word for word, owner in index.items() if owner == customer.id]:
                del index[word]
        for address in customer.addresses:
            self._address_ids.pop(address.external_id or "", None)
        self.removals += 1
        return Response(status=204)

    def addresses(self, _request: Request, customer_id: str) -> Response:
        """Answer the addresses of a customer."""
        return json(self._existing(customer_id).addresses)

    def add_address(self, request: Request, customer_id: str) -> Response:
        """Add an address; answers 200 with it."""
        customer, claims = self._existing(customer_id), Claims(self._address_ids)
        address = self._draft(decode(request, AddressWrite), None, claims, "")
        claims.commit()
        customer.addresses.append(address)
        self.writes += 1
        return json(address)

    def delete_address(self, _request: Request, customer_id: str, address_id: str) -> Response:
        """Delete an address by internal or external id."""
        customer = self._existing(customer_id)
        for address in customer.addresses:
            if address_id in {address.id, address.external_id}:
                customer.addresses.remove(address)
                self._address_ids.pop(address.external_id or "", None)
                self.removals += 1
                return Response(status=204)
        raise problem(404, f"There is no address {address_id}")

    def _write(self, old: Customer, written: CustomerWrite) -> Customer:
        ids, emails, addresses = Claims(self._ids), Claims(self._emails), Claims(self._address_ids)
        if written.external_id is not UNSET:
            _refuse_prefix(written.external_id, CUSTOMER, "external_id")
            self._move(ids, old.id, old.external_id, written.external_id, "external_id")
        if written.email is not UNSET:
            before = old.email if old.email is UNSET else old.email.lower()
            self._move(emails, old.id, before, written.email.lower(), "email")
        self._check_parent(old, written)
        kept = list(self._addresses(old, written, addresses))
        for claims in (ids, emails, addresses):
            claims.commit()
        fields = {name: value for name in _Fields.__struct_fields__ if (value := getattr(written, name)) is not UNSET}
        if fields.get("parent_customer_id") == "":
            fields["parent_customer_id"] = UNSET
        customer = msgspec.structs.replace(old, **fields, addresses=kept, updated_at=_now())
        self.customers[customer.id] = customer
        self.writes += 1
        return customer

    def _addresses(self, old: Customer, written: CustomerWrite, claims: Claims) -> Iterator[Address]:
        if written.addresses is UNSET:
            yield from old.addresses
            return
        known = {address.external_id: address for address in old.addresses if address.external_id}
        sent = {address.external_id for address in written.addresses}
        for address in old.addresses:
            if self.mode == "merge" and address.external_id not in sent:
                yield address
            elif address.external_id not in sent:
                claims.release(address.id, address.external_id)
        for index, new in enumerate(written.addresses):
            before = known.get(new.external_id) if new.external_id else None
            yield self._draft(new, before, claims, f"addresses[{index}].")

    def _draft(self, sent: AddressWrite, old: Address | None, claims: Claims, place: str) -> Address:
        own_id = old.id if old else self._new_id(ADDRESS)
        if sent.external_id is not UNSET:
            _refuse_prefix(sent.external_id, ADDRESS, place + "external_id")
            self._move(claims, own_id, old.external_id if old else UNSET, sent.external_id, place + "external_id")
        return Address(id=own_id, **{name: getattr(sent, name) for name in AddressWrite.__struct_fields__})

    def _check_parent(self, old: Customer, written: CustomerWrite) -> None:
        parent = written.parent_customer_id
        if parent is UNSET or parent == "":
            return
        found = self.find(parent)
        if found is None or found.id == old.id:
            words = "is not another customer of the site"
            raise problem(400, f"parent_customer_id {words}", [Detail("unknown", words, "parent_customer_id")])

    def _move(self, claims: Claims, owner: str, old: str | UnsetType, new: str, place: str) -> None:
        if not claims.move(owner, old, new):
            words = f"{place.rpartition('.')[2]} {new} is already in use"
            raise problem(self.duplicate_status, words, [Detail("duplicate", words, place)])

    def _existing(self, customer_id: str) -> Customer:
        customer = self.find(customer_id)
        if customer is None:
            raise problem(404, f"There is no customer {customer_id}")
        return customer

    def _new_id(self, prefix: str) -> str:
        self._last += 1
        return f"{prefix}{self._last}"


def comparable(customers: Mapping[str, Customer]) -> dict[str, Any]:
    """Return customers as plain data by external id, without ids and times of the API's own."""
    return {customer.external_id or customer.id: _comparable(customer) for customer in customers.values()}


def _comparable(customer: Customer) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(customer)
    for name in ("id", "created_at", "updated_at", "external_id"):
        fields.pop(name, None)
    addresses = {address.pop("external_id", address["id"]): address for address in fields["addresses"]}
    for address in addresses.values():
        del address["id"]
    return {**fields, "addresses": addresses}


def _refuse_prefix(external_id: str, prefix: str, place: str) -> None:
    if external_id.startswith(prefix):
        words = f"must not begin with {prefix}"
        raise problem(400, f"external_id {words}", [Detail("invalid", words, place)])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
