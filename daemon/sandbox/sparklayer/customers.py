"""Customers and their addresses (sparklayer.md section 5).

E-mails (whatever their case), external ids and the external ids of addresses are unique in the site. A request is
carried out whole or not at all. Whether PATCH merges `addresses` by external id or replaces them is not documented, so
both can be had. A default address may be named by its external id, and comes back by the API's own. What is inferred:
the paths, that a parent is named by its external id as well as by its own, that an empty text clears it or a default
address, and that a default address must be the customer's.
"""

from collections.abc import Mapping
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
DEFAULTS = ("default_billing_address_id", "default_shipping_address_id")

Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$")]
Country = Annotated[str, Meta(pattern="^[A-Z]{2,3}$")]
Percentage = Annotated[float, Meta(ge=0, le=100)]


class Credit(Written):
    """What a customer may buy on account."""

    credit_limit: float | UnsetType = UNSET
    balance: float | UnsetType = UNSET
    currency_code: Currency | UnsetType = UNSET
    net_terms: int | UnsetType = UNSET


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
    tax_exempt: bool | UnsetType = UNSET
    legacy_id: str | UnsetType = UNSET
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
    """All customers of the site by their own ids, and their routes.

    `writes` counts the customers made and changed, `removals` those deleted, `address_writes` the addresses added and
    deleted by calls of their own; `journal` has the bodies by external id, where they are kept.
    """

    mode: Mode
    duplicate_status: int
    keep_journal: bool
    customers: dict[str, Customer] = field(factory=dict, repr=False)
    writes: int = 0
    removals: int = 0
    address_writes: int = 0
    journal: dict[str, list[Mapping[str, Any]]] = field(factory=dict, repr=False)
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

    def edit(self, customer_id: str, **fields: Any) -> None:
        """Let a person change fields in the Dashboard: checked like a PATCH, but not counted."""
        self._write(self._existing(customer_id), msgspec.convert(fields, CustomerWrite))

    def remove(self, customer_id: str) -> None:
        """Let a person delete a customer in the Dashboard, with its addresses: its sub-accounts have no parent then."""
        customer = self._existing(customer_id)
        names = {customer.id, customer.external_id}
        for child in self.customers.values():
            if child.parent_customer_id in names:
                child.parent_customer_id = UNSET
        del self.customers[customer.id]
        self._ids.pop(customer.external_id or "", None)
        self._emails.pop((customer.email or "").lower(), None)
        for address in customer.addresses:
            self._address_ids.pop(address.external_id or "", None)

    def create(self, request: Request) -> Response:
        """Create a customer; answers 200 with it."""
        written = decode(request, CustomerWrite)
        if written.email is UNSET:
            raise problem(400, "email is required", [Detail("required", "is required", "email")])
        now = _now()
        blank = Customer(id=self._new_id(CUSTOMER), created_at=now, updated_at=now, addresses=[])
        return json(self._recorded(request, self._write(blank, written)))

    def get(self, _request: Request, customer_id: str) -> Response:
        """Answer a customer."""
        return json(self._existing(customer_id))

    def update(self, request: Request, customer_id: str) -> Response:
        """Change the fields sent; answers 200 with the customer."""
        written = decode(request, CustomerWrite)
        return json(self._recorded(request, self._write(self._existing(customer_id), written)))

    def delete(self, _request: Request, customer_id: str) -> Response:
        """Delete a customer."""
        self.remove(customer_id)
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
        self.address_writes += 1
        return json(address)

    def delete_address(self, _request: Request, customer_id: str, address_id: str) -> Response:
        """Delete an address by internal or external id."""
        customer = self._existing(customer_id)
        address = _address_of(customer, address_id)
        if address is None:
            raise problem(404, f"There is no address {address_id}")
        customer.addresses.remove(address)
        self._address_ids.pop(address.external_id or "", None)
        _settle_defaults(customer, CustomerWrite())
        self.address_writes += 1
        return Response(status=204)

    def _write(self, old: Customer, written: CustomerWrite) -> Customer:
        ids, emails, addresses = Claims(self._ids), Claims(self._emails), Claims(self._address_ids)
        if written.external_id is not UNSET:
            _refuse_prefix(written.external_id, CUSTOMER, "external_id")
            self._move(ids, old.id, old.external_id, written.external_id, "external_id")
        if written.email is not UNSET:
            before = old.email if old.email is UNSET else old.email.lower()
            self._move(emails, old.id, before, written.email.lower(), "email")
        self._check_parent(old, written)
        kept = self._addresses(old, written, addresses)
        fields = {name: value for name in _Fields.__struct_fields__ if (value := getattr(written, name)) is not UNSET}
        if self.mode == "merge" and old.payment_on_account and written.payment_on_account:
            fields["payment_on_account"] = _merged(old.payment_on_account, written.payment_on_account)
        if fields.get("parent_customer_id") == "":
            fields["parent_customer_id"] = UNSET
        customer = msgspec.structs.replace(old, **fields, addresses=kept, updated_at=_now())
        _settle_defaults(customer, written)
        for claims in (ids, emails, addresses):
            claims.commit()
        self.customers[customer.id] = customer
        return customer

    def _recorded(self, request: Request, customer: Customer) -> Customer:
        self.writes += 1
        if self.keep_journal:
            key = customer.external_id or customer.id
            self.journal.setdefault(key, []).append(msgspec.json.decode(request.body))
        return customer

    def _addresses(self, old: Customer, written: CustomerWrite, claims: Claims) -> list[Address]:
        if written.addresses is UNSET:
            return old.addresses
        known = {address.external_id: address for address in old.addresses if address.external_id}
        sent = {address.external_id for address in written.addresses if address.external_id}
        unlisted = [address for address in old.addresses if address.external_id not in sent]
        if self.mode == "replace":
            for vanished in unlisted:
                claims.release(vanished.id, vanished.external_id)
        listed: dict[str, Address] = {}
        for index, new in enumerate(written.addresses):
            place = f"addresses[{index}]."
            draft = self._draft(new, known.get(new.external_id) if new.external_id else None, claims, place)
            if draft.id in listed:
                raise self._duplicate(f"address {new.external_id} is listed twice", place + "external_id")
            listed[draft.id] = draft
        return [*(unlisted if self.mode == "merge" else ()), *listed.values()]

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
            raise self._duplicate(f"{place.rpartition('.')[2]} {new} is already in use", place)

    def _duplicate(self, words: str, place: str) -> Exception:
        return problem(self.duplicate_status, words, [Detail("duplicate", words, place)])

    def _existing(self, customer_id: str) -> Customer:
        customer = self.find(customer_id)
        if customer is None:
            raise problem(404, f"There is no customer {customer_id}")
        return customer

    def _new_id(self, prefix: str) -> str:
        self._last += 1
        return f"{prefix}{self._last}"


