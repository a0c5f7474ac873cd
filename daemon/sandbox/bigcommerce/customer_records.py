"""BigCommerce's customers, their addresses and attributes, and customer groups, with the field names of its JSON.

Source: bigcommerce.md section 5. How dates are written there is not documented: as the products' are.
"""

import msgspec
from attrs import define, field

from daemon.sandbox.bigcommerce.record import Record, record

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


@define
class Person:
    """A customer with what `include` adds."""

    customer: Customer
    addresses: dict[int, Address] = field(factory=dict)
    attributes: dict[int, AttributeValue] = field(factory=dict)
    """By the attribute's id: a customer has one value of each."""
    form_fields: tuple[FormField, ...] = ()

    def settle(self) -> None:
        """Count what the customer has."""
        self.customer.address_count = len(self.addresses)
        self.customer.attribute_count = len(self.attributes)
