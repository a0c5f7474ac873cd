"""Customers and their addresses (sparklayer.md section 5).

E-mails (whatever their case), external ids and the external ids of addresses are unique in the site. A request is
carried out whole or not at all. PUT replaces the whole customer: fields that it leaves out are cleared, except for the
balance of a payment on account, and addresses that it leaves out are deleted. A default address may be named by its
external id, and comes back by the API's own. What is inferred: that GET has the path of PUT, that a parent is named by
its external id as well as by its own, that a status or a role that is left out is cleared too, and that a default
address must be the customer's.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

import msgspec
from attrs import define, field
from msgspec import UNSET, Meta, UnsetType

from daemon.sandbox.message import Request, Response, json
from daemon.sandbox.router import Router
from daemon.sandbox.sparklayer.body import Currency, Text, Written, decode
from daemon.sandbox.sparklayer.claims import Claims
from daemon.sandbox.sparklayer.problems import Detail, problem

LOOKUPS = ("sparklayer", "platform", "email")
BASE = "base"
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
    balance_date: date | UnsetType = UNSET
    currency_code: Currency | UnsetType = UNSET
    net_terms: int | UnsetType = UNSET


class AddressWrite(Written, kw_only=True):
    """An address as it may be written; `id` names one that the customer has."""

    id: Text | UnsetType = UNSET
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

    id: Text | UnsetType = UNSET
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

    `writes` counts the customers made and changed, `removals` those deleted; `journal` has the bodies by external id,
    where they are kept. `groups` are the customer groups of the site besides `base`; None: any.
    """

    groups: tuple[str, ...] | None
    keep_journal: bool
    customers: dict[str, Customer] = field(factory=dict, repr=False)
    writes: int = 0
    removals: int = 0
    journal: dict[str, list[Mapping[str, Any]]] = field(factory=dict, repr=False)
    _ids: dict[str, str] = field(factory=dict, repr=False)
    _emails: dict[str, str] = field(factory=dict, repr=False)
    _address_ids: dict[str, str] = field(factory=dict, repr=False)
    _last: int = 0

    def route(self, router: Router) -> None:
        """Add the routes."""
        one = "/api/v2/customers/{lookup}/{identifier}"
        router.add("GET", one, self.get)
        router.add("PUT", one, self.put)
        router.add("DELETE", one, self.delete)

    def find(self, customer_id: str) -> Customer | None:
        """Return a customer by internal or external id."""
        return self.customers.get(customer_id) or self.customers.get(self._ids.get(customer_id, ""))

    def edit(self, customer_id: str, **fields: Any) -> None:
        """Let a person change fields in the Dashboard: the others stay, and nothing is counted."""
        old = self.find(customer_id)
        assert old is not None  # whoever edits a customer has found it
        self._write(old, _over(old, msgspec.convert(fields, CustomerWrite)))

    def unlink(self, customer_id: str) -> None:
        """Let a customer be one that no integration has ever named."""
        customer = self.find(customer_id)
        assert customer is not None  # whoever unlinks a customer has found it
        self._ids.pop(customer.external_id or "", None)
        customer.external_id = UNSET

    def remove(self, customer_id: str) -> None:
        """Let a person delete a customer in the Dashboard, with its addresses: its sub-accounts have no parent then."""
        customer = self.find(customer_id)
        assert customer is not None  # whoever removes a customer has found it
        names = {customer.id, customer.external_id}
        for child in self.customers.values():
            if child.parent_customer_id in names:
                child.parent_customer_id = UNSET
        del self.customers[customer.id]
        self._ids.pop(customer.external_id or "", None)
        self._emails.pop((customer.email or "").lower(), None)
        for address in customer.addresses:
            self._address_ids.pop(address.external_id or "", None)

    def get(self, _request: Request, lookup: str, identifier: str) -> Response:
        """Answer a customer."""
        return json(self._existing(lookup, identifier))

    def put(self, request: Request, lookup: str, identifier: str) -> Response:
        """Create a customer (201) or replace all of it (200)."""
        written = decode(request, CustomerWrite)
        old = self._look_up(lookup, identifier)
        _check_identifier(written, lookup, identifier)
        if written.email is UNSET:
            raise problem(400, "email is required", [Detail("required", "is required", "email")])
        now = _now()
        blank = Customer(id=old.id if old else self._new_id(CUSTOMER), created_at=now, updated_at=now, addresses=[])
        customer = self._write(old or blank, written)
        self.writes += 1
        if self.keep_journal:
            key = customer.external_id or customer.id
            self.journal.setdefault(key, []).append(msgspec.json.decode(request.body))
        return json(customer, 200 if old else 201)

    def delete(self, _request: Request, lookup: str, identifier: str) -> Response:
        """Delete a customer."""
        self.remove(self._existing(lookup, identifier).id)
        self.removals += 1
        return Response(status=204)

    def _write(self, old: Customer, written: CustomerWrite) -> Customer:
        """Store what was written in the place of `old`: the whole of it."""
        ids, emails, addresses = Claims(self._ids), Claims(self._emails), Claims(self._address_ids)
        self._check_group(written)
        if written.external_id is not UNSET:
            _refuse_prefix(written.external_id, CUSTOMER, "external_id")
        self._move(ids, old.id, old.external_id, written.external_id, "external_id")
        before = old.email if old.email is UNSET else old.email.lower()
        self._move(emails, old.id, before, (written.email or "").lower(), "email")
        self._check_parent(old, written)
        kept = self._addresses(old, written, addresses)
        fields: dict[str, Any] = {name: getattr(written, name) for name in _Fields.__struct_fields__}
        fields |= {"group": written.group or BASE, "payment_on_account": _credit(old, written)}
        fields |= {"parent_customer_id": written.parent_customer_id or UNSET}
        customer = Customer(id=old.id, created_at=old.created_at, updated_at=_now(), addresses=kept, **fields)
        _settle_defaults(customer, written)
        for claims in (ids, emails, addresses):
            claims.commit()
        self.customers[customer.id] = customer
        return customer

    def _addresses(self, old: Customer, written: CustomerWrite, claims: Claims) -> list[Address]:
        sent = [] if written.addresses is UNSET else written.addresses
        listed: dict[str, Address] = {}
        known = {name: address for address in old.addresses for name in (address.id, address.external_id) if name}
        kept = {found.id for new in sent if (found := _known(new, known))}
        for address in old.addresses:
            if address.id not in kept:
                claims.release(address.id, address.external_id)
        for index, new in enumerate(sent):
            place = f"addresses[{index}]."
            draft = self._draft(new, _known(new, known), claims, place)
            if draft.id in listed:
                raise self._duplicate(f"address {new.external_id} is listed twice", place + "external_id")
            listed[draft.id] = draft
        return list(listed.values())

    def _draft(self, sent: AddressWrite, old: Address | None, claims: Claims, place: str) -> Address:
        own_id = old.id if old else self._new_id(ADDRESS)
        if sent.external_id is not UNSET:
            _refuse_prefix(sent.external_id, ADDRESS, place + "external_id")
            self._move(claims, own_id, old.external_id if old else UNSET, sent.external_id, place + "external_id")
        fields = {name: getattr(sent, name) for name in AddressWrite.__struct_fields__ if name != "id"}
        return Address(id=own_id, **fields)

    def _check_group(self, written: CustomerWrite) -> None:
        if written.group is UNSET or self.groups is None or written.group in {BASE, *self.groups}:
            return
        raise problem(400, f"There is no group {written.group}", [Detail("unknown", "does not exist", "group")])

    def _check_parent(self, old: Customer, written: CustomerWrite) -> None:
        parent = written.parent_customer_id
        if parent is UNSET or parent == "":
            return
        found = self.find(parent)
        if found is None or found.id == old.id:
            words = "is not another customer of the site"
            raise problem(400, f"parent_customer_id {words}", [Detail("unknown", words, "parent_customer_id")])

    def _move(self, claims: Claims, owner: str, old: str | UnsetType, new: str | UnsetType, place: str) -> None:
        if not claims.move(owner, old, new):
            raise self._duplicate(f"{place.rpartition('.')[2]} {new} is already in use", place)

    def _duplicate(self, words: str, place: str) -> Exception:
        return problem(409, words, [Detail("duplicate", words, place)])

    def _look_up(self, lookup: str, identifier: str) -> Customer | None:
        if lookup not in LOOKUPS:
            raise problem(400, f"lookupBy must be one of {', '.join(LOOKUPS)}")
        own = {"platform": self._ids.get(identifier, ""), "email": self._emails.get(identifier.lower(), "")}
        return self.customers.get(own.get(lookup, identifier))

    def _existing(self, lookup: str, identifier: str) -> Customer:
        customer = self._look_up(lookup, identifier)
        if customer is None:
            raise problem(404, f"There is no customer {identifier}")
        return customer

    def _new_id(self, prefix: str) -> str:
        self._last += 1
        return f"{prefix}{self._last}"