def _merged(old: Credit, written: Credit) -> Credit:
    given = {name: value for name in Credit.__struct_fields__ if (value := getattr(written, name)) is not UNSET}
    return msgspec.structs.replace(old, **given)


def comparable(customers: Mapping[str, Customer]) -> dict[str, Any]:
    """Return customers as plain data by external id, without ids and times of the API's own."""
    return {customer.external_id or customer.id: _comparable(customer) for customer in customers.values()}


def _comparable(customer: Customer) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(customer)
    for name in ("id", "created_at", "updated_at", "external_id"):
        fields.pop(name, None)
    names = {address.id: address.external_id or address.id for address in customer.addresses}
    addresses = {names[address.pop("id")]: address for address in fields["addresses"]}
    for address in addresses.values():
        address.pop("external_id", None)
    defaults = {name: names[fields[name]] for name in DEFAULTS if name in fields}
    return {**fields, **defaults, "addresses": addresses}


def _address_of(customer: Customer, address_id: str) -> Address | None:
    """Return an address by internal or external id."""
    return next((known for known in customer.addresses if address_id in {known.id, known.external_id}), None)


def _settle_defaults(customer: Customer, written: CustomerWrite) -> None:
    """Name the default addresses by the API's own ids, and let go of those that are gone."""
    for name in DEFAULTS:
        wanted = getattr(customer, name)
        found = _address_of(customer, wanted) if wanted else None
        if found is None and getattr(written, name):
            words = "is not an address of the customer"
            raise problem(400, f"{name} {words}", [Detail("unknown", words, name)])
        setattr(customer, name, found.id if found else UNSET)


def _refuse_prefix(external_id: str, prefix: str, place: str) -> None:
    if external_id.startswith(prefix):
        words = f"must not begin with {prefix}"
        raise problem(400, f"external_id {words}", [Detail("invalid", words, place)])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
