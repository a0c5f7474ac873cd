"""A store's customers and customer groups, and every edit of them.

Ids count from one for each sort of thing, so a customer and an address may share a number, as in real stores.
Neither an address nor an attribute announces its customer (bigcommerce.md section 5). Whether they move its
`date_modified` is not documented: here they do not, the worst case for who looks for changes by date.

Records have the field names of BigCommerce's JSON. How dates are written there is not documented: as the products' are.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import msgspec
from msgspec.structs import replace

from daemon.sandbox.bigcommerce import events
from daemon.sandbox.bigcommerce.events import BigCommerceChronicle
from daemon.sandbox.record import Record, record

NO_GROUP = 0


@record("name value")
class FormField(Record):
    """A customer's form field; a text, a number or a list."""


@record(
    "id customer_id",
    first_name="",
    last_name="",
    company="",
    address1="",
    address2="",
    city="",
    state_or_province="",
    postal_code="",
    country="",
    country_code="",
    phone="",
    address_type="residential",
)
class Address(Record):
    """A customer's address. `address1` may be empty, in spite of being required."""


@record("id name type date_created date_modified")
class Attribute(Record):
    """A name that values can be given under."""


@record("id attribute_id customer_id attribute_value date_created date_modified")
class AttributeValue(Record):
    """A customer's value of an attribute; the name is in `Attribute` only."""


@record(
    "id email date_created date_modified",
    first_name="",
    last_name="",
    company="",
    phone="",
    notes="",
    tax_exempt_category="",
    customer_group_id=NO_GROUP,
    address_count=0,
    attribute_count=0,
    store_credit_amounts=(),
    accepts_product_review_abandoned_cart_emails=False,
    origin_channel_id=1,
    channel_ids=None,
)
class Customer(Record):
    """A customer without what `include` adds."""


@record(
    "id name date_created date_modified",
    is_default=False,
    is_group_for_guests=False,
    category_access=msgspec.field(default_factory=lambda: {"type": "all"}),
    discount_rules=(),
)
class Group(Record):
    """A customer group, as v2 shows it."""


@record(
    "customer",
    addresses={},
    attributes={},  # by the attribute's id: a customer has one value of each
    form_fields=(),
)
class Person(Record):
    """A customer with what `include` adds."""

    def settle(self) -> None:
        """Count what the customer has."""
        self.customer.address_count = len(self.addresses)
        self.customer.attribute_count = len(self.attributes)