def _check_identifier(written: CustomerWrite, lookup: str, identifier: str) -> None:
    """Refuse a body that names another customer than the path, or none."""
    names = {"platform": ("external_id",), "email": ("email",), "sparklayer": ("id", "legacy_id")}[lookup]
    said = {str(getattr(written, name)).lower() for name in names if getattr(written, name) is not UNSET}
    if identifier.lower() not in said:
        words = f"must be {identifier}, as in the path"
        raise problem(400, "The body names another customer", [Detail("idMismatch", words, names[0])])


def _credit(old: Customer, written: CustomerWrite) -> Credit | UnsetType:
    """Return the payment on account: its balance stays unless it is written."""
    before = old.payment_on_account.balance if old.payment_on_account else UNSET
    if written.payment_on_account is UNSET:
        return UNSET if before is UNSET else Credit(balance=before)
    credit = written.payment_on_account
    return credit if credit.balance is not UNSET else msgspec.structs.replace(credit, balance=before)


def _over(old: Customer, written: CustomerWrite) -> CustomerWrite:
    """Return the whole of a customer with some fields changed."""
    names = [name for name in CustomerWrite.__struct_fields__ if name not in {"id", "addresses"}]
    fields = {name: getattr(old if getattr(written, name) is UNSET else written, name) for name in names}
    kept = [AddressWrite(**msgspec.structs.asdict(address)) for address in old.addresses]
    return CustomerWrite(**fields, addresses=kept if written.addresses is UNSET else written.addresses)


def _known(new: AddressWrite, known: Mapping[str, Address]) -> Address | None:
    names = [name for name in (new.id, new.external_id) if name]
    return next((known[name] for name in names if name in known), None)


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
