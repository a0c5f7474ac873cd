"""Customers and their addresses (sparklayer.md section 5).

E-mails (whatever their case), external ids and the external ids of addresses are unique in the site. A request is
carried out whole or not at all. PUT replaces the whole customer: fields that it leaves out are cleared, except for the
balance of a payment on account, and addresses that it leaves out are deleted. A default address may be named by its
external id, and comes back by the API's own. What is inferred: that GET has the path of PUT, that a parent is named by
its external id as well as by its own, that a status or a role that is left out is cleared too, and that a default
address must be the customer's.
"""

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from daemon.sandbox.message import Request, Response, json, route
from daemon.sandbox.sparklayer.contract import convert, decode
from daemon.sandbox.sparklayer.record import Book, Claims, Detail, Record, now, problem, refuse_prefix

LOOKUPS = ("sparklayer", "platform", "email")
BASE = "base"
CUSTOMER, ADDRESS = "cu_", "ca_"
"""Prefix of the API's own ids; external ids must not have it."""
OWN = ("id", "created_at", "updated_at")
DEFAULTS = ("default_billing_address_id", "default_shipping_address_id")


@define(eq=False, kw_only=True)
class Customers(Book):
    """All customers of the site by their own ids, and their routes.

    `groups` are the customer groups of the site besides `base`; None: any.
    """

    groups: tuple[str, ...] | None
    customers: dict[str, Record] = field(factory=dict, repr=False)
    _ids: dict[str, str] = field(factory=dict, repr=False)
    _emails: dict[str, str] = field(factory=dict, repr=False)
    _address_ids: dict[str, str] = field(factory=dict, repr=False)

    def find(self, customer_id: str) -> Record | None:
        """Return a customer by internal or external id."""
        return self.customers.get(customer_id) or self.customers.get(self._ids.get(customer_id, ""))

    def edit(self, customer_id: str, **fields: Any) -> None:
        """Let a person change fields in the Dashboard: the others stay, and nothing is counted."""
        old = self._found(customer_id)
        convert(fields, "upsertCustomer")
        self._write(old, Record(old.without(*OWN) | fields))

    def unlink(self, customer_id: str) -> None:
        """Let a customer be one that no integration has ever named."""
        self._ids.pop(self._found(customer_id).pop("external_id", ""), None)

    def remove(self, customer_id: str) -> None:
        """Let a person delete a customer in the Dashboard, with its addresses: its sub-accounts have no parent then."""
        customer = self._found(customer_id)
        for child in self.customers.values():
            if child.parent_customer_id in {customer.id, customer.external_id}:
                child.pop("parent_customer_id", None)
        del self.customers[customer.id]
        self._ids.pop(customer.external_id, None)
        self._emails.pop((customer.email or "").lower(), None)
        for address in customer.addresses:
            self._address_ids.pop(address.external_id, None)

    @route("GET", "/api/v2/customers/{lookup}/{identifier}")
    def _get(self, _request: Request, lookup: str, identifier: str) -> Response:
        return json(self._existing(lookup, identifier))

    @route("PUT", "/api/v2/customers/{lookup}/{identifier}")
    def _put(self, request: Request, lookup: str, identifier: str) -> Response:
        """Create a customer (201) or replace all of it (200)."""
        written = decode(request, "upsertCustomer")
        old = self._look_up(lookup, identifier)
        _check_identifier(written, lookup, identifier)
        if written.email is None:
            raise problem(400, "email is required", [Detail("required", "is required", "email")])
        customer = self._write(old or Record(id=self.new_id(CUSTOMER), created_at=now(), addresses=[]), written)
        self.note(customer.external_id or customer.id, written)
        return json(customer, 200 if old else 201)

    @route("DELETE", "/api/v2/customers/{lookup}/{identifier}")
    def _delete(self, _request: Request, lookup: str, identifier: str) -> Response:
        self.remove(self._existing(lookup, identifier).id)
        self.removals += 1
        return Response(status=204)

    def comparable(self) -> dict[str, Any]:
        """Return customers as plain data by external id, without ids and times of the API's own."""
        pictures = {}
        for customer in self.customers.values():
            names = {address.id: address.external_id or address.id for address in customer.addresses}
            addresses = {names[address.id]: address.without("id", "external_id") for address in customer.addresses}
            named = {name: names[customer[name]] for name in DEFAULTS if name in customer} | {"addresses": addresses}
            pictures[customer.external_id or customer.id] = customer.without(*OWN, "external_id") | named
        return pictures

    def _write(self, old: Record, written: Record) -> Record:
        """Store what was written in the place of `old`: the whole of it."""
        ids, emails, addresses = Claims(self._ids), Claims(self._emails), Claims(self._address_ids)
        if written.group is not None and self.groups is not None and written.group not in {BASE, *self.groups}:
            raise problem(400, f"There is no group {written.group}", [Detail("unknown", "does not exist", "group")])
        refuse_prefix(written.external_id, CUSTOMER, "external_id")
        ids.move(old.id, old.external_id, written.external_id, "external_id")
        before = old.email.lower() if old.email else None
        emails.move(old.id, before, (written.email or "").lower(), "email")
        self._check_parent(old, written.parent_customer_id)
        kept = self._addresses(old, written.addresses or [], addresses)
        own = {"id": old.id, "created_at": old.created_at, "updated_at": now(), "addresses": kept}
        customer = Record(written | own, group=written.group or BASE)
        if not written.parent_customer_id:
            customer.pop("parent_customer_id", None)
        # The balance of a payment on account stays unless it is written.
        before_credit = {name: value for name, value in (old.payment_on_account or {}).items() if name == "balance"}
        if credit := before_credit | (customer.payment_on_account or {}):
            customer.payment_on_account = credit
        _settle_defaults(customer)
        for claims in (ids, emails, addresses):
            claims.commit()
        self.customers[customer.id] = customer
        return customer

    def _addresses(self, old: Record, sent: list[dict[str, Any]], claims: Claims) -> list[Record]:
        listed: dict[str, Record] = {}
        known = {name: address for address in old.addresses for name in (address.id, address.external_id) if name}
        kept = {found.id for new in sent if (found := _known(new, known))}
        for address in old.addresses:
            if address.id not in kept:
                claims.release(address.id, address.external_id)
        for index, new in enumerate(sent):
            before, place = _known(new, known) or Record(), f"addresses[{index}].external_id"
            address = Record(new, id=before.id or self.new_id(ADDRESS))
            if address.external_id is not None:
                refuse_prefix(address.external_id, ADDRESS, place)
                claims.move(address.id, before.external_id, address.external_id, place)
            if address.id in listed:
                words = f"address {address.external_id} is listed twice"
                raise problem(409, words, [Detail("duplicate", words, place)])
            listed[address.id] = address
        return list(listed.values())

    def _check_parent(self, old: Record, parent: str | None) -> None:
        found = self.find(parent) if parent else None
        if parent and (found is None or found.id == old.id):
            words = "is not another customer of the site"
            raise problem(400, f"parent_customer_id {words}", [Detail("unknown", words, "parent_customer_id")])

    def _look_up(self, lookup: str, identifier: str) -> Record | None:
        if lookup not in LOOKUPS:
            raise problem(400, f"lookupBy must be one of {', '.join(LOOKUPS)}")
        own = {"platform": self._ids.get(identifier, ""), "email": self._emails.get(identifier.lower(), "")}
        return self.customers.get(own.get(lookup, identifier))

    def _existing(self, lookup: str, identifier: str) -> Record:
        customer = self._look_up(lookup, identifier)
        if customer is None:
            raise problem(404, f"There is no customer {identifier}")
        return customer

    def _found(self, customer_id: str) -> Record:
        customer = self.find(customer_id)
        assert customer is not None  # a person chooses from the customers that there are
        return customer


def _check_identifier(written: Record, lookup: str, identifier: str) -> None:
    """Refuse a body that names another customer than the path, or none."""
    names = {"platform": ("external_id",), "email": ("email",), "sparklayer": ("id", "legacy_id")}[lookup]
    if identifier.lower() not in {written[name].lower() for name in names if name in written}:
        words = f"must be {identifier}, as in the path"
        raise problem(400, "The body names another customer", [Detail("idMismatch", words, names[0])])


def _known(new: Mapping[str, Any], known: Mapping[str, Record]) -> Record | None:
    return known.get(new.get("id", "")) or known.get(new.get("external_id", ""))


def _settle_defaults(customer: Record) -> None:
    """Name the default addresses by the API's own ids. Raises Refused for one of another customer."""
    for name in DEFAULTS:
        wanted = customer.pop(name, None)
        found = [address.id for address in customer.addresses if wanted and wanted in {address.id, address.external_id}]
        if wanted and not found:
            words = "is not an address of the customer"
            raise problem(400, f"{name} {words}", [Detail("unknown", words, name)])
        if found:
            customer[name] = found[0]