class CustomerBook:
    """The customers of one store, by id."""

    def __init__(self, chronicle: BigCommerceChronicle) -> None:
        self._chronicle = chronicle
        self.people: dict[int, Person] = {}
        self.groups: dict[int, Group] = {}
        self.attributes: dict[int, Attribute] = {}
        self._owners: dict[int, int] = {}
        self._ids = {kind: count(1) for kind in ("customer", "address", "attribute", "value", "group")}

    def get(self, customer_id: int) -> Customer:
        """Return a customer. Raises KeyError."""
        customer: Customer = self.people[customer_id].customer
        return customer

    def by_email(self, email: str) -> Customer:
        """Return the customer with `email`. Raises KeyError."""
        by_email: dict[str, Customer] = {one.customer.email: one.customer for one in self.people.values()}
        return by_email[email]

    def in_groups(self, *group_ids: int) -> Iterator[Person]:
        """Return the customers of some groups."""
        return (person for person in self.people.values() if person.customer.customer_group_id in group_ids)

    def attribute_texts(self, customer_id: int) -> dict[str, str]:
        """Return a customer's attributes as {name: value}."""
        values = self.people[customer_id].attributes.values()
        return {self.attributes[value.attribute_id].name: value.attribute_value for value in values}

    def add(
        self,
        email: str,
        *,
        group_id: int = NO_GROUP,
        addresses: Sequence[Mapping[str, str]] = (),
        attributes: Mapping[str, str] | None = None,
        form_fields: Mapping[str, Any] | None = None,
        silent: bool = False,
        **fields: Any,
    ) -> int:
        """Add a customer and return the id; `fields` such as first_name, last_name, company, phone."""
        now, customer_id = self._chronicle.stamp(), next(self._ids["customer"])
        customer = Customer(customer_id, email, now, now, customer_group_id=group_id, **fields)
        person = Person(customer)
        person.form_fields = tuple(FormField(name, value) for name, value in (form_fields or {}).items())
        self.people[customer_id] = person
        self._chronicle.announce(events.customer("created", customer_id), silent=silent)
        for address in addresses:
            self.add_address(customer_id, silent=silent, **address)
        for name, value in (attributes or {}).items():
            self.set_attribute(customer_id, name, value)
        return customer_id

    def update(self, customer_id: int, *, silent: bool = False, **fields: Any) -> None:
        """Change fields of a customer: email, first_name, last_name, company, phone, notes, customer_group_id."""
        person = self.people[customer_id]
        person.customer = replace(person.customer, **fields)
        if self._chronicle.stamping:
            person.customer.date_modified = self._chronicle.stamp()
        self._chronicle.announce(events.customer("updated", customer_id), silent=silent)

    def set_group(self, customer_id: int, group_id: int, *, silent: bool = False) -> None:
        """Put a customer into a group; 0 into none."""
        self.update(customer_id, silent=silent, customer_group_id=group_id)

    def delete(self, customer_id: int, *, silent: bool = False) -> None:
        """Delete a customer; addresses and attributes go without a word."""
        for address_id in self.people.pop(customer_id).addresses:
            del self._owners[address_id]
        self._chronicle.announce(events.customer("deleted", customer_id), silent=silent)

    def add_address(self, customer_id: int, *, silent: bool = False, **fields: str) -> int:
        """Add an address and return its id; `fields` as in `Address`."""
        person, address_id = self.people[customer_id], next(self._ids["address"])
        person.addresses[address_id] = Address(address_id, customer_id, **fields)
        self._owners[address_id] = customer_id
        person.settle()
        self._chronicle.announce(events.address("created", address_id, customer_id), silent=silent)
        return address_id

    def update_address(self, address_id: int, *, silent: bool = False, **fields: str) -> None:
        """Change fields of an address."""
        person = self._owner(address_id)
        person.addresses[address_id] = replace(person.addresses[address_id], **fields)
        self._chronicle.announce(events.address("updated", address_id, person.customer.id), silent=silent)

    def delete_address(self, address_id: int, *, silent: bool = False) -> None:
        """Delete an address."""
        person = self._owner(address_id)
        del person.addresses[address_id], self._owners[address_id]
        person.settle()
        self._chronicle.announce(events.address("deleted", address_id, person.customer.id), silent=silent)

    def define_attribute(self, name: str, kind: str = "string") -> int:
        """Make an attribute (`kind`: string, number, date) and return its id. Attributes have no events."""
        now, attribute_id = self._chronicle.stamp(), next(self._ids["attribute"])
        self.attributes[attribute_id] = Attribute(attribute_id, name, kind, now, now)
        return attribute_id

    def set_attribute(self, customer_id: int, name: str, value: str | None) -> None:
        """Give a customer a value of the attribute `name`, defined if need be; None takes it away."""
        known = (attribute.id for attribute in self.attributes.values() if attribute.name == name)
        attribute_id = next(known, None) or self.define_attribute(name)
        person, now = self.people[customer_id], self._chronicle.stamp()
        old = person.attributes.get(attribute_id)
        if value is None:
            person.attributes.pop(attribute_id, None)
        elif old is None:
            value_id = next(self._ids["value"])
            person.attributes[attribute_id] = AttributeValue(value_id, attribute_id, customer_id, value, now, now)
        else:
            old.attribute_value = value
            old.date_modified = now if self._chronicle.stamping else old.date_modified
        person.settle()

    def add_group(self, name: str, *, default: bool = False, guests: bool = False) -> int:
        """Add a customer group and return its id. Groups have no events."""
        now, group_id = self._chronicle.stamp(), next(self._ids["group"])
        self.groups[group_id] = Group(group_id, name, now, now, is_default=default, is_group_for_guests=guests)
        return group_id

    def delete_group(self, group_id: int, *, silent: bool = False) -> None:
        """Delete a customer group; its members have none from then on, which announces them."""
        del self.groups[group_id]
        for person in list(self.in_groups(group_id)):
            self.set_group(person.customer.id, NO_GROUP, silent=silent)

    def _owner(self, address_id: int) -> Person:
        return self.people[self._owners[address_id]]
